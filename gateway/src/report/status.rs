//! The fields of a delivery status (RFC 3464): a group about the message, and one for each recipient.
//!
//! It knows no wording for people.

use jiff::Timestamp;

use super::{Identity, RemoteReply, harmless};
use crate::address::Address;
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

/// The fields.
pub(super) fn fields<'a>(
    reporter: &Identity,
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
        if let Some(known) = original.dsn.of(recipient).and_then(|request| request.original.as_ref()) {
            let address = harmless::ascii(&known.address(), 500);
            fields += &format!("Original-Recipient: {}; {address}\r\n", known.kind());
        }
        let recipient = harmless::ascii(&recipient.to_string(), harmless::ADDRESS);
        fields +=
            &format!("Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n");
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
