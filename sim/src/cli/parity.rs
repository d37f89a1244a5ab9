//! `postmortem parity`: each run on both engines.

use clap::Args;
use indicatif::ProgressBar;
use miette::IntoDiagnostic;
use sim::count::count;
use sim::engine::{Classic, Leap};
use sim::parity;
use sim::scenario::{Library, Source};

use super::Ending;
use super::interrupt::Interrupt;
use super::wanted::WantedArgs;

/// What to compare.
#[derive(Args)]
pub(crate) struct ParityArgs {
    #[command(flatten)]
    pub(super) wanted: WantedArgs,
}

/// Makes the runs on both engines. Good if the engines agree on all.
///
/// A scenario must give the same event log, message outcomes and verdict. A seed of a profile must give the same verdict;
/// where a message ends otherwise, the race in its plan is shown.
///
/// # Errors
/// There is no such scenario, or an engine broke down.
pub(super) fn run(library: &Library, args: &ParityArgs) -> miette::Result<Ending> {
    let interrupt = Interrupt::watch();
    let runs = args.wanted.runs(library)?;
    let (mut compared, mut differing, mut races, mut long) = (0, 0, 0, 0);
    let progress = ProgressBar::new(runs.len() as u64);
    for wanted in runs.iter().take_while(|_| !interrupt.pressed()) {
        let scenario = wanted.source.scenario(wanted.seed, wanted.release);
        let plan = wanted.plan();
        let strict = matches!(wanted.source, Source::Scenario(_));
        let agreement = if strict {
            parity::compare(&scenario, &plan, &Classic::COARSE, &Leap)
        } else {
            parity::compare_verdicts(&plan, &Classic::COARSE, &Leap)
        };
        progress.inc(1);
        let Some(parity::Agreement { verdict, race }) = agreement.into_diagnostic()? else {
            long += 1;
            continue;
        };
        compared += 1;
        let title = format!("{} on {}, seed {}", wanted.source.name(), wanted.release, wanted.seed.0);
        if let Some(difference) = verdict {
            differing += 1;
            progress.suspend(|| {
                anstream::println!("{title}: THE ENGINES DIFFER (- turmoil, + leap)\n{difference}")
            });
        } else if let Some(race) = race {
            races += 1;
            progress
                .suspend(|| anstream::println!("{title}: a race in the plan (- turmoil, + leap)\n{race}"));
        }
    }
    progress.finish_and_clear();
    anstream::println!("{} on both engines: {differing} differ", count(compared, "plan"));
    if races > 0 {
        anstream::println!(
            "where a message ends otherwise, and the verdict is the same: {}",
            count(races, "plan")
        );
    }
    if long > 0 {
        anstream::println!(
            "left out, as it takes more than an hour of virtual time: {}",
            count(long, "plan")
        );
    }
    match runs.len() - compared - long {
        0 => Ok((differing == 0).into()),
        left => {
            anstream::println!("interrupted: {} not compared", count(left, "plan"));
            Ok(Ending::Interrupted)
        }
    }
}
