//! Asks of a candidate whether it still fails in the same way. Each candidate is run once, whoever proposes it and how
//! often.

use std::collections::{BTreeMap, BTreeSet};

use gateway::release::Release;
use toml::Table;

use super::words;
use crate::engine::Engine;
use crate::explore::Signature;
use crate::oracle;
use crate::plan::Plan;
use crate::record::Record;
use crate::run::run;
use crate::scenario::Scenario;
use crate::trace::Keep;

/// What is found in a run of a plan, and what was found in each case.
pub fn findings(plan: &Plan, engine: &dyn Engine) -> (BTreeMap<Signature, String>, Option<Record>) {
    match run(plan, engine, Keep::Digest) {
        Err(error) => (BTreeMap::from([(Signature::of_breakdown(&error), error.to_string())]), None),
        Ok(record) => {
            let mut found = BTreeMap::new();
            for finding in oracle::judge(plan, &record) {
                found.entry(Signature::of(&finding)).or_insert(finding.what);
            }
            (found, Some(record))
        }
    }
}

/// What a candidate came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// It is no scenario, or the gateway refuses its configuration: there was no run.
    Refused(String),
    /// It fails in the same way.
    Same,
    /// It does not: what happens instead, in words.
    Other(String),
}

/// Runs candidates, at most so many.
pub(super) struct Judge<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) release: Release,
    pub(super) wanted: Signature,
    /// Everything that was found at first. A candidate in which anything else is found is not taken.
    pub(super) known: BTreeSet<Signature>,
    pub(super) most_runs: usize,
    pub(super) runs: usize,
    /// Whether a candidate was not run because there were enough.
    pub(super) is_spent: bool,
    memo: BTreeMap<String, Trial>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        engine: &'a dyn Engine,
        release: Release,
        wanted: Signature,
        known: BTreeSet<Signature>,
        most_runs: usize,
    ) -> Self {
        Judge { engine, release, wanted, known, most_runs, runs: 0, is_spent: false, memo: BTreeMap::new() }
    }

    /// What the candidate with this text comes to; nothing if there were enough runs.
    pub(super) fn trial(&mut self, text: &str) -> Option<Trial> {
        if let Some(trial) = self.memo.get(text) {
            return Some(trial.clone());
        }
        let trial = match read(text, self.release) {
            Err(why) => Trial::Refused(why),
            Ok(_) if self.runs >= self.most_runs => {
                self.is_spent = true;
                return None;
            }
            Ok(plan) => {
                self.runs += 1;
                self.judge(&plan)
            }
        };
        self.memo.insert(text.to_owned(), trial.clone());
        Some(trial)
    }

    fn judge(&self, plan: &Plan) -> Trial {
        let (found, record) = findings(plan, self.engine);
        let is_new = |signature: &&Signature| !self.known.contains(signature);
        match found.keys().find(is_new) {
            Some(other) => {
                Trial::Other(format!("something else is found: {}: {}", other.oracle, other.cause))
            }
            None if found.contains_key(&self.wanted) => Trial::Same,
            None => Trial::Other(words::instead(&found, record.as_ref())),
        }
    }
}

/// Reads a candidate.
fn read(text: &str, release: Release) -> Result<Plan, String> {
    let scenario =
        Scenario::parse("shrunk", "the candidate", text).map_err(|error| error.what().to_owned())?;
    let plan = scenario.plan(release, scenario.seed());
    if let Some(message) = plan.messages().find(|message| message.to.is_empty()) {
        return Err(format!("{} has no recipient", message.name));
    }
    Ok(plan)
}

/// The text by which a candidate is known.
pub(super) fn text(root: &Table) -> String {
    toml::to_string(root).expect("a table that was read can be written")
}
