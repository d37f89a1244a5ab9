//! Policy: what the configuration admits is admitted, what it refuses is refused, and mail goes where it says.
//!
//! The [model](super::model) reads the configuration a second time and goes through each dialogue beside the gateway:
//! who may connect (Q155920), who is who (RFC 4954), who must say so first, and who over TLS (RFC 3207), who may submit as
//! whom (Q188250, Q262945; a host that is exempt from authentication is exempt from nothing else, Q178091), who may relay
//! (Q193922). Then it asks of each copy of a message whether it is where a recipient's mail goes (Q169683, Q217217; RFC
//! 5321, 5.1), and of each message over which an extension failed whether that was dealt with as the extension's link of
//! the chain says.
//!
//! Mail whose route needs TLS is spoken of over TLS alone, with a host that has shown its own certificate (RFC 8314).
//! What the milters say is looked up in [their own record](super::filters).
//!
//! "Not now" (4yz) is always allowed. Not judged: the order of commands and their syntax (protocol), and what is
//! accepted beyond a limit (bounds); a refusal must have a reason that can be seen in what the client sent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway::address::Address;
use gateway::extension::OnFailure;

use super::session::{path, verb};
use super::{Case, Exchange, Model, Oracle, Place, Session, Sheet, Verdict, Where, copies, filters, ledger};
use crate::fault::Fault;
use crate::machine::FAULTY_EXTENSION;
use crate::mailbag::Kind;
use crate::record::What;
use crate::tls::ANOTHER_HOST;

pub(super) const ORACLE: Oracle = Oracle {
    name: "policy",
    promise: "what the rules admit is admitted, what they refuse is refused, and mail goes where they say",
    judge,
};

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    for session in case.ledger.sessions.iter().filter(|session| session.is_inbound) {
        Guest::of(case, session).go_through(sheet);
    }
    for session in case.ledger.sessions.iter().filter(|session| !session.is_inbound) {
        secrecy(case, session, sheet);
    }
    places(case, sheet);
    failures(case, sheet);
    filters::judge(case, sheet);
}

/// A client in one dialogue, as the model sees it.
struct Guest<'a, 'b> {
    case: &'a Case<'b>,
    model: &'a Model<'b>,
    size_limit: Option<u64>,
    session: &'a Session<'b>,
    verdict: Verdict,
    account: Option<String>,
    /// What the client has said of who it is, while it is asked.
    asked: Option<Vec<String>>,
    sender: String,
}

impl<'a, 'b> Guest<'a, 'b> {
    fn of(case: &'a Case<'b>, session: &'a Session<'b>) -> Self {
        Guest {
            case,
            model: &case.model,
            size_limit: case.plan.gateway.config.limits.message_size.map(std::num::NonZeroU64::get),
            session,
            verdict: case.model.verdict(session.peer),
            account: None,
            asked: None,
            sender: String::new(),
        }
    }

    fn go_through(mut self, sheet: &mut Sheet) {
        for (place, exchange) in self.session.exchanges.iter().enumerate() {
            let Some(reply) = &exchange.reply else { return };
            if filters::excuses(self.case, reply) {
                continue;
            }
            let (yes, no) = (reply.is_positive(), reply.is_permanent());
            if place == 0 {
                self.connects(yes, no, sheet);
            } else if exchange.content.is_some() {
                self.end_of_data(exchange, yes, no, sheet);
            } else if let Some(said) = self.asked.take() {
                self.responds(said, exchange.command, reply.code, sheet);
            } else {
                match verb(exchange.command).as_str() {
                    "STARTTLS" if yes => (self.account, self.sender) = (None, String::new()),
                    "AUTH" => self.authenticates(exchange, reply.code, sheet),
                    "MAIL" => self.mail(exchange, yes, reply.code, sheet),
                    "RCPT" => self.recipient(exchange.command, yes, reply.code, sheet),
                    _ => {}
                }
            }
        }
    }

    fn connects(&self, yes: bool, no: bool, sheet: &mut Sheet) {
        sheet.judges();
        let peer = self.session.peer;
        match self.verdict {
            Verdict::Reject if yes => sheet.finds("a rejected host was let in", peer.to_string()),
            Verdict::Admit | Verdict::Authenticate if no => {
                sheet.finds("a host was turned away that no rule rejects", peer.to_string());
            }
            _ => {}
        }
    }

