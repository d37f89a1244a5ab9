//! `postmortem replay`.

use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use miette::IntoDiagnostic;
use sim::capsule::{Capsule, Replayed};
use sim::draw::Seed;
use sim::render;
use sim::scenario::{Library, Scenario, Source};
use sim::snapshot::Comparison;
use sim::trace::{Keep, first_difference};
use sim::verdict::Replay;
use sim::what_if::{self, Made, WhatIf};

use super::ReplayArgs;
use super::source::on_release;

/// Replays one scenario and prints everything. True if all is as it should be.
///
/// # Errors
/// There is no such scenario, or it is not replayed on that release.
pub(super) fn run(library: &Library, args: &ReplayArgs) -> miette::Result<bool> {
    source(super::find(library, &args.scenario)?, args, &library.snapshots())
}

/// Replays what a name or a file stands for.
fn source(source: Source<'_>, args: &ReplayArgs, snapshots: &Path) -> miette::Result<bool> {
    let release = on_release(source, args.release)?;
    let seed = args.seed.map_or(source.seed(), Seed);
    let what_if = args.what_if()?;
    let replay = |seed| {
        let mut scenario = source.scenario(seed, release);
        if !what_if.is_nothing() {
            scenario = Cow::Owned(what_if.of(&scenario)?);
        }
        Replay::new(&scenario, release, seed, args.engine.engine(), Keep::Entries, snapshots)
            .into_diagnostic()
    };
    let first = replay(seed)?;
    anstream::print!("{}", render::full(&first.plan, &first.record));
    print_unused(&first, args.without.is_empty());
    print_verdict(&first);
    if !what_if.is_nothing() {
        let scenario = source.scenario(seed, release).into_owned().apart();
        let engine = args.engine.engine();
        let plain =
            Replay::new(&scenario, release, seed, engine, Keep::Digest, snapshots).into_diagnostic()?;
        print_differences(&what_if, &plain, &first);
    }
    let mut good = first.is_good();
    if args.twice {
        let again = beside_other_work(|| replay(seed), || replay(Seed(seed.0.wrapping_add(1))).is_ok())?;
        match first_difference(&first.record.trace, &again.record.trace) {
            None if first.record == again.record => {
                let (entries, digest) = (first.record.trace.len(), first.record.digest);
                anstream::println!("twice: identical, {entries} entries of trace, digest {digest}");
            }
            None => {
                good = false;
                let (ours, theirs) = [&first, &again]
                    .map(|replay| {
                        render::full(&replay.plan, &replay.record)
                            .lines()
                            .map(str::to_owned)
                            .collect::<Vec<_>>()
                    })
                    .into();
                let difference = first_difference(&ours, &theirs).unwrap_or_default();
                anstream::println!("twice: THE RECORDS DIFFER\n{difference}");
            }
            Some(difference) => {
                good = false;
                anstream::println!("twice: THE RUNS DIFFER\n{difference}");
            }
        }
    }
    Ok(good)
}

/// What came out otherwise than in the plain replay.
fn print_differences(what_if: &WhatIf, plain: &Replay, other: &Replay) {
    let [before, after] = [plain, other].map(|replay| Made {
        plan: &replay.plan,
        record: &replay.record,
        findings: &replay.findings,
    });
    let differences = what_if::differences(&before, &after);
    anstream::println!("\nwhat if: {what_if}");
    if differences.is_empty() {
        anstream::println!("the outcome is that of the plain replay");
    }
    differences.iter().for_each(|line| anstream::println!("{line}"));
}

