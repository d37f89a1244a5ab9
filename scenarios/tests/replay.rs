//! Replays every scenario on every release it names, twice over: on the default engine for the expectations, the
//! oracles and the snapshot; and, if it takes no more than an hour of virtual time, on both engines, which must agree.

use std::path::Path;

use gateway::release::Release;
use libtest_mimic::{Arguments, Failed, Trial};
use sim::engine::{Classic, Leap};
use sim::scenario::{Library, Scenario};
use sim::trace::Keep;
use sim::verdict::Replay;
use sim::{parity, render, snapshot};

fn main() -> miette::Result<()> {
    let arguments = Arguments::from_args();
    let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR")))?;
    let mut trials = Vec::new();
    for scenario in library.scenarios() {
        for release in scenario.releases().iter().copied() {
            let name = snapshot::name(&scenario.name, release);
            let (replayed, snapshots) = (scenario.clone(), library.snapshots());
            let title = name.clone();
            trials.push(Trial::test(title, move || replay(&replayed, release, &name, &snapshots)));
            if !is_short(scenario, release) {
                continue;
            }
            let (compared, title) = (scenario.clone(), snapshot::name(&scenario.name, release));
            trials.push(Trial::test(format!("{title} on both engines"), move || compare(&compared, release)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit()
}

/// Whether the classic engine, to which each tick costs something, can make the run while somebody waits.
fn is_short(scenario: &Scenario, release: Release) -> bool {
    let plan = scenario.plan(release, scenario.seed());
    sim::run::run(&plan, &Leap, Keep::Digest).is_ok_and(|record| record.ended <= parity::LONGEST)
}

fn replay(scenario: &Scenario, release: Release, name: &str, snapshots: &Path) -> Result<(), Failed> {
    let replay = Replay::new(scenario, release, scenario.seed(), &Leap, Keep::Digest, snapshots)?;
    let event_log = render::event_log(scenario.title(), &replay.plan, &replay.record);
    let findings =
        replay.unexpected().map(|finding| format!("{}: {}: {}", finding.oracle, finding.cause, finding.what));
    let broken: Vec<String> = replay.unmet.iter().cloned().chain(findings).collect();
    if !broken.is_empty() {
        return Err(format!("{}\n\n{event_log}", broken.join("\n")).into());
    }
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(snapshots);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, event_log));
    Ok(())
}

fn compare(scenario: &Scenario, release: Release) -> Result<(), Failed> {
    let plan = scenario.plan(release, scenario.seed());
    let agreement = parity::compare(scenario, &plan, &Classic::COARSE, &Leap)?;
    match agreement.ok_or("it takes longer than it did a moment ago")?.verdict {
        None => Ok(()),
        Some(difference) => Err(difference.into()),
    }
}
