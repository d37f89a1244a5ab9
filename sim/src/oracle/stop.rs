//! Whether a service that is told to stop does so as it should (RFC 5321, 3.8). Part of *service*.
//!
//! From the moment at which it is told, and has come up: no client is let in, and no message begun; a client between
//! messages hears 421; one within a message may finish it, for 30 seconds; then the process ends. The historical releases
//! end at once.

use std::time::Duration;

use gateway::release::Release;

use super::session::verb;
use super::{Case, Reply, Session, Sheet};
use crate::record::{Service, TOLD_TO_STOP, What};

/// How long clients within a message may take to finish it.
const CLOSING: Duration = Duration::from_secs(30);
/// What it takes to end, and the disk with it.
const A_MOMENT: Duration = Duration::from_secs(30);

/// One time that the service was told to stop.
struct Stop {
    /// When it was, as a place in the Record, or when it came up after it.
    told: usize,
    /// When its process ended, as a place in the Record, however it did.
    ended: Option<usize>,
}

pub(super) fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    for stop in stops(case) {
        sheet.judges();
        ends_in_time(case, &stop, sheet);
        if case.plan.release == Release::Current {
            for session in case.ledger.sessions.iter().filter(|session| session.is_inbound) {
                closes_down(case, &stop, session, sheet);
            }
        }
    }
}

fn stops(case: &Case<'_>) -> Vec<Stop> {
    let entries = &case.record.entries;
    let (mut stops, mut is_up): (Vec<Stop>, bool) = (Vec::new(), false);
    let (mut told, mut is_told) = (0, false);
    for (place, entry) in entries.iter().enumerate() {
        match &entry.what {
            What::Fault(what) if what == TOLD_TO_STOP => (told, is_told) = (place, true),
            What::Event(event) if event.id == 1000 => {
                is_up = true;
                told = if is_told { place } else { told };
            }
            what if crate::service_control::ends_the_service(what) => {
                if std::mem::take(&mut is_told) && is_up {
                    stops.push(Stop { told, ended: Some(place) });
                }
                is_up = false;
            }
            What::Service(Service::Starts) => (is_up, is_told) = (false, false),
            _ => {}
        }
    }
    if is_told && is_up {
        stops.push(Stop { told, ended: None });
    }
    stops
}

fn ends_in_time(case: &Case<'_>, stop: &Stop, sheet: &mut Sheet) {
    let at = |index: usize| case.record.entries[index].at;
    let ended = stop.ended.map_or(case.record.ended, at);
    if ended > at(stop.told) + CLOSING + A_MOMENT {
        let what = format!("it was told to at {:?}, and took {:?}", at(stop.told), ended - at(stop.told));
        sheet.finds("the service did not stop in time", what);
    }
}

fn closes_down(case: &Case<'_>, stop: &Stop, session: &Session<'_>, sheet: &mut Sheet) {
    let at = |index: usize| case.record.entries[index].at;
    let end = stop.ended.unwrap_or(usize::MAX);
    let is_during = |index: usize| (stop.told + 1..end).contains(&index) && at(index) > at(stop.told);
    if is_during(session.span[0]) {
        sheet.finds("a client was let in by a service that stops", session.peer.to_string());
    }
    for exchange in &session.exchanges {
        let is_granted = exchange.reply.as_ref().is_some_and(Reply::is_positive);
        if is_granted && verb(exchange.command) == "MAIL" && is_during(exchange.index) {
            sheet.finds("a message was begun with a service that stops", exchange.command);
        }
    }
    let was_open = session.span[0] < stop.told && (session.span[1] > stop.told || !session.is_closed);
    let has_ended = case.record.entries[..stop.told]
        .iter()
        .skip(session.span[0])
        .any(|entry| matches!(entry.what, What::Service(Service::Starts)));
    if !was_open || has_ended {
        return;
    }
    let stopped =
        stop.ended.filter(|end| matches!(case.record.entries[*end].what, What::Service(Service::Stopped)));
    let Some(stopped) = stopped else { return };
    let is_left = !session.is_closed || session.span[1] > stopped;
    if is_left && at(stopped) < at(stop.told) + CLOSING {
        sheet.finds("the service stopped before its clients were done", session.peer.to_string());
    }
    // A handshake is no place for a farewell.
    let replies = session.exchanges.iter().filter_map(|exchange| exchange.reply.as_ref());
    let strays = session.stray.iter().map(|(_, reply)| reply);
    let hears_it = replies.chain(strays).any(|reply| reply.code == 421);
    if is_idle(session, stop.told) && !hears_it && !parts_first(case, session) {
        sheet.finds("a client heard no farewell of a service that stops", session.peer.to_string());
    }
}

/// Whether a client was between two messages then, and its last command answered.
fn is_idle(session: &Session<'_>, then: usize) -> bool {
    let mut is_sending = false;
    let mut last = None;
    for exchange in session.exchanges.iter().filter(|exchange| exchange.index < then) {
        let Some(reply) = exchange.reply.as_ref().filter(|reply| reply.index < then) else { return false };
        match verb(exchange.command).as_str() {
            "MAIL" if reply.is_positive() => is_sending = true,
            "RSET" | "EHLO" | "HELO" if reply.is_positive() => is_sending = false,
            "STARTTLS" if reply.is_positive() => return false,
            _ if exchange.content.is_some() => is_sending = false,
            _ => {}
        }
        last = Some(reply.code);
    }
    !is_sending && matches!(last, Some(200..=220 | 222..=299 | 500..=520 | 522..=599))
}

/// Whether the other side, or the network, ended the connection, or the client took its leave.
fn parts_first(case: &Case<'_>, session: &Session<'_>) -> bool {
    let takes_leave = session.exchanges.iter().any(|exchange| {
        verb(exchange.command) == "QUIT" && exchange.reply.as_ref().is_some_and(|reply| reply.code == 221)
    });
    let closing = &case.record.entries[session.span[1]].what;
    takes_leave
        || session.is_closed && !matches!(closing, What::Smtp { line, .. } if line == "the gateway closes")
}
