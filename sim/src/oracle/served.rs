//! Whether clients are served: heard, answered and let go. Part of *liveness*.
//!
//! - A client that behaves, in a world that is well, hands its message over, or is told for good that it cannot. "Not
//!   now" is for who asks for too much (*bounds* judges whether he did), and for what a milter puts off; a client that
//!   names twenty whom nobody is may be parted from.
//! - Every command is answered, or the connection closed, within the time that the gateway has for it; so is a client
//!   parted from that says nothing any more.
//!
//! The historical releases are not judged: what brings them down is found by *service*.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use gateway::release::Release;

use super::session::verb;
use super::{Case, Exchange, Reply, Session, Sheet, filters, liveness};
use crate::fault::Fault;
use crate::plan::{ClientPlan, ClientTls};
use crate::record::{Outcome, What};
use crate::service_control::ends_the_service;

/// What the service may take to come up, and to see that its disk has room again.
const A_MOMENT: Duration = Duration::from_mins(1);
/// When a command is answered at the latest, whoever has to be asked about it.
const ANSWER: Duration = Duration::from_mins(20);
/// When a client is parted from that says nothing: between commands, and within a message, of which nothing is written
/// down before it has come.
const SILENCE: Duration = Duration::from_mins(6);
const WITHIN_A_MESSAGE: Duration = Duration::from_mins(70);

/// How many errors a client may make in one dialogue.
const ERRORS: usize = 20;
const WAITED: &str = "a client that says nothing was waited for for too long";

pub(super) fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    if case.plan.release != Release::Current {
        return;
    }
    if case.record.end.service_up {
        clients(case, sheet);
    }
    for session in case.ledger.sessions.iter().filter(|session| session.is_inbound) {
        answered(case, session, sheet);
    }
}

fn clients(case: &Case<'_>, sheet: &mut Sheet) {
    let well = liveness::well(case) + A_MOMENT;
    let mut ended: BTreeMap<&str, Duration> = BTreeMap::new();
    for (entry, attempt) in &case.ledger.attempts {
        let Some((client, planned)) = case.ledger.planned.get(attempt.message.as_str()) else { continue };
        let before = ended.insert(&attempt.message, entry.at);
        let wait = attempt.number.checked_sub(2).and_then(|nth| planned.retry.get(nth));
        let begins = before.zip(wait).map_or(planned.at, |(before, wait)| before + *wait);
        let misbehaves = |fault: &Fault| {
            matches!(fault, Fault::Client { message, attempt: at, .. }
                if *message == attempt.message && *at == attempt.number)
        };
        let has_no_door =
            client.tls == Some(ClientTls::Implicit) && case.plan.gateway.config.listen_tls.is_none();
        if begins < well || case.plan.faults.iter().any(misbehaves) || has_no_door {
            continue;
        }
        sheet.judges();
        let (message, what) = (&attempt.message, attempt.outcome.to_string());
        let cause = match &attempt.outcome {
            Outcome::Accepted { .. } => continue,
            Outcome::Refused { reply, .. } if !reply.starts_with('4') || may_be_put_off(case, reply) => {
                continue;
            }
            Outcome::Lost { .. }
                if has_erred(case, client, begins..entry.at)
                    || had_no_place(case, client, begins..entry.at) =>
            {
                continue;
            }
            Outcome::Refused { .. } => "a client was put off though all was well",
            Outcome::Lost { .. } => "a client was not answered though all was well",
            Outcome::Unreachable(_) => "a client found nobody to talk to though all was well",
        };
        sheet.finds(cause, format!("{message}, try {}: {what}", attempt.number));
    }
}

/// Whether a client has named so many whom nobody is, at this try, that it may be parted from.
fn has_erred(case: &Case<'_>, client: &ClientPlan, during: Range<Duration>) -> bool {
    let is_nobody = |exchange: &&Exchange<'_>| {
        verb(exchange.command) == "RCPT" && exchange.reply.as_ref().is_some_and(|reply| reply.code == 550)
    };
    case.ledger.sessions.iter().any(|session| {
        session.is_inbound
            && session.peer == client.address
            && during.contains(&case.record.entries[session.span[0]].at)
            && session.exchanges.iter().filter(is_nobody).count() >= ERRORS
    })
}

