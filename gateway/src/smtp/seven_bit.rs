//! A message in seven bits, for hosts that take no other (RFC 6152, 3): in the body of each part, what is past ASCII
//! becomes quoted-printable, or base64 where it is no text (RFC 2045, 6). What a part says stays as it was, and what says
//! nothing past ASCII is not touched.
//!
//! Not every message can be had in seven bits: not one with a header past ASCII, nor with anything past ASCII between its
//! parts, in a part that is signed or encrypted (RFC 1847), or in one that is said to be encoded already.
//!
//! This module knows no host.

use std::ops::Range;

use mail_parser::{HeaderName, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use crate::transfer_encoding::{base64, quoted_printable};

/// What a text is of which nobody says what it is: the charset that a gateway like this one names then (RFC 1428, 3).
const UNDECLARED: &str = "Content-Type: text/plain; charset=unknown-8bit\r\n";

/// A message in seven bits; nothing if it cannot be had so.
pub(super) fn of(content: &[u8]) -> Option<Vec<u8>> {
    let message = MessageParser::new().parse(content)?;
    let mut edits = Edits { content, edits: Vec::new() };
    let root = message.parts.first()?;
    if field(root, &HeaderName::MimeVersion).is_none() {
        edits.add_field(root, "MIME-Version: 1.0\r\n")?;
    }
    edits.convert(&message, 0)?;
    let converted = edits.made();
    converted.is_ascii().then_some(converted)
}

/// What is to stand in place of some octets of a message.
struct Edits<'a> {
    content: &'a [u8],
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl Edits<'_> {
    /// Has a part in seven bits, and those that it is made of.
    fn convert(&mut self, message: &Message<'_>, place: u32) -> Option<()> {
        let part = message.parts.get(place as usize)?;
        let range = part.raw_body_offset() as usize..part.raw_end_offset() as usize;
        let body = self.content.get(range.clone())?;
        if body.is_ascii() {
            return Some(());
        }
        let encoding = part.content_transfer_encoding().map(str::to_ascii_lowercase);
        if !matches!(encoding.as_deref(), None | Some("7bit" | "8bit" | "binary")) {
            return None;
        }
        let kind = part.content_type();
        let is = |ctype: &str| kind.is_none_or(|kind| kind.ctype().eq_ignore_ascii_case(ctype));
        match &part.body {
            PartType::Multipart(parts) => {
                let subtype = kind.and_then(|kind| kind.subtype()).unwrap_or_default();
                if ["signed", "encrypted"].iter().any(|whole| subtype.eq_ignore_ascii_case(whole)) {
                    return None;
                }
                // What is made of parts is encoded in none (RFC 2045, 6.4).
                self.say_encoding(part, "7bit")?;
                parts.iter().try_for_each(|part| self.convert(message, *part))
            }
            PartType::Message(_) => {
                let within = of(body)?;
                self.edits.push((range, within));
                self.say_encoding(part, "7bit")
            }
            _ if kind.is_some() && is("message") => None,
            _ if is("text") => {
                if kind.is_none() {
                    self.add_field(part, UNDECLARED)?;
                }
                self.edits.push((range, quoted_printable(body)));
                self.say_encoding(part, "quoted-printable")
            }
            _ => {
                self.edits.push((range, base64(body)));
                self.say_encoding(part, "base64")
            }
        }
    }

    fn say_encoding(&mut self, part: &MessagePart<'_>, encoding: &str) -> Option<()> {
        match field(part, &HeaderName::ContentTransferEncoding) {
            None if encoding == "7bit" => Some(()),
            None => self.add_field(part, &format!("Content-Transfer-Encoding: {encoding}\r\n")),
            Some(value) => {
                self.edits.push((value, format!(" {encoding}\r\n").into_bytes()));
                Some(())
            }
        }
    }

    /// Adds a field at the end of a part's header.
    fn add_field(&mut self, part: &MessagePart<'_>, field: &str) -> Option<()> {
        let (start, end) = (part.raw_header_offset() as usize, part.raw_body_offset() as usize);
        let header = self.content.get(start..end)?.strip_suffix(b"\r\n")?;
        let is_whole = header.is_empty() || header.ends_with(b"\r\n");
        is_whole.then(|| self.edits.push((end - 2..end - 2, field.as_bytes().to_vec())))
    }

    fn made(mut self) -> Vec<u8> {
        // Of what is added at one place, what was added first stays the first.
        self.edits.sort_by_key(|(range, _)| range.start);
        let (mut made, mut from) = (Vec::with_capacity(self.content.len() * 2), 0);
        for (range, octets) in &self.edits {
            made.extend_from_slice(&self.content[from..range.start]);
            made.extend_from_slice(octets);
            from = range.end;
        }
        made.extend_from_slice(&self.content[from..]);
        made
    }
}

