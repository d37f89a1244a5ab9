//! Exploring: many seeds of a profile, side by side, and what they came to together.
//!
//! Which seeds are run is known before the first of them: an interval, or as many as a time allows, from the first on
//! and without a gap. What comes out depends on the seeds alone, not on how many threads ran them, nor in which order
//! they ended: each outcome is added to a [`Report`], and addition has no order.
//!
//! It knows no terminal: whoever explores is told of each outcome, and may say that it is enough.

mod report;
mod side_by_side;

use std::num::NonZeroUsize;
use std::ops::Range;

use gateway::release::Release;

pub use report::{Bitten, Found, Report, Signature};
pub(crate) use side_by_side::side_by_side;

use crate::draw::Seed;
use crate::engine::Engine;
use crate::oracle;
use crate::profile::Profile;
use crate::run::run;
use crate::trace::Keep;

/// What is to be explored.
#[derive(Clone)]
pub struct Exploration<'a> {
    /// What the seeds draw from.
    pub profile: &'a Profile,
    /// The release of the gateway.
    pub release: Release,
    /// The seeds.
    pub seeds: Range<u64>,
    /// What carries the machines.
    pub engine: &'a dyn Engine,
    /// How many seeds are run side by side.
    pub jobs: NonZeroUsize,
    /// Whether each seed is run twice, and the two runs must be the same.
    pub twice: bool,
}

impl Exploration<'_> {
    /// Runs the seeds until all are done or `enough` says so, which is asked after each with what has come out so
    /// far. What has been begun is then ended.
    pub fn explore(&self, mut enough: impl FnMut(&Report) -> bool) -> Report {
        let mut report = Report::new(&self.profile.name, self.release, self.engine.name());
        side_by_side(
            self.seeds.clone(),
            self.jobs,
            |seed| self.outcome(seed),
            |outcome| {
                report.add(&outcome);
                enough(&report)
            },
        );
        report
    }

    /// What one seed comes to.
    pub fn outcome(&self, seed: u64) -> Report {
        let mut report = Report::new(&self.profile.name, self.release, self.engine.name());
        let plan = self.profile.scenario(Seed(seed), self.release).plan(self.release, Seed(seed));
        match run(&plan, self.engine, Keep::Digest) {
            Err(error) => report.broke_down(seed, &error),
            Ok(record) => {
                let judgements = oracle::judge_all(&plan, &record);
                report.ran(seed, &plan, &record, &judgements);
                if self.twice {
                    let again = run(&plan, self.engine, Keep::Digest);
                    report.ran_again(seed, again.is_ok_and(|again| again == record));
                }
            }
        }
        report
    }
}
