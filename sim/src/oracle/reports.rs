//! Reports: who sent a message hears of each failure once, and the administrator of those that were asked for.
//!
//! For each recipient a message was taken for, there is at most one report, and none beside a copy that arrived, but
//! for lost acknowledgements and for a process that ended in the middle (RFC 5321, 6.1; RFC 3464). A report goes where its reader's mail goes. There is none on a
//! message with a null reverse path and none on a report (RFC 5321, 4.5.5). For each failure of a kind that the
//! administrator chose to hear of there is a notification (Q217195, Q190708), refused submissions and messages set
//! aside included; for other kinds there is none.
//!
//! Each failure that is reported has a cause outside the gateway, for which its status code stands (RFC 3463): see
//! `oracle/causes.rs`.
//!
//! That a failure is reported at all is what *custody* asks. Not judged: the wording, and the notification of a
//! failure that no report tells of, because the reverse path is null.

use std::collections::{BTreeMap, BTreeSet};

use gateway::report::Category;

use super::causes::Said;
use super::{Case, Oracle, Place, Sheet, Where, copies, exchangers, journal, ledger, policy};
use crate::mailbag::{Item, Kind};
use crate::plan::MessagePlan;
use crate::record::{Entry, Service, What};

pub(super) const ORACLE: Oracle = Oracle {
    name: "reports",
    promise: "a failure is reported to the sender once, to the administrator as configured, and never on a report",
    judge,
};

/// The reports on one message that differ, and where copies of them are.
type Reports<'a> = BTreeMap<u64, Vec<(Where<'a>, &'a Item)>>;

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    let mut by_message: BTreeMap<&str, Reports<'_>> = BTreeMap::new();
    for (place, item) in case.ledger.items() {
        match &item.kind {
            Kind::Report(message) if journal::is_about_a_copy(case.plan, item) => {
                copy_of(case, message, place, item, sheet);
            }
            Kind::Report(message) => {
                let reports = by_message.entry(message).or_default();
                reports.entry(item.fingerprint).or_default().push((place, item));
            }
            Kind::Notification(message) => notification(case, message, place, item, sheet),
            Kind::Other if !item.reported.is_empty() && !is_any_garbled(case) => {
                sheet.finds("a report on a report", format!("\"{}\" at {place:?}", item.subject));
            }
            // Receipts and delays are the matter of *dsn*.
            Kind::Other | Kind::Message(_) | Kind::Receipt(_) | Kind::Delay(_) => {}
        }
    }
    for (message, reports) in &by_message {
        let Some((_, planned)) = case.ledger.planned.get(message) else { continue };
        if case.ledger.is_garbled(message) {
            continue;
        }
        if planned.from.is_empty() {
            sheet.judges();
            sheet.finds("a report on a message with a null reverse path", *message);
            continue;
        }
        to_the_sender(case, message, &planned.from, reports, sheet);
        recipients(case, message, reports, sheet);
        justified(case, message, planned, reports, sheet);
        told_of_reports(case, message, reports, sheet);
    }
    told_of_refusals(case, sheet);
    told_of_what_was_set_aside(case, sheet);
}

/// A report on a copy for a journal goes to whom the reports on copies go.
fn copy_of(case: &Case<'_>, message: &str, at: Where<'_>, item: &Item, sheet: &mut Sheet) {
    sheet.judges();
    let Some(reader) = journal::reports_to(case.plan) else { return };
    if !is_at(case, at, reader) {
        let what = format!("the report on {message} for {} is at {at:?}", item.reported.join(", "));
        sheet.finds("a report on a copy went to somebody else than it should", what);
    }
}

/// Whether this is where somebody's mail goes, or went.
fn is_at(case: &Case<'_>, at: Where<'_>, recipient: &str) -> bool {
    let place = case.model.place(recipient, false);
    match at {
        Where::Spool(_) => true,
        Where::Mailbox(directory) => place == Place::Mailbox(ledger::mailbox_of(directory)),
        Where::Server(server) => {
            case.ledger.address_of(server).is_some_and(|address| policy::leads_to(&place, address))
                || exchangers::once_led(case, server, recipient)
        }
    }
}

