//! The verdict on one replay: what the scenario expects, what the oracles demand, what the snapshot shows.

use std::collections::BTreeSet;
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
use crate::scenario::expect::Expectation;
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
    /// The oracles that the scenario expects to be broken on this release.
    broken: BTreeSet<String>,
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
        let findings = oracle::judge(&plan, &record);
        let unmet = unmet(scenario, &plan, &record, &findings);
        let broken = broken(scenario, release);
        let comparable = scenario.is_kept() && seed == scenario.seed() && engine.name() == snapshot::ENGINE;
        let snapshot = comparable.then(|| {
            let event_log = render::event_log(scenario.title(), &plan, &record);
            snapshot::compare(snapshots, &snapshot::name(&scenario.name, release), &event_log)
        });
        Ok(Replay { plan, record, unmet, findings, broken, snapshot })
    }

    /// What the oracles found and the scenario does not expect.
    pub fn unexpected(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !self.broken.contains(finding.oracle))
    }

    /// Whether all is as it should be.
    pub fn is_good(&self) -> bool {
        let same = self.snapshot.as_ref().is_none_or(|snapshot| *snapshot == Comparison::Same);
        self.unmet.is_empty() && self.unexpected().next().is_none() && same
    }
}

/// What a scenario expects of a run and is not so, a sentence each.
pub(crate) fn unmet(scenario: &Scenario, plan: &Plan, record: &Record, findings: &[Finding]) -> Vec<String> {
    let expected = scenario.expectations(plan.release).flat_map(|expected| expected.unmet(plan, record));
    let whole = broken(scenario, plan.release)
        .into_iter()
        .filter(|oracle| findings.iter().all(|finding| finding.oracle != oracle))
        .map(|oracle| format!("the oracle {oracle}: expected broken, found whole"));
    expected.chain(whole).collect()
}

/// The oracles that a scenario expects to be broken on a release.
pub(crate) fn broken(scenario: &Scenario, release: Release) -> BTreeSet<String> {
    let expected = scenario.expectations(release).flat_map(Expectation::broken);
    expected.map(|oracle| oracle.as_ref().clone()).collect()
}
