//! `postmortem ci`: everything that is checked of a change and each night, in one command.
//!
//! In this order, each for its own reason:
//!
//! 1. **Replays.** Every scenario on every release, with its snapshot: what is known stays as it was.
//! 2. **Canaries.** Crashes that are known to be there are found: whatever finds nothing is broken itself.
//! 3. **Exploration.** Seeds that nobody has run before, with every profile: what is not known.
//! 4. **Determinism.** A sample of those seeds, made again in another process: what was found can be found again.
//!
//! Each step is a list of [cases](case); a step that fails does not keep the next one from being done. Shards share the
//! replays and the seeds; canaries and the audit are each shard's own. Nothing but the times in JUnit tells two runs
//! of the same seeds apart.
//!
//! It knows no machine to run on, no queue and no host: jobs, arrays and matrices of shards are others' to run.

mod annotations;
mod canaries;
pub(super) mod capsules;
pub(super) mod case;
pub(super) mod found;
pub(super) mod fresh;
mod junit;
mod night;
pub(super) mod outputs;
mod replays;
mod results;
mod sample;
pub(super) mod summary;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use miette::miette;
use sim::count::count;
use sim::engine::Leap;
use sim::scenario::Library;

use canaries::Canaries;
use capsules::Capsules;
use case::{Case, Failure, Group, union};
use fresh::Fresh;
use night::Night;
use outputs::OutputArgs;
use results::Checks;
use summary::Summary;

use super::explore;
use super::findings::Findings;
use super::interrupt::Interrupt;
use super::seeds::{self, Shard};

/// What to check.
#[derive(Args)]
pub(crate) struct CiArgs {
    /// For how long to explore, such as `5m` or `2h`: half of it with `mixed`, the rest with the other profiles.
    #[arg(long = "for", value_name = "TIME", default_value = "5m", conflicts_with = "seeds")]
    #[arg(value_parser = seeds::time, allow_hyphen_values = true)]
    time: Duration,
    /// Explore these seeds with every profile, such as `0..2000`, instead of the night's.
    #[arg(long, value_parser = seeds::range, allow_hyphen_values = true, conflicts_with = "night")]
    seeds: Option<Range<u64>>,
    /// Explore the seeds of this night; today's by UTC if none is given.
    #[arg(long, value_name = "YYYY-MM-DD")]
    night: Option<Night>,
    /// Only this part, such as `1/4`, the first of four. The parts together are the whole.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// How many seeds side by side; as many as there are cores if not given.
    #[arg(long, short)]
    jobs: Option<NonZeroUsize>,
    /// Run each seed twice, and compare the two Records.
    #[arg(long)]
    twice: bool,
    /// Shrink each finding and write its capsule into this folder; `findings` in the project's folder if none is given.
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
    #[command(flatten)]
    outputs: OutputArgs,
}

/// Checks everything. True if all is good.
///
/// # Errors
/// There is nothing to explore, or something cannot be written: what can be is found before anything runs.
pub(super) fn run(library: &Library, args: &CiArgs) -> miette::Result<bool> {
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let (whole, of) = match &args.seeds {
        Some(seeds) => (seeds.clone(), format!("seeds {}..{}", seeds.start, seeds.end)),
        None => {
            let night = args.night.unwrap_or_else(Night::today);
            (night.seeds(), format!("the night of {night}"))
        }
    };
    let fresh = Fresh {
        seeds: shard.of(whole),
        limit: args.seeds.is_none().then_some(args.time),
        jobs: args.jobs.unwrap_or_else(explore::cores),
        twice: args.twice,
    };
    if fresh.seeds.is_empty() {
        return Err(miette!(help = "take fewer shards, or more seeds", "there is no seed in this shard"));
    }
    let canaries = Canaries::of(library)?;
    let results = args.outputs.open(shard)?;
    let folder = args.findings.clone().unwrap_or_else(|| library.root().join("findings"));
    let findings = Findings::open(folder.clone())?;
    let title = if shard == Shard::WHOLE { of.clone() } else { format!("shard {shard} of {of}") };
    anstream::println!("{title}");

    let interrupt = Interrupt::watch();
    let interrupted = || interrupt.pressed();
    let progress = ProgressBar::new_spinner();
    let tell = |cases: &[Case], group: Group, what: &str| {
        let good = cases.iter().filter(|case| case.failure.is_none()).count();
        progress.suspend(|| anstream::println!("{}: {good} of {} {what}", group.name(), cases.len()));
    };

    progress.set_message("replays");
    let mut checks = replays::check(library, shard, interrupted);
    tell(&checks, Group::Replays, "as expected");

    progress.set_message("canaries");
    let found = canaries.check(fresh.jobs, interrupted);
    tell(&found, Group::Canaries, "found");
    checks.extend(found);

    let (mut explored, mut reports) = (Vec::new(), Vec::new());
    for profile in library.profiles().iter().take_while(|_| !interrupted()) {
        let start = explore::now();
        let report = fresh.explore(profile, library.profiles(), |report| {
            progress.set_message(format!("{}: {}", profile.name, count(report.count(), "seed")));
            progress.tick();
            interrupted()
        });
        let (name, seeds, found) = (&profile.name, count(report.count(), "seed"), explore::found(&report));
        progress.suspend(|| anstream::println!("exploration: {name}, {seeds}, {found}"));
        explored.extend(fresh::cases(&report, profile, start.elapsed()));
        // What was interrupted is not a shard's result.
        if let Some(results) = results.as_ref().filter(|_| !interrupted()) {
            results.write_report(&report)?;
        }
        reports.push(report);
    }

    let mut audited = Vec::new();
    for profile in library.profiles().iter().take_while(|_| !interrupted()) {
        progress.set_message(format!("{}: made again", profile.name));
        progress.tick();
        audited.extend(sample::check(library, profile, &fresh.seeds, &interrupt));
    }
    tell(&audited, Group::Determinism, "profiles made again, the same");
    checks.extend(audited);
    progress.finish_and_clear();
    for (report, profile) in reports.iter().zip(library.profiles()) {
        findings.write(report, profile, &Leap, library.root())?;
    }

    let mut cases = union(checks.iter().cloned().chain(explored));
    if interrupted() {
        let what = "interrupted: what was checked until then is here, and no more".to_owned();
        let failure = Failure { what, ..Failure::default() };
        cases.push(Case::new(Group::Exploration, "interrupted".to_owned(), Duration::ZERO, Some(failure)));
    } else if let Some(results) = results {
        results.write_checks(&Checks { of, cases: union(checks) })?;
    }
    let capsules = Capsules::look(&folder, library.root());
    args.outputs.write(&Summary {
        title: &title,
        cases: &cases,
        reports: &reports,
        gaps: &[],
        capsules: &capsules,
    })?;
    Ok(case::failed(&cases).next().is_none())
}
