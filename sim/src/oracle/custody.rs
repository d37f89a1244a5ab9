//! Custody: a message that was answered with 250 is never lost (RFC 5321, 6.1).
//!
//! For each recipient that the gateway accepted, whether its client heard the answer or not, at the end of the run one
//! of these holds: the message is in a mailbox or on a mail server; a report on it is on its way or has arrived, or
//! could not be delivered itself, with an event; it is still in the spool; it was set aside, with an event that names
//! its file; it was of a sender whose mail is to be deleted, with an event; or the plan had an extension or a milter drop it, with an event. What the administrator moved out of the spool by
//! hand, or somebody else removed from the disk, is no longer in the gateway's custody.
//!
//! What went to somebody has a copy in each journal that there is for it, and no more copies than it went there: see
//! `oracle/journal.rs`.
//!
//! It does not ask whether the message reached the *right* place (policy), nor what is in it (integrity). Mail that a
//! server hands back, and a message that a client's fault changed beyond recognition, are not judged.

use std::collections::BTreeSet;

use super::{Acceptance, Case, Oracle, Sheet, dsn, filters, journal, unwanted};
use crate::fault::{DiskFolder, Fault};
use crate::mailbag::{Item, Kind};
use crate::plan::{Plan, Task};
use crate::record::{Record, What};

pub(super) const ORACLE: Oracle = Oracle {
    name: "custody",
    promise: "a message that was answered with 250 is delivered, reported, set aside with an event, or in the spool",
    judge,
};

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    journal::judge(case, sheet);
    let ledger = &case.ledger;
    for accepted in &ledger.accepted {
        let Acceptance { message, recipients, reply } = accepted;
        if ledger.is_garbled(message) {
            continue;
        }
        for recipient in recipients {
            sheet.judges();
            if !is_accounted_for(case, accepted, recipient) {
                let what = format!("{message} for {recipient} was answered \"{reply}\" and is nowhere");
                sheet.finds("an accepted message is nowhere", what);
            }
        }
    }
}

/// Whether a message that was answered for has come to its end for a recipient, or is somewhere.
pub(super) fn is_accounted_for(case: &Case<'_>, accepted: &Acceptance, recipient: &str) -> bool {
    let Acceptance { message, .. } = accepted;
    taken_by_hand(case.plan, case.record).contains(message.as_str())
        || case.ledger.vanished(message, &[DiskFolder::In, DiskFolder::Out, DiskFolder::Bad])
        || is_delivered(case, message, recipient)
        || is_reported(case, accepted, recipient)
        || is_in_spool(case, accepted, recipient)
        || is_dropped(case, accepted, recipient)
        || filters::is_dropped(case, accepted, recipient)
        || unwanted::is_deleted(case, accepted)
}

fn taken_by_hand<'a>(plan: &'a Plan, record: &Record) -> BTreeSet<&'a str> {
    // An errand that found no file took nothing.
    let moved = record
        .entries
        .iter()
        .any(|entry| matches!(&entry.what, What::Administrator(what) if what.starts_with("moves ")));
    let errands = plan.errands.iter().filter(|_| moved);
    errands
        .filter_map(|errand| match &errand.task {
            Task::SetAside { message } => Some(message.as_str()),
            Task::Start | Task::CutPower => None,
        })
        .collect()
}

/// Whether a list of addresses names this one.
fn names(addresses: &[String], recipient: &str) -> bool {
    addresses.iter().any(|address| address.eq_ignore_ascii_case(recipient))
}

fn is(item: &Item, message: &str) -> bool {
    matches!(&item.kind, Kind::Message(name) if name == message)
}

fn is_delivered(case: &Case<'_>, message: &str, recipient: &str) -> bool {
    let mailbox = case.model.mailbox(recipient);
    let mailbox = mailbox.map(|mailbox| mailbox.address.to_string().to_ascii_lowercase());
    let in_mailbox = mailbox
        .and_then(|mailbox| case.ledger.mailboxes.get(&mailbox))
        .is_some_and(|items| items.iter().any(|item| is(item, message)));
    let on_server =
        case.ledger.taken.iter().any(|taken| taken.message == message && names(taken.recipients, recipient));
    in_mailbox || on_server
}

/// A report is owed to the sender; a message with a null reverse path is owed none (RFC 5321, 4.5.5), but then its
/// failure must be in the event log. So must that of a report.
fn is_reported(case: &Case<'_>, accepted: &Acceptance, recipient: &str) -> bool {
    let message = accepted.message.as_str();
    let was_dropped = || case.ledger.was_dropped(accepted.spool_id(), recipient);
    if case.ledger.reports_on(message).any(|report| names(&report.reported, recipient)) {
        return true;
    }
    let sender = case.ledger.planned.get(message).map(|(_, message)| message.from.as_str());
    match sender {
        Some("") => was_dropped(),
        // Or the sender asked not to hear of it (RFC 3461), and then its failure must be there too.
        Some(sender) => {
            case.ledger.was_report_lost(message, sender)
                || was_dropped() && dsn::may_be_silenced(case, message, recipient)
        }
        None => false,
    }
}

fn is_dropped(case: &Case<'_>, accepted: &Acceptance, recipient: &str) -> bool {
    let Acceptance { message, .. } = accepted;
    let told = case
        .ledger
        .bit(|fault| matches!(fault, Fault::ExtensionDrops { message: about } if about == message));
    told && case.ledger.was_dropped(accepted.spool_id(), recipient)
}

fn is_in_spool(case: &Case<'_>, accepted: &Acceptance, recipient: &str) -> bool {
    case.ledger.spooled.iter().any(|(folder, file)| {
        let held = match &file.item {
            Some(item) => is(item, &accepted.message) && names(&file.recipients, recipient),
            // What cannot be read is known by its name.
            None => file.file.starts_with(accepted.spool_id()),
        };
        // An archived copy is no custody: what is done with is archived too.
        held && match *folder {
            "in" | "out" => true,
            "bad" => has_event_naming(case, &file.file, &[4116, 4117]),
            "turf" => has_event_naming(case, &file.file, &[4192]),
            _ => false,
        }
    })
}

fn has_event_naming(case: &Case<'_>, file: &str, ids: &[u16]) -> bool {
    let name = file.split(['.', '~']).next().unwrap_or(file);
    case.ledger.has_event(ids, name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Finding, ask};
    use super::*;
    use crate::engine::Classic;
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
