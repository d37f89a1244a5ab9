//! What happened in a run, in a sentence: for somebody who asks what is otherwise without a line.
//!
//! It speaks of the mail: who was given which message, which was refused and with what, who was told. What the oracles
//! find is said by others.

use std::collections::{BTreeMap, BTreeSet};

use gateway::envelope::SpoolId;

use crate::explore::Signature;
use crate::mailbag::Kind;
use crate::record::{Attempt, End, Outcome, Record, Service, What};

/// How many messages are spoken of one by one.
const FEW: usize = 3;

/// The event of a message that is dropped on purpose.
const DROPPED: u16 = 4123;

/// What happens where the failure does not.
pub(super) fn instead(found: &BTreeMap<Signature, String>, record: Option<&Record>) -> String {
    if let Some(other) = found.keys().next() {
        return format!("found instead: {other}");
    }
    let Some(record) = record else { return "there is no record of the run".to_owned() };
    let mut words = vec![deaths(record)];
    words.extend(mail(record));
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

/// What became of the mail.
fn mail(record: &Record) -> Vec<String> {
    let last: BTreeMap<&str, &Attempt> = record
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Client(attempt) => Some((attempt.message.as_str(), attempt)),
            _ => None,
        })
        .collect();
    match last.len() {
        0 => vec!["no message is handed over".to_owned()],
        1..=FEW => {
            let fates = last.iter().map(|(name, attempt)| fate(name, attempt, &record.end));
            fates.chain(drops(record)).collect()
        }
        _ => sums(&last, &record.end),
    }
}

/// What became of one message, and who was told.
fn fate(name: &str, last: &Attempt, end: &End) -> String {
    let is_it = |kind: &Kind| matches!(kind, Kind::Message(message) if message == name);
    let mut fates = places(end, is_it);
    match &last.outcome {
        Outcome::Accepted { .. } if fates.is_empty() => fates.push("is taken, and goes to nobody".to_owned()),
        Outcome::Accepted { .. } => {}
        Outcome::Refused { command, reply } => {
            fates.push(format!("is refused with \"{}\", to {command}", without_spool_names(reply)));
        }
        Outcome::Lost { awaiting } => {
            fates.push(format!("is not taken: the connection is lost, with no reply to {awaiting}"));
        }
        Outcome::Unreachable(why) => fates.push(format!("is not taken: there is no connection, {why}")),
    }
    let mut words = vec![format!("{name} {}", fates.join(" and "))];
    let about = |what: &str, places: Vec<String>| {
        (!places.is_empty()).then(|| format!("{what} {name} {}", places.join(" and ")))
    };
    let reports = places(end, |kind| matches!(kind, Kind::Report(message) if message == name));
    words.extend(about("a report on", reports));
    let receipts = places(end, |kind| matches!(kind, Kind::Receipt(message) if message == name));
    words.extend(about("a receipt on", receipts));
    let delays = places(end, |kind| matches!(kind, Kind::Delay(message) if message == name));
    words.extend(about("a report of the delay of", delays));
    let told = places(end, |kind| matches!(kind, Kind::Notification(message) if message == name));
    words.extend(about("a notification on", told));
    words.join("; ")
}

/// Where something is at the end: what can be said of it after its name. What is archived is over and done with.
fn places(end: &End, is_it: impl Fn(&Kind) -> bool) -> Vec<String> {
    let mut places = BTreeSet::new();
    for (mailbox, items) in &end.mailboxes {
        if items.iter().any(|item| is_it(&item.kind)) {
            places.insert(format!("is delivered to {mailbox}"));
        }
    }
    for (server, items) in &end.servers {
        if items.iter().any(|item| is_it(&item.kind)) {
            places.insert(format!("is handed to {server}"));
        }
    }
    for (folder, files) in end.spool.iter().filter(|(folder, _)| folder != "archive") {
        if files.iter().filter_map(|file| file.item.as_ref()).any(|item| is_it(&item.kind)) {
            places.insert(match folder.as_str() {
                "bad" => "is set aside in bad/".to_owned(),
                folder => format!("waits in {folder}/"),
            });
        }
    }
    places.into_iter().collect()
}

/// What the gateway says that it dropped on purpose.
fn drops(record: &Record) -> BTreeSet<String> {
    let said = record.entries.iter().filter_map(|entry| match &entry.what {
        What::Event(event) if event.id == DROPPED => {
            let said = without_spool_names(event.description.trim_end_matches('.'));
            Some(said.replacen("Message", "a message", 1))
        }
        _ => None,
    });
    said.take(FEW).collect()
}

/// How many messages ended in which way.
fn sums(last: &BTreeMap<&str, &Attempt>, end: &End) -> Vec<String> {
    let (mut taken, mut lost, mut refused) = (0, 0, BTreeMap::<&str, usize>::new());
    for attempt in last.values() {
        match &attempt.outcome {
            Outcome::Accepted { .. } => taken += 1,
            Outcome::Refused { reply, .. } => {
                *refused.entry(reply.get(..3).unwrap_or(reply)).or_default() += 1
            }
            Outcome::Lost { .. } | Outcome::Unreachable(_) => lost += 1,
        }
    }
    let mut words = vec![format!("of {} messages, {taken} are taken", last.len())];
    words.extend(refused.iter().map(|(code, count)| format!("{count} refused with {code}")));
    words.extend((lost > 0).then(|| format!("{lost} lost with their connections")));
    let ends = || end.mailboxes.iter().chain(&end.servers).flat_map(|(_, items)| items);
    let are = |is_it: fn(&Kind) -> bool| ends().filter(|item| is_it(&item.kind)).count();
    let delivered = are(|kind| matches!(kind, Kind::Message(_)));
    let told = are(|kind| !matches!(kind, Kind::Message(_) | Kind::Other));
    vec![words.join(", "), format!("{delivered} delivered, reports: {told}")]
}

/// A text without the names of spool files, which are nobody's business here.
fn without_spool_names(text: &str) -> String {
    text.split(' ').filter(|word| word.parse::<SpoolId>().is_err()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbag::{Item, identify};

    #[test]
    fn receipts_and_reports_of_a_delay_are_told_and_counted() {
        let kinds = [Kind::Message, Kind::Report, Kind::Receipt, Kind::Delay, Kind::Notification];
        let item = |of: fn(String) -> Kind| Item { kind: of("m1".to_owned()), ..identify(b"") };
        let mailboxes = vec![("bob".to_owned(), kinds.map(item).to_vec())];
        let end = End { mailboxes, ..End::default() };
        let outcome = Outcome::Accepted { recipients: Vec::new(), reply: String::new() };
        let last = Attempt { message: "m1".to_owned(), number: 1, outcome };
        let told: Vec<String> = fate("m1", &last, &end).split("; ").map(str::to_owned).collect();
        let all = [
            "m1",
            "a report on m1",
            "a receipt on m1",
            "a report of the delay of m1",
            "a notification on m1",
        ];
        assert_eq!(told, all.map(|what| format!("{what} is delivered to bob")));
        assert_eq!(sums(&BTreeMap::from([("m1", &last)]), &end)[1], "1 delivered, reports: 4");
    }
}
