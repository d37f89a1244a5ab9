//! What is said of a file that has not the form it should have: where the mistake is, and the remedy.
//!
//! A `[[fault]]` is read by its `kind`, and by the time the rest of it is looked at serde has forgotten where that
//! stands. So a fault that cannot be read is read once more by itself, key by key: the key without which the complaint
//! is another one is the one to point at.
//!
//! It knows the form alone, not what makes sense.

use std::collections::BTreeMap;
use std::ops::Range;

use gateway::release::Release;
use serde::Deserialize;
use toml::{Spanned, Table, Value};

use super::ScenarioError;
use crate::fault::{Family, Fault};
use crate::nearest::did_you_mean;

/// Says what is wrong with the text of a file that cannot be read, whose keys `reference` has.
pub(crate) fn mistake(path: &str, text: &str, error: &toml::de::Error, reference: &str) -> ScenarioError {
    let what = error.message().trim();
    let Some(place) = in_a_fault(text, what) else {
        let remedy = format!("{}the keys are in {reference}", suggestion(what));
        return ScenarioError::new(path, text, what, error.span()).with_remedy(remedy);
    };
    let unknown = what.strip_prefix("unknown variant ").filter(|_| place.is_kind);
    let unknown = unknown.and_then(|rest| backquoted(rest).next());
    let meant = unknown.and_then(deed).unwrap_or_else(|| suggestion(what));
    let remedy = format!("{meant}the kinds of fault and their keys are in docs/reference/faults.md");
    let what = match unknown {
        Some(kind) => format!("no kind of fault is named `{kind}`"),
        None => what.to_owned(),
    };
    ScenarioError::new(path, text, what, Some(place.range)).with_remedy(remedy)
}

/// How the name is written by which a fault is counted that is something a peer does, such as `client-floods`, to begin a
/// remedy with.
fn deed(counted: &str) -> Option<String> {
    let known = Family::ALL.into_iter().flat_map(Family::kinds).any(|kind| *kind == counted);
    let (kind, does) = counted.split_once('-').filter(|_| known)?;
    Some(format!("what a {kind} does is written `kind = \"{kind}\"`, `does = \"{does}\"`; "))
}

/// The place of a mistake within a fault.
struct Place {
    range: Range<usize>,
    /// Whether it is in the fault's `kind`.
    is_kind: bool,
}

/// Where in the faults a complaint comes from; nothing if it comes from elsewhere.
fn in_a_fault(text: &str, complaint: &str) -> Option<Place> {
    #[derive(Deserialize)]
    struct Faults {
        #[serde(default)]
        fault: Vec<Spanned<BTreeMap<Spanned<String>, Spanned<Value>>>>,
    }
    let Faults { fault: faults } = toml::from_str(text).ok()?;
    faults.iter().find_map(|fault| {
        let table: Table = fault
            .as_ref()
            .iter()
            .map(|(key, value)| (key.as_ref().clone(), value.as_ref().clone()))
            .collect();
        (complaint_about(&table)? == complaint).then_some(())?;
        let is_it = |key: &&Spanned<String>| {
            let mut without = table.clone();
            without.remove(key.as_ref());
            complaint_about(&without).as_deref() != Some(complaint)
        };
        // What is missing stands nowhere.
        let is_missing = complaint.starts_with("missing field");
        // Without its kind every fault has another complaint, so that is asked about last.
        let (kinds, others): (Vec<_>, Vec<_>) = fault.as_ref().keys().partition(|key| key.as_ref() == "kind");
        let key = if is_missing { None } else { others.into_iter().chain(kinds).find(is_it) };
        Some(match key {
            Some(key) if complaint.starts_with(&format!("unknown field `{}`", key.as_ref())) => {
                Place { range: key.span(), is_kind: false }
            }
            Some(key) => Place { range: fault.as_ref()[key].span(), is_kind: key.as_ref() == "kind" },
            None => Place { range: fault.span(), is_kind: false },
        })
    })
}

/// What is wrong with one fault.
fn complaint_about(fault: &Table) -> Option<String> {
    let error = Value::Table(fault.clone()).try_into::<Fault>().err()?;
    Some(error.message().trim().to_owned())
}

/// The name that was meant, if a complaint is about an unknown one and says which are known.
fn suggestion(complaint: &str) -> String {
    let is_about_a_name = complaint.starts_with("unknown ") || complaint.contains(" is not a release");
    let mut names = backquoted(complaint).filter(|_| is_about_a_name);
    let Some(unknown) = names.next() else { return String::new() };
    match complaint.starts_with("unknown ") {
        true => did_you_mean(unknown, names),
        false => did_you_mean(unknown, Release::ALL.map(Release::name)),
    }
}

fn backquoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
