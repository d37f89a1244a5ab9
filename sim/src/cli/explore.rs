//! `postmortem explore`: many seeds of a profile, on all cores.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use clap::Args;
use gateway::release::Release;
use indicatif::{ProgressBar, ProgressStyle};
use miette::{IntoDiagnostic, WrapErr, miette};
use sim::count::count;
use sim::explore::{Exploration, Found, Report};
use sim::nearest::did_you_mean;
use sim::profile::Profile;
use sim::scenario::Library;

use super::findings::Findings;
use super::interrupt::Interrupt;
use super::seeds::{self, Shard};
use super::{Ending, EngineArg};

/// How many seeds an exploration must have before it fails for a fault that never bit and an oracle that never judged.
pub(super) const ENOUGH: u64 = 2_000;

/// How many seeds are run if nobody says how many.
const USUAL: Range<u64> = 0..1_000;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// What to explore.
#[derive(Args)]
pub(crate) struct ExploreArgs {
    /// The profile that the seeds draw from, as `list` shows it.
    #[arg(default_value = "mixed")]
    pub(super) profile: String,
    /// The release of the gateway, such as `5.0`, `5.5-sp1` or `current`.
    #[arg(long, short, default_value_t = Release::Current, value_parser = super::wanted::release)]
    release: Release,
    /// The seeds, such as `0..20000`. 0..1000 if neither these nor a time is given.
    #[arg(long, value_parser = seeds::range, allow_hyphen_values = true)]
    seeds: Option<Range<u64>>,
    /// For how long, such as `60s` or `2h`: as many seeds as that allows, from 0 on.
    #[arg(long = "for", value_name = "TIME", conflicts_with = "seeds")]
    #[arg(value_parser = seeds::time, allow_hyphen_values = true)]
    time: Option<Duration>,
    /// How many seeds side by side; as many as there are cores if not given.
    #[arg(long, short)]
    jobs: Option<NonZeroUsize>,
    /// Only this part of the seeds, such as `1/4`, the first of four. The parts together are the whole.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Run each seed twice, and compare the two Records.
    #[arg(long)]
    twice: bool,
    /// Write the report to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Shrink each finding and write its capsule into this folder; `findings` in the project's folder if none is given.
    /// A finding that is there already stays as it is.
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
    /// Write no capsules.
    #[arg(long, conflicts_with = "findings")]
    no_findings: bool,
    #[command(flatten)]
    engine: EngineArg,
}

/// Explores, and prints what came out. True if nothing was found.
///
/// # Errors
/// There is no such profile, there are no seeds in the shard, or the report or a finding cannot be written. What can be
/// is found before anything runs.
pub(super) fn run(library: &Library, args: &ExploreArgs) -> miette::Result<Ending> {
    let profile = find(library, &args.profile)?;
    let seeds = args.seeds()?;
    let limit = args.time;
    if let Some(file) = &args.json {
        // What cannot be written is said before an hour of work, not after it.
        write(file, "")?;
    }
    let folder = || args.findings.clone().unwrap_or_else(|| library.root().join("findings"));
    let findings = if args.no_findings { None } else { Some(Findings::open(folder())?) };
    let exploration = Exploration {
        profile,
        release: args.release,
        seeds: seeds.clone(),
        engine: args.engine.engine(),
        jobs: args.jobs.unwrap_or_else(cores),
        twice: args.twice,
    };
    let interrupt = Interrupt::watch();
    let bar = bar(&seeds, limit);
    let start = now();
    let mut report = exploration.explore(|report| {
        bar.set_position(if limit.is_some() { start.elapsed().as_secs() } else { report.count() });
        let rate = report.count() as f64 / start.elapsed().as_secs_f64().max(0.001);
        bar.set_message(format!(
            "{}, {rate:.0} a second, {}",
            count(report.count(), "seed"),
            count(report.findings.len(), "finding")
        ));
        limit.is_some_and(|limit| start.elapsed() >= limit) || interrupt.pressed()
    });
    report.interrupted = interrupt.pressed();
    bar.finish_and_clear();
    print(&report, profile, Some(start.elapsed()));
    if report.interrupted {
        anstream::println!("interrupted: what was found until then is above");
    }
    if let Some(file) = &args.json {
        let json = serde_json::to_string_pretty(&report).into_diagnostic()?;
        write(file, &format!("{json}\n"))?;
    }
    if let Some(findings) = findings {
        findings.write(&report, profile, args.engine.engine(), library.root())?;
    }
    if report.interrupted {
        return Ok(Ending::Interrupted);
    }
    Ok((report.findings.is_empty() && (report.count() < ENOUGH || is_alive(&report, profile))).into())
}

impl ExploreArgs {
    /// The seeds to run. With a time there is no last one; each shard then has a block of its own.
    fn seeds(&self) -> miette::Result<Range<u64>> {
        let shard = self.shard.unwrap_or(Shard::WHOLE);
        let seeds = match (&self.seeds, self.time) {
            (None, Some(_)) => shard.block(),
            (given, _) => shard.of(given.clone().unwrap_or(USUAL)),
        };
        if seeds.is_empty() {
            return Err(miette!(help = "take fewer shards, or more seeds", "there is no seed in this shard"));
        }
        Ok(seeds)
    }
}

