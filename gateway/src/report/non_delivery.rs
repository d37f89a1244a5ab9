//! The non-delivery report: a `multipart/report` (RFC 6522) whose text keeps the original's wording.
//!
//! The Internet Mail Service 5.5 wrote no machine-readable status (Q262986): its reports were `multipart/mixed` of a
//! text and the message. The status part between them is ours, on every release; the text is the original's.

use jiff::Timestamp;

use super::original::{self, Original, Returned};
use super::status::{self, Status};
use super::{Failure, Identity, Letter, Report, describe};
use crate::address::{Address, ReversePath};
use crate::dsn::Ret;
use crate::envelope::{Envelope, SpoolId};
use crate::release::Release;

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
        let returned = match self.original.dsn.ret {
            // 5.5 took the word and returned the whole message all the same (Q156063).
            Some(Ret::Headers) if self.reporter.release == Release::Current => Returned::Header,
            _ => Returned::Whole,
        };
        let returned = original::returned(self.original, self.content, returned);
        Some(letter.write_status(self.text(&original), &self.status(sender), returned))
    }

    fn text(&self, original: &Original) -> String {
        let failures: String =
            self.failures.iter().map(|failure| describe(failure, self.reporter, self.when)).collect();
        format!(
            "Your message\r\n\r\n{}\r\ndid not reach the following recipient(s):\r\n\r\n{failures}",
            original.describe()
        )
    }

    fn status(&self, reader: &Address) -> Status {
        let about = self.failures.iter().map(|Failure { recipient, why }| status::About {
            recipient,
            action: "failed",
            status: why.status(),
            reply: why.reply(),
            retried_until: None,
        });
        Status::new(self.reporter, reader, self.original, about)
    }
}