    fn authenticates(&mut self, exchange: &Exchange<'_>, code: u16, sheet: &mut Sheet) {
        let may = self.model.may_authenticate(exchange.is_encrypted);
        if matches!(code, 235 | 334) && !may {
            sheet.finds("a password was asked for in clear", exchange.command);
        }
        if code == 538 && may {
            sheet.finds("encryption was asked for where a password may be said", exchange.command);
        }
        let mut words = exchange.command.split_whitespace().skip(1);
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        self.asked = Some(vec![mechanism]);
        if let Some(initial) = words.next() {
            let said = self.asked.take().unwrap_or_default();
            self.responds(said, initial, code, sheet);
        } else if code != 334 {
            self.asked = None;
        }
    }

    /// One response of an authentication, and what the gateway said to it.
    fn responds(&mut self, mut said: Vec<String>, response: &str, code: u16, sheet: &mut Sheet) {
        let decoded = BASE64_STANDARD.decode(response.trim()).unwrap_or_default();
        said.push(String::from_utf8(decoded).unwrap_or_default());
        if code == 334 {
            self.asked = Some(said);
            return;
        }
        let (account, password, other) = match said[0].as_str() {
            "PLAIN" => {
                let fields: Vec<&str> = said[1].split('\0').collect();
                match fields[..] {
                    [other, account, password] => (account, password, other),
                    _ => ("", "", ""),
                }
            }
            _ => (&*said[1], said.get(2).map_or("", String::as_str), ""),
        };
        let is_right = self.model.knows(account, password) && (other.is_empty() || other == account);
        sheet.judges();
        match (is_right, code) {
            (false, 235) => sheet.finds("a client was authenticated with a wrong password", account),
            (true, 535) => sheet.finds("the right password was refused", account),
            _ => {}
        }
        if code == 235 {
            self.account = Some(account.to_owned());
        }
    }

    fn mail(&mut self, exchange: &Exchange<'_>, yes: bool, code: u16, sheet: &mut Sheet) {
        sheet.judges();
        let command = exchange.command;
        let must_encrypt = !exchange.is_encrypted && self.model.must_encrypt(self.session.peer);
        let must_authenticate = self.verdict == Verdict::Authenticate && self.account.is_none();
        let size = command.split(' ').find_map(|word| word.strip_prefix("SIZE=")?.parse::<u64>().ok());
        let is_too_large = self.size_limit.is_some_and(|limit| size.is_some_and(|size| size > limit));
        if yes && must_authenticate {
            sheet.finds("mail was begun without authentication where it is required", command);
        }
        if yes && must_encrypt {
            sheet.finds("mail was begun in clear where it must be encrypted", command);
        }
        if code == 530 && !must_authenticate && !must_encrypt {
            sheet.finds("authentication or encryption was asked for where it is not required", command);
        }
        if code == 552 && !is_too_large {
            sheet.finds("a message of an admissible size was refused for its size", command);
        }
        if code == 550 || code == 553 && is_path(path(command)) || code == 554 {
            sheet.finds("a sender was refused before the message", command);
        }
        if yes {
            path(command).clone_into(&mut self.sender);
        }
    }

    fn recipient(&self, command: &str, yes: bool, code: u16, sheet: &mut Sheet) {
        sheet.judges();
        let recipient = path(command);
        let may = recipient.eq_ignore_ascii_case("postmaster")
            || self.model.may_name(self.session.peer, self.account.as_deref(), recipient);
        if yes && !may {
            sheet.finds("mail was taken to be relayed for a client that may not relay", command);
        }
        let is_refused = matches!(code, 550 | 551 | 554) || code == 553 && is_path(recipient);
        if is_refused && may {
            sheet.finds("a recipient was refused that the client may name", command);
        }
    }

    fn end_of_data(&self, exchange: &Exchange<'_>, yes: bool, no: bool, sheet: &mut Sheet) {
        sheet.judges();
        let Some(content) = &exchange.content else { return };
        let refusal = self.model.refusal(self.account.as_deref(), &self.sender);
        let sender = format!("<{}> from {}", self.sender, self.session.peer);
        if yes {
            if let Some(what) = refusal {
                sheet.finds(format!("{what} was accepted"), sender.clone());
            }
            if content.is_bare {
                sheet.finds("a message with a bare CR or LF was accepted", sender.clone());
            }
        }
        // A chunk that belongs to no message: that is a matter of order (protocol).
        let no = no && exchange.reply.as_ref().is_some_and(|reply| reply.code != 503);
        let is_too_large = self.size_limit.is_some_and(|limit| content.octets as u64 > limit);
        if no && refusal.is_none() && !content.is_bare && !content.is_long && !is_too_large {
            let reply = exchange.reply.as_ref().map(|reply| reply.lines.join(" / ")).unwrap_or_default();
            sheet.finds("a message was refused that the rules admit", format!("{sender}: {reply}"));
        }
    }
}

fn is_path(path: &str) -> bool {
    path.is_empty() || path.eq_ignore_ascii_case("postmaster") || path.parse::<Address>().is_ok()
}

