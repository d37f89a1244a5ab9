//! Protocol: each line that the gateway says is one that may be said there (RFC 5321; RFC 4954 for AUTH, RFC 3030 for
//! BDAT, RFC 3207 for STARTTLS, RFC 2034 for enhanced status codes, RFC 2920 for commands said together, RFC 3461 for what
//! is asked of reports, RFC 6531 for what is past ASCII).
//!
//! As a server: one greeting, then one reply to each line of the client and none that nobody asked for, but 421 before
//! the connection closes; each with a code that the command can have (RFC 5321, 4.2 and 4.3.2) and that the state of
//! the session allows; lines of printable ASCII, of at most 512 octets, ended by CRLF (4.5.3.1.5); nothing after a
//! farewell; to EHLO the service extensions that its release has; and nothing of what was said in clear is obeyed or
//! believed under TLS, so that a message needs EHLO anew. An address past ASCII is taken where the client has declared
//! SMTPUTF8, and nowhere else. What is said as it should be, in its order, and makes use of what is offered, is not refused
//! for its form. As a client: commands in their order, none before the reply to the last, and no extension that was not
//! offered, nor one left unused that was (RFC 6152, RFC 1870, RFC 2920, RFC 3207); an address past ASCII, and a message
//! that was declared to have such a header, go to a host that offers SMTPUTF8, declared, and to no other (RFC 6531, 3.2).
//!
//! A dialogue that breaks off is judged up to there; so is one in which the other server answers with what is no reply.
//! Not judged: whether a request is granted that the rules allow or not (policy), and the texts of replies.

mod refusals;
mod unused;

use std::collections::BTreeSet;

use gateway::config::Lookups;
use gateway::release::Release;

use super::session::{Exchange, Reply, Session, parameters, path, verb};
use super::{Case, Oracle, Sheet};
use crate::utf8_address;

pub(super) const ORACLE: Oracle = Oracle {
    name: "protocol",
    promise: "each command gets one reply, legal for it and for the state; each command of ours is in its order",
    judge,
};

/// The longest line of a reply, in octets with its CRLF.
pub(super) const LINE_LIMIT: usize = 512;

/// The longest line of a command, in octets with its CRLF: service extensions add to MAIL and to RCPT (RFC 1870, 3461,
/// 4954, 6152, 6531).
pub(super) fn longest(command: &str) -> usize {
    match verb(command).as_str() {
        "MAIL" => LINE_LIMIT + 26 + 500 + 17 + 116 + 10,
        "RCPT" => LINE_LIMIT + 536,
        _ => LINE_LIMIT,
    }
}

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    let answers_lookups = case.plan.gateway.config.policy.vrfy == Lookups::Authenticated;
    for session in &case.ledger.sessions {
        match session.is_inbound {
            true => inbound(session, case, answers_lookups, sheet),
            // What the gateway took for which reply is the other server's doing.
            false if session.early > 0 => {}
            false => {
                outbound(session, sheet);
                if case.plan.release == Release::Current {
                    unused::judge(case, session, sheet);
                }
            }
        }
    }
    international(case, sheet);
}

/// A message with a header past ASCII that was declared each time it came goes out declared (RFC 6531, 3.2).
fn international(case: &Case<'_>, sheet: &mut Sheet) {
    for (message, (_, planned)) in &case.ledger.planned {
        if !utf8_address::has_utf8_header(&planned.content) {
            continue;
        }
        let mine = case.ledger.transfers.iter().filter(|transfer| transfer.message() == Some(message));
        let (taken, sent): (Vec<_>, Vec<_>) = mine.partition(|transfer| transfer.is_inbound);
        if case.ledger.is_garbled(message) || !taken.iter().all(|transfer| transfer.is_declared) {
            continue;
        }
        for transfer in sent {
            sheet.judges();
            if !transfer.is_declared {
                let what = format!("{message} to {}", transfer.peer);
                sheet.finds("a header past ASCII was sent undeclared", what);
            }
        }
    }
}

/// The octets of a line with its end, as it was before it was written down.
pub(super) fn octets(line: &str) -> usize {
    let (mut octets, mut rest, mut ended) = (0, line, false);
    while let Some(at) = rest.find('\\') {
        octets += at + 1;
        let escape = rest.get(at + 1..at + 2);
        ended = escape == Some("n");
        rest = rest.get(at + if escape == Some("x") { 4 } else { 2 }..).unwrap_or_default();
    }
    octets + rest.len() + if ended && rest.is_empty() { 0 } else { 2 }
}

