//! Why a failure may be reported: whether what a report says of a recipient has a cause outside the gateway. Part of
//! *reports*.
//!
//! - A status that another host gave stands in a dialogue with it: a reply of 5yz to the message, to its sender or to this
//!   recipient, with this code.
//! - Nobody here has the address (5.1.1); its domain has no host (5.1.2) or takes no mail (5.1.10), or a fault had the
//!   names say so; it has passed through too many hosts (5.4.6).
//! - It has grown as old as mail may be (4.4.7, 4.7.4, 4.7.5), and not in a world in which it could have gone.
//! - It has something past ASCII, and a host that was spoken to offers no SMTPUTF8 (5.6.7, 5.6.9) or no 8BITMIME (5.6.3).
//! - An extension failed over it, and a failure is to be reported (5.3.0).
//!
//! Taken from the report itself: when it was written. Where the clock was wrong its age is not judged.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use gateway::extension::OnFailure;

use super::session::{path, verb};
use super::{Case, Exchange, Place, Reply, Session, copies, exchangers, liveness};
use crate::fault::{DnsAnswer, Family, Fault};
use crate::machine::FAULTY_EXTENSION;
use crate::mailbag::Item;
use crate::plan::MessagePlan;

/// What a report says of one recipient.
pub(super) struct Said<'a> {
    pub(super) message: &'a str,
    pub(super) planned: &'a MessagePlan,
    pub(super) recipient: &'a str,
    pub(super) report: &'a Item,
}

