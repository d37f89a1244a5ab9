//! The notice: a report to the sender that tells of no failure. The message was delivered, or passed on to a host that
//! will not report the delivery, or it is late (RFC 3461, 5.2; RFC 3464, 2.3.3).
//!
//! It returns the header section only (RFC 3461, 4.3). This module does not know who asked for what.

use jiff::Timestamp;

use super::original::{self, Original, Returned};
use super::status::{self, Status};
use super::{Identity, Letter, Report, harmless};
use crate::address::{Address, ReversePath};
use crate::envelope::{Envelope, SpoolId};
use crate::trace;

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is in the recipient's mailbox.
    Delivered,
    /// It was passed on to a host that does not report deliveries.
    Relayed,
    /// It was not delivered yet.
    Delayed {
        /// What came in the way of the last try.
        why: String,
        /// When it will be given up.
        until: Timestamp,
    },
}

/// What a notice is made from.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// What there is to tell.
    pub news: &'a News,
    /// The envelope of the message.
    pub original: &'a Envelope,
    /// The message.
    pub content: &'a [u8],
    /// The recipients that it is about. At least one.
    pub recipients: &'a [Address],
    /// Who reports.
    pub reporter: &'a Identity,
    /// The notice's own name in the spool. Its `Message-ID` and its boundary come from it.
    pub id: &'a SpoolId,
    /// Now.
    pub when: Timestamp,
}

impl News {
    /// The word for it, as in RFC 3464.
    pub fn action(&self) -> &'static str {
        match self {
            News::Delivered => "delivered",
            News::Relayed => "relayed",
            News::Delayed { .. } => "delayed",
        }
    }

    /// The status code (RFC 3463): delivered to its address, or the time it took.
    fn status(&self) -> &'static str {
        match self {
            News::Delivered | News::Relayed => "2.0.0",
            News::Delayed { .. } => "4.4.7",
        }
    }

    fn subject(&self) -> &'static str {
        match self {
            News::Delivered => "Delivered",
            News::Relayed => "Relayed",
            News::Delayed { .. } => "Delayed",
        }
    }

    fn sentence(&self) -> String {
        match self {
            News::Delivered => "was delivered to the following recipient(s):".to_owned(),
            News::Relayed => "was passed on to a host that does not report whether it delivers it to the \
                              following recipient(s):"
                .to_owned(),
            News::Delayed { why, until } => format!(
                "has not been delivered yet. You need not send it again: it is tried until {}. The last try came \
                 to this:\r\n\r\n    {}\r\n\r\nThe following recipient(s) do not have it:",
                trace::date(*until),
                harmless::line(why, 512)
            ),
        }
    }
}

impl Notice<'_> {
    /// Writes the notice. Nothing if the message has a null reverse path.
    pub fn compose(&self) -> Option<Report> {
        let ReversePath::Mailbox(sender) = &self.original.reverse_path else { return None };
        let original = Original::read(self.content);
        let retried_until = match self.news {
            News::Delayed { until, .. } => Some(*until),
            News::Delivered | News::Relayed => None,
        };
        let about = |recipient| status::About {
            recipient,
            action: self.news.action(),
            status: self.news.status().to_owned(),
            reply: None,
            retried_until,
        };
        let status = Status::new(self.reporter, sender, self.original, self.recipients.iter().map(about));
        let returned = original::returned(self.original, self.content, Returned::Header);
        let letter = Letter {
            reporter: self.reporter,
            to: sender,
            subject: format!("{}: {}", self.news.subject(), original.subject()),
            auto_submitted: "auto-replied",
            in_reply_to: original.message_id.clone(),
            id: self.id,
            when: self.when,
        };
        Some(letter.write_status(self.text(&original), &status, returned))
    }

    fn text(&self, original: &Original) -> String {
        let recipients: Vec<String> = self
            .recipients
            .iter()
            .map(|recipient| format!("    {}\r\n", harmless::line(&recipient.to_string(), harmless::ADDRESS)))
            .collect();
        format!(
            "Your message\r\n\r\n{}\r\n{}\r\n\r\n{}",
            original.describe(),
            self.news.sentence(),
            recipients.concat()
        )
    }
}
