//! Oracles: what must be true of every run, whatever the plan. One file each.
//!
//! An oracle reads the plan and the Record, and takes nobody's word: not the gateway's for where a message is, nor
//! another oracle's. What several of them look up is in the [`Ledger`] and the [`Model`]. An oracle also says how often
//! it had something to judge: one that never has is vacuous, and an exploration with a vacuous oracle fails.
//!
//! What each module says at its top is its section of `docs/reference/oracles.md`.

mod bounds;
mod causes;
mod copies;
mod custody;
mod disclaimer;
mod dsn;
mod duplicates;
mod etrn;
mod exchangers;
mod filters;
mod integrity;
mod journal;
mod ledger;
mod liveness;
mod loops;
mod model;
mod policy;
mod proof;
mod protocol;
mod reports;
mod served;
mod service;
pub(crate) mod session;
mod stop;
mod unwanted;

pub(crate) use ledger::address_of;
pub use ledger::{Acceptance, Ledger, Taken, Where};
pub use model::{Model, Place, Verdict};
pub use session::{Exchange, Reply, Session, Transfer};

use crate::plan::Plan;
use crate::record::Record;

/// A promise that a run broke.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The oracle that found it.
    pub oracle: &'static str,
    /// What kind of thing it is, without the names, times and numbers of this run: findings of the same oracle and
    /// cause are one finding.
    pub cause: String,
    /// What was promised and what was found.
    pub what: String,
}

/// One run, as its judges see it.
pub struct Case<'a> {
    /// What was to happen.
    pub plan: &'a Plan,
    /// What happened.
    pub record: &'a Record,
    /// What became of each message.
    pub ledger: Ledger<'a>,
    /// The rules of the gateway's configuration.
    pub model: Model<'a>,
}

impl<'a> Case<'a> {
    /// Looks up what the oracles ask for.
    pub fn new(plan: &'a Plan, record: &'a Record) -> Self {
        Case { plan, record, ledger: Ledger::new(plan, record), model: Model::new(plan) }
    }
}

/// What one oracle says of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// How many things it had to judge.
    pub judged: u64,
    /// What broke its promise.
    pub findings: Vec<Finding>,
}

/// An oracle.
pub struct Oracle {
    /// Its name in findings.
    pub name: &'static str,
    /// What it holds a run to, in a sentence.
    pub promise: &'static str,
    judge: fn(&Case<'_>, &mut Sheet),
}

/// What an oracle writes down while it judges.
struct Sheet {
    oracle: &'static str,
    judgement: Judgement,
}

impl Sheet {
    /// There is one more thing to judge.
    fn judges(&mut self) {
        self.judgement.judged += 1;
    }

    /// The promise is broken.
    fn finds(&mut self, cause: impl Into<String>, what: impl Into<String>) {
        let finding = Finding { oracle: self.oracle, cause: cause.into(), what: what.into() };
        self.judgement.findings.push(finding);
    }
}

/// Every oracle.
pub const ORACLES: &[Oracle] = &[
    custody::ORACLE,
    duplicates::ORACLE,
    policy::ORACLE,
    integrity::ORACLE,
    reports::ORACLE,
    dsn::ORACLE,
    loops::ORACLE,
    protocol::ORACLE,
    service::ORACLE,
    bounds::ORACLE,
    liveness::ORACLE,
];

/// Asks every oracle; what each says, in the order of [`ORACLES`].
pub fn judge_all(plan: &Plan, record: &Record) -> Vec<Judgement> {
    judge_case(&Case::new(plan, record))
}

/// The same, of a run that has been looked up already.
pub fn judge_case(case: &Case<'_>) -> Vec<Judgement> {
    ORACLES.iter().map(|oracle| oracle.judge(case)).collect()
}

impl Oracle {
    fn judge(&self, case: &Case<'_>) -> Judgement {
        let mut sheet = Sheet { oracle: self.name, judgement: Judgement::default() };
        (self.judge)(case, &mut sheet);
        sheet.judgement
    }
}

/// The Record of a run in which nothing happened.
#[cfg(test)]
pub(crate) fn nothing() -> Record {
    Record {
        starts: jiff::Timestamp::UNIX_EPOCH,
        entries: Vec::new(),
        queue: Vec::new(),
        end: crate::record::End::default(),
        ended: std::time::Duration::ZERO,
        bites: Vec::new(),
        reached: crate::record::Reached::default(),
        digest: crate::trace::Digest(0),
        trace: Vec::new(),
        capture: None,
    }
}

/// Asks one oracle.
#[cfg(test)]
fn ask(oracle: &Oracle, plan: &Plan, record: &Record) -> Judgement {
    oracle.judge(&Case::new(plan, record))
}

/// Asks every oracle; what they found.
pub fn judge(plan: &Plan, record: &Record) -> Vec<Finding> {
    judge_all(plan, record).into_iter().flat_map(|judgement| judgement.findings).collect()
}