/// Finds a profile.
pub(super) fn find<'a>(library: &'a Library, name: &str) -> miette::Result<&'a Profile> {
    library.profiles().iter().find(|profile| profile.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let known: Vec<&str> = library.profiles().iter().map(|profile| profile.name.as_str()).collect();
        let meant = did_you_mean(name, known.iter().copied());
        miette!(
            help = format!("{meant}the profiles are: {}", known.join(", ")),
            "there is no profile `{name}`"
        )
    })
}

/// Whether every fault that can be drawn has bitten, and every oracle had something to judge; and, of a profile from
/// which everything can be drawn, whether every point was reached.
fn is_alive(report: &Report, profile: &Profile) -> bool {
    let reaches_all = !profile.draws_everything() || report.unreached().is_empty();
    report.inert(&profile.kinds_on(report.release)).is_empty() && report.vacuous().is_empty() && reaches_all
}

/// A bar that shows how many of the seeds, or how much of a time, is done.
pub(super) fn bar(seeds: &Range<u64>, limit: Option<Duration>) -> ProgressBar {
    let (length, place) = match limit {
        Some(limit) => (limit.as_secs(), "{pos}/{len} s"),
        None => (seeds.end - seeds.start, "{pos}/{len}"),
    };
    let template = format!("{{bar:30}} {place}  {{msg}}  {{eta}} left");
    let style = ProgressStyle::with_template(&template).expect("the template is sound");
    ProgressBar::new(length).with_style(style)
}

/// Prints what came out, and how fast, if that is known.
pub(super) fn print(report: &Report, profile: &Profile, took: Option<Duration>) {
    let Report { release, findings, .. } = report;
    let style = if findings.is_empty() { GOOD } else { BAD };
    let (seeds, found) = (count(report.count(), "seed"), found(report));
    anstream::println!("{} on {release}: {seeds}, {style}{found}{style:#}", report.profile);
    let rate = |took: Duration| report.count() as f64 / took.as_secs_f64().max(0.001);
    let speed = took.map(|took| format!("{:.0} seeds a second, ", rate(took)));
    let speed = speed.unwrap_or_default();
    anstream::println!(
        "{DIM}{}, {} of virtual time, {speed}digest {:032x}{DIM:#}",
        count(report.messages, "message"),
        days(report.virtual_seconds),
        report.digest
    );
    for found in findings {
        print_finding(found, report);
    }
    let inert = report.inert(&profile.kinds_on(report.release));
    list("faults that never changed anything", &inert);
    list("oracles that never had anything to judge", &report.vacuous());
    if report.count() < ENOUGH && !(inert.is_empty() && report.vacuous().is_empty()) {
        anstream::println!("{DIM}(with {ENOUGH} seeds or more, each of these would be a failure){DIM:#}");
    }
    let unreached = report.unreached();
    if profile.draws_everything() {
        list("points that were never reached", &unreached);
    } else if !unreached.is_empty() {
        anstream::println!(
            "\nnever reached: {}, as this profile does not draw everything",
            count(unreached.len(), "point")
        );
    }
}

/// How much was found.
pub(super) fn found(report: &Report) -> String {
    match report.findings.len() {
        0 => "nothing found".to_owned(),
        some => count(some, "finding"),
    }
}

fn print_finding(found: &Found, report: &Report) {
    let Found { signature, seeds, smallest, what } = found;
    let of = if *seeds == 1 { "1 seed".to_owned() } else { format!("{seeds} seeds, the smallest") };
    anstream::println!("\n{BAD}{}: {}{BAD:#}, {of} {smallest}", signature.oracle, signature.cause);
    anstream::println!("    {what}");
    anstream::println!("    postmortem {}", reproduce(found, report));
}

/// The arguments that show a finding again.
pub(super) fn reproduce(found: &Found, report: &Report) -> String {
    format!("replay {} --seed {} --release {}", report.profile, found.smallest, super::typed(report.release))
}

fn list(what: &str, names: &[&str]) {
    if !names.is_empty() {
        anstream::println!("\n{what}: {}", names.join(", "));
    }
}

fn days(seconds: u64) -> String {
    match seconds {
        0..7_200 => count(seconds / 60, "minute"),
        7_200..172_800 => count(seconds / 3_600, "hour"),
        _ => count(seconds / 86_400, "day"),
    }
}

/// How many seeds side by side if nobody says.
pub(super) fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Real time: of the one who waits for an exploration, not of any run.
#[expect(clippy::disallowed_methods, reason = "an exploration takes real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Writes a file.
///
/// # Errors
/// It cannot be written.
#[expect(clippy::disallowed_methods, reason = "a report goes to the real disk")]
pub(super) fn write(file: &Path, text: &str) -> miette::Result<()> {
    std::fs::write(file, text)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} cannot be written", file.display()))
}
