//! Policy: what the configuration admits is admitted, what it refuses is refused, and mail goes where it says.
//!
//! The [model](super::model) reads the configuration a second time and goes through each dialogue beside the gateway:
//! who may connect (Q155920), who is who (RFC 4954, RFC 5802), who must say so first, and who over TLS (RFC 3207), who may
//! submit as whom (Q188250, Q262945; a host that is exempt from authentication is exempt from nothing else, Q178091), who
//! may relay (Q193922), who is told who exists (RFC 5321, 3.5.3), and who may ask for mail that waits (RFC 1985), which
//! goes to nobody before. Then it asks of each copy of a message whether it is where a recipient's mail goes (Q169683,
//! Q217217; RFC 5321, 5.1), and of each message over which an extension failed whether that was dealt with as the
//! extension's link of the chain says.
//!
//! Mail whose route needs TLS is spoken of over TLS alone, with a host that has shown its own certificate (RFC 8314).
//! Which exchanger of a domain is tried first, and until when an old one may have its mail, is judged
//! [apart](super::exchangers).
//!
//! What the milters say is looked up in [their own record](super::filters), and [apart](super::unwanted) whose mail is not
//! wanted.
//!
//! "Not now" (4yz) is always allowed. Not judged: the order of commands and their syntax (protocol), and what is
//! accepted beyond a limit (bounds); a refusal must have a reason that can be seen in what the client sent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway::address::Address;
use gateway::config::Lookups;
use gateway::extension::OnFailure;

use super::session::{self, path, verb};
use super::{
    Case, Exchange, Model, Oracle, Place, Reply, Session, Sheet, Verdict, Where, copies, etrn, exchangers,
    filters, journal, ledger, proof, unwanted,
};
use crate::fault::Fault;
use crate::machine::FAULTY_EXTENSION;
use crate::mailbag::Kind;
use crate::record::What;
use crate::tls::WRONG;

pub(super) const ORACLE: Oracle = Oracle {
    name: "policy",
    promise: "what the rules admit is admitted, what they refuse is refused, and mail goes where they say",
    judge,
};

/// The mechanism in which both sides show something.
const SCRAM: &str = "SCRAM-SHA-256";
const WRONG_PASSWORD: &str = "a client was authenticated with a wrong password";
/// The code of a challenge.
const CHALLENGE: u16 = 334;

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    for session in case.ledger.sessions.iter().filter(|session| session.is_inbound) {
        Guest::of(case, session).go_through(sheet);
    }
    proof::challenges(case, sheet);
    for session in case.ledger.sessions.iter().filter(|session| !session.is_inbound) {
        secrecy(case, session, sheet);
    }
    places(case, sheet);
    exchangers::order(case, sheet);
    waits(case, sheet);
    failures(case, sheet);
    filters::judge(case, sheet);
    unwanted::judge(case, sheet);
}