/// Whether a line has nothing but printable ASCII before its CRLF.
fn is_plain(line: &str) -> bool {
    line.is_ascii() && !is_escaped(line)
}

/// Whether a line had something that cannot be printed.
fn is_escaped(line: &str) -> bool {
    line.replace("\\\\", "").contains('\\')
}

/// What a server knows of a session.
#[derive(Default)]
struct State {
    is_greeted: bool,
    may_authenticate: bool,
    is_authenticated: bool,
    /// The recipients so far of the message that is being sent.
    transaction: Option<usize>,
    /// A DATA or a chunk was refused: whether the transaction goes on is not laid down.
    is_unclear: bool,
    /// A chunk was taken, and it was not the last.
    is_in_chunks: bool,
    /// The message was declared to be international.
    is_declared: bool,
    /// The next line answers a challenge.
    is_challenged: bool,
    /// STARTTLS was granted.
    is_encrypted: bool,
    is_over: bool,
}

fn inbound(session: &Session<'_>, case: &Case<'_>, answers_lookups: bool, sheet: &mut Sheet) {
    let release = case.plan.release;
    let mut state = State::default();
    for (place, exchange) in session.exchanges.iter().enumerate() {
        let Some(reply) = &exchange.reply else { continue };
        sheet.judges();
        if state.is_over {
            sheet.finds("a reply after the farewell", reply.lines.join(" / "));
        }
        form(reply, sheet);
        let verb = verb(exchange.command);
        if verb == "EHLO" && reply.is_positive() {
            offers(reply, case, answers_lookups, sheet);
        } else if place > 0 && verb != "HELO" && release == Release::Current {
            status(reply, sheet);
        }
        let command = if place == 0 { "the connection".to_owned() } else { state.name(exchange) };
        let is_legal =
            legal(&command).contains(&reply.code) || command != "the end of data" && is_for_any(reply.code);
        if !is_legal {
            let cause = format!("{command} was answered {}, which it cannot have", reply.code);
            sheet.finds(cause, exchange.command);
        }
        if let Some(cause) = refusals::objects(case, session, place, &command, reply, &state) {
            sheet.finds(cause, format!("{}: {}", exchange.command, reply.lines.join(" / ")));
        }
        if let Some(cause) = state.past_ascii(exchange.command, reply) {
            sheet.finds(cause, exchange.command);
        }
        // The greeting of a connection that is encrypted from its start is nobody's answer.
        if place > 0 && reply.is_encrypted != exchange.is_encrypted {
            sheet.finds("what was said in clear was answered under TLS", exchange.command);
        }
        state.is_encrypted |= exchange.is_encrypted;
        if let Some(cause) = state.objects(&command, reply.code) {
            sheet.finds(cause, reply.lines.join(" / "));
        }
        state.goes_on(&command, exchange.command, reply);
    }
    for (place, reply) in &session.stray {
        sheet.judges();
        form(reply, sheet);
        if reply.code != 421 {
            sheet.finds("a reply that nobody asked for", reply.lines.join(" / "));
        } else if session.exchanges[*place..].iter().any(|exchange| exchange.reply.is_some()) {
            sheet.finds("a reply after the farewell", "421");
        }
    }
}

fn form(reply: &Reply<'_>, sheet: &mut Sheet) {
    if reply.code == 0 {
        sheet.finds("what the gateway said is no reply", reply.lines.join(" / "));
    }
    for line in &reply.lines {
        if octets(line) > LINE_LIMIT {
            sheet.finds("a line of a reply is too long", *line);
        }
        if !is_plain(line) {
            sheet.finds("a line of a reply is not printable ASCII with CRLF", *line);
        }
    }
}

