//! What an exploration came to. Two reports are added into one: the report of all seeds is the sum of the reports of
//! each, in whatever order and however they were shared out.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use gateway::release::Release;
use serde::{Deserialize, Serialize};

use crate::oracle::{Finding, Judgement, ORACLES};
use crate::plan::Plan;
use crate::record::Record;
use crate::run::RunError;

/// What an exploration came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The profile.
    pub profile: String,
    /// The release.
    pub release: Release,
    /// The engine.
    pub engine: String,
    /// The seeds that were run, as intervals that do not touch.
    pub seeds: Vec<Range<u64>>,
    /// Whether somebody interrupted it: there were to be more seeds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// The sum of the digests of all runs, in 32 hexadecimal digits.
    #[serde(with = "hexadecimal")]
    pub digest: u128,
    /// How many messages were handed over.
    pub messages: u64,
    /// Virtual time, in seconds.
    pub virtual_seconds: u64,
    /// What was found.
    pub findings: Vec<Found>,
    /// What each kind of fault came to.
    pub faults: BTreeMap<String, Bitten>,
    /// How many things each oracle had to judge.
    pub judged: BTreeMap<String, u64>,
    /// How often each point was reached.
    pub reached: BTreeMap<String, u64>,
}

/// What makes two findings one: the oracle and the cause.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature {
    /// The oracle, or `run` where there was no Record to judge.
    pub oracle: String,
    /// The cause.
    pub cause: String,
}

/// A finding, wherever it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What it is.
    #[serde(flatten)]
    pub signature: Signature,
    /// In how many seeds it was found.
    pub seeds: u64,
    /// The smallest of them.
    pub smallest: u64,
    /// What was found there.
    pub what: String,
}

/// What a kind of fault came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bitten {
    /// How many lines were drawn.
    pub lines: u64,
    /// How many of them changed what happened.
    pub bit: u64,
    /// How often, all together.
    pub times: u64,
}

impl Signature {
    /// Of what an oracle found.
    pub fn of(finding: &Finding) -> Self {
        Signature { oracle: finding.oracle.to_owned(), cause: finding.cause.clone() }
    }

    /// Of a run that gave no Record.
    pub fn of_breakdown(error: &RunError) -> Self {
        let cause = match error {
            RunError::Leak(leak) => format!("{} asked the machine", leak.culprit),
            RunError::Engine(_) => "the engine broke down".to_owned(),
        };
        Signature { oracle: "run".to_owned(), cause }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.oracle, self.cause)
    }
}

impl Report {
    /// Of no seed yet.
    pub fn new(profile: &str, release: Release, engine: &str) -> Self {
        Report {
            profile: profile.to_owned(),
            release,
            engine: engine.to_owned(),
            seeds: Vec::new(),
            interrupted: false,
            digest: 0,
            messages: 0,
            virtual_seconds: 0,
            findings: Vec::new(),
            faults: BTreeMap::new(),
            judged: ORACLES.iter().map(|oracle| (oracle.name.to_owned(), 0)).collect(),
            reached: BTreeMap::new(),
        }
    }

    /// How many seeds were run.
    pub fn count(&self) -> u64 {
        self.seeds.iter().map(|seeds| seeds.end - seeds.start).sum()
    }

    /// A seed was run to its end.
    pub(super) fn ran(&mut self, seed: u64, plan: &Plan, record: &Record, judgements: &[Judgement]) {
        self.take_seed(seed..seed + 1);
        self.digest = record.digest.0;
        self.messages = plan.messages().count() as u64;
        self.virtual_seconds = record.ended.as_secs();
        for (fault, bite) in plan.faults.iter().zip(&record.bites) {
            let bitten = self.faults.entry(fault.kind().to_owned()).or_default();
            bitten.lines += 1;
            bitten.bit += u64::from(bite.times > 0);
            bitten.times += bite.times;
        }
        for (point, times) in &record.reached {
            self.reached.insert((*point).to_owned(), *times);
        }
        for (oracle, judgement) in ORACLES.iter().zip(judgements) {
            *self.judged.entry(oracle.name.to_owned()).or_default() += judgement.judged;
            for finding in &judgement.findings {
                self.find(seed, Signature::of(finding), &finding.what);
            }
        }
    }

    /// A seed gave no Record.
    pub(super) fn broke_down(&mut self, seed: u64, error: &RunError) {
        self.take_seed(seed..seed + 1);
        self.find(seed, Signature::of_breakdown(error), &error.to_string());
    }

    /// A seed was run a second time.
    pub(super) fn ran_again(&mut self, seed: u64, same: bool) {
        if !same {
            let signature =
                Signature { oracle: "run".to_owned(), cause: "a run differs from itself".to_owned() };
            self.find(seed, signature, "made twice, the two Records differ");
        }
    }