/// Whether a client that waits for a handshake was one too many at this try: it cannot be told with 421.
fn had_no_place(case: &Case<'_>, client: &ClientPlan, during: Range<Duration>) -> bool {
    let limits = &case.plan.gateway.config.limits;
    let per_host = [limits.connections_per_host, limits.connections_per_minute];
    let is_limited = case.model.is_limited(client.address) && per_host.iter().any(Option::is_some);
    let inbound = || case.ledger.sessions.iter().filter(|session| session.is_inbound);
    client.tls == Some(ClientTls::Implicit)
        && inbound().any(|session| {
            let begun = session.span[0];
            let beside = inbound().filter(|other| other.span[0] < begun && begun < other.span[1]);
            session.peer == client.address
                && during.contains(&case.record.entries[begun].at)
                && session.exchanges.iter().all(|exchange| exchange.reply.is_none())
                && (is_limited || beside.count() >= limits.inbound_connections)
        })
}

fn may_be_put_off(case: &Case<'_>, reply: &str) -> bool {
    reply.contains("too many ") || filters::excuses(case, &reply.split(" / ").collect::<Vec<_>>())
}

/// Judges whether each command of a dialogue is answered in time, and its client not waited for for ever.
fn answered(case: &Case<'_>, session: &Session<'_>, sheet: &mut Sheet) {
    let at = |index: usize| case.record.entries[index].at;
    let last = session.span[1];
    let ended = match session.is_closed {
        true => at(last),
        false => match died(case, last).into_iter().chain(no_handshake(case, session)).min() {
            Some(ended) => ended,
            None if case.record.end.service_up => case.record.ended,
            None => return,
        },
    };
    sheet.judges();
    for exchange in &session.exchanges {
        let answered = exchange.reply.as_ref().map_or(ended, |reply| reply.at);
        if answered > at(exchange.index) + ANSWER {
            let what = format!("{} from {}", verb(exchange.command), session.peer);
            sheet.finds("a command was not answered in time", what);
        }
    }
    // A chunk is written down when it is whole, and what comes behind 354 when all of it is there.
    let pairs = session.exchanges.windows(2).filter(|pair| verb(pair[1].command) != "BDAT");
    let silences = pairs.filter_map(|pair| {
        let reply = pair[0].reply.as_ref().filter(|reply| reply.code != 354)?;
        at(pair[1].index).checked_sub(reply.at)
    });
    if silences.max().is_some_and(|silence| silence > SILENCE) {
        sheet.finds(WAITED, session.peer.to_string());
    }
    let is_within = session
        .exchanges
        .last()
        .and_then(|exchange| exchange.reply.as_ref())
        .is_some_and(|reply| reply.code == 354)
        || session.exchanges.iter().any(|exchange| verb(exchange.command) == "BDAT");
    let patience = if is_within { WITHIN_A_MESSAGE } else { SILENCE };
    let is_waited_for = session.exchanges.last().is_some_and(|exchange| exchange.reply.is_some());
    if is_waited_for && ended > at(last) + patience {
        sheet.finds(WAITED, session.peer.to_string());
    }
}

/// When the process ended that had a connection, of which nobody said anything after this: it ended with it.
fn died(case: &Case<'_>, last: usize) -> Option<Duration> {
    let is_over = |what: &What| ends_the_service(what) || matches!(what, What::Service(_));
    let mut after = case.record.entries.iter().skip(last);
    after.find(|entry| is_over(&entry.what)).map(|entry| entry.at)
}

/// When it was said that no handshake came about with a client that was to begin one: nobody says anything to it then.
fn no_handshake(case: &Case<'_>, session: &Session<'_>) -> Option<Duration> {
    let awaited = session.exchanges.last()?;
    let is_due = match verb(awaited.command).as_str() {
        "STARTTLS" => awaited.reply.as_ref().is_some_and(Reply::is_positive),
        "" => awaited.reply.is_none(),
        _ => false,
    };
    if !is_due {
        return None;
    }
    let says = format!("the client at {} came about", session.peer);
    let after = case.record.entries.iter().skip(session.span[1]);
    let mut failed = after.filter(|entry| {
        matches!(&entry.what, What::Event(event) if event.id == 3040 && event.description.contains(&says))
    });
    failed.next().map(|entry| entry.at)
}