fn is_any_garbled(case: &Case<'_>) -> bool {
    case.ledger.planned.keys().any(|message| case.ledger.is_garbled(message))
}

fn to_the_sender(case: &Case<'_>, message: &str, sender: &str, reports: &Reports<'_>, sheet: &mut Sheet) {
    let place = case.model.place(sender, false);
    let (mut on_servers, mut distinct) = (0, 0);
    for copies in reports.values() {
        sheet.judges();
        let (mut in_mailboxes, before) = (0, on_servers);
        for (at, _) in copies {
            let is_right = match at {
                Where::Spool(_) => true,
                Where::Mailbox(directory) => {
                    in_mailboxes += 1;
                    place == Place::Mailbox(ledger::mailbox_of(directory))
                }
                Where::Server(server) => {
                    on_servers += 1;
                    case.ledger.address_of(server).is_some_and(|address| policy::leads_to(&place, address))
                        || exchangers::once_led(case, server, sender)
                }
            };
            if !is_right {
                let what = format!("the report on {message} for {sender} is at {at:?}");
                sheet.finds("a report went to somebody else than the sender", what);
            }
        }
        distinct += usize::from(on_servers > before);
        if in_mailboxes > 1 {
            sheet.finds("a mailbox has a report twice", format!("the report on {message}"));
        }
    }
    let copies = copies::count(case, &Kind::Report(message.to_owned()).to_string(), sender);
    if on_servers > distinct + copies.accepted + copies.unacknowledged {
        sheet.finds("a mail server got a report once too often", format!("the report on {message}"));
    }
}

/// How often the service was started again. Between filing a report and being done with what it is about the process may
/// end, and then the report is filed once more: two files cannot change at once.
pub(super) fn restarts(case: &Case<'_>) -> usize {
    let starts = |entry: &&Entry| entry.what == What::Service(Service::Starts);
    case.record.entries.iter().filter(starts).count().saturating_sub(1)
}

fn recipients(case: &Case<'_>, message: &str, reports: &Reports<'_>, sheet: &mut Sheet) {
    let mut reported: BTreeMap<String, usize> = BTreeMap::new();
    for (_, report) in reports.values().filter_map(|copies| copies.first()) {
        let recipients: BTreeSet<String> = report.reported.iter().map(|to| to.to_ascii_lowercase()).collect();
        recipients.into_iter().for_each(|to| *reported.entry(to).or_default() += 1);
    }
    for (recipient, times) in reported {
        sheet.judges();
        let copies = copies::count(case, message, &recipient);
        let arrived = copies.taken + copies.in_mailbox;
        if times > copies.accepted + restarts(case) {
            let what = format!("{message} for {recipient}: {times} reports, taken {} times", copies.accepted);
            sheet.finds("a recipient was reported once too often", what);
        } else if arrived.min(copies.accepted) + times
            > copies.accepted + copies.unacknowledged + restarts(case)
        {
            sheet.finds("a recipient who has the message was reported", format!("{message} for {recipient}"));
        }
    }
}

/// Judges whether each failure that was reported is one.
fn justified(
    case: &Case<'_>,
    message: &str,
    planned: &MessagePlan,
    reports: &Reports<'_>,
    sheet: &mut Sheet,
) {
    for (_, report) in reports.values().filter_map(|copies| copies.first()) {
        let said = report.reported.iter().zip(report.statuses.iter().zip(&report.diagnostics));
        for (recipient, (status, diagnostic)) in said {
            sheet.judges();
            if !(Said { message, planned, recipient, report }).has_a_cause(case, status, diagnostic) {
                let what = format!("{message} for {recipient}: {status} {diagnostic}");
                sheet.finds("a failure was reported that was none, or for another cause", what);
            }
        }
    }
}

/// The kind of failure that a status code of ours stands for.
fn category(status: &str) -> Category {
    match status {
        "5.1.1" => Category::AddressNotFound,
        "5.1.2" | "5.1.10" => Category::HostNotFound,
        "4.4.7" | "4.7.4" | "4.7.5" => Category::MessageTimeOut,
        "5.7.1" => Category::SubmissionRefused,
        "5.3.0" | "5.4.6" => Category::ProcessingFailed,
        _ => Category::ProtocolError,
    }
}

