//! The verdict on one replay: what the scenario expects, what the oracles demand, what the snapshot shows.

use std::path::Path;

use gateway::release::Release;

use crate::draw::Seed;
use crate::engine::Engine;
use crate::oracle::{self, Finding};
use crate::plan::Plan;
use crate::record::Record;
use crate::render;
use crate::run::{RunError, run};
use crate::scenario::Scenario;
use crate::snapshot::{self, Comparison};
use crate::trace::Keep;

/// One scenario, replayed on one release.
pub struct Replay {
    /// What was to happen.
    pub plan: Plan,
    /// What happened.
    pub record: Record,
    /// What the scenario expects and was not so.
    pub unmet: Vec<String>,
    /// What the oracles found.
    pub findings: Vec<Finding>,
    /// The event log beside its snapshot. A scenario that was drawn, another seed than the scenario's and
    /// another engine than the snapshots' have none.
    pub snapshot: Option<Comparison>,
}

impl Replay {
    /// Replays a scenario and judges it.
    ///
    /// # Errors
    /// There is no Record.
    pub fn new(
        scenario: &Scenario,
        release: Release,
        seed: Seed,
        engine: &dyn Engine,
        keep: Keep,
        snapshots: &Path,
    ) -> Result<Self, RunError> {
        let plan = scenario.plan(release, seed);
        let record = run(&plan, engine, keep)?;
        let unmet = scenario.expectations(release).flat_map(|expected| expected.unmet(&record)).collect();
        let findings = oracle::judge(&plan, &record);
        let comparable = scenario.is_kept() && seed == scenario.seed() && engine.name() == snapshot::ENGINE;
        let snapshot = comparable.then(|| {
            let event_log = render::event_log(scenario.title(), &plan, &record);
            snapshot::compare(snapshots, &snapshot::name(&scenario.name, release), &event_log)
        });
        Ok(Replay { plan, record, unmet, findings, snapshot })
    }

    /// Whether all is as it should be.
    pub fn is_good(&self) -> bool {
        let same = self.snapshot.as_ref().is_none_or(|snapshot| *snapshot == Comparison::Same);
        self.unmet.is_empty() && self.findings.is_empty() && same
    }
}
