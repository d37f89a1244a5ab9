//! What was checked, and how it came out.
//!
//! It knows neither how a thing is checked nor how the outcome is shown.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What belongs together, in the order in which it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Group {
    /// Every scenario on every release that it names.
    Replays,
    /// Crashes that are known to be there and must be found.
    Canaries,
    /// Seeds that nobody has run before.
    Exploration,
    /// Runs made again.
    Determinism,
}

impl Group {
    /// All of them.
    pub(crate) const ALL: [Group; 4] =
        [Group::Replays, Group::Canaries, Group::Exploration, Group::Determinism];

    /// The name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::Replays => "replays",
            Group::Canaries => "canaries",
            Group::Exploration => "exploration",
            Group::Determinism => "determinism",
        }
    }
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Case {
    /// What it belongs to.
    pub(crate) group: Group,
    /// Its name, the same each time and in each shard.
    pub(crate) name: String,
    /// What is wrong, if anything is.
    pub(crate) failure: Option<Failure>,
    /// How long it took the one who waits.
    #[serde(skip)]
    pub(crate) took: Duration,
}

/// What is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// In one line.
    pub(crate) what: String,
    /// In as many lines as it takes; may be empty.
    pub(crate) details: String,
    /// The arguments of the program that show it.
    pub(crate) reproduce: Option<String>,
    /// The file of the project that it is about.
    pub(crate) file: Option<String>,
}

impl Case {
    /// Something that was checked.
    pub(crate) fn new(group: Group, name: String, took: Duration, failure: Option<Failure>) -> Self {
        Case { group, name, failure, took }
    }

    /// The command that shows what is wrong.
    pub(crate) fn command(&self) -> Option<String> {
        let arguments = self.failure.as_ref()?.reproduce.as_ref()?;
        Some(format!("cargo run --release -- {arguments}"))
    }
}

impl Failure {
    /// What is wrong, in full, each line once.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        let details = self.details.lines().filter(|line| **line != self.what);
        std::iter::once(self.what.as_str()).chain(details)
    }
}

/// The cases that failed.
pub(crate) fn failed(cases: &[Case]) -> impl Iterator<Item = (&Case, &Failure)> {
    cases.iter().filter_map(|case| Some((case, case.failure.as_ref()?)))
}

/// The checks of all shards as one list, ordered by group and name. What was checked more than once has failed if it
/// failed anywhere.
pub(crate) fn union(cases: impl IntoIterator<Item = Case>) -> Vec<Case> {
    let mut union: BTreeMap<(Group, String), Case> = BTreeMap::new();
    for case in cases {
        let known = union.entry((case.group, case.name.clone())).or_insert_with(|| case.clone());
        if known.failure.is_none() {
            known.failure = case.failure;
        }
    }
    union.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_in_one_shard_has_failed_in_the_union_whatever_the_order() {
        let case = |name: &str, what: Option<&str>| {
            let failure = what.map(|what| Failure { what: what.to_owned(), ..Failure::default() });
            Case::new(Group::Canaries, name.to_owned(), Duration::ZERO, failure)
        };
        let (good, bad, other) = (case("a", None), case("a", Some("silent")), case("b", None));
        let forwards = union([good.clone(), bad.clone(), other.clone()]);
        assert_eq!(forwards, union([other, bad.clone(), good]));
        assert_eq!(failed(&forwards).map(|(case, _)| case).collect::<Vec<_>>(), [&bad]);
    }
}
