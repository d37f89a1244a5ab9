//! Parity: one plan on two engines. Two network simulators written apart agree, or one of them is wrong.
//!
//! Times differ, for the engines' grain does. What must be the same is the event log and the state of the service in
//! their order, what each client got for each message, what became of the mail, and the verdict.

use crate::engine::Engine;
use crate::oracle;
use crate::plan::Plan;
use crate::record::Record;
use crate::render;
use crate::run::{RunError, run};
use crate::scenario::Scenario;
use crate::trace::{Keep, first_difference};

/// Runs a plan on both engines and compares: where they part, with what is around it on both sides; nothing if they
/// agree.
///
/// # Errors
/// An engine broke down, or something reached for the machine itself.
pub fn compare(
    scenario: &Scenario,
    plan: &Plan,
    one: &dyn Engine,
    other: &dyn Engine,
) -> Result<Option<String>, RunError> {
    let lines = |engine: &dyn Engine| -> Result<Vec<String>, RunError> {
        let record = run(plan, engine, Keep::Digest)?;
        let mut lines = render::without_times(&record);
        lines.extend(verdict(scenario, plan, &record));
        Ok(lines)
    };
    Ok(first_difference(&lines(one)?, &lines(other)?))
}

/// What is wrong with a run, a line each.
fn verdict(scenario: &Scenario, plan: &Plan, record: &Record) -> Vec<String> {
    let unmet = scenario.expectations(plan.release).flat_map(|expected| expected.unmet(record));
    let findings = oracle::judge(plan, record);
    unmet.chain(findings.into_iter().map(|finding| format!("{}: {}", finding.oracle, finding.what))).collect()
}
