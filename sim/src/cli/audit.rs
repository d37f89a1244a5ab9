//! `postmortem audit`: every run a second time, in another process, and the two digests compared.
//!
//! The other process has another environment, another folder, another log level, and the address layout that the
//! system gives it. It may be another build of the program: a debug build must make the same runs.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use clap::Args;
use indicatif::ProgressBar;
use miette::{IntoDiagnostic, WrapErr, miette};
use sim::count::count;
use sim::draw::Seed;
use sim::engine::{Engine, Leap};
use sim::parity::LONGEST;
use sim::record::Record;
use sim::run::run;
use sim::scenario::{Library, Source};
use sim::trace::{Keep, first_difference};

use super::interrupt::Interrupt;
use super::wanted::{Wanted, WantedArgs};
use super::{Ending, EngineArg};

/// What to audit.
#[derive(Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(super) wanted: WantedArgs,
    /// The program that makes the second run: another build of this one.
    #[arg(long)]
    with: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArg,
}

/// Makes every run twice, here and there. Good if all are the same.
///
/// # Errors
/// There is no such scenario, or the other process does not run.
pub(super) fn audit(library: &Library, args: &AuditArgs) -> miette::Result<Ending> {
    let interrupt = Interrupt::watch();
    let mut runs = args.wanted.runs(library)?;
    let wanted = runs.len();
    if args.engine.name() != Leap.name() {
        // An engine to which each tick costs something would take the night over a run of days.
        runs.retain(|wanted| {
            let is_short = |record: Record| record.ended <= LONGEST;
            interrupt.pressed() || run(&wanted.plan(), &Leap, Keep::Digest).is_ok_and(is_short)
        });
    }
    let progress = ProgressBar::new(runs.len() as u64);
    let (mut made, mut differing) = (0, 0);
    compare(library, &runs, args.engine, args.with.as_deref(), &interrupt, |difference| {
        made += 1;
        if let Some(difference) = difference {
            differing += 1;
            progress.suspend(|| anstream::println!("{difference}"));
        }
        progress.inc(1);
    })?;
    progress.finish_and_clear();
    anstream::println!("{} made twice, in two processes: {differing} differ", count(made, "run"));
    if made < runs.len() {
        anstream::println!("interrupted: {} not made", count(runs.len() - made, "run"));
        return Ok(Ending::Interrupted);
    }
    if runs.len() < wanted {
        let long = count(wanted - runs.len(), "run");
        anstream::println!("left out, as it takes more than an hour of virtual time: {long}");
    }
    Ok((differing == 0).into())
}

