//! The content of a plan's messages: built with a Date, a Message-ID and nothing that asks the machine.

use jiff::{SignedDuration, Timestamp};
use mail_builder::MessageBuilder;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::mime::MimePart;

use super::file::{Message, Shape};
use crate::mailbag;

/// The longest line that a message may have, without its end (RFC 5322, 2.1.1).
const LONGEST: usize = 998;

/// How many hosts a message has passed that has come a long way.
const HOPS: usize = 12;

/// How many octets a large message has: more than the 64 KiB that a report returns.
const LARGE: usize = 70_000;

/// The message as its client holds it. Every line ends in CRLF.
pub(super) fn content(message: &Message, starts: Timestamp) -> Vec<u8> {
    let sent =
        starts.saturating_add(SignedDuration::try_from(message.at.0).unwrap_or_default()).unwrap_or(starts);
    let date = Date::new(sent.as_second());
    let from = message.from.as_ref().map_or_else(|| "postmaster@plan.test".to_owned(), ToString::to_string);
    let to: Vec<String> = message.to.iter().map(ToString::to_string).collect();
    let builder = MessageBuilder::new()
        .date(date.clone())
        .from(from.as_str())
        .to(to.clone())
        .message_id(mailbag::message_id(message.name.as_ref()))
        .subject(message.subject.as_str());
    let builder = match message.shape {
        Shape::Large => builder.text_body(filler(LARGE)),
        Shape::Plain => builder.text_body(text(message)),
        Shape::Nested => builder.body(nested(message)),
        shape => {
            let name = if shape == Shape::Utf8Header { "Jürgen Groß " } else { "" };
            let head = format!(
                "Date: {}\r\nFrom: {name}<{from}>\r\nTo: <{}>\r\nMessage-ID: <{}>\r\nSubject: {}\r\n",
                date.to_rfc822(),
                to.join(">,\r\n\t<"),
                mailbag::message_id(message.name.as_ref()),
                message.subject
            );
            return raw(shape, &head, message);
        }
    };
    builder.write_to_vec().expect("writing to memory does not fail")
}

/// A message that no builder would write.
fn raw(shape: Shape, head: &str, message: &Message) -> Vec<u8> {
    let octets = message.octets;
    let mut content = Vec::new();
    if shape == Shape::FarTravelled {
        for hop in (1..=HOPS).rev() {
            let line = format!(
                "Received: from hop{}.test by hop{hop}.test; Mon, 2 Mar 2026 07:00:00 +0000\r\n",
                hop - 1
            );
            content.extend_from_slice(line.as_bytes());
        }
    }
    content.extend_from_slice(head.as_bytes());
    content.extend_from_slice(b"\r\n");
    match shape {
        Shape::Empty => {}
        Shape::EightBit => {
            // Latin-1, as undeclared as it was in its time.
            content.extend_from_slice(b"Gr\xfc\xdfe aus K\xf6ln, \xa1hola!\r\n");
            content.extend_from_slice(in_crlf(&filler(octets)).as_bytes());
        }
        Shape::LongLines => {
            for _ in 0..=octets / LONGEST {
                content.extend_from_slice("l".repeat(LONGEST).as_bytes());
                content.extend_from_slice(b"\r\n");
            }
        }
        Shape::Dots => {
            for _ in 0..=octets / 40 {
                content.extend_from_slice(b".\r\n..\r\n...\r\n.dot\r\n..dots\r\nend.\r\n. \r\n");
            }
        }
        Shape::Utf8Header | Shape::FarTravelled | Shape::Plain | Shape::Nested | Shape::Large => {
            content.extend_from_slice(in_crlf(&text(message)).as_bytes());
        }
    }
    content
}

/// Parts within parts, and a message within a message.
fn nested(message: &Message) -> MimePart<'static> {
    let multipart = |kind: &'static str, boundary: &'static str, parts| {
        MimePart::new(ContentType::new(kind).attribute("boundary", boundary), parts)
    };
    let inner =
        "Message-ID: <inner@elsewhere.test>\r\nSubject: within\r\n\r\nA message within a message.\r\n";
    let text = MimePart::new("text/plain", text(message));
    let alternative = multipart(
        "multipart/alternative",
        "inner-boundary",
        vec![text, MimePart::new("text/html", "<p>Nothing to see here.</p>\n")],
    );
    multipart(
        "multipart/mixed",
        "outer-boundary",
        vec![
            alternative,
            MimePart::new("message/rfc822", inner.as_bytes().to_vec()),
            MimePart::new("application/octet-stream", (0..=255).collect::<Vec<u8>>()),
        ],
    )
}

/// The text of a message, of whole lines that end in LF.
fn text(message: &Message) -> String {
    let body = &message.body;
    let end = if body.is_empty() || body.ends_with('\n') { "" } else { "\n" };
    format!("{body}{end}{}", filler(message.octets))
}

/// The same lines, ending in CRLF.
fn in_crlf(text: &str) -> String {
    text.lines().map(|line| format!("{line}\r\n")).collect()
}

/// Lines of text, so many octets about.
fn filler(octets: usize) -> String {
    const LINE: &str = "The quick brown fox jumps over the lazy dog, and back.\n";
    LINE.repeat(octets.div_ceil(LINE.len()))
}

#[cfg(test)]
mod tests {
    use super::super::Scenario;
    use gateway::release::Release;

    #[test]
    fn every_shape_is_a_message_of_lines_that_end_in_crlf_and_are_no_longer_than_they_may_be() {
        for shape in [
            "plain",
            "eight-bit",
            "long-lines",
            "dots",
            "nested",
            "far-travelled",
            "utf8-header",
            "empty",
            "large",
        ] {
            for body in ["", "no end", "one line\\n", "two\\r\\nlines", "\\n\\n"] {
                for octets in [0, 3000] {
                    is_a_message_of_lines(shape, body, octets);
                }
            }
        }
    }

    fn is_a_message_of_lines(shape: &str, body: &str, octets: usize) {
        let text = include_str!("../../../scenarios/kb/Q178091-homed-sender.toml");
        let keys = format!("\nshape = \"{shape}\"\noctets = {octets}\nbody = \"{body}\"\nsubject =");
        let text = text.replacen("\nsubject =", &keys, 1);
        let scenario = Scenario::parse("shapes", "shapes.toml", &text).unwrap();
        let plan = scenario.plan(Release::V55Rtm, scenario.seed());
        let content = &plan.clients[0].messages[0].content;
        let shape = format!("{shape}, {body:?}, {octets}");
        assert!(content.ends_with(b"\r\n"), "{shape}");
        let lines = content.split_inclusive(|octet| *octet == b'\n');
        for line in lines {
            let text =
                line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("{shape}: {}", line.escape_ascii()));
            assert!(!text.contains(&b'\r') && text.len() <= super::LONGEST, "{shape}");
        }
        let item = crate::mailbag::identify(content);
        assert_eq!(item.kind.to_string(), "m1", "{shape}");
        assert_eq!(item.hops, if shape.starts_with("far-travelled") { super::HOPS } else { 0 });
    }
}
