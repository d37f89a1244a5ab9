//! Bounds: nothing grows past its limit, whatever clients ask for (Q166584, Q272672; RFC 5321, 4.5.3.1; RFC 1870).
//!
//! So many clients converse at once, and so many of one host; in a minute one host begins so many connections, messages
//! and recipients, or twice as many where the minute is not the gateway's. So many conversations with other hosts are
//! open at once, so many of them with one host; one that is kept for another message is not kept for long when there is
//! none. A host is told of a message again no sooner than the retry schedule has it. A message that is taken has so many
//! recipients and so many octets; a command line is not obeyed that is longer than 512 octets; and no file in the spool
//! is much larger than its message.
//!
//! It counts what the Record shows: a connection counts from its greeting to the moment when either side closes it.
//! Not judged: memory, the octets of `archive/`, and what is refused below a limit (policy).

mod hosts;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::protocol::{LINE_LIMIT, longest, octets};
use super::reports::restarts;
use super::session::{path, verb};
use super::{Case, Oracle, Reply, Session, Sheet, etrn, journal};
use crate::fault::Family;
use crate::mailbag::Kind;
use crate::record::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "bounds",
    promise: "connections, recipients, message sizes, command lines and spool files stay within their limits",
    judge,
};

/// How long a connection may be kept without a message, and until one that is not needed is closed.
const KEPT: Duration = Duration::from_mins(1);

/// What the envelope, the trace header and the footer of a spool file take at most, and each recipient more.
const ENVELOPE: usize = 4 * 1024;
/// The same for one recipient: in the envelope, or in the text of a report.
const RECIPIENT: usize = 2 * 1024;
/// How much of a message is returned with a report.
const RETURNED: usize = 64 * 1024;

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    let limits = &case.plan.gateway.config.limits;
    let delivery = &case.plan.gateway.config.delivery;
    let is_client = |session: &Session<'_>| session.is_inbound;
    connections(case, is_client, limits.inbound_connections, "too many clients at once", sheet);
    let is_outbound = |session: &Session<'_>| !session.is_inbound;
    let all = "too many conversations with other hosts at once";
    connections(case, is_outbound, delivery.connections, all, sheet);
    let there: BTreeSet<_> = case
        .ledger
        .sessions
        .iter()
        .filter(|session| is_outbound(session))
        .map(|session| session.peer)
        .collect();
    for host in there {
        let is_there = |session: &Session<'_>| is_outbound(session) && session.peer == host;
        let cause = "too many conversations with one host at once";
        connections(case, is_there, delivery.connections_per_host, cause, sheet);
    }
    for session in case.ledger.sessions.iter().filter(|session| is_outbound(session)) {
        kept(case, session, sheet);
    }
    hosts::judge(case, sheet);
    turned_away(case, limits.inbound_connections, sheet);
    for transfer in
        case.ledger.transfers.iter().filter(|transfer| transfer.is_inbound && transfer.is_answered())
    {
        sheet.judges();
        if transfer.recipients.len() > limits.recipients {
            let what = format!("{} of {}", transfer.recipients.len(), limits.recipients);
            sheet.finds("a message was accepted for too many recipients", what);
        }
        if let Some(limit) = limits.message_size.filter(|limit| transfer.content.octets as u64 > limit.get())
        {
            let what = format!("{} octets of {limit}", transfer.content.octets);
            sheet.finds("a message was accepted that is too large", what);
        }
    }
    for session in case.ledger.sessions.iter().filter(|session| session.is_inbound) {
        command_lines(session, sheet);
    }
    spool(case, sheet);
    retries(case, sheet);
}

/// Judges how often a host was told of a recipient: a message waits between its tries, for as long as the shortest wait is.
/// A try may begin twice: over a connection that turns out to be closed, or after a handshake that fails.
fn retries(case: &Case<'_>, sheet: &mut Sheet) {
    let at = |index: usize| case.record.entries[index].at;
    let Some(wait) = case.plan.gateway.config.delivery.retry.iter().min() else { return };
    // A disk that fails after a try has it made again.
    if case.ledger.bit(|fault| fault.family() == Family::Disk) {
        return;
    }
    let mut told: BTreeMap<(IpAddr, &str, &str), Vec<Duration>> = BTreeMap::new();
    for session in case.ledger.sessions.iter().filter(|session| !session.is_inbound) {
        let mut sender = "";
        for exchange in &session.exchanges {
            match verb(exchange.command).as_str() {
                "MAIL" => sender = path(exchange.command),
                "RCPT" => {
                    let key = (session.peer, sender, path(exchange.command));
                    told.entry(key).or_default().push(at(exchange.index));
                }
                _ => {}
            }
        }
    }
    let more = restarts(case) + etrn::granted(case).count();
    for ((peer, sender, recipient), times) in told {
        // What the gateway writes itself is not counted.
        if sender.is_empty() || journal::is_journal(case.plan, recipient) {
            continue;
        }
        sheet.judges();
        let taken =
            case.ledger.transfers.iter().filter(|transfer| transfer.is_inbound && transfer.sender == sender);
        let taken = taken.filter(|transfer| transfer.is_for(recipient)).count().max(1);
        let most = times
            .iter()
            .enumerate()
            .map(|(nth, first)| times[nth..].iter().take_while(|time| **time < *first + *wait).count());
        let most = most.max().unwrap_or_default();
        if most > 2 * taken + more {
            let what = format!("{peer} of {recipient}, {most} times within {wait:?}");
            sheet.finds("a host was told of the same mail too often", what);
        }
    }
}

