//! The notification that tells the administrator of a failed message.
//!
//! The original sent the administrator copies of the non-delivery reports of chosen kinds, with subjects such as
//! `Notification: Inbound Mail Failure - ...` (Q190021, Q217195, Q241892). The layout of the body is ours: no
//! article prints one whole.
//!
//! This module does not know which kinds the administrator chose.

use jiff::Timestamp;
use mail_builder::headers::content_type::ContentType;
use mail_builder::mime::MimePart;
use serde::{Deserialize, Serialize};

use super::original::{self, Original, Returned};
use super::{Failure, Identity, Letter, Report, boundary, describe, harmless, q178091};
use crate::address::Address;
use crate::envelope::{Envelope, Origin, SpoolId};
use crate::release::Defect;

/// Which way the message was going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From a client to this gateway.
    Inbound,
    /// From this gateway to another host.
    Outbound,
}

/// The kinds of failure that an administrator can choose to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// No mailbox has the recipient's address.
    AddressNotFound,
    /// The recipient's domain has no host.
    HostNotFound,
    /// The message grew too old in the queue.
    MessageTimeOut,
    /// Another host refused it.
    ProtocolError,
    /// The submission policy refused it.
    SubmissionRefused,
    /// The gateway could not process it.
    ProcessingFailed,
}

impl Category {
    /// Every kind.
    pub const ALL: [Category; 6] = [
        Category::AddressNotFound,
        Category::HostNotFound,
        Category::MessageTimeOut,
        Category::ProtocolError,
        Category::SubmissionRefused,
        Category::ProcessingFailed,
    ];

    /// The sentence in the subject.
    pub fn sentence(self) -> &'static str {
        match self {
            Category::AddressNotFound => "The e-mail address could not be found.",
            Category::HostNotFound => "The destination host could not be found.",
            Category::MessageTimeOut => "The message time-out was exceeded.",
            Category::ProtocolError => "A protocol error occurred.",
            Category::SubmissionRefused => "The client may not submit this message.",
            Category::ProcessingFailed => "The message could not be processed.",
        }
    }
}

/// What a notification is made from.
#[derive(Clone, Copy, Debug)]
pub struct Notification<'a> {
    /// Who is told.
    pub administrator: &'a Address,
    /// Which way the message was going.
    pub direction: Direction,
    /// What kind of failure it is.
    pub category: Category,
    /// The failed message's envelope.
    pub original: &'a Envelope,
    /// The failed message, where there is one.
    pub content: Option<&'a [u8]>,
    /// The recipients who will not have it.
    pub failures: &'a [Failure],
    /// Who reports.
    pub reporter: &'a Identity,
    /// The notification's own name in the spool. Its `Message-ID` and its boundary come from it.
    pub id: &'a SpoolId,
    /// Now.
    pub when: Timestamp,
}

impl Notification<'_> {
    /// Writes the notification. Nothing if the gateway itself wrote the failed message: a report is never
    /// reported on, to anybody.
    ///
    /// # Panics
    /// On a release with defect Q178091, where a message was refused from a client that did not authenticate: the
    /// access violation that the article prints.
    pub fn compose(&self) -> Option<Report> {
        let Origin::Client { address, helo, account } = &self.original.origin else {
            return None;
        };
        let original = self.content.map(Original::read);
        let mut text = format!("{}\r\n\r\n", self.category.sentence());
        text += &format!("  Client:  {} ({address})\r\n", harmless::line(helo, 255));
        if let Some(account) = self.account(account.as_deref()) {
            text += &format!("  Account: {}\r\n", harmless::line(account, 255));
        }
        let sender = harmless::line(&self.original.reverse_path.to_string(), harmless::ADDRESS);
        text += &format!("  Sender:  {sender}\r\n");
        text += &original.as_ref().map(Original::describe).unwrap_or_default();
        text += "\r\nThe message did not reach the following recipient(s):\r\n\r\n";
        text.extend(self.failures.iter().map(|failure| describe(failure, self.reporter, self.when)));

        let way = match self.direction {
            Direction::Inbound => "Inbound",
            Direction::Outbound => "Outbound",
        };
        let letter = Letter {
            reporter: self.reporter,
            to: self.administrator,
            subject: format!("Notification: {way} Mail Failure - {}", self.category.sentence()),
            auto_submitted: "auto-generated",
            in_reply_to: original.and_then(|original| original.message_id),
            id: self.id,
            when: self.when,
        };
        let text = MimePart::new("text/plain", text);
        Some(letter.write(match self.content {
            None => text,
            Some(content) => MimePart::new(
                ContentType::new("multipart/mixed").attribute("boundary", boundary(self.id)),
                vec![text, original::returned(self.original, content, Returned::Whole)],
            ),
        }))
    }

    /// The account to name. A refused submission is a matter of who the client is, so there it is always said.
    fn account<'a>(&self, account: Option<&'a str>) -> Option<&'a str> {
        if self.category != Category::SubmissionRefused {
            return account;
        }
        if self.reporter.release.has(Defect::Q178091) && account.is_none() {
            q178091::read_missing_authentication();
        }
        Some(account.unwrap_or("not authenticated"))
    }
}
