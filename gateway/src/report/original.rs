//! The failed message as a report shows it: a few lines about it, and the message itself as a MIME part.
//!
//! This module knows nothing of the failure.

use mail_builder::mime::{BodyPart, MimePart};
use mail_parser::MessageParser;

use super::harmless;
use crate::envelope::Envelope;
use crate::reach::{Point, reached};
use crate::smtp::international;
use crate::trace;

/// The largest message returned whole with a non-delivery report, in octets. Of a larger one the report returns
/// the header section only, itself cut at this size, so that a bounce never costs more than a small message.
pub const RETURN_LIMIT: usize = 64 * 1024;

/// The longest subject quoted, in characters.
const SUBJECT: usize = 255;

/// What a report says about the failed message. What it lacks, or holds in no readable form, is empty here.
#[derive(Default)]
pub(super) struct Original {
    to: Vec<String>,
    subject: Option<String>,
    sent: Option<String>,
    /// The `Message-ID`, without its angle brackets.
    pub(super) message_id: Option<String>,
}

/// How many of a message's addressees a report names: it must not be larger than what it is about.
const NAMED: usize = 20;

impl Original {
    /// Reads the header section of a message.
    pub(super) fn read(content: &[u8]) -> Self {
        let Some(message) = MessageParser::new().parse_headers(trace::header_section(content)) else {
            return Original::default();
        };
        let to = message.to().into_iter().flat_map(|to| to.iter()).filter_map(|mailbox| mailbox.address());
        let message_id = message.message_id().filter(|id| {
            id.len() <= 250 && id.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte))
        });
        Original {
            to: to.map(|address| harmless::line(address, harmless::ADDRESS)).collect(),
            subject: message.subject().map(|subject| harmless::line(subject, SUBJECT)),
            sent: message.date().filter(|date| date.is_valid()).map(|date| date.to_rfc822()),
            message_id: message_id.map(str::to_owned),
        }
    }

    /// The subject in one line.
    pub(super) fn subject(&self) -> &str {
        self.subject.as_deref().filter(|subject| !subject.is_empty()).unwrap_or("(none)")
    }

    /// To whom, what and when, in the original's layout.
    pub(super) fn describe(&self) -> String {
        let named = &self.to[..self.to.len().min(NAMED)];
        let mut to = if named.is_empty() { "(none)".to_owned() } else { named.join(",\r\n           ") };
        if self.to.len() > NAMED {
            to += &format!(",\r\n           and {} more", self.to.len() - NAMED);
        }
        format!(
            "  To:      {to}\r\n  Subject: {subject}\r\n  Sent:    {sent}\r\n",
            subject = self.subject(),
            sent = self.sent.as_deref().unwrap_or("(none)"),
        )
    }
}

/// How much of a message a report returns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Returned {
    /// All of it, up to [`RETURN_LIMIT`]; of a larger one its header section.
    Whole,
    /// Its header section.
    Header,
}

/// The message as a part of a report. A header section is itself cut at [`RETURN_LIMIT`].
/// One whose header is in UTF-8, as was declared, is of another type (RFC 6532, 3.7; RFC 6533, 5).
pub(super) fn returned<'a>(envelope: &Envelope, content: &'a [u8], how: Returned) -> MimePart<'a> {
    let is_global = envelope.is_international && international::header_is_past_ascii(content);
    let [whole, header_only] = match is_global {
        true => ["message/global", "message/global-headers"],
        false => ["message/rfc822", "text/rfc822-headers"],
    };
    if how == Returned::Whole {
        if content.len() <= RETURN_LIMIT {
            return verbatim(whole, content);
        }
        reached(Point::OriginalTooLarge);
    }
    let mut header = trace::header_section(content);
    if header.len() > RETURN_LIMIT {
        let last_line = header[..RETURN_LIMIT].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        header = &header[..last_line];
    }
    verbatim(header_only, header)
}

/// A part whose bytes are not encoded: RFC 2046, 5.2.1 forbids it for a message.
pub(super) fn verbatim<'a>(content_type: &'a str, bytes: &'a [u8]) -> MimePart<'a> {
    let encoding = if bytes.is_ascii() { "7bit" } else { "8bit" };
    MimePart::new(content_type, BodyPart::Binary(bytes.into())).transfer_encoding(encoding)
}
