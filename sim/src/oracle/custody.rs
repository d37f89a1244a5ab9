//! Custody: a message that was answered with 250 is never lost (RFC 5321, 6.1).
//!
//! For each recipient that the gateway accepted, at the end of the run one of these holds: the message is in a
//! mailbox or on a mail server; a report on it is on its way or has arrived; it is still in the spool; or it was set
//! aside, with an event that names its file. What the administrator moved out of the spool by hand is in the
//! administrator's custody.
//!
//! It does not ask whether the message reached the *right* place: that is the policy oracle's question.

use std::collections::BTreeSet;

use gateway::address::Address;

use super::{Case, Oracle, Sheet};
use crate::mailbag::{Item, Kind};
use crate::plan::{Plan, Task};
use crate::record::{Record, What};

pub(super) const ORACLE: Oracle = Oracle {
    name: "custody",
    promise: "a message that was answered with 250 is delivered, reported, set aside with an event, or in the spool",
    judge,
};

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    let Case { plan, record, ledger } = case;
    // An errand that found no file took nothing.
    let moved = record
        .entries
        .iter()
        .any(|entry| matches!(&entry.what, What::Administrator(what) if what.starts_with("moves ")));
    let errands = plan.errands.iter().filter(|_| moved);
    let taken_by_hand: BTreeSet<&str> = errands
        .filter_map(|errand| match &errand.task {
            Task::SetAside { message } => Some(message.as_str()),
            Task::Start | Task::CutPower => None,
        })
        .collect();
    for accepted in &ledger.accepted {
        let (message, reply) = (accepted.message, accepted.reply);
        for recipient in accepted.recipients {
            sheet.judges();
            let kept = taken_by_hand.contains(message)
                || is_delivered(plan, record, message, recipient)
                || is_reported(plan, record, message, recipient)
                || is_in_spool(record, message, recipient);
            if !kept {
                let what = format!("{message} for {recipient} was answered \"{reply}\" and is nowhere");
                sheet.finds("an accepted message is nowhere", what);
            }
        }
    }
}

/// Whether a list of addresses names this one.
fn names(addresses: &[String], recipient: &str) -> bool {
    addresses.iter().any(|address| address.eq_ignore_ascii_case(recipient))
}

fn is(item: &Item, message: &str) -> bool {
    item.kind == Kind::Message(message.to_owned())
}

fn is_delivered(plan: &Plan, record: &Record, message: &str, recipient: &str) -> bool {
    let mailboxes = mailboxes_of(plan, recipient);
    let in_mailbox = record.end.mailboxes.iter().any(|(mailbox, items)| {
        mailboxes.contains(&mailbox.to_ascii_lowercase()) && items.iter().any(|item| is(item, message))
    });
    let on_server = record.entries.iter().any(|entry| {
        matches!(&entry.what, What::Accepted { message: taken, recipients }
            if taken == message && recipients.iter().any(|to| to.eq_ignore_ascii_case(recipient)))
    });
    in_mailbox || on_server
}

/// The mailboxes that a recipient's mail may be in: those that have the address as their own or as an alias, and for
/// a postmaster the administrator's.
fn mailboxes_of(plan: &Plan, recipient: &str) -> Vec<String> {
    let config = &plan.gateway.config;
    let is = |address: &Address| address.to_string().eq_ignore_ascii_case(recipient);
    let known =
        config.mailboxes.iter().filter(|mailbox| is(&mailbox.address) || mailbox.aliases.iter().any(is));
    let postmaster = recipient.to_ascii_lowercase().starts_with("postmaster@");
    let administrator = config.administrator.iter().filter(|_| postmaster);
    let addresses = known.map(|mailbox| &mailbox.address).chain(administrator);
    addresses.map(|address| address.to_string().to_ascii_lowercase()).collect()
}

/// A report is owed to the sender; a message with a null reverse path is owed none (RFC 5321, 4.5.5), but then its
/// failure must be in the event log.
fn is_reported(plan: &Plan, record: &Record, message: &str, recipient: &str) -> bool {
    let report = Kind::Report(message.to_owned());
    let stored = record.end.mailboxes.iter().chain(&record.end.servers).flat_map(|(_, items)| items);
    let spooled = record.end.spool.iter().flat_map(|(_, files)| files).filter_map(|file| file.item.as_ref());
    if stored.chain(spooled).any(|item| item.kind == report && names(&item.reported, recipient)) {
        return true;
    }
    let null = plan
        .clients
        .iter()
        .flat_map(|client| &client.messages)
        .any(|m| m.name == message && m.from.is_empty());
    null && record.entries.iter().any(|entry| matches!(&entry.what, What::Event(event) if event.id == 4123 && event.description.contains(recipient)))
}