fn told_of_reports(case: &Case<'_>, message: &str, reports: &Reports<'_>, sheet: &mut Sheet) {
    let statuses = reports.values().filter_map(|copies| copies.first()).flat_map(|(_, item)| &item.statuses);
    let failed: BTreeSet<Category> = statuses.map(|status| category(status)).collect();
    // Work that was cut off between the two is done again from the file.
    let is_unfinished = case.ledger.spooled.iter().any(|(folder, file)| {
        matches!(*folder, "in" | "out") && file.item.as_ref().is_some_and(|item| item.kind.is(message))
    });
    if !is_unfinished {
        failed.into_iter().for_each(|category| is_told(case, message, category, sheet));
    }
}

fn told_of_refusals(case: &Case<'_>, sheet: &mut Sheet) {
    for transfer in case.ledger.transfers.iter().filter(|transfer| transfer.is_inbound) {
        let Some(reply) = &transfer.reply else { continue };
        let says = |text: &str| reply.lines.iter().any(|line| line.contains(text));
        if reply.code == 554
            && (says("Mailbox is not local") || says("Originator address"))
            && let Some(message) =
                transfer.message().filter(|message| case.ledger.planned.contains_key(message))
        {
            is_told(case, message, Category::SubmissionRefused, sheet);
        }
    }
}

fn told_of_what_was_set_aside(case: &Case<'_>, sheet: &mut Sheet) {
    for (_, file) in case.ledger.spooled.iter().filter(|(folder, _)| *folder == "bad") {
        let Some(Kind::Message(message)) = file.item.as_ref().map(|item| &item.kind) else { continue };
        let name = format!("Spool file {} ", file.file);
        let why = case.record.entries.iter().find_map(|entry| match &entry.what {
            crate::record::What::Event(event) if event.id == 4117 && event.description.starts_with(&name) => {
                Some(&event.description)
            }
            _ => None,
        });
        let reasons =
            [" raised an exception", " the service died ", " gave no answer in time", ": the milter "];
        if why.is_some_and(|why| reasons.iter().any(|reason| why.contains(reason))) {
            is_told(case, message, Category::ProcessingFailed, sheet);
        }
    }
}

/// Judges whether the administrator hears of a failure, if that was asked for.
fn is_told(case: &Case<'_>, message: &str, category: Category, sheet: &mut Sheet) {
    let config = &case.plan.gateway.config;
    let Some(administrator) = &config.administrator else { return };
    if !config.notifications.administrator.contains(&category) {
        return;
    }
    sheet.judges();
    let is_it = |item: &Item| {
        matches!(&item.kind, Kind::Notification(about) if about == message)
            && item.subject.ends_with(category.sentence())
    };
    let could_not = || {
        case.ledger.has_event(&[4120], "") || case.ledger.was_report_lost(message, &administrator.to_string())
    };
    if !case.ledger.items().any(|(_, item)| is_it(item)) && !could_not() {
        let what = format!("{message}: {}", category.sentence());
        sheet.finds("the administrator was not told of a failure", what);
    }
}

fn notification(case: &Case<'_>, message: &str, at: Where<'_>, item: &Item, sheet: &mut Sheet) {
    sheet.judges();
    let config = &case.plan.gateway.config;
    let administrator = config.administrator.as_ref().map(ToString::to_string);
    if !administrator.is_some_and(|administrator| is_at(case, at, &administrator)) {
        sheet.finds(
            "a notification went to somebody else than the administrator",
            format!("on {message} at {at:?}"),
        );
    }
    let category = Category::ALL.into_iter().find(|category| item.subject.ends_with(category.sentence()));
    if category.is_some_and(|category| !config.notifications.administrator.contains(&category)) {
        let what = format!("{message}: {}", item.subject);
        sheet.finds("the administrator was told of what was not asked for", what);
    }
}
