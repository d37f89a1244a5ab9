//! How many copies of a message there may be: what the gateway took, what others took from it, and which
//! acknowledgements went missing in between (RFC 1047).
//!
//! It counts for the oracles; it does not judge.

use std::time::Duration;

use super::session::Transfer;
use super::{Case, filters};
use crate::fault::{Family, Fault};
use crate::record::{Service, What};

/// The counts of one message for one recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Copies {
    /// How often the gateway may have taken it, from anybody: it answered 250, or ended before it answered.
    pub(super) accepted: usize,
    /// How often mail servers took it.
    pub(super) taken: usize,
    /// How many of these the gateway may not know of: it sent the final dot and read no 250, or ended before it had
    /// noted it.
    pub(super) unacknowledged: usize,
    /// How often it is in the recipient's mailbox.
    pub(super) in_mailbox: usize,
}

/// Whether the gateway may be in charge of a message after this, whatever it answered.
pub(super) fn may_be_accepted(case: &Case<'_>, transfer: &Transfer<'_>) -> bool {
    let disk_fails = || case.ledger.bit(|fault| fault.family() == Family::Disk);
    match &transfer.reply {
        None => true,
        // What could not be made durable is taken back, if the disk allows.
        Some(reply) => reply.is_positive() || (reply.code == 451 && disk_fails()),
    }
}

/// When each message was begun that the gateway may have taken, from anybody: it is no older than that.
pub(super) fn arrivals(case: &Case<'_>, message: &str) -> impl Iterator<Item = Duration> {
    let transfers = case.ledger.transfers.iter();
    let mine = transfers.filter(move |transfer| {
        transfer.is_inbound && transfer.message() == Some(message) && may_be_accepted(case, transfer)
    });
    mine.map(|transfer| case.record.entries[transfer.begun].at)
}

/// Counts the copies of a message, or of a report, for a recipient.
pub(super) fn count(case: &Case<'_>, message: &str, recipient: &str) -> Copies {
    let ledger = &case.ledger;
    // Whom a milter has added no client has named.
    let is_added = filters::added_to(case, message).any(|to| to.eq_ignore_ascii_case(recipient));
    let mine = |transfer: &&Transfer<'_>| {
        let is_for = transfer.is_for(recipient) || transfer.is_inbound && is_added;
        transfer.message() == Some(message) && is_for
    };
    let (inbound, outbound): (Vec<_>, Vec<_>) =
        ledger.transfers.iter().filter(mine).partition(|transfer| transfer.is_inbound);
    let accepted = inbound.into_iter().filter(|transfer| may_be_accepted(case, transfer)).count();
    let is_recipient = |to: &&String| to.eq_ignore_ascii_case(recipient);
    let taken = ledger
        .taken
        .iter()
        .filter(|taken| taken.message == message)
        .map(|taken| taken.recipients.iter().filter(is_recipient).count())
        .sum::<usize>();
    // A server that says that it does not take a message does not keep it.
    let is_unanswered = |transfer: &&&Transfer<'_>| {
        transfer.reply.as_ref().is_none_or(|reply| !reply.is_positive() && !(400..600).contains(&reply.code))
    };
    let confirmed: Vec<usize> = outbound
        .iter()
        .filter(|transfer| transfer.is_answered())
        .filter_map(|transfer| Some(transfer.reply.as_ref()?.index))
        .collect();
    let mailbox =
        case.model.mailbox(recipient).map(|mailbox| mailbox.address.to_string().to_ascii_lowercase());
    let items = mailbox.and_then(|mailbox| ledger.mailboxes.get(&mailbox));
    Copies {
        accepted,
        taken,
        unacknowledged: outbound.iter().filter(is_unanswered).count() + unnoted(case, &confirmed),
        in_mailbox: items.map_or(0, |items| items.iter().filter(|item| item.kind.is(message)).count()),
    }
}

/// How many of these acknowledgements a process read and may not have lived to note: an event follows each note.
fn unnoted(case: &Case<'_>, confirmed: &[usize]) -> usize {
    let starts: Vec<usize> = (case.record.entries.iter().enumerate())
        .filter(|(_, entry)| matches!(entry.what, What::Service(Service::Starts)))
        .map(|(index, _)| index)
        .collect();
    let lives = starts.windows(2).map(|life| life[0]..life[1]);
    let mut unnoted = 0;
    for life in lives {
        let mine = confirmed.iter().filter(|index| life.contains(index)).count();
        if mine > 0 {
            let outbound = case
                .ledger
                .transfers
                .iter()
                .filter(|transfer| !transfer.is_inbound && transfer.is_answered());
            let read =
                outbound.filter(|transfer| transfer.reply.as_ref().is_some_and(|r| life.contains(&r.index)));
            let is_note = |what: &What| matches!(what, What::Event(event) if event.id == 2001 && !event.description.contains("to the local store:"));
            let noted = case.record.entries[life.clone()].iter().filter(|entry| is_note(&entry.what)).count();
            unnoted += mine.min(read.count().saturating_sub(noted));
        }
    }
    unnoted
}

/// Whether what the gateway remembered of a message's deliveries may be gone.
pub(super) fn memory_is_lost(case: &Case<'_>, message: &str) -> bool {
    use crate::fault::DiskFolder::Queue;
    let lost = |fault: &Fault| {
        matches!(
            fault,
            Fault::TornWrite { folder: Queue, .. }
                | Fault::LostData { folder: Queue, .. }
                | Fault::LostRename { folder: Queue, .. }
        )
    };
    case.ledger.vanished(message, &[Queue]) || case.ledger.bit(lost)
}