    fn find(&mut self, seed: u64, signature: Signature, what: &str) {
        self.add_found(&Found { signature, seeds: 1, smallest: seed, what: what.to_owned() });
    }

    /// Adds a finding to those of the same signature. Within one seed it counts once.
    fn add_found(&mut self, new: &Found) {
        match self.findings.binary_search_by(|found| found.signature.cmp(&new.signature)) {
            Err(place) => self.findings.insert(place, new.clone()),
            Ok(place) => {
                let found = &mut self.findings[place];
                let again = found.smallest == new.smallest;
                found.seeds += if again { 0 } else { new.seeds };
                if new.smallest < found.smallest {
                    (found.smallest, found.what) = (new.smallest, new.what.clone());
                }
            }
        }
    }

    /// Adds the report of other seeds.
    pub fn add(&mut self, other: &Report) {
        other.seeds.iter().for_each(|seeds| self.take_seed(seeds.clone()));
        self.interrupted |= other.interrupted;
        self.digest = self.digest.wrapping_add(other.digest);
        self.messages += other.messages;
        self.virtual_seconds += other.virtual_seconds;
        other.findings.iter().for_each(|found| self.add_found(found));
        for (kind, theirs) in &other.faults {
            let ours = self.faults.entry(kind.clone()).or_default();
            ours.lines += theirs.lines;
            ours.bit += theirs.bit;
            ours.times += theirs.times;
        }
        for (ours, theirs) in [(&mut self.judged, &other.judged), (&mut self.reached, &other.reached)] {
            for (name, count) in theirs {
                *ours.entry(name.clone()).or_default() += count;
            }
        }
    }

    /// Takes an interval of seeds in, joined with those that it touches.
    fn take_seed(&mut self, seeds: Range<u64>) {
        let place = self.seeds.partition_point(|known| known.end < seeds.start);
        let mut joined = seeds;
        while let Some(known) = self.seeds.get(place).filter(|known| known.start <= joined.end) {
            joined = joined.start.min(known.start)..joined.end.max(known.end);
            self.seeds.remove(place);
        }
        self.seeds.insert(place, joined);
    }

    /// The kinds of fault, of those that could be drawn, that never changed what happened.
    pub fn inert(&self, kinds: &[&'static str]) -> Vec<&'static str> {
        let never = |kind: &&&str| self.faults.get(**kind).is_none_or(|bitten| bitten.bit == 0);
        kinds.iter().filter(never).copied().collect()
    }

    /// The oracles that never had anything to judge.
    pub fn vacuous(&self) -> Vec<&str> {
        self.judged.iter().filter(|(_, judged)| **judged == 0).map(|(oracle, _)| oracle.as_str()).collect()
    }

    /// The points that were never reached.
    pub fn unreached(&self) -> Vec<&'static str> {
        crate::reach::all().filter(|point| !self.reached.contains_key(*point)).collect()
    }
}

/// A number of 128 bits as text: JSON's own numbers are smaller.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{number:032x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        u128::from_str_radix(&String::deserialize(deserializer)?, 16).map_err(Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(seeds: &[u64], found: &[(u64, &str)]) -> Report {
        let mut report = Report::new("mixed", Release::Current, "leap");
        for seed in seeds {
            let mut one = Report::new("mixed", Release::Current, "leap");
            one.take_seed(*seed..*seed + 1);
            one.digest = u128::MAX - u128::from(*seed);
            for (_, cause) in found.iter().filter(|(at, _)| at == seed) {
                let signature = Signature { oracle: "custody".to_owned(), cause: (*cause).to_owned() };
                one.find(*seed, signature, &format!("{cause} in {seed}"));
            }
            report.add(&one);
        }
        report
    }

    #[test]
    fn a_report_is_the_same_in_whatever_order_the_seeds_came() {
        let found = [(3, "lost"), (1, "lost"), (3, "lost"), (4, "twice")];
        let forwards = report(&[0, 1, 2, 3, 4, 5], &found);
        let backwards = report(&[5, 4, 3, 2, 1, 0], &found);
        assert_eq!(forwards, backwards);
        assert_eq!((forwards.seeds.len(), forwards.seeds[0].clone()), (1, 0..6));
        let lost = &forwards.findings[0];
        assert_eq!((lost.seeds, lost.smallest, lost.what.as_str()), (2, 1, "lost in 1"));
    }

    #[test]
    fn the_union_of_shards_is_the_report_of_all() {
        let found = [(7, "lost"), (2, "lost"), (5, "twice")];
        let mut union = report(&[0, 1, 2], &found);
        union.add(&report(&[6, 7], &found));
        union.add(&report(&[3, 4, 5], &found));
        assert_eq!(union, report(&[0, 1, 2, 3, 4, 5, 6, 7], &found));
        let json = serde_json::to_string(&union).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), union);
    }
}