/// The service extensions that each release has (Q262986 for 5.5), and the two commands that are offered like one where
/// they tell who exists (RFC 5321, 3.5.2).
fn offers(reply: &Reply<'_>, case: &Case<'_>, answers_lookups: bool, sheet: &mut Sheet) {
    let of_release: &[&str] = match case.plan.release {
        Release::Current => {
            &["SIZE", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN", "ETRN", "SMTPUTF8"]
        }
        Release::V50Rtm | Release::V50Sp1 | Release::V50Sp2 => &["SIZE"],
        _ => &["SIZE", "DSN", "ETRN"],
    };
    let lookups: &[&str] = if answers_lookups { &["VRFY", "EXPN"] } else { &[] };
    // What hangs on encryption: it is offered where there is a certificate and it is not there yet, and passwords are
    // asked for where they may be said.
    let has_certificate = case.plan.gateway.config.tls.identity.is_some();
    let starttls = (has_certificate && !reply.is_encrypted).then_some("STARTTLS");
    let auth = case.model.may_authenticate(reply.is_encrypted).then_some("AUTH");
    let expected = of_release.iter().chain(lookups).copied();
    let expected: Vec<&str> = expected.chain(starttls).chain(auth).collect();
    for keyword in &expected {
        let says = |line: &&str| line.get(4..).unwrap_or_default().split(' ').next() == Some(*keyword);
        if !reply.lines.iter().skip(1).any(says) {
            sheet.finds(format!("EHLO was answered without {keyword}"), reply.lines.join(" / "));
        }
    }
    // What is said with them: how large a message may be, and how a client may show who it is.
    let limit = case.plan.gateway.config.limits.message_size.map_or(0, std::num::NonZeroU64::get);
    let limit = limit.to_string();
    let mechanisms: &[&str] = match case.plan.release {
        Release::Current => &["LOGIN", "PLAIN", "SCRAM-SHA-256"],
        _ => &["LOGIN", "PLAIN"],
    };
    for (keyword, values) in [("SIZE", &[limit.as_str()][..]), ("AUTH", mechanisms)] {
        let said = reply.lines.iter().skip(1).find_map(|line| line.get(4..)?.strip_prefix(keyword));
        let are_right =
            |said: &str| said.split_whitespace().collect::<BTreeSet<_>>() == values.iter().copied().collect();
        if said.is_some_and(|said| !are_right(said)) {
            let cause = format!("EHLO was answered with another {keyword} than there is");
            sheet.finds(cause, reply.lines.join(" / "));
        }
    }
    for line in reply.lines.iter().skip(1) {
        let keyword = line.get(4..).unwrap_or_default().split(' ').next().unwrap_or_default();
        if keyword != "HELP" && !expected.contains(&keyword) {
            let why = match keyword {
                "STARTTLS" | "AUTH" => "which is not to be offered there",
                _ => "which the release does not have",
            };
            sheet.finds(format!("EHLO was answered with {keyword}, {why}"), *line);
        }
    }
}

/// Each line of a reply has an enhanced status code of its class; 3yz has none (RFC 2034, 4).
fn status(reply: &Reply<'_>, sheet: &mut Sheet) {
    for line in &reply.lines {
        let word = line.get(4..).unwrap_or_default().split(' ').next().unwrap_or_default();
        let parts: Vec<&str> = word.split('.').collect();
        let is_number =
            |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit());
        let has_one = parts.len() == 3 && parts.iter().all(is_number) && line.starts_with(parts[0]);
        if has_one != matches!(reply.code / 100, 2 | 4 | 5) {
            sheet.finds("a reply without its enhanced status code", *line);
        }
    }
}

/// 421 may come at any time, 500 and 501 to any command (RFC 5321, 4.2.4 and 4.3.2).
fn is_for_any(code: u16) -> bool {
    matches!(code, 421 | 500 | 501)
}

/// The codes that a command can be answered with (RFC 5321, 4.3.2; RFC 7504 for 521; RFC 4954, 4 and 6). A message
/// for which there is no room now is refused with 452 or 451 wherever that shows.
fn legal(command: &str) -> &'static [u16] {
    match command {
        "the connection" => &[220, 521, 554],
        "EHLO" | "HELO" => &[250, 502, 504, 550],
        // A host that has sent too much is put off with 450 at MAIL already, as Postfix does.
        "MAIL" => &[250, 450, 451, 452, 455, 503, 530, 550, 552, 553, 555],
        "RCPT" => &[250, 251, 450, 451, 452, 455, 503, 530, 550, 551, 552, 553, 555],
        "DATA" => &[354, 450, 451, 452, 503, 550, 554],
        // A chunk that cannot be taken is read and refused (RFC 3030, 2).
        "BDAT" | "the last chunk" => &[250, 450, 451, 452, 503, 550, 552, 554],
        "the end of data" => &[250, 450, 451, 452, 550, 552, 554, 421],
        // Where somebody spoke behind it, 554 (RFC 5321, 4.2.2).
        "STARTTLS" => &[220, 454, 502, 503, 554],
        "RSET" | "NOOP" => &[250],
        "QUIT" => &[221],
        "VRFY" => &[250, 251, 252, 502, 504, 550, 551, 553],
        "EXPN" => &[250, 252, 502, 504, 550],
        "HELP" => &[211, 214, 502, 504],
        // RFC 1985, 5.1; and it is a command that needs a greeting, and may need authentication.
        "ETRN" => &[250, 251, 252, 253, 458, 459, 503, 530],
        "AUTH" => &[235, 334, 432, 454, 503, 504, 530, 534, 535, 538],
        "a response" => &[235, 334, 432, 454, 534, 535],
        _ => &[502, 503, 504],
    }
}

