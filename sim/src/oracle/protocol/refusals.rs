//! What may not be refused: a command that is said as it should be, in its order, and makes use of what is offered. Part
//! of *protocol*.
//!
//! A refusal for what is asked, and not for how, is the matter of *policy*: who may send, relay, submit and ask.

use std::collections::BTreeSet;

use super::{State, is_escaped, longest, octets};
use crate::fault::{ClientDoes, Fault};
use crate::oracle::policy::is_path;
use crate::oracle::session::{parameters, path, verb};
use crate::oracle::{Case, Exchange, Reply, Session, filters};

/// What is wrong with a refusal, if anything is. `nth`: the place of the command in its dialogue.
pub(super) fn objects(
    case: &Case<'_>,
    session: &Session<'_>,
    nth: usize,
    name: &str,
    reply: &Reply<'_>,
    state: &State,
) -> Option<String> {
    let exchange = &session.exchanges[nth];
    let is_refusal = reply.is_permanent() || reply.code == 454;
    if !is_refusal || nth == 0 || filters::excuses(case, &reply.lines) {
        return None;
    }
    let command = exchange.command;
    let is_for_its_form = matches!(reply.code, 500 | 501 | 502 | 504 | 555);
    let has_recipients = state.transaction.is_some_and(|recipients| recipients > 0) && !state.is_unclear;
    let offers = |keyword: &str| offer(&session.exchanges[..nth], keyword).is_some();
    let amiss = match name {
        "EHLO" | "HELO" => is_plain(command, 2),
        "MAIL" | "RCPT" => is_for_its_form && is_fit(command, &session.exchanges[..nth]),
        "DATA" => is_plain(command, 1) && has_recipients && !state.is_in_chunks && reply.code != 503,
        "BDAT" => offers("CHUNKING") && has_recipients && !matches!(reply.code, 503 | 552),
        "STARTTLS" => {
            let spoke_on =
                |fault: &Fault| matches!(fault, Fault::Client { does: ClientDoes::InjectsBeforeTls, .. });
            let may_be_parted_from = reply.code == 554 && case.ledger.bit(spoke_on);
            is_plain(command, 1) && offers("STARTTLS") && !state.is_encrypted && !may_be_parted_from
        }
        "AUTH" => {
            let mechanism = command.split(' ').nth(1).unwrap_or_default();
            let offered = offer(&session.exchanges[..nth], "AUTH").unwrap_or_default();
            let is_offered = offered.split(' ').any(|known| known.eq_ignore_ascii_case(mechanism));
            is_offered && matches!(reply.code, 454 | 500 | 502 | 504 | 534)
        }
        "RSET" | "NOOP" | "QUIT" | "HELP" => is_plain(command, 1),
        _ => false,
    };
    amiss.then(|| format!("{name} was refused with {}, for no reason", reply.code))
}

/// What a server said last that it offers under a keyword, before this.
fn offer<'a>(before: &[Exchange<'a>], keyword: &str) -> Option<&'a str> {
    let hello = before.iter().rev().find_map(|exchange| {
        let is_hello = matches!(verb(exchange.command).as_str(), "EHLO" | "HELO");
        exchange.reply.as_ref().filter(|reply| is_hello && reply.is_positive())
    })?;
    hello.lines.iter().skip(1).find_map(|line| {
        let (word, rest) = line.get(4..)?.split_once(' ').unwrap_or((line.get(4..)?, ""));
        word.eq_ignore_ascii_case(keyword).then_some(rest)
    })
}

/// Whether a command is so many words, and nothing strange.
fn is_plain(command: &str, words: usize) -> bool {
    let are_words = command.split(' ').all(|word| !word.is_empty());
    let is_readable = command.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ');
    are_words
        && is_readable
        && !command.contains('%')
        && command.split(' ').count() == words
        && octets(command) <= longest(command)
        && !is_escaped(command)
}

/// Whether MAIL or RCPT is as RFC 5321 has it, with parameters of what is offered, each once.
fn is_fit(command: &str, before: &[Exchange<'_>]) -> bool {
    let begins = ["MAIL FROM:<", "RCPT TO:<"].iter().any(|begins| command.starts_with(begins));
    let mut named = BTreeSet::new();
    let is_offered = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (extension, is_fit) = match name {
            "SIZE" => ("SIZE", value.len() <= 15 && value.parse::<u64>().is_ok()),
            "BODY" => ("8BITMIME", matches!(value, "7BIT" | "8BITMIME")),
            "SMTPUTF8" => ("SMTPUTF8", parameter == name),
            "RET" => ("DSN", matches!(value, "FULL" | "HDRS")),
            "ENVID" => ("DSN", !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_alphanumeric())),
            "NOTIFY" => (
                "DSN",
                value == "NEVER"
                    || value.split(',').all(|word| matches!(word, "SUCCESS" | "FAILURE" | "DELAY")),
            ),
            "ORCPT" => ("DSN", value.starts_with("rfc822;") || value.starts_with("utf-8;")),
            _ => return false,
        };
        is_fit && named.insert(name.to_owned()) && offer(before, extension).is_some()
    };
    let postmaster = path(command).eq_ignore_ascii_case("postmaster");
    begins
        && command.contains('>')
        && !is_escaped(command)
        && octets(command) <= longest(command)
        && (is_path(path(command)) || postmaster)
        && (!path(command).is_empty() || verb(command) == "MAIL")
        && parameters(command).all(is_offered)
}
