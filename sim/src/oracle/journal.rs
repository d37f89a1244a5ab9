//! The copies that a journal has, and what a disclaimer adds: read a second time from the configuration. Part of
//! *custody*; other oracles ask here what they have to allow for.
//!
//! - What was delivered to a mailbox, or taken by a mail server, has a copy for the journal of that way: it is there, on
//!   its way, reported to whom the copies' reports go, or in the event log.
//! - A journal, here or elsewhere, has a message no more often than it was taken, for each way that it may go, and once
//!   more where the process ended in the middle or an acknowledgement was lost.
//!
//! Not judged: a message that is under way still or set aside, and one that somebody took off the disk.

use super::{Case, Place, Sheet, Where, copies, filters, ledger, reports};
use crate::fault::{DiskFolder, Fault};
use crate::mailbag::{Item, Kind};
use crate::plan::Plan;

/// The two ways that a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Inbound,
    Outbound,
}

impl Way {
    fn key(self) -> &'static str {
        match self {
            Way::Inbound => "inbound",
            Way::Outbound => "outbound",
        }
    }
}

fn setting<'a>(plan: &'a Plan, extension: &str, key: &str) -> Option<&'a toml::Value> {
    plan.gateway.config.extensions.iter().find(|link| link.name == extension)?.settings.get(key)
}

/// The journal of a way.
fn journal(plan: &Plan, way: Way) -> Option<&str> {
    setting(plan, "journal", way.key())?.as_str()
}

/// Who hears of copies.
pub(super) fn reports_to(plan: &Plan) -> Option<&str> {
    setting(plan, "journal", "reports_to")?.as_str()
}

/// Whether an address is a journal's.
pub(super) fn is_journal(plan: &Plan, address: &str) -> bool {
    let journals = [Way::Inbound, Way::Outbound].into_iter().filter_map(|way| journal(plan, way));
    journals.into_iter().any(|journal| journal.eq_ignore_ascii_case(address))
}

/// Whether something tells of a journal's copy alone.
pub(super) fn is_about_a_copy(plan: &Plan, item: &Item) -> bool {
    !item.reported.is_empty() && item.reported.iter().all(|to| is_journal(plan, to))
}

/// Whether this is a journal's mailbox.
pub(super) fn is_journals_mailbox(plan: &Plan, directory: &str) -> bool {
    is_journal(plan, &ledger::mailbox_of(directory))
}

/// The text that a disclaimer puts before and behind the text of what goes this way.
pub(super) fn texts(plan: &Plan, way: Way) -> [Option<&str>; 2] {
    let texts = setting(plan, "disclaimer", way.key());
    ["prepend", "append"].map(|key| texts?.get(key)?.as_str())
}

pub(super) fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    for way in [Way::Inbound, Way::Outbound] {
        let Some(journal) = journal(case.plan, way) else { continue };
        for (message, (_, planned)) in &case.ledger.planned {
            let names_it =
                |address: &str| is_journal(case.plan, address) || reports_to(case.plan) == Some(address);
            let is_its_own = planned.to.iter().all(|to| names_it(&to.to_string()));
            if case.ledger.is_garbled(message) || is_its_own {
                continue;
            }
            if went(case, message, way) && !is_unfinished(case, message) {
                sheet.judges();
                if !is_copied(case, message, journal) {
                    let what = format!("{message}, {}, for {journal}", way.key());
                    sheet.finds("a journal has no copy of a message", what);
                }
            }
            how_often(case, message, journal, sheet);
        }
    }
}

/// Whether a message went this way to somebody else than a journal.
fn went(case: &Case<'_>, message: &str, way: Way) -> bool {
    match way {
        Way::Inbound => case.ledger.items().any(|(place, item)| {
            matches!(place, Where::Mailbox(directory) if !is_journals_mailbox(case.plan, directory))
                && item.kind == Kind::Message(message.to_owned())
        }),
        Way::Outbound => case.ledger.taken.iter().any(|taken| {
            taken.message == message && taken.recipients.iter().any(|to| !is_journal(case.plan, to))
        }),
    }
}

fn is_unfinished(case: &Case<'_>, message: &str) -> bool {
    let in_spool = case.ledger.spooled.iter().any(|(folder, file)| {
        matches!(*folder, "in" | "bad") && file.item.as_ref().is_none_or(|item| item.kind.is(message))
    });
    in_spool || case.ledger.vanished(message, &[DiskFolder::In, DiskFolder::Out, DiskFolder::Bad])
}

fn is_copied(case: &Case<'_>, message: &str, journal: &str) -> bool {
    let is_it = |item: &Item| item.kind == Kind::Message(message.to_owned());
    let is_there = case.ledger.items().any(|(place, item)| {
        matches!(place, Where::Mailbox(directory) if ledger::mailbox_of(directory).eq_ignore_ascii_case(journal))
            && is_it(item)
    });
    let names = |recipients: &[String]| recipients.iter().any(|to| to.eq_ignore_ascii_case(journal));
    is_there
        || case.ledger.taken.iter().any(|taken| taken.message == message && names(taken.recipients))
        || case
            .ledger
            .spooled
            .iter()
            .any(|(_, file)| file.item.as_ref().is_some_and(is_it) && names(&file.recipients))
        || case.ledger.reports_on(message).any(|report| names(&report.reported))
        || is_copy_dropped(case, message) && case.ledger.has_event(&[4123], journal)
        || reports_to(case.plan).is_some_and(|to| case.ledger.was_report_lost(message, to))
        || case.ledger.vanished(message, &[DiskFolder::Mailboxes])
}

/// Whether an extension may have dropped the copy as it did the message.
fn is_copy_dropped(case: &Case<'_>, message: &str) -> bool {
    case.ledger.bit(|fault| matches!(fault, Fault::ExtensionDrops { message: about } if about == message))
}

fn how_often(case: &Case<'_>, message: &str, journal: &str, sheet: &mut Sheet) {
    let copies = copies::count(case, message, journal);
    let count = copies.in_mailbox + copies.taken;
    if count == 0 || copies::memory_is_lost(case, message) {
        return;
    }
    sheet.judges();
    let taken = case.ledger.transfers.iter().filter(|transfer| {
        transfer.is_inbound && transfer.message() == Some(message) && copies::may_be_accepted(case, transfer)
    });
    let ways = [Way::Inbound, Way::Outbound].into_iter();
    let ways = ways
        .filter(|way| self::journal(case.plan, *way).is_some_and(|own| own.eq_ignore_ascii_case(journal)))
        .filter(|way| may_go(case, message, *way));
    let allowed = taken.count() * ways.count() + copies.unacknowledged + reports::restarts(case);
    if count > allowed {
        let what = format!("{message} for {journal}: {count} copies, {allowed} allowed");
        sheet.finds("a journal has a message once too often", what);
    }
}

/// Whether a message may go this way, for any of those whom it is for.
fn may_go(case: &Case<'_>, message: &str, way: Way) -> bool {
    let is_rerouted = case
        .ledger
        .bit(|fault| matches!(fault, Fault::ExtensionReroutes { message: about } if about == message));
    let transfers = case.ledger.transfers.iter().filter(|transfer| transfer.message() == Some(message));
    let named = transfers.flat_map(|transfer| transfer.recipients.iter().cloned());
    let mut recipients = named.chain(filters::added_to(case, message));
    is_rerouted
        || recipients.any(|recipient| match case.model.place(&recipient, false) {
            Place::Mailbox(_) => way == Way::Inbound,
            Place::Hosts(_) | Place::Nowhere => way == Way::Outbound,
            Place::Nobody => false,
        })
}