impl State {
    /// What the client's line is, to a server in this state.
    fn name(&self, exchange: &Exchange<'_>) -> String {
        match exchange.content {
            Some(_) if verb(exchange.command) == "BDAT" => "the last chunk".to_owned(),
            Some(_) => "the end of data".to_owned(),
            None if self.is_challenged => "a response".to_owned(),
            None => match verb(exchange.command).as_str() {
                known @ ("EHLO" | "HELO" | "MAIL" | "RCPT" | "DATA" | "BDAT" | "RSET" | "NOOP" | "QUIT"
                | "VRFY" | "EXPN" | "HELP" | "AUTH" | "ETRN" | "STARTTLS") => known.to_owned(),
                _ => "an unknown command".to_owned(),
            },
        }
    }

    /// What is wrong with the answer to an address past ASCII (RFC 6531, 3.5).
    fn past_ascii(&self, command: &str, reply: &Reply<'_>) -> Option<&'static str> {
        let is_declared = match verb(command).as_str() {
            "MAIL" => parameters(command).any(|word| word == "SMTPUTF8"),
            "RCPT" => self.is_declared,
            _ => return None,
        };
        let is_blamed = reply.lines.iter().any(|line| line.contains("5.6.7"));
        match path(command).is_ascii() {
            false if !is_declared && reply.is_positive() => {
                Some("an address past ASCII was taken undeclared")
            }
            false if is_declared && is_blamed => {
                Some("an address past ASCII was refused though it was declared")
            }
            true if is_blamed => Some("an address in ASCII was refused as one past it"),
            _ => None,
        }
    }

    /// What is wrong with a reply in this state.
    fn objects(&self, command: &str, code: u16) -> Option<&'static str> {
        let recipients = self.transaction.unwrap_or_default();
        match (command, code) {
            ("STARTTLS", 220) if self.is_encrypted => Some("STARTTLS was granted twice"),
            ("MAIL", 250) if !self.is_greeted => Some("MAIL was granted before EHLO"),
            ("MAIL", 250) if self.transaction.is_some() && !self.is_unclear => {
                Some("MAIL was granted within a message")
            }
            ("RCPT", 250 | 251) if self.transaction.is_none() => Some("RCPT was granted before MAIL"),
            ("DATA", 354) if recipients == 0 => Some("DATA was granted before RCPT"),
            ("BDAT" | "the last chunk", 250) if recipients == 0 && !self.is_unclear => {
                Some("a chunk was granted before RCPT")
            }
            ("RCPT", 250 | 251) if self.is_in_chunks => Some("RCPT was granted between chunks"),
            ("DATA", 354) if self.is_in_chunks => Some("DATA was granted between chunks"),
            ("AUTH" | "a response", 235) if !self.may_authenticate => Some("AUTH was granted before EHLO"),
            ("AUTH" | "a response", 235) if self.is_authenticated => Some("AUTH was granted twice"),
            ("AUTH" | "a response", 235) if self.transaction.is_some() => {
                Some("AUTH was granted within a message")
            }
            ("ETRN", 250..=253) if !self.is_greeted => Some("ETRN was granted before EHLO"),
            ("ETRN", 250..=253) if self.transaction.is_some() || self.is_in_chunks => {
                Some("ETRN was granted within a message")
            }
            _ if self.is_unclear => None,
            ("MAIL", 503) if self.is_greeted && self.transaction.is_none() => {
                Some("MAIL in its order was refused")
            }
            _ if self.is_in_chunks => None,
            ("AUTH", 503)
                if self.may_authenticate && !self.is_authenticated && self.transaction.is_none() =>
            {
                Some("AUTH in its order was refused")
            }
            ("ETRN", 503) if self.is_greeted && self.transaction.is_none() => {
                Some("ETRN in its order was refused")
            }
            ("RCPT", 503) if self.transaction.is_some() => Some("RCPT in its order was refused"),
            ("DATA", 503) if recipients > 0 => Some("DATA in its order was refused"),
            ("BDAT" | "the last chunk", 503) if recipients > 0 => Some("a chunk in its order was refused"),
            _ => None,
        }
    }

