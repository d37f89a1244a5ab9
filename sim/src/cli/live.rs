//! `postmortem live`: scenarios with the real gateway.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use clap::Args;
use gateway::release::Release;
use gateway::service::Exit;
use indicatif::ProgressBar;
use miette::{IntoDiagnostic, miette};
use sim::count::count;
use sim::live::{self, Comparison, Live, LiveError, Programs};
use sim::oracle::Finding;
use sim::scenario::{Library, Scenario, Source};

use super::Ending;
use super::interrupt::Interrupt;

const GOOD: Style = AnsiColor::Green.on_default();
const DIM: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// How many scenarios are run at the same time: most of the time each waits.
const SIDE_BY_SIDE: usize = 16;

/// The folder of the scenarios that are run if none is named.
const USUAL: &str = "kb";

/// What to run.
#[derive(Args)]
pub(crate) struct LiveArgs {
    /// The scenarios; all in `scenarios/kb` if none is given.
    scenarios: Vec<String>,
    /// The release, such as `5.0`.
    #[arg(long, short, value_parser = super::wanted::release, default_value = "current")]
    release: Release,
    /// The `gateway` program; the one beside `postmortem` if none is given.
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
}

/// What the other program serves.
#[derive(Args)]
pub(crate) struct ServeFailingArgs {
    /// The scenario that says how the extension fails.
    scenario: PathBuf,
    /// How many times as fast as the machine's clock the scenario's goes.
    pace: u32,
    /// The gateway's configuration.
    #[arg(long)]
    config: PathBuf,
}

/// Is the gateway of a live run whose extension fails. True if it was told to stop.
///
/// # Errors
/// It does not come up.
pub(super) fn serve_failing(args: &ServeFailingArgs) -> miette::Result<bool> {
    let exit = live::serve(&args.config, &args.scenario, args.pace);
    exit.map(|exit| exit == Exit::Stopped).map_err(|why| miette!("{why}"))
}

impl LiveArgs {
    /// The programs that are run.
    ///
    /// # Errors
    /// The gateway is not there.
    fn programs(&self) -> miette::Result<Programs> {
        let postmortem = std::env::current_exe().into_diagnostic()?;
        let gateway = self.gateway.clone().unwrap_or_else(|| postmortem.with_file_name("gateway"));
        if !gateway.is_file() {
            let help =
                "build it with `cargo build --release -p gateway`, or name another with --gateway FILE";
            return Err(miette!(help = help, "there is no program `{}`", gateway.display()));
        }
        Ok(Programs { gateway, postmortem })
    }

    /// The scenarios.
    ///
    /// # Errors
    /// One of those that are named is not there, or not replayed on the release.
    fn wanted<'a>(&self, library: &'a Library) -> miette::Result<Vec<&'a Scenario>> {
        let is_replayed = |scenario: &Scenario| scenario.releases().contains(&self.release);
        if self.scenarios.is_empty() {
            return Ok(library.in_folder(USUAL).filter(|scenario| is_replayed(scenario)).collect());
        }
        let named = self.scenarios.iter().map(|name| match super::find(library, name)? {
            Source::Scenario(scenario) if is_replayed(scenario) => Ok(scenario),
            Source::Scenario(scenario) => {
                let releases: Vec<&str> = scenario.releases().iter().copied().map(Release::name).collect();
                let help = format!("it is on {}", releases.join(", "));
                Err(miette!(help = help, "`{name}` is not replayed on {}", self.release))
            }
            Source::Profile(_) => Err(miette!(
                help = "write what a seed draws to a file of `scenarios/` with `postmortem plan`",
                "`{name}` is a profile"
            )),
        });
        named.collect()
    }
}

/// Runs the scenarios and prints the table. Good if all that can be run agree.
///
/// # Errors
/// There is no such scenario, or no gateway.
pub(super) fn run(library: &Library, args: &LiveArgs) -> miette::Result<Ending> {
    let programs = args.programs()?;
    let wanted = args.wanted(library)?;
    let interrupt = Interrupt::watch();
    let run = |scenario: &Scenario| live::run(scenario, args.release, &programs, &|| interrupt.pressed());
    let results = side_by_side(&wanted, run);

    let width = wanted.iter().map(|scenario| scenario.name.len()).max().unwrap_or_default();
    anstream::println!("{:width$}  {:8}    took  pace", "scenario", "live");
    for (scenario, result) in wanted.iter().zip(&results) {
        let (style, mark) = mark(result);
        let row = format!("{:width$}  {style}{mark:8}{style:#}  {}", scenario.name, remark(result));
        anstream::println!("{}", row.trim_end());
    }
    for (scenario, result) in wanted.iter().zip(&results) {
        if let Ok(Live::Ran(run)) = result
            && !run.is_good()
        {
            anstream::println!("\n{BAD}{} on {}{BAD:#}", scenario.name, args.release);
            print_differences(run);
        }
    }
    if results.iter().any(|result| mark(result).1 == DIFFERS) {
        let gateway = programs.gateway.display();
        anstream::println!("\nis `{gateway}` built of the same code? `cargo build --release -p gateway`");
    }
    let of = |wanted: &str| results.iter().filter(|result| mark(result).1 == wanted).count();
    let (agree, not_live) = (of(AGREES), of(NOT_LIVE));
    let others = results.len() - agree - not_live;
    let (ran, release) = (count(agree + others, "scenario"), args.release);
    anstream::println!(
        "\n{ran} live on {release}: {agree} agree, {others} do not; {not_live} cannot be live"
    );
    Ok(if interrupt.pressed() { Ending::Interrupted } else { (others == 0).into() })
}

const AGREES: &str = "agrees";
const DIFFERS: &str = "DIFFERS";
const NOT_LIVE: &str = "not live";

fn mark(result: &Result<Live, LiveError>) -> (Style, &'static str) {
    match result {
        Ok(Live::Ran(run)) if run.is_good() => (GOOD, AGREES),
        Ok(Live::Ran(_)) => (BAD, DIFFERS),
        Ok(Live::NotLive(_)) => (DIM, NOT_LIVE),
        Err(_) => (BAD, "FAILED"),
    }
}

fn remark(result: &Result<Live, LiveError>) -> String {
    match result {
        Ok(Live::Ran(Comparison { took, pace, notes, .. })) => {
            format!("{:>4.1} s  ×{pace:<3}  {}", took.as_secs_f64(), notes.join("; "))
        }
        Ok(Live::NotLive(why)) => why.clone(),
        Err(error) => error.to_string(),
    }
}

/// What of a run is not as it should be.
fn print_differences(run: &Comparison) {
    run.unmet.iter().for_each(|unmet| anstream::println!("not as expected: {unmet}"));
    for Finding { oracle, cause, what } in &run.findings {
        anstream::println!("broken oracle: {oracle}: {cause}: {what}");
    }
    anstream::print!("{}", run.difference);
}

/// Each scenario's result, in their order.
fn side_by_side<T: Send>(wanted: &[&Scenario], run: impl Fn(&Scenario) -> T + Sync) -> Vec<T> {
    let progress = ProgressBar::new(wanted.len() as u64);
    let left = Mutex::new(wanted.iter().enumerate());
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE.min(wanted.len()) {
            scope.spawn(|| {
                let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some((place, scenario)) = next() {
                    let result = run(scenario);
                    results.lock().unwrap_or_else(PoisonError::into_inner).insert(place, result);
                    progress.inc(1);
                }
            });
        }
    });
    progress.finish_and_clear();
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}