fn is_in_spool(record: &Record, message: &str, recipient: &str) -> bool {
    record.end.spool.iter().any(|(folder, files)| {
        files.iter().any(|file| {
            let held = file.item.as_ref().is_some_and(|item| is(item, message))
                && names(&file.recipients, recipient);
            let waiting = folder == "in" || folder == "out";
            // An archived copy is no custody: what is done with is archived too.
            held && (waiting || folder == "bad" && has_event_naming(record, &file.file))
        })
    })
}

fn has_event_naming(record: &Record, file: &str) -> bool {
    let name = file.split('.').next().unwrap_or(file);
    record.entries.iter().any(|entry| {
        matches!(&entry.what, What::Event(event) if matches!(event.id, 4116 | 4117) && event.description.contains(name))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Finding, ask};
    use super::*;
    use crate::engine::Classic;
    use crate::mailbag::Item;
    use crate::record::{Entry, Spooled};
    use crate::run::run;
    use crate::scenario::Scenario;
    use crate::trace::Keep;

    const ONE_MESSAGE: &str = include_str!("../../../scenarios/kb/Q178091-homed-sender.toml");

    fn judge(plan: &Plan, record: &Record) -> Vec<Finding> {
        ask(&ORACLE, plan, record).findings
    }

    fn delivered() -> (Plan, Record) {
        let scenario = Scenario::parse("one", "one.toml", ONE_MESSAGE).unwrap();
        let plan = scenario.plan(scenario.releases()[0], scenario.seed());
        let record = run(&plan, &Classic::COARSE, Keep::Digest).unwrap();
        (plan, record)
    }

    #[test]
    fn a_message_that_was_delivered_is_in_nobodys_debt() {
        let (plan, record) = delivered();
        assert_eq!(judge(&plan, &record), []);
    }

    #[test]
    fn a_message_that_was_answered_and_is_nowhere_is_found() {
        let (plan, mut record) = delivered();
        record.end.mailboxes.clear();
        let findings = judge(&plan, &record);
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0].what.starts_with("m1 for bob@contoso.test was answered \"250 OK"),
            "{findings:?}"
        );
    }

    #[test]
    fn a_message_in_bad_needs_an_event_that_names_its_file() {
        let (plan, mut record) = delivered();
        let (_, items) = record.end.mailboxes.remove(0);
        let item: Item = items[0].clone();
        record.end.spool = vec![(
            "bad".to_owned(),
            vec![Spooled {
                file: "ABCDEFGH".to_owned(),
                item: Some(item),
                recipients: vec!["bob@contoso.test".to_owned()],
                octets: 1000,
            }],
        )];
        assert_eq!(judge(&plan, &record).len(), 1);
        let why = gateway::eventlog::Entry {
            id: 4117,
            description: "Spool file ABCDEFGH could not be processed".to_owned(),
            ..Default::default()
        };
        let entry = Entry { at: Duration::ZERO, machine: "gw".into(), what: What::Event(why) };
        record.entries.push(entry);
        assert_eq!(judge(&plan, &record), []);
    }

    #[test]
    fn a_report_on_one_recipient_excuses_no_other() {
        let text = include_str!("../../../scenarios/kb/one-bad-message-among-good-ones.toml");
        let scenario = Scenario::parse("two", "two.toml", text).unwrap();
        let plan = scenario.plan(scenario.releases()[0], scenario.seed());
        let mut record = run(&plan, &Classic::COARSE, Keep::Digest).unwrap();
        assert_eq!(judge(&plan, &record), []);
        record.end.mailboxes.retain(|(mailbox, _)| mailbox != "carol@contoso.test");
        let lost: Vec<String> = judge(&plan, &record).into_iter().map(|finding| finding.what).collect();
        assert_eq!(lost.len(), 2);
        assert!(lost[0].starts_with("m2 for carol@") && lost[1].starts_with("m5 for carol@"), "{lost:?}");
    }
}
