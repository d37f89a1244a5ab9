//! Parity: one plan on two engines. Two network simulators written apart agree, or one of them is wrong.
//!
//! Times differ, for the engines' grain does. What must be the same is the event log and the state of the service in
//! their order, what each client got for each message, what became of the mail, and the verdict.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::engine::Engine;
use crate::oracle;
use crate::plan::Plan;
use crate::record::Record;
use crate::render;
use crate::run::{RunError, run};
use crate::scenario::Scenario;
use crate::trace::{Keep, first_difference};
use crate::verdict::unmet;

/// The longest run, in virtual time, that is worth making on an engine to which each tick costs something.
pub const LONGEST: Duration = Duration::from_hours(1);

/// How two runs of one plan agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Where the verdicts part, if they do.
    pub verdict: Option<String>,
    /// Where the runs part, if a message ends otherwise: the two events whose order the engines see differently.
    pub race: Option<String>,
}

/// Runs a plan on both engines and compares everything but times: the event log and the state of the service in their
/// order, what each client got, what became of the mail, and the verdict. Nothing if the plan takes longer than
/// [`LONGEST`], by the second engine.
///
/// # Errors
/// An engine broke down, or something reached for the machine itself.
pub fn compare(
    scenario: &Scenario,
    plan: &Plan,
    one: &dyn Engine,
    other: &dyn Engine,
) -> Result<Option<Agreement>, RunError> {
    let Some((ours, theirs)) = both(plan, one, other)? else { return Ok(None) };
    let lines = |record: &Record| -> Vec<String> {
        render::without_times(record).into_iter().chain(verdict(scenario, plan, record)).collect()
    };
    Ok(Some(Agreement { verdict: first_difference(&lines(&ours), &lines(&theirs)), race: None }))
}

/// Runs a plan on both engines and compares the verdicts: what the oracles find, and whether the service is up at the
/// end. Nothing if the plan takes longer than [`LONGEST`], by the second engine.
///
/// # Errors
/// An engine broke down, or something reached for the machine itself.
pub fn compare_verdicts(
    plan: &Plan,
    one: &dyn Engine,
    other: &dyn Engine,
) -> Result<Option<Agreement>, RunError> {
    let Some((ours, theirs)) = both(plan, one, other)? else { return Ok(None) };
    let race = || first_difference(&render::without_times(&ours), &render::without_times(&theirs));
    Ok(Some(Agreement {
        verdict: first_difference(&causes(plan, &ours), &causes(plan, &theirs)),
        race: (render::outcomes(&ours) != render::outcomes(&theirs)).then(race).flatten(),
    }))
}

/// The two runs of a plan, if it is short enough.
fn both(plan: &Plan, one: &dyn Engine, other: &dyn Engine) -> Result<Option<(Record, Record)>, RunError> {
    let theirs = run(plan, other, Keep::Digest)?;
    if theirs.ended > LONGEST {
        return Ok(None);
    }
    Ok(Some((run(plan, one, Keep::Digest)?, theirs)))
}

/// What the oracles find, and the state of the service at the end.
fn causes(plan: &Plan, record: &Record) -> Vec<String> {
    let findings = oracle::judge(plan, record).into_iter();
    let causes: BTreeSet<String> =
        findings.map(|finding| format!("{}: {}", finding.oracle, finding.cause)).collect();
    let service = if record.end.service_up { "the service is up" } else { "the service is down" };
    causes.into_iter().chain([service.to_owned()]).collect()
}

/// What is wrong with a run, a line each.
fn verdict(scenario: &Scenario, plan: &Plan, record: &Record) -> Vec<String> {
    let findings = oracle::judge(plan, record);
    let unmet = unmet(scenario, plan, record, &findings);
    let findings = findings.into_iter().map(|finding| format!("{}: {}", finding.oracle, finding.cause));
    unmet.into_iter().chain(findings).collect()
}
