//! What of a message takes a host that offers SMTPUTF8 (RFC 6531): an address past ASCII, or such a header. What is past
//! ASCII elsewhere takes 8BITMIME, if it cannot be had in seven bits.
//!
//! Octets past ASCII in the header of a message that was not declared to be international are what they were before
//! there was SMTPUTF8: nobody's business. This module knows no conversation.

use std::fmt;

use mail_parser::MessageParser;

use super::client::Letter;
use crate::address::Address;
use crate::trace;

/// Why a message, or a recipient, cannot be told to a host that offers too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PastAscii {
    /// The sender's address, or the recipient's.
    Address,
    /// A field of the header, or of a part's.
    Header,
    /// Something that was not declared to be so, and cannot be had in seven bits.
    Content,
}

impl PastAscii {
    /// The service extension that it takes.
    pub fn extension(self) -> &'static str {
        match self {
            PastAscii::Address | PastAscii::Header => "SMTPUTF8",
            PastAscii::Content => "8BITMIME",
        }
    }
}

impl fmt::Display for PastAscii {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PastAscii::Address => "an address",
            PastAscii::Header => "the header",
            PastAscii::Content => "the message",
        })
    }
}

/// What stands in the way of a whole message.
pub(super) fn of_message(letter: Letter<'_>) -> Option<PastAscii> {
    if !letter.reverse_path.is_ascii() {
        return Some(PastAscii::Address);
    }
    (letter.is_international && header_is_past_ascii(letter.content)).then_some(PastAscii::Header)
}

/// What stands in the way of one recipient.
pub(super) fn of_recipient(recipient: &Address) -> Option<PastAscii> {
    (!recipient.is_ascii()).then_some(PastAscii::Address)
}

/// Whether the header of a message, or of one of its parts, has anything past ASCII (RFC 6532). What is within a message
/// that is carried as a part is that part's content.
pub fn header_is_past_ascii(content: &[u8]) -> bool {
    if content.is_ascii() {
        return false;
    }
    if !trace::header_section(content).is_ascii() {
        return true;
    }
    let header = |part: &mail_parser::MessagePart<'_>| {
        let places = part.raw_header_offset() as usize..part.raw_body_offset() as usize;
        content.get(places).is_some_and(|header| !header.is_ascii())
    };
    MessageParser::new().parse(content).is_some_and(|message| message.parts.iter().any(header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_header_counts_the_parts_headers_too() {
        let multipart = |field: &str, text: &str| {
            format!(
                "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
                 Content-Type: text/plain; charset=utf-8\r\nContent-Description: {field}\r\n\r\n{text}\r\n--b--\r\n"
            )
        };
        assert!(header_is_past_ascii("Subject: Gr\u{fc}\u{df}e\r\n\r\nplain\r\n".as_bytes()));
        assert!(!header_is_past_ascii("Subject: x\r\n\r\nGr\u{fc}\u{df}e\r\n".as_bytes()));
        assert!(header_is_past_ascii(multipart("Gr\u{fc}\u{df}e", "plain").as_bytes()));
        assert!(!header_is_past_ascii(multipart("plain", "Gr\u{fc}\u{df}e").as_bytes()));
        assert!(header_is_past_ascii(b"\xff"), "all of it is header");
    }
}