/// Judges who was turned away because there are too many clients: so many may be open.
fn turned_away(case: &Case<'_>, limit: usize, sheet: &mut Sheet) {
    let inbound = || case.ledger.sessions.iter().filter(|session| session.is_inbound);
    let says = |line: &&str| line.contains(" too many connections, try again later");
    for session in inbound() {
        let reply = session.exchanges[0].reply.as_ref();
        if !reply.is_some_and(|reply| reply.lines.iter().any(says)) {
            continue;
        }
        sheet.judges();
        let begins = session.span[0];
        let at = |index: usize| case.record.entries[index].at;
        // The gateway may be busy with the farewell of one that is closed.
        let may_be_open = |other: &&Session<'_>| {
            other.span[0] < begins && (!other.is_closed || at(other.span[1]) + KEPT > at(begins))
        };
        let others = inbound().filter(may_be_open).count();
        if others < limit {
            let what = format!("{}: {others} others, where {limit} are allowed", session.peer);
            sheet.finds("a client was turned away though there are not too many", what);
        }
    }
}

/// Judges how long a connection was kept after each message that went over it.
fn kept(case: &Case<'_>, session: &Session<'_>, sheet: &mut Sheet) {
    let at = |index: usize| case.record.entries[index].at;
    // What the gateway took for which reply is the other server's doing.
    if session.early > 0 {
        return;
    }
    for (place, exchange) in session.exchanges.iter().enumerate() {
        let taken = exchange.reply.as_ref().filter(|reply| exchange.content.is_some() && reply.is_positive());
        // A reply that is too long is none: nobody reads it to its end.
        let is_read = |reply: &&Reply<'_>| reply.lines.iter().all(|line| octets(line) <= LINE_LIMIT);
        let Some(taken) = taken.filter(is_read) else { continue };
        let next = session.exchanges.get(place + 1).map(|next| next.index);
        let closed = session.is_closed.then_some(session.span[1]);
        let ended = next.into_iter().chain(closed).min();
        // With its process all of a machine's connections end, and nobody says when.
        let died = ends(case).any(|end| end > taken.index && ended.is_none_or(|ended| end < ended));
        if died || ended.is_none() && !case.record.end.service_up {
            continue;
        }
        let ended = ended.map_or(case.record.ended, at);
        sheet.judges();
        if ended > taken.at + KEPT {
            let what = format!("to {}, for {:?} after a message", session.peer, ended - taken.at);
            sheet.finds("a connection was kept for nothing", what);
        }
    }
}

/// The places in the Record at which the gateway's process began or ended.
fn ends(case: &Case<'_>) -> impl Iterator<Item = usize> {
    let entries = case.record.entries.iter().enumerate();
    entries.filter(|(_, entry)| matches!(entry.what, What::Service(_))).map(|(index, _)| index)
}

/// Judges how many connections of one kind were open at once. Those of clients count that were let in.
fn connections(
    case: &Case<'_>,
    is_meant: impl Fn(&Session<'_>) -> bool,
    limit: usize,
    cause: &str,
    sheet: &mut Sheet,
) {
    let greeted = |session: &&Session<'_>| {
        let code = session.exchanges[0].reply.as_ref().map(|reply| reply.code);
        is_meant(session) && (!session.is_inbound || code == Some(220))
    };
    let mut changes: Vec<(usize, bool)> = Vec::new();
    for session in case.ledger.sessions.iter().filter(greeted) {
        changes.extend([(session.span[0], false), (session.span[1], true)]);
    }
    changes.sort_unstable();
    let (mut open, mut most, mut ended) = (0_usize, 0, ends(case).peekable());
    for (index, closes) in changes {
        // With its process all of a machine's connections end.
        while ended.next_if(|end| *end < index).is_some() {
            open = 0;
        }
        open = if closes { open.saturating_sub(1) } else { open + 1 };
        most = most.max(open);
    }
    if most > 0 {
        sheet.judges();
    }
    if most > limit {
        sheet.finds(cause, format!("{most}, where {limit} are allowed"));
    }
}

fn command_lines(session: &Session<'_>, sheet: &mut Sheet) {
    let mut is_challenged = false;
    for exchange in &session.exchanges {
        let Some(reply) = &exchange.reply else { return };
        let is_command = exchange.content.is_none() && !is_challenged;
        is_challenged = reply.code == 334;
        if is_command && octets(exchange.command) > longest(exchange.command) {
            sheet.judges();
            if !reply.is_permanent() && reply.code != 421 {
                let what = format!("{} of {} octets", verb(exchange.command), octets(exchange.command));
                sheet.finds("a command line was obeyed that is too long", what);
            }
        }
    }
}

fn spool(case: &Case<'_>, sheet: &mut Sheet) {
    for (folder, file) in &case.ledger.spooled {
        let Some(item) = &file.item else { continue };
        let about = match &item.kind {
            Kind::Message(name)
            | Kind::Report(name)
            | Kind::Receipt(name)
            | Kind::Delay(name)
            | Kind::Notification(name) => name,
            Kind::Other => continue,
        };
        let Some((_, planned)) = case.ledger.planned.get(about.as_str()) else { continue };
        if !matches!(*folder, "in" | "out" | "bad") || case.ledger.is_garbled(about) {
            continue;
        }
        sheet.judges();
        let content = match item.kind {
            Kind::Message(_) => planned.content.len(),
            _ => planned.content.len().min(RETURNED) + ENVELOPE,
        };
        // Each time that it came back there is one trace header more.
        let limit = content + ENVELOPE + RECIPIENT * planned.to.len() + 512 * item.hops;
        if file.octets > limit {
            let what =
                format!("{} in {folder}/: {} octets, where {limit} are enough", item.kind, file.octets);
            sheet.finds("a spool file is larger than its message", what);
        }
    }
}