    fn goes_on(&mut self, command: &str, said: &str, reply: &Reply<'_>) {
        let yes = reply.is_positive();
        self.is_over |= matches!(reply.code, 221 | 421 | 521);
        self.is_challenged = reply.code == 334;
        self.is_authenticated |= reply.code == 235;
        match command {
            // All that was said is forgotten (RFC 3207, 4.2).
            "STARTTLS" if yes => *self = State { is_encrypted: true, ..State::default() },
            "EHLO" | "HELO" if yes => {
                self.is_greeted = true;
                self.may_authenticate = command == "EHLO";
                self.transaction = None;
                self.is_unclear = false;
                self.is_in_chunks = false;
            }
            "MAIL" if yes => {
                (self.transaction, self.is_unclear) = (Some(0), false);
                self.is_declared = parameters(said).any(|word| word == "SMTPUTF8");
            }
            "BDAT" if yes => self.is_in_chunks = true,
            // The message is over, and so is the transaction, whatever it has come to.
            "BDAT" | "the last chunk" => {
                self.is_unclear |= command == "BDAT" && reply.code != 503;
                self.transaction = self.transaction.filter(|_| reply.code == 503 && !self.is_in_chunks);
                self.is_in_chunks = false;
            }
            "RCPT" if yes => self.transaction = self.transaction.map(|recipients| recipients + 1),
            "RSET" if yes => (self.transaction, self.is_unclear, self.is_in_chunks) = (None, false, false),
            "DATA" if reply.code != 354 && reply.code != 503 => self.is_unclear = true,
            "the end of data" => self.transaction = None,
            _ => {}
        }
    }
}

fn outbound(session: &Session<'_>, sheet: &mut Sheet) {
    if session.hasty > 0 {
        sheet.finds("a command was sent before the reply to the last", session.peer.to_string());
    }
    let (mut is_greeted, mut hello, mut transaction, mut is_declared) = (false, None, None, false);
    // What was said last, and when it was answered: what is said before that goes by what was said, not by the answer.
    let mut last = (String::new(), 0);
    for exchange in &session.exchanges {
        sheet.judges();
        let command = exchange.command;
        let name = if exchange.content.is_some() { "the end of data".to_owned() } else { verb(command) };
        let (is_welcome, is_refused) = match hello {
            Some(reply) => (Reply::is_positive(reply), Reply::is_permanent(reply)),
            None => (false, false),
        };
        let is_ahead = exchange.index < last.1;
        let is_in_order = match name.as_str() {
            "" => true,
            "EHLO" => is_greeted && hello.is_none(),
            "STARTTLS" => {
                is_welcome && transaction.is_none() && hello.is_some_and(|reply| reply.offers("STARTTLS"))
            }
            "HELO" => is_greeted && is_refused,
            "MAIL" => is_welcome && transaction.is_none(),
            "RCPT" | "DATA" if is_ahead => last.0 == "RCPT" || name == "RCPT" && last.0 == "MAIL",
            "RCPT" => transaction.is_some(),
            "DATA" => transaction.is_some_and(|recipients: usize| recipients > 0),
            "QUIT" | "RSET" | "the end of data" => true,
            _ => false,
        };
        if !is_in_order {
            sheet.finds(format!("{name} was sent out of its order"), command);
        }
        if name == "MAIL" {
            is_declared = parameters(command).any(|word| word == "SMTPUTF8");
        }
        let may_pass_ascii = is_declared && matches!(name.as_str(), "MAIL" | "RCPT");
        if is_escaped(command) || !command.is_ascii() && !may_pass_ascii {
            sheet.finds("a command is not printable ASCII with CRLF", command);
        }
        if octets(command) > longest(command) {
            sheet.finds("a command is too long", command);
        }
        let uses = |parameter: &str| command.contains(parameter);
        let unoffered = match name.as_str() {
            "MAIL" => {
                uses(" BODY=") && !session.offers("8BITMIME")
                    || uses(" SIZE=") && !session.offers("SIZE")
                    || is_declared && !session.offers("SMTPUTF8")
                    || (uses(" RET=") || uses(" ENVID=")) && !session.offers("DSN")
            }
            "RCPT" => (uses(" NOTIFY=") || uses(" ORCPT=")) && !session.offers("DSN"),
            _ => false,
        };
        if unoffered {
            sheet.finds(format!("{name} has a parameter that was not offered"), command);
        }
        let Some(reply) = exchange.reply.as_ref().filter(|reply| reply.code != 0) else { return };
        match name.as_str() {
            "" => is_greeted = reply.is_positive(),
            "EHLO" | "HELO" => hello = Some(reply),
            "STARTTLS" if reply.is_positive() => hello = None,
            "MAIL" if reply.is_positive() => transaction = Some(0),
            "RCPT" if reply.is_positive() => transaction = transaction.map(|recipients| recipients + 1),
            "the end of data" | "RSET" => transaction = None,
            _ => {}
        }
        last = (name, reply.index);
    }
}
