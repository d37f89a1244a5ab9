//! Which parts of a message are the text that its reader sees: the first part of a mixture, each of the alternatives, the
//! root of what is related (RFC 2046, 5.1; RFC 2387), if it is plain text or HTML and no attachment.
//!
//! Nothing within a part that is signed, encrypted or a report is one, nor within a message that is carried as a part:
//! it would not be what its author has made of it (RFC 1847, RFC 6522). This module changes nothing.

use std::ops::Range;

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};

/// A part that is text.
pub(super) struct TextPart {
    /// Where its body is, as it is encoded.
    pub(super) body: Range<usize>,
    pub(super) is_html: bool,
    /// Its charset, in lower case.
    pub(super) charset: String,
    pub(super) encoding: Encoding,
}

/// How a body is encoded (RFC 2045, 6).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Not at all; whether it may have octets past ASCII.
    Plain {
        eight_bit: bool,
    },
    QuotedPrintable,
    Base64,
}

/// The parts of a message that are its text, in their order; nothing if it is no message.
pub(super) fn of(content: &[u8]) -> Option<Vec<TextPart>> {
    let message = MessageParser::new().parse(content)?;
    let mut found = Vec::new();
    look(&message, 0, &mut found);
    Some(found)
}

fn look(message: &Message<'_>, place: u32, found: &mut Vec<TextPart>) {
    let Some(part) = message.parts.get(place as usize) else { return };
    let kind = part.content_type();
    let subtype = kind.and_then(|kind| kind.subtype()).unwrap_or("plain").to_ascii_lowercase();
    match &part.body {
        PartType::Multipart(parts) => match (subtype.as_str(), parts.first()) {
            ("alternative", _) => parts.iter().for_each(|part| look(message, *part, found)),
            ("mixed" | "related", Some(first)) => look(message, *first, found),
            _ => {}
        },
        PartType::Text(_) | PartType::Html(_) => {
            let is_attachment = part.content_disposition().is_some_and(|how| how.is_attachment());
            let encoding = match part.content_transfer_encoding().map(str::to_ascii_lowercase).as_deref() {
                None | Some("7bit") => Some(Encoding::Plain { eight_bit: false }),
                Some("8bit" | "binary") => Some(Encoding::Plain { eight_bit: true }),
                Some("quoted-printable") => Some(Encoding::QuotedPrintable),
                Some("base64") => Some(Encoding::Base64),
                Some(_) => None,
            };
            let (Some(encoding), false) = (encoding, is_attachment) else { return };
            if !matches!(subtype.as_str(), "plain" | "html") {
                return;
            }
            let charset = kind.and_then(|kind| kind.attribute("charset")).unwrap_or("us-ascii");
            found.push(TextPart {
                body: part.raw_body_offset() as usize..part.raw_end_offset() as usize,
                is_html: subtype == "html",
                charset: charset.to_ascii_lowercase(),
                encoding,
            });
        }
        _ => {}
    }
}
