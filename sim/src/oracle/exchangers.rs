//! The exchangers of a domain: which is tried first, and until when one that it had before may have its mail.
//!
//! Lower preference is tried first (RFC 5321, 5.1): a message goes to an exchanger only when each that the domain prefers
//! was tried since the gateway has the message, whatever came of that. Exchangers that are equal may be tried in any order.
//! Not judged where something was wrong with these names, or on the way to the name server: then the gateway may not have
//! known of one.
//!
//! What a name server says may be kept for as long as it says ([`TTL`]), and not for longer. A server that is taken for
//! the exchanger meanwhile may be taken a little longer still: by a message that was on its way.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Case, Sheet};
use crate::fault::{DiskFolder, DnsAnswer, Fault};
use crate::peer::TTL;
use crate::record::What;

/// How long a message may be on its way with an answer that was right when it set out.
const ON_ITS_WAY: Duration = Duration::from_mins(10);

/// The event of a host that could not be connected to.
const CONNECT_FAILED: u16 = 3010;

/// Whether the exchangers were tried in order.
pub(super) fn order(case: &Case<'_>, sheet: &mut Sheet) {
    if case.plan.servers.is_empty() || !has_preferences(case) {
        return;
    }
    let tries: Vec<(usize, IpAddr)> = tries(case).collect();
    let (inbound, outbound): (Vec<_>, Vec<_>) =
        case.ledger.transfers.iter().partition(|transfer| transfer.is_inbound);
    for sent in outbound {
        let message = sent.message().unwrap_or_default();
        let came = inbound.iter().find(|came| came.message() == sent.message());
        let since = came.map_or(0, |came| came.index);
        for recipient in &sent.recipients {
            let is_rerouted = case.ledger.bit(
                |fault| matches!(fault, Fault::ExtensionReroutes { message: about } if about == message),
            );
            let exchangers = case.model.exchangers_of(recipient, is_rerouted);
            let own = exchangers.iter().find(|(_, host)| case.model.address(host) == Some(sent.peer));
            let Some((preference, _)) = own.filter(|_| are_known(case, recipient, &exchangers)) else {
                continue;
            };
            sheet.judges();
            let was_tried = |host: IpAddr| {
                let of_host = tries.iter().filter(|(_, tried)| *tried == host);
                of_host.into_iter().any(|(index, _)| (since..sent.index).contains(index))
                    || case.ledger.sessions.iter().any(|session| {
                        let [from, to] = session.span;
                        !session.is_inbound && session.peer == host && from < sent.index && to > since
                    })
            };
            let better = exchangers.iter().filter(|(other, _)| other < preference);
            for (_, host) in better {
                if case.model.address(host).is_some_and(|address| !was_tried(address)) {
                    let what =
                        format!("{message} for {recipient} to {}, and {host} was not tried", sent.peer);
                    sheet.finds("an exchanger was given mail before one that its domain prefers", what);
                }
            }
        }
    }
}

fn has_preferences(case: &Case<'_>) -> bool {
    let exchangers = &case.plan.names.exchangers;
    exchangers.values().any(|list| list.iter().any(|mx| mx.preference != list[0].preference))
}

/// Each connection to another host that did not come about. That it was waited for in vain, only the gateway says.
fn tries(case: &Case<'_>) -> impl Iterator<Item = (usize, IpAddr)> {
    case.record.entries.iter().enumerate().filter_map(|(index, entry)| {
        let to = match &entry.what {
            What::Smtp { line, .. } => line.strip_prefix("no connection to ")?.split(": ").next()?,
            What::Event(event) if event.id == CONNECT_FAILED => {
                event.description.split_once(" at ")?.1.split(" failed").next()?
            }
            _ => return None,
        };
        Some((index, to.parse::<SocketAddr>().ok()?.ip()))
    })
}

/// Whether nothing came between the gateway and what there is to know of these names.
fn are_known(case: &Case<'_>, recipient: &str, exchangers: &[(u16, String)]) -> bool {
    let domain = recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
    let name_server = case.plan.name_server.as_ref().map(|server| &*server.name);
    let comes_between = |fault: &Fault| match fault {
        Fault::Dns { name, .. } => {
            let mut names = exchangers.iter().map(|(_, host)| host.as_str()).chain([domain]);
            names.any(|known| known.eq_ignore_ascii_case(name))
        }
        _ => name_server.is_some_and(|server| fault.machines().contains(&server)),
    };
    !case.ledger.bit(comes_between)
}

/// Whether a server is one to which the mail for a recipient was led by what its names said before, and could be still at
/// this time.
pub(super) fn may_lead_still(case: &Case<'_>, server: &str, recipient: &str, at: Duration) -> bool {
    // A disk that takes its time may hold a message up for longer.
    let is_held_up = case.ledger.bit(|fault| {
        matches!(fault, Fault::SlowSync { folder: DiskFolder::Queue | DiskFolder::In | DiskFolder::Out, .. })
    });
    let kept = Duration::from_secs(TTL.into());
    led(case, server, recipient)
        .any(|(from, until)| from <= at && (is_held_up || at <= until + kept + ON_ITS_WAY))
}

/// Whether a server is one to which somebody's mail was led at any time.
pub(super) fn once_led(case: &Case<'_>, server: &str, recipient: &str) -> bool {
    led(case, server, recipient).next().is_some()
}

/// From when until when the names of a recipient led to this server, though they do no longer.
fn led<'a>(
    case: &'a Case<'_>,
    server: &str,
    recipient: &str,
) -> impl Iterator<Item = (Duration, Duration)> + use<'a> {
    let is_old = case.plan.names.stranger.as_ref().is_some_and(|(name, _)| name == server);
    let names = case.model.names_asked_for(recipient);
    case.plan.faults.iter().filter_map(move |fault| match fault {
        Fault::Dns { name, answer: DnsAnswer::OldHost, at, until } => {
            let is_asked = names.iter().any(|asked| asked.eq_ignore_ascii_case(name));
            (is_old && is_asked).then_some((at.0, until.0))
        }
        _ => None,
    })
}