impl Said<'_> {
    /// Whether there is a cause for this status.
    pub(super) fn has_a_cause(&self, case: &Case<'_>, status: &str, diagnostic: &str) -> bool {
        if let Some((status, host)) = status.split_once(" from ") {
            return self.was_refused(case, host, status, diagnostic);
        }
        match status {
            "5.1.1" => self.place(case) == Place::Nobody,
            "5.1.2" => {
                use DnsAnswer::{MxToItself, NoMx, Nxdomain};
                let hosts = match self.place(case) {
                    Place::Nowhere => return true,
                    Place::Hosts(hosts) => hosts,
                    Place::Mailbox(_) | Place::Nobody => return false,
                };
                // Its mail would come back to this host.
                hosts == BTreeSet::from([case.plan.gateway.address])
                    || self.names_said(case, &[Nxdomain, NoMx, MxToItself])
            }
            "5.1.10" => self.names_said(case, &[DnsAnswer::NullMx]),
            "5.4.6" => self.has_gone_far(case),
            "4.4.7" | "4.7.4" | "4.7.5" => self.has_grown_old(case),
            "5.6.3" => !self.planned.content.is_ascii() && self.was_offered_no(case, "8BITMIME"),
            "5.6.7" | "5.6.9" => self.planned.is_international() && self.was_offered_no(case, "SMTPUTF8"),
            "5.3.0" => self.broke_an_extension(case),
            _ => false,
        }
    }

    fn place(&self, case: &Case<'_>) -> Place {
        let reroutes =
            |fault: &Fault| matches!(fault, Fault::ExtensionReroutes { message } if message == self.message);
        case.model.place(self.recipient, case.ledger.bit(reroutes))
    }

    /// Whether this host refused the message for this recipient for good, and with what is said that it did.
    fn was_refused(&self, case: &Case<'_>, host: &str, status: &str, diagnostic: &str) -> bool {
        let addresses = match self.once(case).filter(|(name, _)| **name == *host) {
            Some((_, address)) => BTreeSet::from([*address]),
            None => match case.model.host(host) {
                Place::Hosts(addresses) => addresses,
                _ => return false,
            },
        };
        let is_it = |exchange: &Exchange<'_>| {
            exchange.reply.as_ref().is_some_and(|reply| {
                reply.is_permanent()
                    && status == self::status(reply)
                    && diagnostic.starts_with(&reply.code.to_string())
            })
        };
        outbound(case, &addresses).any(|session| {
            session.exchanges.chunk_by(|_, next| verb(next.command) != "MAIL").any(|exchanges| {
                let first = &exchanges[0];
                if verb(first.command) != "MAIL" {
                    // It serves nobody.
                    return exchanges.iter().any(is_it);
                }
                let names =
                    |exchange: &Exchange<'_>| path(exchange.command).eq_ignore_ascii_case(self.recipient);
                let is_named =
                    exchanges.iter().any(|exchange| verb(exchange.command) == "RCPT" && names(exchange));
                path(first.command).eq_ignore_ascii_case(&self.planned.from)
                    && exchanges.iter().any(|exchange| {
                        is_it(exchange)
                            && match verb(exchange.command).as_str() {
                                "MAIL" => true,
                                "RCPT" => names(exchange),
                                _ => is_named,
                            }
                    })
            })
        })
    }

    /// The host to which the recipient's mail was led for a while, if it was.
    fn once<'a>(&self, case: &'a Case<'_>) -> Option<&'a (String, IpAddr)> {
        let stranger = case.plan.names.stranger.as_ref();
        stranger.filter(|(name, _)| exchangers::once_led(case, name, self.recipient))
    }

    /// Whether the names were made to say this of where the recipient's mail goes.
    fn names_said(&self, case: &Case<'_>, answers: &[DnsAnswer]) -> bool {
        let names = case.model.names_asked_for(self.recipient);
        case.ledger.bit(|fault| {
            matches!(fault, Fault::Dns { name, answer, .. }
                if answers.contains(answer) && names.iter().any(|asked| asked.eq_ignore_ascii_case(name)))
        })
    }

    /// Whether the message has passed through more hosts than it may: each time that it came it had passed this one, and
    /// each time but the first another, which handed it back.
    fn has_gone_far(&self, case: &Case<'_>) -> bool {
        let content = String::from_utf8_lossy(&self.planned.content);
        let header = content.split("\r\n\r\n").next().unwrap_or_default();
        let before = header
            .lines()
            .filter(|line| line.get(..9).is_some_and(|it| it.eq_ignore_ascii_case("Received:")));
        before.count() + 2 * copies::arrivals(case, self.message).count()
            > case.plan.gateway.config.limits.hops
    }

    fn has_grown_old(&self, case: &Case<'_>) -> bool {
        let Some(arrived) = copies::arrivals(case, self.message).min() else { return false };
        let due = arrived + case.plan.gateway.config.delivery.expire;
        let is_clock_wrong = case.ledger.bit(|fault| fault.family() == Family::Clock);
        let written = self.report.written.unwrap_or_default() - case.record.starts.as_second();
        let is_old =
            is_clock_wrong || Duration::from_secs(u64::try_from(written).unwrap_or_default() + 1) >= due;
        let is_kept =
            |fault: &Fault| fault.family() == Family::Extension && fault.message() == Some(self.message);
        let domain = self.recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
        let may_wait = || {
            liveness::takes_none(case, self.recipient)
                || case.model.waits(domain)
                || liveness::retries(case) && case.ledger.bit(is_kept)
        };
        is_old && (is_clock_wrong || may_wait() || liveness::healed(case) + liveness::base_bound(case) > due)
    }

    /// Whether a host to which the message may go was found not to offer this.
    fn was_offered_no(&self, case: &Case<'_>, keyword: &str) -> bool {
        let Place::Hosts(mut addresses) = self.place(case) else { return false };
        addresses.extend(self.once(case).map(|(_, address)| *address));
        let is_hello = |exchange: &&Exchange<'_>| matches!(verb(exchange.command).as_str(), "EHLO" | "HELO");
        outbound(case, &addresses).any(|session| {
            let hellos = session.exchanges.iter().filter(is_hello);
            let mut welcomes =
                hellos.filter_map(|exchange| exchange.reply.as_ref()).filter(|reply| reply.is_positive());
            welcomes.any(|reply| !reply.offers(keyword))
        })
    }

    fn broke_an_extension(&self, case: &Case<'_>) -> bool {
        let mut chain = case.plan.gateway.config.extensions.iter();
        chain.any(|link| link.name == FAULTY_EXTENSION && link.on_failure == OnFailure::Report)
            && case
                .ledger
                .bit(|fault| fault.family() == Family::Extension && fault.message() == Some(self.message))
    }
}

/// The dialogues with hosts at these addresses.
fn outbound<'a>(case: &'a Case<'_>, there: &'a BTreeSet<IpAddr>) -> impl Iterator<Item = &'a Session<'a>> {
    case.ledger.sessions.iter().filter(|session| !session.is_inbound && there.contains(&session.peer))
}

/// The status code that a reply gives (RFC 2034), or the class of its code and no more.
fn status(reply: &Reply<'_>) -> String {
    let class = reply.code / 100;
    let word = reply.lines[0].get(4..).unwrap_or_default().split_whitespace().next().unwrap_or_default();
    let mut parts = word.split('.');
    let is_number =
        |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit());
    match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some(of), Some(subject), Some(detail), None]
            if of == class.to_string() && is_number(subject) && is_number(detail) =>
        {
            word.to_owned()
        }
        _ => format!("{class}.0.0"),
    }
}
