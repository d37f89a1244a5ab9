//! What happened in a run, in a sentence: for somebody who asks what is otherwise without a line.

use std::collections::{BTreeMap, BTreeSet};

use crate::explore::Signature;
use crate::record::{Attempt, Record, Service, What};

/// How many messages are spoken of one by one.
const FEW: usize = 3;

/// What happens where the failure does not.
pub(super) fn instead(found: &BTreeMap<Signature, String>, record: Option<&Record>) -> String {
    if let Some(other) = found.keys().next() {
        return format!("found instead: {other}");
    }
    let Some(record) = record else { return "there is no record of the run".to_owned() };
    let mut words = vec![deaths(record)];
    words.extend(answers(record));
    words.push(delivered(record));
    format!("nothing is found: {}", words.join("; "))
}

fn deaths(record: &Record) -> String {
    let died = |what: &What| matches!(what, What::Service(Service::Died(_)));
    match record.entries.iter().filter(|entry| died(&entry.what)).count() {
        0 if record.end.service_up => "the service stays up".to_owned(),
        0 => "the service is down".to_owned(),
        1 => "the service dies once".to_owned(),
        deaths => format!("the service dies {deaths} times"),
    }
}

/// What the clients got in the end, for each message.
fn answers(record: &Record) -> Vec<String> {
    let last: BTreeMap<&str, &Attempt> = record
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Client(attempt) => Some((attempt.message.as_str(), attempt)),
            _ => None,
        })
        .collect();
    // The name of a spool file is nobody's business here.
    let is_spool_name = |word: &str| word.parse::<gateway::envelope::SpoolId>().is_ok();
    let reply = |attempt: &Attempt| {
        let words = attempt.outcome.to_string();
        words.split(' ').filter(|word| !is_spool_name(word)).collect::<Vec<_>>().join(" ")
    };
    match last.len() {
        0 => vec!["no message is handed over".to_owned()],
        1..=FEW => last.iter().map(|(name, attempt)| format!("{name} gets \"{}\"", reply(attempt))).collect(),
        _ => {
            let replies: BTreeSet<String> =
                last.values().map(|attempt| reply(attempt).chars().take(3).collect()).collect();
            vec![format!("{} messages get {}", last.len(), Vec::from_iter(replies).join(", "))]
        }
    }
}

fn delivered(record: &Record) -> String {
    let places = record.end.mailboxes.iter().chain(&record.end.servers);
    match places.map(|(_, items)| items.len()).sum::<usize>() {
        0 => "nothing is delivered".to_owned(),
        items => format!("{items} delivered"),
    }
}
