//! The fields of a delivery status (RFC 3464): a group about the message, and one for each recipient.
//!
//! An address past ASCII has the type `utf-8` (RFC 6533). It stands as it is where the reader's own address is such, and
//! the report goes to hosts that offer SMTPUTF8 alone; else it is embedded in ASCII, so that every sender can be told.
//!
//! It knows no wording for people.

use jiff::Timestamp;

use super::{Identity, RemoteReply, harmless};
use crate::address::Address;
use crate::embedded;
use crate::envelope::Envelope;
use crate::trace;

/// What a status says of one recipient (RFC 3464, 2.3).
pub(super) struct About<'a> {
    pub(super) recipient: &'a Address,
    pub(super) action: &'static str,
    /// The status code (RFC 3463).
    pub(super) status: String,
    /// What another host said.
    pub(super) reply: Option<&'a RemoteReply>,
    pub(super) retried_until: Option<Timestamp>,
}

/// A delivery status.
pub(super) struct Status {
    pub(super) media_type: &'static str,
    pub(super) fields: String,
}

impl Status {
    /// A status about these recipients, to somebody.
    pub(super) fn new<'a>(
        reporter: &Identity,
        reader: &Address,
        original: &Envelope,
        recipients: impl Iterator<Item = About<'a>>,
    ) -> Self {
        let is_global = !reader.is_ascii();
        let media_type = if is_global { "message/global-delivery-status" } else { "message/delivery-status" };
        Status { media_type, fields: fields(reporter, is_global, original, recipients) }
    }
}

/// An address as a field has it, with its type.
fn typed(kind: &str, is_utf8: bool, address: &str, is_global: bool, limit: usize) -> String {
    let address = harmless::line(address, limit);
    match (is_utf8, is_global) {
        (false, _) => format!("{kind}; {}", harmless::ascii(&address, limit)),
        (true, true) => format!("{kind}; {address}"),
        (true, false) => format!("{kind}; {}", embedded::encode(&address)),
    }
}

fn fields<'a>(
    reporter: &Identity,
    is_global: bool,
    original: &Envelope,
    recipients: impl Iterator<Item = About<'a>>,
) -> String {
    let mut fields = String::new();
    if let Some(id) = &original.dsn.envelope_id {
        fields += &format!("Original-Envelope-Id: {}\r\n", harmless::ascii(&id.decoded(), 100));
    }
    let host = harmless::ascii(reporter.host.as_str(), 255);
    let arrival = trace::date(original.received);
    fields += &format!("Reporting-MTA: dns; {host}\r\nArrival-Date: {arrival}\r\n");
    for About { recipient, action, status, reply, retried_until } in recipients {
        fields += "\r\n";
        let known = original.dsn.of(recipient).and_then(|request| request.original.as_ref());
        if let Some(known) = known.filter(|known| is_global || known.in_ascii().is_some()) {
            let known = typed(known.kind(), known.is_utf8(), &known.address(), is_global, 500);
            fields += &format!("Original-Recipient: {known}\r\n");
        }
        let is_utf8 = !recipient.is_ascii();
        let kind = if is_utf8 { "utf-8" } else { "rfc822" };
        let recipient = typed(kind, is_utf8, &recipient.to_string(), is_global, harmless::ADDRESS);
        fields += &format!("Final-Recipient: {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n");
        if let Some(reply) = reply {
            let host = harmless::ascii(&reply.host, 255);
            fields += &format!("Remote-MTA: dns; {host}\r\nDiagnostic-Code: smtp; {reply}\r\n");
        }
        if let Some(until) = retried_until {
            fields += &format!("Will-Retry-Until: {}\r\n", trace::date(until));
        }
    }
    fields
}