/// Whether mail that needs TLS is spoken of over TLS only, and to no host that has shown the certificate of another. A
/// simulated server that does so calls itself by that other's name.
fn secrecy(case: &Case<'_>, session: &Session<'_>, sheet: &mut Sheet) {
    let mut is_another = false;
    for exchange in &session.exchanges {
        match verb(exchange.command).as_str() {
            "EHLO" => {
                let first = exchange.reply.as_ref().and_then(|reply| reply.lines.first().copied());
                is_another = first.is_some_and(|line| line.contains(ANOTHER_HOST));
            }
            "RCPT" if case.model.is_certified(path(exchange.command)) => {
                sheet.judges();
                if !exchange.is_encrypted {
                    sheet.finds("mail that needs TLS was handed over in clear", exchange.command);
                }
                if is_another {
                    let what = format!("{} to {}", exchange.command, session.peer);
                    sheet.finds("mail that needs TLS was handed to a host without its certificate", what);
                }
            }
            _ => {}
        }
    }
}

/// Whether each copy of a message is where the mail of one of its recipients goes.
fn places(case: &Case<'_>, sheet: &mut Sheet) {
    let ledger = &case.ledger;
    let mut accepted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let inbound = ledger.transfers.iter().filter(|transfer| transfer.is_inbound);
    for transfer in inbound.filter(|transfer| copies::may_be_accepted(case, transfer)) {
        let message = transfer.message().unwrap_or_default();
        let recipients = transfer.recipients.iter().cloned().chain(filters::added_to(case, message));
        accepted.entry(message).or_default().extend(recipients);
    }
    let accepted_for = |message: &str| accepted.get(message).into_iter().flatten().map(String::as_str);
    let place_of = |message: &str, recipient: &str| {
        let reroutes =
            |fault: &Fault| matches!(fault, Fault::ExtensionReroutes { message: about } if about == message);
        case.model.place(recipient, ledger.bit(reroutes))
    };
    for (place, item) in ledger.items() {
        let (Where::Mailbox(directory), Kind::Message(message)) = (place, &item.kind) else { continue };
        if !ledger.planned.contains_key(message.as_str()) || ledger.is_garbled(message) {
            continue;
        }
        sheet.judges();
        let here = Place::Mailbox(ledger::mailbox_of(directory));
        let mut recipients = accepted_for(message);
        if accepted_for(message).next().is_none() {
            sheet.finds("a message that was not accepted was delivered", format!("{message} to {directory}"));
        } else if !recipients.any(|recipient| place_of(message, recipient) == here) {
            sheet.finds("a message is in a mailbox that it was not for", format!("{message} in {directory}"));
        }
    }
    for taken in &ledger.taken {
        if !ledger.planned.contains_key(taken.message) || ledger.is_garbled(taken.message) {
            continue;
        }
        let server = &taken.entry.machine;
        let Some(address) = ledger.address_of(server) else { continue };
        for recipient in taken.recipients {
            sheet.judges();
            if !accepted_for(taken.message).any(|to| to.eq_ignore_ascii_case(recipient)) {
                let what = format!("{} for {recipient} to {server}", taken.message);
                sheet.finds("a message went to somebody for whom it was not accepted", what);
            } else if !leads_to(&place_of(taken.message, recipient), address) {
                let what = format!("{} for {recipient} to {server}", taken.message);
                sheet.finds("a message went to a host to which nothing leads", what);
            }
        }
    }
}

/// Whether what is done with a message over which the plan's extension fails is what its link of the chain says.
fn failures(case: &Case<'_>, sheet: &mut Sheet) {
    let mut chain = case.plan.gateway.config.extensions.iter();
    let Some(link) = chain.find(|link| link.name == FAULTY_EXTENSION) else { return };
    for entry in &case.record.entries {
        let What::Event(event) = &entry.what else { continue };
        let failed = ["` gave no answer in time", "the extension cannot read the header of "];
        if !failed.iter().any(|failed| event.description.contains(failed)) {
            continue;
        }
        let done = match event.id {
            3020 => OnFailure::Bypass,
            4117 => OnFailure::Quarantine,
            4182 => OnFailure::Retry,
            _ => continue,
        };
        sheet.judges();
        if done != link.on_failure {
            let what = format!("{done:?} instead of {:?}: {}", link.on_failure, event.description);
            sheet.finds("an extension's failure was not dealt with as configured", what);
        }
    }
}

/// Whether a recipient's mail may be handed to this host.
pub(super) fn leads_to(place: &Place, host: IpAddr) -> bool {
    matches!(place, Place::Hosts(hosts) if hosts.contains(&host))
}
