//! Every scenario on every release it names, with its expectations, the oracles and the snapshot of its event log.
//!
//! The regression scenarios are among them.

use gateway::release::Release;
use sim::engine::Leap;
use sim::scenario::{Library, Scenario};
use sim::snapshot::{self, Comparison};
use sim::trace::Keep;
use sim::verdict::Replay;

use super::super::seeds::Shard;
use super::super::{explore, replay, suite, typed};
use super::case::{Case, Failure, Group};

/// Makes those replays that are this shard's, until `interrupted`.
pub(super) fn check(library: &Library, shard: Shard, interrupted: impl Fn() -> bool) -> Vec<Case> {
    (0..)
        .zip(suite::wanted(library))
        .filter(|(position, _)| shard.has(*position))
        .take_while(|_| !interrupted())
        .map(|(_, (scenario, release))| check_one(library, scenario, release))
        .collect()
}

fn check_one(library: &Library, scenario: &Scenario, release: Release) -> Case {
    let start = explore::now();
    let replay = Replay::new(scenario, release, scenario.seed(), &Leap, Keep::Digest, &library.snapshots());
    let reproduce = Some(format!("replay {} --release {}", scenario.name, typed(release)));
    let failure = match &replay {
        Ok(replay) if replay.is_good() => None,
        Ok(replay) => {
            let lines = replay::verdict(replay);
            let file = matches!(replay.snapshot, Some(Comparison::Differs(_)))
                .then(|| format!("snapshots/{}.snap", snapshot::name(&scenario.name, release)));
            Some(Failure { what: first(replay), details: lines.join("\n"), reproduce, file })
        }
        Err(error) => Some(Failure { what: error.to_string(), reproduce, ..Failure::default() }),
    };
    Case::new(Group::Replays, format!("{} on {release}", scenario.name), start.elapsed(), failure)
}

/// The first thing that is not as it should be.
fn first(replay: &Replay) -> String {
    let unmet = replay.unmet.first().map(|unmet| format!("not as expected: {unmet}"));
    let broken = || {
        let finding = replay.unexpected().next()?;
        Some(format!("broken oracle: {}: {}: {}", finding.oracle, finding.cause, finding.what))
    };
    let snapshot = match replay.snapshot {
        Some(Comparison::Missing) => "there is no snapshot of this event log",
        _ => "the event log differs from its snapshot",
    };
    unmet.or_else(broken).unwrap_or_else(|| snapshot.to_owned())
}
