//! Canaries: the crashes of the two articles, on the releases that have them, must be found.
//!
//! They show that exploring still finds anything at all. A simulator that has stopped delivering mail, an oracle that
//! has stopped judging or a profile that draws nothing any more makes every night green; a canary that is silent turns
//! it red. Each shard has them, because each may run on a machine of its own.

use std::num::NonZeroUsize;
use std::ops::Range;

use gateway::release::Release;
use sim::engine::Leap;
use sim::explore::{Exploration, Report};
use sim::profile::Profile;
use sim::scenario::Library;

use super::super::explore;
use super::case::{Case, Failure, Group};

/// The seeds in which each is found.
const SEEDS: Range<u64> = 0..200;

/// A crash that is known.
struct Canary {
    profile: &'static str,
    release: Release,
    /// Where the process dies.
    address: &'static str,
}

const CANARIES: [Canary; 2] = [
    Canary { profile: "localhost-route", release: Release::V50Rtm, address: "0x00402674" },
    Canary { profile: "exempt-host", release: Release::V55Rtm, address: "0x00462f42" },
];

/// The canaries with their profiles.
pub(super) struct Canaries<'a>(Vec<(Canary, &'a Profile)>);

impl<'a> Canaries<'a> {
    /// Finds the profiles.
    ///
    /// # Errors
    /// One is not there.
    pub(super) fn of(library: &'a Library) -> miette::Result<Self> {
        let found = CANARIES.into_iter().map(|canary| {
            let profile = explore::find(library, canary.profile)?;
            Ok((canary, profile))
        });
        found.collect::<miette::Result<Vec<_>>>().map(Canaries)
    }

    /// Looks for each of them, until it is found or `interrupted`.
    pub(super) fn check(&self, jobs: NonZeroUsize, interrupted: impl Fn() -> bool + Copy) -> Vec<Case> {
        let check = |(canary, profile): &(Canary, &Profile)| {
            let start = explore::now();
            let Canary { release, .. } = *canary;
            let exploration =
                Exploration { profile, release, seeds: SEEDS, engine: &Leap, jobs, twice: false };
            let report = exploration.explore(|report| canary.is_in(report) || interrupted());
            Case::new(Group::Canaries, canary.name(), start.elapsed(), canary.failure(&report))
        };
        // Interrupted, a canary had no chance to be found.
        self.0.iter().map(check).filter(|case| case.failure.is_none() || !interrupted()).collect()
    }
}

impl Canary {
    fn name(&self) -> String {
        format!("{} on {} dies at {}", self.profile, self.release, self.address)
    }

    fn is_in(&self, report: &Report) -> bool {
        report.findings.iter().map(|found| &found.signature).any(|signature| {
            signature.oracle == "service"
                && signature.cause.starts_with("event 4037: ")
                && signature.cause.contains(self.address)
        })
    }

    fn failure(&self, report: &Report) -> Option<Failure> {
        let Canary { profile, release, address } = self;
        let (seeds, release) = (report.count(), super::super::typed(*release));
        (!self.is_in(report)).then(|| Failure {
            what: format!("event 4037 at {address} was not found in {seeds} seeds"),
            details: "The crash is there, so whatever looks for crashes does not see them any more."
                .to_owned(),
            reproduce: Some(format!(
                "explore {profile} --release {release} --seeds {}..{}",
                SEEDS.start, SEEDS.end
            )),
            file: Some(format!("scenarios/perturbation/{profile}.toml")),
        })
    }
}