/// Makes each run here and in another process, by this program or `with` another build of it. `each` is told how a run
/// differs, if it does; of the first of those that do, also where. Ends before the next run when it is interrupted.
///
/// # Errors
/// The other process does not run, or a run cannot be made.
pub(super) fn compare(
    library: &Library,
    runs: &[Wanted<'_>],
    engine: EngineArg,
    with: Option<&Path>,
    interrupt: &Interrupt,
    mut each: impl FnMut(Option<&str>),
) -> miette::Result<()> {
    let mut there = There::start(library, engine, with)?;
    let mut differing = 0;
    for request in runs {
        if interrupt.pressed() {
            break;
        }
        there.ask("digest", request)?;
        let here = make(request, engine, Keep::Digest)?;
        if here.digest.to_string() == there.answer()? {
            each(None);
            continue;
        }
        differing += 1;
        let Wanted { source, release, seed } = request;
        let mut difference = format!("{} on {release}, seed {}: THE RUNS DIFFER", source.name(), seed.0);
        if differing == 1 {
            difference = format!("{difference}\n{}", there.first_difference(request, engine)?);
        }
        each(Some(&difference));
    }
    Ok(())
}

fn make(request: &Wanted<'_>, engine: EngineArg, keep: Keep) -> miette::Result<Record> {
    run(&request.plan(), engine.engine(), keep).into_diagnostic()
}

/// The other process.
struct There {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl There {
    fn start(library: &Library, engine: EngineArg, with: Option<&Path>) -> miette::Result<Self> {
        let program = match with {
            Some(program) => std::path::absolute(program).into_diagnostic()?,
            None => std::env::current_exe().into_diagnostic()?,
        };
        let mut child = Command::new(&program)
            .arg("answer")
            .arg(library.root())
            .args(["--engine", engine.name()])
            .env_clear()
            .env("LANG", "tr_TR.UTF-8")
            .env("TZ", "Pacific/Kiritimati")
            .env("RUST_LOG", "trace")
            .env("PADDING", "x".repeat(3333))
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .into_diagnostic()
            .wrap_err_with(|| format!("{} cannot be started", program.display()))?;
        let requests = child.stdin.take().expect("it was asked for");
        let answers = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut there = There { child, requests, answers };
        if there.answer()? == heap_address() {
            anstream::eprintln!(
                "warning: both processes have the same address layout (is ASLR off?), so a pointer that reaches a \
                 run would not be noticed"
            );
        }
        Ok(there)
    }

    fn ask(&mut self, what: &str, request: &Wanted<'_>) -> miette::Result<()> {
        let Wanted { source, release, seed } = request;
        writeln!(self.requests, "{what}\t{}\t{release}\t{}", source.name(), seed.0)
            .and_then(|()| self.requests.flush())
            .into_diagnostic()
            .wrap_err("the other process takes no request")
    }

    fn answer(&mut self) -> miette::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).into_diagnostic()?;
        if line.is_empty() {
            return Err(miette!("the other process has ended without an answer"));
        }
        Ok(line.trim_end().to_owned())
    }

    fn first_difference(&mut self, request: &Wanted<'_>, engine: EngineArg) -> miette::Result<String> {
        self.ask("entries", request)?;
        let ours = make(request, engine, Keep::Entries)?.trace;
        let count: usize = self.answer()?.parse().into_diagnostic()?;
        let theirs = (0..count).map(|_| self.answer()).collect::<miette::Result<Vec<_>>>()?;
        Ok(first_difference(&ours, &theirs).unwrap_or_else(|| "made once more, they are the same".to_owned()))
    }
}

impl Drop for There {
    fn drop(&mut self) {
        // It has nothing left to do, and nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where this process keeps its first small things.
fn heap_address() -> String {
    format!("{:p}", Box::new(0_u64))
}

/// The other process's side: makes the runs that are asked for on standard input, until there are no more.
///
/// # Errors
/// A request cannot be understood, or a run cannot be made.
pub(super) fn answer(root: &Path, engine: EngineArg) -> miette::Result<bool> {
    super::interrupt::leave_to_the_other_process();
    // Whether bad files matter is for the other process to say.
    let (library, _) = Library::read(root)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", heap_address()).and_then(|()| out.flush()).into_diagnostic()?;
    // One run more than the other side: whatever counts the process's threads, tasks or runs is ahead by one.
    if let Some(scenario) = library.scenarios().first() {
        let release = scenario.releases()[0];
        make(&Wanted { source: Source::Scenario(scenario), release, seed: Seed(0) }, engine, Keep::Digest)?;
    }
    for line in io::stdin().lock().lines() {
        let line = line.into_diagnostic()?;
        let [what, scenario, release, seed] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(miette!("`{line}` is no request"));
        };
        let source = super::find(&library, scenario)?;
        let (release, seed) = (release.parse().into_diagnostic()?, Seed(seed.parse().into_diagnostic()?));
        let request = Wanted { source, release, seed };
        if what == "entries" {
            let entries = make(&request, engine, Keep::Entries)?.trace;
            writeln!(out, "{}", entries.len()).into_diagnostic()?;
            for entry in entries {
                writeln!(out, "{entry}").into_diagnostic()?;
            }
        } else {
            writeln!(out, "{}", make(&request, engine, Keep::Digest)?.digest).into_diagnostic()?;
        }
        out.flush().into_diagnostic()?;
    }
    Ok(true)
}
