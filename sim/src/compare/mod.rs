//! Comparing: the same seeds with other settings of the gateway, side by side, and what differs.
//!
//! ```text
//! profile + seed ──▶ scenario ──┬─ with(base) ──────▶ run ──▶ measured ─┐
//!                               ├─ with(variant 1) ─▶ run ──▶ measured ─┼─▶ differences of pairs ─▶ sentences, page
//!                               └─ with(variant 2) ─▶ run ──▶ measured ─┘
//! ```
//!
//! Every variant meets the same mail, the same machines and the same faults: a seed is drawn once, and then the settings
//! are changed in what was drawn. So a difference is one of the settings, and what the seeds have in common falls out of
//! it. What comes out depends on the seeds and the variants alone.
//!
//! | module | what it knows |
//! |---|---|
//! | [`grid`](Variation) | which combinations of values there are |
//! | [`measure`](Measure) | what is measured, and how it is told |
//! | `measured` | what is measured of a run |
//! | `pairs` | how sure a difference is |
//! | `words` | what the numbers support, in a sentence |
//! | `page`, `chart` | the same to look at |
//!
//! It knows no terminal and no file.

mod chart;
mod grid;
mod measure;
mod measured;
mod page;
mod pairs;
mod words;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;

use gateway::release::Release;

pub use grid::{GridError, Variant, Variation, grid};
pub use measure::{MEASURES, Measure, Unit};
pub(crate) use measured::Measured;
pub use page::page;
pub use pairs::{Difference, Estimate, Verdict};
pub use words::{amount, csv, sentences};

use crate::draw::Seed;
use crate::engine::Engine;
use crate::explore::side_by_side;
use crate::profile::Profile;
use crate::run::run;
use crate::scenario::{Scenario, SettingError};
use crate::trace::Keep;
use measured::{Counts, Times, times};

/// How many seeds are looked through for one whose configuration takes a variant.
const LOOKED_THROUGH: u64 = 200;

/// What is to be compared.
#[derive(Clone)]
pub struct Comparison<'a> {
    /// What the seeds draw from.
    pub profile: &'a Profile,
    /// The release of the gateway.
    pub release: Release,
    /// The variants, the base first.
    pub variants: Vec<Variant>,
    /// The seeds.
    pub seeds: Range<u64>,
    /// What carries the machines.
    pub engine: &'a dyn Engine,
    /// How many seeds are run side by side.
    pub jobs: NonZeroUsize,
}

/// What a comparison came to.
pub struct Compared {
    /// The profile's name.
    pub profile: String,
    /// The release of the gateway.
    pub release: Release,
    /// The variants, the base first.
    pub variants: Vec<Variant>,
    /// The seeds that were come to.
    pub seeds: Range<u64>,
    /// How many of them were compared.
    pub compared: u64,
    /// How many were left out because the gateway does not take a variant there, and what it says in the first of them.
    pub refused: (u64, Option<String>),
    /// How many were left out because a run broke down, and how in the first of them.
    pub broke_down: (u64, Option<String>),
    /// What was measured, in the order of [`MEASURES`].
    pub rows: Vec<Row>,
}

/// One measure of every variant.
pub struct Row {
    /// The measure.
    pub measure: &'static Measure,
    /// What it came to, in the order of the variants.
    pub values: Vec<Option<Estimate>>,
    /// The difference of each variant from the base; of the base from itself too.
    pub differences: Vec<Difference>,
}

/// One seed.
enum Outcome {
    /// What was measured of each variant.
    Measured(Vec<(Counts, Times)>),
    /// The gateway does not take a variant.
    Refused(String),
    /// A run gave no Record.
    BrokeDown(String),
}

impl Comparison<'_> {
    /// Looks whether each variant can be run at all.
    ///
    /// # Errors
    /// The first variant that the gateway takes of no seed, with what it says of the first.
    pub fn check(&self) -> Result<(), SettingError> {
        let looked_through = self.seeds.start..self.seeds.start.saturating_add(LOOKED_THROUGH);
        for variant in &self.variants {
            let mut first = None;
            let is_taken = looked_through.clone().any(|seed| {
                let Err(error) = self.scenario(seed).with(&variant.settings) else { return true };
                // That there is nothing to set it in says little of the value.
                if first.is_none() || matches!(first, Some(SettingError::NothingThere { .. })) {
                    first = Some(error);
                }
                false
            });
            match first {
                Some(error) if !is_taken => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Runs every variant of the seeds until all are done or `enough` says so, which is asked after each seed with how
    /// many were done.
    pub fn compare(&self, mut enough: impl FnMut(u64) -> bool) -> Compared {
        let mut outcomes = BTreeMap::new();
        side_by_side(
            self.seeds.clone(),
            self.jobs,
            |seed| (seed, self.outcome(seed)),
            |(seed, outcome)| {
                outcomes.insert(seed, outcome);
                enough(outcomes.len() as u64)
            },
        );
        self.compared(outcomes)
    }

    fn scenario(&self, seed: u64) -> Scenario {
        self.profile.scenario(Seed(seed), self.release)
    }

    fn outcome(&self, seed: u64) -> Outcome {
        let drawn = self.scenario(seed);
        let mut measured = Vec::new();
        for variant in &self.variants {
            let mut scenario = drawn.clone();
            for setting in &variant.settings {
                match scenario.with(std::slice::from_ref(setting)) {
                    Ok(with) => scenario = with,
                    // Without a list there is nothing to set in it: this seed is the same with any value.
                    Err(SettingError::NothingThere { .. }) => {}
                    Err(refused) => return Outcome::Refused(format!("seed {seed}: {refused}")),
                }
            }
            let plan = scenario.plan(self.release, Seed(seed));
            match run(&plan, self.engine, Keep::Digest) {
                Ok(record) => measured.push(Measured::of(&plan, &record)),
                Err(error) => {
                    let (why, settings) = (error.to_string(), variant.to_string());
                    let why = why.lines().next().unwrap_or_default();
                    return Outcome::BrokeDown(format!("seed {seed} with {settings}: {why}"));
                }
            }
        }
        let times = times(&measured);
        Outcome::Measured(measured.into_iter().map(|measured| measured.counts).zip(times).collect())
    }

    fn compared(&self, outcomes: BTreeMap<u64, Outcome>) -> Compared {
        let start = self.seeds.start;
        let seeds = start..outcomes.keys().next_back().map_or(start, |last| last + 1);
        let (mut refused, mut broke_down) = ((0, None), (0, None));
        let mut measured = Vec::new();
        let leave_out = |counted: &mut (u64, Option<String>), why: String| {
            counted.0 += 1;
            counted.1.get_or_insert(why);
        };
        for outcome in outcomes.into_values() {
            match outcome {
                Outcome::Measured(variants) => measured.push(variants),
                Outcome::Refused(why) => leave_out(&mut refused, why),
                Outcome::BrokeDown(why) => leave_out(&mut broke_down, why),
            }
        }
        Compared {
            profile: self.profile.name.clone(),
            release: self.release,
            variants: self.variants.clone(),
            seeds,
            compared: measured.len() as u64,
            refused,
            broke_down,
            rows: pairs::rows(&measured, self.variants.len()),
        }
    }
}