/// Replays a file: a finding, of which it says whether it is still there (true if it is not), or a scenario.
///
/// # Errors
/// The text is no capsule, or one that this build cannot judge.
pub(super) fn finding(args: &ReplayArgs, text: &str) -> miette::Result<bool> {
    let name = &args.scenario;
    if !Capsule::is_one(text) {
        // A scenario that is not, or not yet, among the project's: it has no snapshot.
        let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let scenario = Scenario::parse(&stem, name, text)?.apart();
        return source(Source::Scenario(&scenario), args, Path::new(""));
    }
    if !args.what_if()?.is_nothing() {
        let help = "write its plan to a file with `postmortem shrink FINDING -o FILE`, and ask of that";
        return Err(miette::miette!(help = help, "a finding is replayed as it is"));
    }
    if args.release.is_some() || args.seed.is_some() {
        let help = "`postmortem shrink` and `explain` take them";
        return Err(miette::miette!(help = help, "a finding has a release and a seed of its own"));
    }
    let ready = Capsule::read(name, text)?.ready(name)?;
    let engine = args.engine.or(ready.engine);
    let is_at_home = engine.name() == ready.engine.name();
    let again = ready.replay(engine);
    anstream::println!("{} on {}", ready.capsule.signature(), ready.release);
    let (was, commit) = (ready.digest(), &ready.capsule.commit);
    let digest = again.digest(was);
    let on = engine.name();
    match (&again, is_at_home) {
        (Replayed::BitForBit, true) => anstream::println!("it reproduces, bit for bit: digest {was}"),
        (Replayed::SameFinding(_), true) => {
            anstream::println!("it reproduces; the run is another one, so the code has changed since");
        }
        (Replayed::NotAnyMore(..), true) => anstream::println!("it does not reproduce any more"),
        (Replayed::NotAnyMore(..), false) => anstream::println!("it does not reproduce on {on}"),
        (_, false) => anstream::println!("it reproduces on {on} too"),
    }
    if let Replayed::NotAnyMore(_, found) = &again {
        found.iter().for_each(|other| anstream::println!("found instead: {other}"));
    }
    if !is_at_home {
        anstream::println!("digest {digest}, which is {on}'s; on {} it was {was}", ready.engine.name());
    } else if again != Replayed::BitForBit {
        let same = if digest == was { ", the same run" } else { "" };
        anstream::println!("digest {digest}{same}, was {was} at {commit}");
    }
    let mut is_gone = matches!(again, Replayed::NotAnyMore(..));
    if args.twice {
        let other = || ready.replay(engine) == again;
        match beside_other_work(|| ready.replay(engine), other) == again {
            true => anstream::println!("twice: identical, digest {digest}"),
            false => {
                is_gone = false;
                anstream::println!("twice: THE RUNS DIFFER");
            }
        }
    }
    if !matches!(again, Replayed::NotAnyMore(..)) {
        let on = if is_at_home { String::new() } else { format!(" --engine {on}") };
        anstream::println!("what happened: postmortem explain {name}{on}");
        anstream::println!("as a test: postmortem shrink {name}{on} -o scenarios/regression/NAME.toml");
    }
    Ok(is_gone)
}

/// Does `work` on a thread of its own, while another thread goes on doing something else.
fn beside_other_work<T: Send>(work: impl FnOnce() -> T + Send, other: impl Fn() -> bool + Sync) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut busy = true;
            while busy && !done.load(Ordering::Relaxed) {
                busy = other();
            }
        });
        let result = scope.spawn(work).join();
        done.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The faults of the plan that changed nothing. Where lines were taken out, the numbers of the others are not theirs any
/// more.
fn print_unused(replay: &Replay, has_every_line: bool) {
    for (number, (fault, bite)) in (1..).zip(replay.plan.faults.iter().zip(&replay.record.bites)) {
        if bite.times == 0 {
            let which = if has_every_line { format!("fault {number}, ") } else { String::new() };
            anstream::println!("unused: {which}{}, changed nothing", fault.kind());
        }
    }
}

/// What was not as it should be, a line each.
pub(super) fn print_verdict(replay: &Replay) {
    verdict(replay).iter().for_each(|line| anstream::println!("{line}"));
}

/// What was not as it should be. A difference from a snapshot has more than one line.
pub(super) fn verdict(replay: &Replay) -> Vec<String> {
    let mut lines: Vec<String> =
        replay.unmet.iter().map(|unmet| format!("not as expected: {unmet}")).collect();
    for finding in &replay.findings {
        let expected = if replay.unexpected().any(|other| other == finding) { "" } else { ", as expected" };
        let (oracle, cause, what) = (finding.oracle, &finding.cause, &finding.what);
        lines.push(format!("broken oracle{expected}: {oracle}: {cause}: {what}"));
    }
    lines.extend(match &replay.snapshot {
        Some(Comparison::Differs(diff)) => Some(format!("the event log differs from its snapshot:\n{diff}")),
        Some(Comparison::Missing) => Some(
            "there is no snapshot of this event log: run `cargo test -p scenarios`, then `cargo insta review`"
                .to_owned(),
        ),
        Some(Comparison::Same) | None => None,
    });
    lines
}
