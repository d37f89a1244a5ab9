//! The limits for one host: what it may have open at one time, and ask for in a minute. Part of *bounds*.
//!
//! The gateway's minute begins when it likes: in any minute here a host is granted at most twice what it may be in one of
//! those. And nobody is put off who has not asked for so much himself: who floods keeps nobody else away.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::super::session::verb;
use super::super::{Case, Exchange, Reply, Session, Sheet};
use super::connections;
use crate::record::{Service, What};

const MINUTE: Duration = Duration::from_mins(1);
/// How long the gateway may believe that a connection is open after it was last heard of.
const LINGERING: Duration = Duration::from_mins(15);

/// Something that a host asks for.
struct Ask {
    /// When, as a place in the Record.
    index: usize,
    at: Duration,
    is_granted: bool,
    /// Whether it was told that it asks for too much.
    is_put_off: bool,
}

pub(super) fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    let limits = &case.plan.gateway.config.limits;
    let inbound = || case.ledger.sessions.iter().filter(|session| session.is_inbound);
    let hosts: BTreeSet<IpAddr> = inbound().map(|session| session.peer).collect();
    for host in hosts {
        let of_host = |session: &Session<'_>| session.is_inbound && session.peer == host;
        let limit = |limit: Option<NonZeroU32>| {
            limit.filter(|_| case.model.is_limited(host)).map(|limit| limit.get() as usize)
        };
        if let Some(limit) = limit(limits.connections_per_host) {
            connections(case, of_host, limit, "too many connections of one host at once", sheet);
        }
        let sessions: Vec<&Session<'_>> = inbound().filter(|session| session.peer == host).collect();
        open(case, &sessions, limit(limits.connections_per_host), sheet);
        let of_minute = |place: usize, wanted: &'static str, limit: Option<usize>, sheet: &mut Sheet| {
            let asks = sessions.iter().flat_map(|session| {
                let exchanges = session.exchanges.iter().enumerate();
                exchanges.filter(move |(nth, exchange)| match place {
                    0 => *nth == 0,
                    _ => *nth > 0 && exchange.content.is_none() && verb(exchange.command) == wanted,
                })
            });
            let asks = asks.map(|(_, exchange)| ask(case, exchange, wanted)).collect();
            in_a_minute(case, host, asks, limit, wanted, sheet);
        };
        of_minute(0, "connections", limit(limits.connections_per_minute), sheet);
        of_minute(1, "MAIL", limit(limits.messages_per_minute), sheet);
        of_minute(1, "RCPT", limit(limits.recipients_per_minute), sheet);
    }
}

fn ask(case: &Case<'_>, exchange: &Exchange<'_>, wanted: &str) -> Ask {
    let reply = exchange.reply.as_ref();
    let says = match wanted {
        "MAIL" => "too many messages in a minute",
        "RCPT" => "too many recipients in a minute",
        _ => "too many connections in a minute",
    };
    Ask {
        index: exchange.index,
        at: case.record.entries[exchange.index].at,
        is_granted: reply.is_some_and(Reply::is_positive),
        is_put_off: reply.is_some_and(|reply| reply.lines.iter().any(|line| line.contains(says))),
    }
}

/// Judges what one host was granted in any minute, and what for it was put off.
fn in_a_minute(
    case: &Case<'_>,
    host: IpAddr,
    mut asks: Vec<Ask>,
    limit: Option<usize>,
    what: &str,
    sheet: &mut Sheet,
) {
    // A process begins with no memory of the hosts.
    let starts: Vec<usize> = (case.record.entries.iter().enumerate())
        .filter(|(_, entry)| matches!(entry.what, What::Service(Service::Starts)))
        .map(|(index, _)| index)
        .collect();
    asks.sort_by_key(|ask| ask.index);
    for (place, ask) in asks.iter().enumerate() {
        let start = starts.iter().copied().take_while(|start| *start < ask.index).last().unwrap_or_default();
        let before = asks[..place].iter();
        let before = before.filter(|before| before.at + MINUTE > ask.at && before.index >= start);
        if ask.is_put_off {
            sheet.judges();
            let asked = before.clone().count();
            if limit.is_none_or(|limit| asked < limit) {
                let what = format!("{host}, {what}: it had asked for {asked} in a minute, of {limit:?}");
                sheet.finds("a host was put off that had not asked for too much", what);
            }
        }
        let granted = before.filter(|before| before.is_granted).count() + 1;
        if let Some(limit) = limit.filter(|_| ask.is_granted) {
            sheet.judges();
            if granted > 2 * limit {
                let what = format!("{host}, {what}: {granted} in a minute, where {limit} are allowed");
                sheet.finds("a host was granted too much in a minute", what);
                return;
            }
        }
    }
}

/// Judges who was turned away for the connections that he has open.
fn open(case: &Case<'_>, sessions: &[&Session<'_>], limit: Option<usize>, sheet: &mut Sheet) {
    let at = |index: usize| case.record.entries[index].at;
    for session in sessions {
        let turned_away = session.exchanges[0].reply.as_ref().is_some_and(|reply| {
            reply.lines.iter().any(|line| line.contains("too many connections at one time"))
        });
        if !turned_away {
            continue;
        }
        sheet.judges();
        let begins = session.span[0];
        let may_be_open =
            |other: &&&Session<'_>| other.span[0] < begins && at(other.span[1]) + LINGERING > at(begins);
        let others = sessions.iter().filter(may_be_open).count();
        if limit.is_none_or(|limit| others < limit) {
            let what = format!("{}: {others} others, where {limit:?} are allowed", session.peer);
            sheet.finds("a host was turned away that has not too many connections", what);
        }
    }
}