/// Where the value of a field is, with the end of its line.
fn field(part: &MessagePart<'_>, name: &HeaderName<'_>) -> Option<Range<usize>> {
    let header = part.headers.iter().rev().find(|header| header.name == *name)?;
    Some(header.offset_start() as usize..header.offset_end() as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message in seven bits, as it is written here.
    fn converted(message: &str) -> Option<String> {
        of(message.replace('\n', "\r\n").as_bytes())
            .map(|made| String::from_utf8(made).unwrap().replace("\r\n", "\n"))
    }

    #[test]
    fn a_text_that_nobody_declared_is_declared_to_be_unknown() {
        assert_eq!(
            converted("Subject: x\n\nGr\u{fc}\u{df}e = \n").unwrap(),
            "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n\
             Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe =3D=20\n"
        );
    }

    #[test]
    fn each_part_is_encoded_as_it_needs_and_the_others_stay() {
        let message = |encodings: [&str; 3], [text, octets]: [&str; 2]| {
            let [whole, of_text, of_octets] = encodings;
            format!(
                "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: {whole}\n\n\
                 --b\n\nplain =\n--b\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: {of_text}\n\
                 Content-Language: de\n\n{text}\n--b\nContent-Type: image/x\n{of_octets}\n{octets}\n--b--\n"
            )
        };
        assert_eq!(
            converted(&message(["8bit", "8bit", ""], ["<b>\u{fc}</b>", "\u{fc}\u{fc}"])).unwrap(),
            message(
                ["7bit", "quoted-printable", "Content-Transfer-Encoding: base64\n"],
                ["<b>=C3=BC</b>", "w7zDvA==\n"]
            )
        );
    }

    #[test]
    fn a_message_within_the_message_is_a_message_too() {
        let message = |encoding: &str, within: &str| {
            format!(
                "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\
                 Content-Transfer-Encoding: {encoding}\n\nSubject: y\n{within}\n--b--\n"
            )
        };
        assert_eq!(
            converted(&message("8bit", "\n\u{fc}")).unwrap(),
            message(
                "7bit",
                "MIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n\
                 Content-Transfer-Encoding: quoted-printable\n\n=C3=BC"
            )
        );
    }

    #[test]
    fn what_cannot_be_had_in_seven_bits_is_nothing() {
        let multipart = |subtype: &str, preamble: &str, part: &str| {
            format!(
                "MIME-Version: 1.0\nContent-Type: multipart/{subtype}; boundary=b\n\n{preamble}\n--b\n{part}\n--b--\n"
            )
        };
        for message in [
            "Subject: \u{fc}\n\nplain\n".to_owned(),
            "\u{fc}".to_owned(),
            multipart("signed", "", "\n\u{fc}"),
            multipart("mixed", "\u{fc}", "\n\u{fc}"),
            multipart("mixed", "", "Content-Description: \u{fc}\n\nplain"),
            multipart("mixed", "", "Content-Transfer-Encoding: base64\n\n\u{fc}"),
            multipart("mixed", "", "Content-Type: message/partial\n\n\u{fc}"),
        ] {
            assert_eq!(converted(&message), None, "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_message_panics(content: Vec<u8>, header in "[ -~]{0,40}") {
            let _ = of(&content);
            let message = [format!("Content-Type: {header}\r\n\r\n").as_bytes(), &content].concat();
            prop_assert!(of(&message).is_none_or(|made| made.is_ascii()));
        }

        #[test]
        fn what_is_said_stays_what_it_was(text in "[ -~\u{e4}-\u{ff}\r\n]{0,300}", octets: Vec<u8>) {
            let text = text.replace('\r', "").replace('\n', "\r\n");
            let octets: Vec<u8> = octets.into_iter().filter(|octet| !matches!(octet, b'\r' | b'\n' | 0)).collect();
            let part = |kind: &str, body: &[u8]| {
                [format!("--=b\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n").as_bytes(), body, b"\r\n"].concat()
            };
            let header = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=b\"\r\n\r\n";
            let message = [
                header.as_bytes(),
                &part("text/plain; charset=utf-8", text.as_bytes()),
                &part("application/x", &octets),
                b"--=b--\r\n",
            ].concat();
            let made = of(&message).unwrap();
            let [before, after] = [&message, &made].map(|message| MessageParser::new().parse(message).unwrap());
            let said = |message: &Message<'_>| message.parts[1..].iter().map(|part| part.contents().to_vec()).collect::<Vec<_>>();
            prop_assert_eq!(said(&before), said(&after));
        }
    }
}
