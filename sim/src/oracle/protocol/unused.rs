//! What the gateway as a client leaves unused: a service extension that a host offers and that this message would have
//! used. Part of *protocol*.
//!
//! The size is declared (RFC 1870), and octets past ASCII are (RFC 6152); commands go out together (RFC 2920); TLS is
//! begun, unless no handshake came about with this host just before (RFC 7435). And no connection is opened to a host with
//! which another is kept. The historical releases know none of these.

use std::time::Duration;

use super::{Case, Reply, Session, Sheet, parameters, verb};
use crate::fault::{Family, Fault};
use crate::oracle::Exchange;

/// How long a connection may be about to be opened.
const A_MOMENT: Duration = Duration::from_secs(1);

pub(super) fn judge(case: &Case<'_>, session: &Session<'_>, sheet: &mut Sheet) {
    for exchanges in session.exchanges.chunk_by(|_, next| verb(next.command) != "MAIL") {
        let mail = &exchanges[0];
        if verb(mail.command) == "MAIL" {
            sheet.judges();
            of_message(case, session, exchanges, sheet);
        }
    }
    let speaks_of_mail = |exchange: &Exchange<'_>| verb(exchange.command) == "MAIL" && !exchange.is_encrypted;
    let asks = session.exchanges.iter().any(|exchange| verb(exchange.command) == "STARTTLS");
    if session.offers("STARTTLS")
        && !asks
        && session.exchanges.iter().any(speaks_of_mail)
        && !fell_back(case, session)
    {
        sheet.finds("STARTTLS was offered and not made use of", session.peer.to_string());
    }
    reuse(case, session, sheet);
}

fn of_message(case: &Case<'_>, session: &Session<'_>, exchanges: &[Exchange<'_>], sheet: &mut Sheet) {
    let mail = &exchanges[0];
    let says = |name: &str| parameters(mail.command).any(|word| word.starts_with(name));
    if session.offers("SIZE") && !says("SIZE=") {
        sheet.finds("SIZE was offered and not made use of", mail.command);
    }
    let message = exchanges.iter().find_map(|exchange| exchange.content.as_ref()?.message.as_deref());
    let planned = message.and_then(|message| case.ledger.planned.get(message));
    let is_eight_bit = planned.is_some_and(|(_, planned)| !planned.content.is_ascii());
    // A milter may have changed what is past ASCII.
    if is_eight_bit && case.plan.milters.is_empty() && session.offers("8BITMIME") && !says("BODY=8BITMIME") {
        sheet.finds("8BITMIME was offered and not made use of", mail.command);
    }
    if let [mail, rcpt, ..] = exchanges
        && verb(rcpt.command) == "RCPT"
        && session.offers("PIPELINING")
        && mail.reply.as_ref().is_some_and(|reply| reply.index < rcpt.index)
    {
        sheet.finds("PIPELINING was offered and not made use of", rcpt.command);
    }
}

/// Whether TLS was begun with this host before, and no handshake came about.
fn fell_back(case: &Case<'_>, session: &Session<'_>) -> bool {
    let others = case.ledger.sessions.iter().filter(|other| !other.is_inbound && other.peer == session.peer);
    others.filter(|other| other.span[0] < session.span[0]).any(|other| {
        let is_granted = |exchange: &Exchange<'_>| {
            verb(exchange.command) == "STARTTLS" && exchange.reply.as_ref().is_some_and(Reply::is_positive)
        };
        let greets = |exchange: &Exchange<'_>| exchange.is_encrypted && exchange.reply.is_some();
        other.exchanges.iter().any(is_granted) && !other.exchanges.iter().any(greets)
    })
}

/// Whether another connection to the same host was kept when this one was opened.
fn reuse(case: &Case<'_>, session: &Session<'_>, sheet: &mut Sheet) {
    let at = |index: usize| case.record.entries[index].at;
    let begins = session.span[0];
    // Mail that needs TLS goes over a connection of its own; and where the network is slow, or a host is down for a while,
    // the gateway began to open it long before.
    let needs_tls = case.plan.gateway.certified.iter().any(|(_, certified)| *certified);
    let is_slow = |fault: &Fault| match fault {
        Fault::Kill { machine, .. } | Fault::PowerCut { machine, .. } => machine.is_some(),
        _ => fault.family() == Family::Network,
    };
    if needs_tls || case.ledger.bit(is_slow) {
        return;
    }
    let others = || {
        case.ledger
            .sessions
            .iter()
            .filter(|other| !other.is_inbound && other.peer == session.peer && other.span[0] < begins)
    };
    // Who finds a kept connection closed opens another in its place.
    let was_closed = |other: &Session<'_>| {
        let said = other.exchanges.iter().take_while(|exchange| exchange.index < begins);
        said.filter(|exchange| verb(exchange.command) == "MAIL").last().is_some_and(|mail| {
            if mail.reply.is_none() && other.span[1] > begins {
                return false;
            }
            let ended = mail.reply.as_ref().map_or(at(other.span[1]), |reply| reply.at);
            let is_well = mail.reply.as_ref().is_some_and(Reply::is_positive);
            !is_well && ended + A_MOMENT > at(begins)
        })
    };
    if others().any(was_closed) {
        return;
    }
    let is_kept = |other: &Session<'_>| {
        let said = other.exchanges.iter().take_while(|exchange| exchange.index < begins).last();
        other.early == 0
            && said.is_some_and(|said| {
                said.content.is_some()
                    && said
                        .reply
                        .as_ref()
                        .is_some_and(|reply| reply.index < begins && reply.at + A_MOMENT < at(begins))
            })
    };
    if others().filter(|other| other.span[1] > begins).any(is_kept) {
        sheet.finds("a connection was opened to a host with which one was kept", session.peer.to_string());
    }
}
