//! What several oracles ask of mail that waits for ETRN (RFC 1985): who asked for whose mail, when, and whether that was
//! granted.
//!
//! It lists; it does not judge.

use std::time::Duration;

use super::session::verb;
use super::{Case, Exchange};

/// A request that was granted.
pub(super) struct Granted<'a> {
    /// When it was answered, as a place in the Record.
    pub(super) index: usize,
    /// When it was answered.
    pub(super) at: Duration,
    node: &'a str,
}

impl Granted<'_> {
    /// Whether it is about this domain's mail.
    pub(super) fn is_about(&self, domain: &str) -> bool {
        is_about(self.node, domain)
    }
}

/// Whether a node, as it stands in ETRN, has this domain's mail.
fn is_about(node: &str, domain: &str) -> bool {
    let (node, domain) = (node.to_ascii_lowercase(), domain.to_ascii_lowercase());
    match node.strip_prefix('@') {
        None => node == domain,
        Some(node) => domain == node || domain.ends_with(&format!(".{node}")),
    }
}

/// The node that a command asks for, if it asks for one.
pub(super) fn node<'a>(exchange: &Exchange<'a>) -> Option<&'a str> {
    (exchange.content.is_none() && verb(exchange.command) == "ETRN")
        .then(|| exchange.command.split_once(' ').map_or("", |(_, node)| node.trim()))
}

/// Every request that was granted, in the order of the dialogues.
pub(super) fn granted<'a>(case: &'a Case<'_>) -> impl Iterator<Item = Granted<'a>> {
    let sessions = case.ledger.sessions.iter().filter(|session| session.is_inbound);
    sessions.flat_map(|session| &session.exchanges).filter_map(|exchange| {
        let reply = exchange.reply.as_ref().filter(|reply| reply.is_positive())?;
        Some(Granted { index: reply.index, at: reply.at, node: node(exchange)? })
    })
}
