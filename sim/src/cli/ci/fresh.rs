//! Seeds that nobody has run before, on today's release: what a night is for.
//!
//! Which seeds, the caller knows. What a [`Report`] comes to is asked of one shard and of the sum of all alike.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::Duration;

use gateway::release::Release;
use sim::count::count;
use sim::engine::Leap;
use sim::explore::{Exploration, Report};
use sim::profile::Profile;

use super::super::explore::{self, ENOUGH};
use super::case::{Case, Failure, Group};

/// The profile that gets half of the time: everything is in it.
const MAIN: &str = "mixed";

/// What is to be explored with each profile.
pub(super) struct Fresh {
    pub(super) seeds: Range<u64>,
    /// For how long, all profiles together; until all seeds are done if there is no limit.
    pub(super) limit: Option<Duration>,
    pub(super) jobs: NonZeroUsize,
    pub(super) twice: bool,
}

impl Fresh {
    /// Explores with one of the profiles, until it is enough or `interrupted`.
    pub(super) fn explore(
        &self,
        profile: &Profile,
        profiles: &[Profile],
        mut interrupted: impl FnMut(&Report) -> bool,
    ) -> Report {
        let limit = self.limit.map(|limit| share(limit, profile, profiles));
        let start = explore::now();
        let exploration = Exploration {
            profile,
            release: Release::Current,
            seeds: self.seeds.clone(),
            engine: &Leap,
            jobs: self.jobs,
            twice: self.twice,
        };
        exploration
            .explore(|report| interrupted(report) || limit.is_some_and(|limit| start.elapsed() >= limit))
    }
}

/// A profile's part of the time.
fn share(limit: Duration, profile: &Profile, profiles: &[Profile]) -> Duration {
    let others = profiles.iter().filter(|other| other.name != MAIN).count();
    let has_main = others < profiles.len();
    let others = u32::try_from(others.max(1)).expect("profiles are files, and there are not that many");
    match profile.name == MAIN {
        true if profiles.len() > 1 => limit / 2,
        true => limit,
        false if has_main => limit / 2 / others,
        false => limit / others,
    }
}

/// What exploring with a profile came to: each finding is a failure of its own.
pub(crate) fn cases(report: &Report, profile: &Profile, took: Duration) -> Vec<Case> {
    let name = match report.release {
        Release::Current => report.profile.clone(),
        other => format!("{} on {other}", report.profile),
    };
    let case = |name: String, failure| Case::new(Group::Exploration, name, Duration::ZERO, failure);
    let seeds = count(report.count(), "seed");
    let mut cases = Vec::new();
    for found in &report.findings {
        let failure = Failure {
            what: found.what.clone(),
            details: match found.seeds {
                1 => format!("in 1 of {seeds}: {}", found.smallest),
                many => format!("in {many} of {seeds}, the smallest {}", found.smallest),
            },
            reproduce: Some(explore::reproduce(found, report)),
            file: None,
        };
        let (oracle, cause) = (&found.signature.oracle, &found.signature.cause);
        cases.push(case(format!("{name}: {oracle}: {cause}"), Some(failure)));
    }
    if cases.is_empty() {
        cases.push(case(format!("{name}: no oracle is broken"), None));
    }
    if report.count() >= ENOUGH {
        let inert = report.inert(&profile.kinds_on(report.release));
        let failure = never("faults that never changed anything", &inert, report);
        cases.push(case(format!("{name}: every fault bites"), failure));
        let vacuous = report.vacuous();
        let failure = never("oracles that never had anything to judge", &vacuous, report);
        cases.push(case(format!("{name}: every oracle has something to judge"), failure));
        if profile.draws_everything() {
            let failure = never("points that were never reached", &report.unreached(), report);
            cases.push(case(format!("{name}: every point is reached"), failure));
        }
    }
    cases[0].took = took;
    cases
}

fn never(what: &str, names: &[&str], report: &Report) -> Option<Failure> {
    (!names.is_empty()).then(|| Failure {
        what: format!("{what}: {}", names.join(", ")),
        details: format!("in {}", count(report.count(), "seed")),
        reproduce: None,
        file: Some(format!("scenarios/perturbation/{}.toml", report.profile)),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sim::explore::{Found, Signature};
    use sim::scenario::Library;

    use super::*;

    #[test]
    fn each_finding_is_a_failure_of_its_own_with_the_command_that_shows_it() {
        let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let profile = explore::find(&library, "mixed").unwrap();
        let mut report = Report::new("mixed", Release::Current, "leap");
        report.seeds.push(7..19);
        let signature = Signature { oracle: "custody".to_owned(), cause: "a message is lost".to_owned() };
        report.findings.push(Found { signature, seeds: 2, smallest: 8, what: "m1".to_owned() });

        let cases = cases(&report, profile, Duration::ZERO);

        assert_eq!(cases[0].name, "mixed: custody: a message is lost");
        assert_eq!(cases[0].failure.as_ref().unwrap().details, "in 2 of 12 seeds, the smallest 8");
        let command = "cargo run --release -- replay mixed --seed 8 --release current";
        assert_eq!(cases[0].command().unwrap(), command);
        assert_eq!(cases.len(), 1, "too few seeds to judge faults and oracles by");
    }

    #[test]
    fn a_night_in_which_a_point_was_never_reached_fails_where_everything_is_drawn() {
        let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        for (name, judged) in [("mixed", true), ("bad-disk", false)] {
            let profile = explore::find(&library, name).unwrap();
            let mut report = Report::new(name, Release::Current, "leap");
            report.seeds.push(0..ENOUGH);
            let cases = cases(&report, profile, Duration::ZERO);
            let points = cases.iter().find(|case| case.name.ends_with("every point is reached"));
            assert_eq!(points.is_some(), judged, "{name}");
            assert!(points.is_none_or(|case| case.failure.is_some()), "{name}");
        }
    }

    #[test]
    fn the_parts_of_the_time_are_the_whole_and_mixed_has_half() {
        let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let hour = Duration::from_hours(1);
        let share = |profile| share(hour, profile, library.profiles());
        assert_eq!(share(explore::find(&library, "mixed").unwrap()), hour / 2);
        assert_eq!(library.profiles().iter().map(share).sum::<Duration>(), hour);
    }
}
