//! The non-delivery report: a `multipart/report` (RFC 6522) whose text keeps the original's wording.
//!
//! The Internet Mail Service 5.5 wrote no machine-readable status (Q262986): its reports were `multipart/mixed` of a
//! text and the message. The status part between them is ours, on every release; the text is the original's.

use jiff::Timestamp;
use mail_builder::headers::content_type::ContentType;
use mail_builder::mime::MimePart;

use super::original::{self, Original};
use super::{Failure, Identity, Letter, RETURN_LIMIT, Report, boundary, describe, harmless};
use crate::address::ReversePath;
use crate::envelope::{Envelope, SpoolId};
use crate::trace;

/// What a report to the sender is made from.
#[derive(Clone, Copy, Debug)]
pub struct NonDelivery<'a> {
    /// The failed message's envelope.
    pub original: &'a Envelope,
    /// The failed message.
    pub content: &'a [u8],
    /// The recipients who will not have it. At least one.
    pub failures: &'a [Failure],
    /// Who reports.
    pub reporter: &'a Identity,
    /// The report's own name in the spool. Its `Message-ID` and its boundary come from it.
    pub id: &'a SpoolId,
    /// Now.
    pub when: Timestamp,
}

impl NonDelivery<'_> {
    /// Writes the report. Nothing if the failed message has a null reverse path: a report is never reported on.
    pub fn compose(&self) -> Option<Report> {
        let ReversePath::Mailbox(sender) = &self.original.reverse_path else {
            return None;
        };
        let original = Original::read(self.content);
        let letter = Letter {
            reporter: self.reporter,
            to: sender,
            subject: format!("Undeliverable: {}", original.subject()),
            auto_submitted: "auto-replied",
            in_reply_to: original.message_id.clone(),
            id: self.id,
            when: self.when,
        };
        let status = self.status();
        let parts = vec![
            MimePart::new("text/plain", self.text(&original)),
            original::verbatim("message/delivery-status", status.as_bytes()),
            original::returned(self.content, RETURN_LIMIT),
        ];
        let report = ContentType::new("multipart/report")
            .attribute("report-type", "delivery-status")
            .attribute("boundary", boundary(self.id));
        Some(letter.write(MimePart::new(report, parts)))
    }

    fn text(&self, original: &Original) -> String {
        let failures: String =
            self.failures.iter().map(|failure| describe(failure, self.reporter, self.when)).collect();
        format!(
            "Your message\r\n\r\n{}\r\ndid not reach the following recipient(s):\r\n\r\n{failures}",
            original.describe()
        )
    }

    /// The fields of RFC 3464: a group about the message, and one for each recipient.
    fn status(&self) -> String {
        let host = harmless::ascii(self.reporter.host.as_str(), 255);
        let arrival = trace::date(self.original.received);
        let mut fields = format!("Reporting-MTA: dns; {host}\r\nArrival-Date: {arrival}\r\n");
        for Failure { recipient, why } in self.failures {
            let recipient = harmless::ascii(&recipient.to_string(), harmless::ADDRESS);
            fields += &format!(
                "\r\nFinal-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: {}\r\n",
                why.status()
            );
            if let Some(reply) = why.reply() {
                let host = harmless::ascii(&reply.host, 255);
                fields += &format!("Remote-MTA: dns; {host}\r\nDiagnostic-Code: smtp; {reply}\r\n");
            }
        }
        fields
    }
}