/// A client in one dialogue, as the model sees it.
struct Guest<'a, 'b> {
    case: &'a Case<'b>,
    model: &'a Model<'b>,
    size_limit: Option<u64>,
    session: &'a Session<'b>,
    verdict: Verdict,
    account: Option<String>,
    /// While it is asked who it is.
    asked: Option<Asked>,
    sender: String,
    /// Whether the message was declared to be international.
    is_declared: bool,
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
            is_declared: false,
        }
    }

    fn go_through(mut self, sheet: &mut Sheet) {
        for (place, exchange) in self.session.exchanges.iter().enumerate() {
            let Some(reply) = &exchange.reply else { return };
            if filters::excuses(self.case, &reply.lines) {
                continue;
            }
            let (yes, no) = (reply.is_positive(), reply.is_permanent());
            if place == 0 {
                self.connects(yes, no, sheet);
            } else if exchange.content.is_some() {
                self.end_of_data(exchange, yes, no, sheet);
            } else if let Some(asked) = self.asked.take() {
                self.responds(asked, exchange.command, reply, sheet);
            } else {
                match verb(exchange.command).as_str() {
                    "STARTTLS" if yes => (self.account, self.sender) = (None, String::new()),
                    "AUTH" => self.authenticates(exchange, reply, sheet),
                    "MAIL" => self.mail(exchange, yes, reply.code, sheet),
                    "RCPT" => self.recipient(exchange.command, yes, reply.code, sheet),
                    "ETRN" => self.asks_for_mail(exchange, yes, reply.code, sheet),
                    "VRFY" | "EXPN" => self.asks(exchange.command, reply, sheet),
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

    fn authenticates(&mut self, exchange: &Exchange<'_>, reply: &Reply<'_>, sheet: &mut Sheet) {
        let may = self.model.may_authenticate(exchange.is_encrypted);
        if matches!(reply.code, 235 | 334) && !may {
            sheet.finds("a password was asked for in clear", exchange.command);
        }
        if reply.code == 538 && may {
            sheet.finds("encryption was asked for where a password may be said", exchange.command);
        }
        let mut words = exchange.command.split_whitespace().skip(1);
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let asked = Asked { mechanism, said: Vec::new(), heard: Vec::new() };
        if let Some(initial) = words.next() {
            self.responds(asked, initial, reply, sheet);
        } else if reply.code == CHALLENGE {
            self.asked = Some(asked);
        }
    }

    /// One response of an authentication, and what the gateway said to it.
    fn responds(&mut self, mut asked: Asked, response: &str, reply: &Reply<'_>, sheet: &mut Sheet) {
        let decoded = BASE64_STANDARD.decode(response.trim()).unwrap_or_default();
        asked.said.push(String::from_utf8(decoded).unwrap_or_default());
        if reply.code == CHALLENGE {
            let heard = proof::said(reply.lines[0]);
            if asked.has_proof() {
                sheet.judges();
                let Shown { account, server, .. } = asked.shown(self.model);
                match server {
                    None => sheet.finds(WRONG_PASSWORD, account),
                    Some(right) if right != heard => {
                        sheet.finds("the gateway did not prove that it knows the secret", account);
                    }
                    Some(_) => {}
                }
            }
            asked.heard.push(heard);
            self.asked = Some(asked);
            return;
        }
        sheet.judges();
        let Shown { account, is_right, .. } = asked.shown(self.model);
        // Whose proof is right hears the gateway's, and then has an empty line to say.
        let is_scram = asked.mechanism == SCRAM;
        let is_over = !is_scram || asked.said.len() == 3 && response.is_empty();
        // Not now, in its order or in clear: that is said of the command, and not of who says it.
        let is_refused = (reply.is_permanent() || reply.code == 454) && !matches!(reply.code, 503 | 538);
        if reply.code == 235 && !(is_right && is_over) {
            sheet.finds(WRONG_PASSWORD, account.as_str());
        }
        if is_refused && is_right && (is_over || asked.has_proof()) {
            sheet.finds("the right password was refused", account.as_str());
        }
        if reply.code == 235 {
            self.account = Some(account);
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
        let is_declared = session::parameters(command).any(|word| word == "SMTPUTF8");
        let may_be_refused = !is_path(path(command)) || !path(command).is_ascii() && !is_declared;
        if code == 550 || code == 553 && !may_be_refused || code == 554 {
            sheet.finds("a sender was refused before the message", command);
        }
        if yes {
            path(command).clone_into(&mut self.sender);
            self.is_declared = is_declared;
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
        let is_nobody = self.model.refuses_as_unknown(recipient);
        if yes && is_nobody {
            sheet.finds("mail was taken for a recipient whom nobody is here", command);
        }
        let may_be_refused = !is_path(recipient) || !recipient.is_ascii() && !self.is_declared;
        let is_refused =
            code == 550 && !is_nobody || matches!(code, 551 | 554) || code == 553 && !may_be_refused;
        if is_refused && may {
            sheet.finds("a recipient was refused that the client may name", command);
        }
    }

    fn asks_for_mail(&self, exchange: &Exchange<'_>, yes: bool, code: u16, sheet: &mut Sheet) {
        sheet.judges();
        let must_authenticate = self.verdict == Verdict::Authenticate && self.account.is_none();
        let must_encrypt = !exchange.is_encrypted && self.model.must_encrypt(self.session.peer);
        let node = etrn::node(exchange).unwrap_or_default();
        let may = self.model.may_relay(self.session.peer, self.account.as_deref())
            && !must_authenticate
            && !must_encrypt
            && self.model.waits(node.strip_prefix('@').unwrap_or(node));
        if yes && !may {
            sheet.finds("mail was started for a client that may not ask for it", exchange.command);
        }
        // Out of its order is the matter of *protocol*.
        if may && !yes && !matches!(code, 421 | 503) {
            sheet.finds("a client was refused mail that it may ask for", exchange.command);
        }
    }

    /// VRFY and EXPN: who exists is told to those who have authenticated, where that is the policy, and truly.
    fn asks(&self, command: &str, reply: &Reply<'_>, sheet: &mut Sheet) {
        sheet.judges();
        let tells = reply.code == 250 || reply.lines.iter().any(|line| line.contains(" 5.1.1 "));
        let may_tell = self.case.plan.gateway.config.policy.vrfy == Lookups::Authenticated;
        if tells && !(may_tell && self.account.is_some()) {
            sheet.finds("a client was told who exists that may not hear it", command);
        }
        let name = command.split_once(' ').map_or("", |(_, name)| name);
        if let Some(due) = self.due(command, name)
            && reply.code != due
            && !matches!(reply.code, 421)
        {
            let what = format!("{command}: {}, and {due} is due", reply.lines.join(" / "));
            sheet.finds("a client was not told of who exists as the policy has it", what);
        }
        let found = self.model.mailbox(name).map(|mailbox| mailbox.address.to_string());
        let says = |found: &String| reply.lines.iter().any(|line| line.ends_with(&format!("<{found}>")));
        let is_true = match reply.code {
            250 => found.as_ref().is_some_and(says),
            550 if tells => found.is_none(),
            _ => true,
        };
        if !is_true {
            sheet
                .finds("a client was told an untruth of who exists", format!("{command}: {:?}", reply.lines));
        }
    }

    /// The code that VRFY or EXPN of an address must be answered with.
    fn due(&self, command: &str, name: &str) -> Option<u16> {
        let domain = name.split_once('@').filter(|_| is_path(name) && name.is_ascii())?.1;
        let is_expn = verb(command) == "EXPN";
        let mailbox = self.model.mailbox(name);
        Some(match self.case.plan.gateway.config.policy.vrfy {
            Lookups::Refuse => 502,
            Lookups::Vague if is_expn => 502,
            Lookups::Authenticated if self.account.is_none() && is_expn => 550,
            Lookups::Vague => 252,
            Lookups::Authenticated if self.account.is_none() => 252,
            Lookups::Authenticated => match mailbox {
                Some(mailbox) if is_expn && mailbox.address.to_string().eq_ignore_ascii_case(name) => 550,
                Some(_) if self.model.is_inbound(domain) => 250,
                None if is_expn || self.model.is_inbound(domain) => 550,
                _ => return None,
            },
        })
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
        let message = content.message.as_deref().unwrap_or_default();
        let is_for_its_sender = unwanted::may_be_refused(self.case, message);
        if no
            && refusal.is_none()
            && !is_for_its_sender
            && !content.is_bare
            && !content.is_long
            && !is_too_large
        {
            let reply = exchange.reply.as_ref().map(|reply| reply.lines.join(" / ")).unwrap_or_default();
            sheet.finds("a message was refused that the rules admit", format!("{sender}: {reply}"));
        }
    }
}

/// What a client has said of who it is, while it is asked.
struct Asked {
    mechanism: String,
    said: Vec<String>,
    heard: Vec<String>,
}

/// What that shows.
struct Shown {
    account: String,
    /// Whether the client knows the account's password.
    is_right: bool,
    /// What the gateway must say to it, where it has to show something too.
    server: Option<String>,
}

impl Asked {
    /// Whether the last that was said is a proof.
    fn has_proof(&self) -> bool {
        self.mechanism == SCRAM && self.said.len() == 2
    }

    fn shown(&self, model: &Model<'_>) -> Shown {
        let said = |place: usize| self.said.get(place).map_or("", String::as_str);
        let is_password = |account: &str, password| {
            model.secret(account).is_some_and(|it| proof::is_password(it, password))
        };
        match self.mechanism.as_str() {
            SCRAM => {
                let account = proof::account(said(0));
                let challenge = self.heard.first().map_or("", String::as_str);
                let secret = model.secret(&account);
                let server = secret.and_then(|it| proof::answer(it, said(0), challenge, said(1)));
                Shown { account, is_right: server.is_some(), server }
            }
            "PLAIN" => {
                let fields: Vec<&str> = said(0).split('\0').collect();
                let (other, account, password) = match fields[..] {
                    [other, account, password] => (other, account, password),
                    _ => ("", "", ""),
                };
                let is_right = is_password(account, password) && (other.is_empty() || other == account);
                Shown { account: account.to_owned(), is_right, server: None }
            }
            _ => Shown { account: said(0).to_owned(), is_right: is_password(said(0), said(1)), server: None },
        }
    }
}

pub(super) fn is_path(path: &str) -> bool {
    path.is_empty() || path.eq_ignore_ascii_case("postmaster") || path.parse::<Address>().is_ok()
}

/// Whether mail that needs TLS is spoken of over TLS only, and to no host that has shown a certificate that is not good for
/// it. A simulated server that does so calls itself by a name that says so.
fn secrecy(case: &Case<'_>, session: &Session<'_>, sheet: &mut Sheet) {
    let mut is_wrong = false;
    for exchange in &session.exchanges {
        match verb(exchange.command).as_str() {
            "EHLO" => {
                let first = exchange.reply.as_ref().and_then(|reply| reply.lines.first().copied());
                is_wrong = first.is_some_and(|line| WRONG.iter().any(|name| line.contains(name)));
            }
            "RCPT" if case.model.is_certified(path(exchange.command)) => {
                sheet.judges();
                if !exchange.is_encrypted {
                    sheet.finds("mail that needs TLS was handed over in clear", exchange.command);
                }
                if is_wrong {
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
        } else if !recipients.any(|recipient| place_of(message, recipient) == here)
            && !journal::is_journals_mailbox(case.plan, directory)
        {
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
            let is_copy = journal::is_journal(case.plan, recipient);
            if !is_copy && !accepted_for(taken.message).any(|to| to.eq_ignore_ascii_case(recipient)) {
                let what = format!("{} for {recipient} to {server}", taken.message);
                sheet.finds("a message went to somebody for whom it was not accepted", what);
            } else if !leads_to(&place_of(taken.message, recipient), address)
                && !exchangers::may_lead_still(case, server, recipient, taken.entry.at)
            {
                let what = format!("{} for {recipient} to {server}", taken.message);
                sheet.finds("a message went to a host to which nothing leads", what);
            }
        }
    }
}

/// Whether what waits until somebody asks for it goes nowhere before.
fn waits(case: &Case<'_>, sheet: &mut Sheet) {
    if case.plan.gateway.holds.iter().all(|(_, until)| until.is_empty()) {
        return;
    }
    let granted: Vec<_> = etrn::granted(case).collect();
    let (inbound, outbound): (Vec<_>, Vec<_>) =
        case.ledger.transfers.iter().partition(|transfer| transfer.is_inbound);
    for sent in outbound.into_iter().filter(|sent| sent.message().is_some()) {
        let came = inbound.iter().find(|came| came.message() == sent.message()).map(|came| came.index);
        let Some(came) = came else { continue };
        for recipient in &sent.recipients {
            let domain = recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
            if !case.model.waits(domain) {
                continue;
            }
            sheet.judges();
            let asked = |asked: &etrn::Granted<'_>| {
                asked.is_about(domain) && (came..sent.index).contains(&asked.index)
            };
            if !granted.iter().any(asked) {
                let what = format!("{} for {recipient}", sent.message().unwrap_or_default());
                sheet.finds("mail that waits was sent before anybody asked for it", what);
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
