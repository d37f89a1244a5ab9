//! What a stored message is: which message of the plan, or which report on one.
//!
//! Read from the content alone, so that what the gateway says of a message is not what judges it.

use std::fmt;

use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use xxhash_rust::xxh3::xxh3_64;

use crate::utf8_address;

/// The domain of the Message-IDs that plans give their messages: `<m1@plan.test>`.
const PLAN_DOMAIN: &str = "plan.test";

/// A message that was found somewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// The sender in its `From` header.
    pub from: String,
    /// Its subject.
    pub subject: String,
    /// In a report, the recipients that it is about (`Final-Recipient`, RFC 3464).
    pub reported: Vec<String>,
    /// In a report, the status code of each of them (RFC 3463), and ` from HOST` if another host gave it.
    pub statuses: Vec<String>,
    /// In a report, what another host said of each of them (`Diagnostic-Code`), without its type; empty if it does not say.
    pub diagnostics: Vec<String>,
    /// In a report, who reports (`Reporting-MTA`).
    pub reporter: Option<String>,
    /// Whether it says that no person wrote it, and how it came about (`Auto-Submitted`, RFC 3834).
    pub auto_submitted: Option<String>,
    /// When it was written, by its `Date` header, in seconds of Unix time.
    pub written: Option<i64>,
    /// In a report, the recipients that the sender knows (`Original-Recipient`), with their types.
    pub originals: Vec<String>,
    /// In a report, the sender's name for the sending (`Original-Envelope-Id`).
    pub envelope_id: Option<String>,
    /// Whether it is a report that returns the whole message, and not its header alone.
    pub returns_whole: bool,
    /// How many `Received` lines are on top of it.
    pub hops: usize,
    /// Its content without the trace headers on top (RFC 5321, 4.4), in 64 bits (XXH3).
    pub fingerprint: u64,
    /// The same of what it was before it was put in seven bits (RFC 6152, 3), if that seems to have been done.
    pub before_seven_bits: Option<u64>,
    /// Whether it has nothing past ASCII.
    pub is_ascii: bool,
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A message of the plan, by its name there.
    Message(String),
    /// A non-delivery report on a message of the plan.
    Report(String),
    /// A report that a message of the plan was delivered or passed on.
    Receipt(String),
    /// A report that a message of the plan is late.
    Delay(String),
    /// A notification to the administrator about a message of the plan.
    Notification(String),
    /// Something else.
    Other,
}

/// Before the name of a message that was not delivered.
const REPORT: &str = "report on ";
/// Before the name of one that was.
const RECEIPT: &str = "receipt on ";
/// Before the name of one that is late.
const DELAY: &str = "delay of ";
/// Before the name of one that the administrator is told of.
const NOTIFICATION: &str = "notification on ";

impl Kind {
    /// What stands before the name of a message where something about it is shown.
    pub(crate) const ABOUT: [&str; 4] = [REPORT, RECEIPT, DELAY, NOTIFICATION];

    /// The message that is meant where something is shown as `m1`, as `report on m1` or as `delay of m1`.
    pub(crate) fn about(shown: &str) -> &str {
        Kind::ABOUT.iter().find_map(|words| shown.strip_prefix(words)).unwrap_or(shown)
    }

    /// Whether it is the message of this name, or the report or the notification that is shown so.
    pub(crate) fn is(&self, shown: &str) -> bool {
        match self {
            Kind::Message(name) => name == shown,
            Kind::Report(name) => shown.strip_prefix(REPORT) == Some(name),
            Kind::Receipt(name) => shown.strip_prefix(RECEIPT) == Some(name),
            Kind::Delay(name) => shown.strip_prefix(DELAY) == Some(name),
            Kind::Notification(name) => shown.strip_prefix(NOTIFICATION) == Some(name),
            Kind::Other => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Message(name) => f.write_str(name),
            Kind::Report(name) => write!(f, "{REPORT}{name}"),
            Kind::Receipt(name) => write!(f, "{RECEIPT}{name}"),
            Kind::Delay(name) => write!(f, "{DELAY}{name}"),
            Kind::Notification(name) => write!(f, "{NOTIFICATION}{name}"),
            Kind::Other => f.write_str("unknown message"),
        }
    }
}

/// The Message-ID that a plan gives a message, without angle brackets.
pub(crate) fn message_id(name: &str) -> String {
    format!("{name}@{PLAN_DOMAIN}")
}

/// Reads a stored message.
pub(crate) fn identify(content: &[u8]) -> Item {
    // A message of the plan is known by its header; only a report has to be read to its end.
    let head = MessageParser::default().parse_headers(content);
    let of_the_plan = head.filter(|head| plan_name(head).is_some());
    let Some(message) = of_the_plan.or_else(|| MessageParser::default().parse(content)) else {
        return Item::unreadable(content);
    };
    let (hops, fingerprint) = untraced(content);
    let from =
        message.from().and_then(|from| from.first()).and_then(|from| from.address()).unwrap_or_default();
    let status = delivery_status(&message);
    Item {
        kind: kind(&message, &status),
        from: from.to_owned(),
        subject: message.subject().unwrap_or_default().to_owned(),
        reported: status.split("\r\n\r\n").filter_map(final_recipient).collect(),
        statuses: status.split("\r\n\r\n").filter_map(status_code).collect(),
        diagnostics: status.split("\r\n\r\n").filter_map(diagnostic).collect(),
        reporter: field(&status, "Reporting-MTA: dns;"),
        auto_submitted: message.header_raw("Auto-Submitted").map(|said| said.trim().to_owned()),
        written: message.date().map(mail_parser::DateTime::to_timestamp),
        originals: status.split("\r\n\r\n").filter_map(original_recipient).collect(),
        envelope_id: field(&status, "Original-Envelope-Id:"),
        returns_whole: message.parts.iter().any(|part| matches!(part.body, PartType::Message(_))),
        hops,
        fingerprint,
        before_seven_bits: in_eight_bits(content).map(|before| untraced(&before).1),
        is_ascii: content.is_ascii(),
    }
}

impl Item {
    /// Something that is no message.
    fn unreadable(content: &[u8]) -> Item {
        let (hops, fingerprint) = untraced(content);
        let nothing = String::new;
        Item {
            kind: Kind::Other,
            from: nothing(),
            subject: nothing(),
            reported: Vec::new(),
            statuses: Vec::new(),
            diagnostics: Vec::new(),
            reporter: None,
            auto_submitted: None,
            written: None,
            originals: Vec::new(),
            envelope_id: None,
            returns_whole: false,
            hops,
            fingerprint,
            before_seven_bits: None,
            is_ascii: content.is_ascii(),
        }
    }
}

/// What a message was that declared nothing about its text, before it was put in seven bits; nothing if it does not look
/// like it.
fn in_eight_bits(content: &[u8]) -> Option<Vec<u8>> {
    const DECLARED: &[u8] = b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n";
    const END: &[u8] = b"\r\n\r\n";
    let end = content.windows(END.len()).position(|octets| octets == END)? + END.len();
    let (header, body) = (content[..end].strip_suffix(DECLARED)?, &content[end..]);
    Some([header, b"\r\n\r\n", &quoted_printable_decode(body)?].concat())
}

/// How many `Received` lines are on top of a message, and what its content is without the trace headers there.
pub(crate) fn untraced(content: &[u8]) -> (usize, u64) {
    let (mut rest, mut hops) = (content, 0);
    while let Some(name) = ["Received:", "Return-Path:"].into_iter().find(|name| begins_with(rest, name)) {
        hops += usize::from(name == "Received:");
        // A field goes on in the lines that begin with white space (RFC 5322, 2.2.3).
        loop {
            let end = rest.iter().position(|octet| *octet == b'\n').map_or(rest.len(), |at| at + 1);
            rest = &rest[end..];
            if !rest.first().is_some_and(|octet| matches!(octet, b' ' | b'\t')) {
                break;
            }
        }
    }
    (hops, xxh3_64(rest))
}

fn begins_with(content: &[u8], name: &str) -> bool {
    content.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
}

fn kind(message: &Message<'_>, status: &str) -> Kind {
    if let Some(name) = plan_name(message) {
        return Kind::Message(name);
    }
    let about = message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(original) => plan_name(original),
        PartType::Binary(headers) if part.is_content_type("message", "global-headers") => {
            MessageParser::default().parse_headers(&headers[..]).as_ref().and_then(plan_name)
        }
        PartType::Text(headers) if part.is_content_type("text", "rfc822-headers") => {
            MessageParser::default().parse_headers(headers.as_bytes()).as_ref().and_then(plan_name)
        }
        _ => None,
    });
    match about {
        Some(name) if message.is_content_type("multipart", "report") => {
            match status.split("\r\n\r\n").find_map(|about| field(about, "Action:")).as_deref() {
                Some("delivered" | "relayed") => Kind::Receipt(name),
                Some("delayed") => Kind::Delay(name),
                _ => Kind::Report(name),
            }
        }
        Some(name) => Kind::Notification(name),
        None => Kind::Other,
    }
}

fn delivery_status(message: &Message<'_>) -> String {
    let is_status = |kind| ["delivery-status", "global-delivery-status"].contains(&kind);
    let status = message.parts.iter().filter(|part| {
        part.content_type().is_some_and(|of| of.ctype() == "message" && of.subtype().is_some_and(is_status))
    });
    status.map(|part| String::from_utf8_lossy(part.contents()).into_owned()).collect()
}

/// The recipient that a group is about, in either of its types (RFC 3464, 2.3.2; RFC 6533, 4).
fn final_recipient(about: &str) -> Option<String> {
    let ascii = field(about, "Final-Recipient: rfc822;");
    ascii.or_else(|| field(about, "Final-Recipient: utf-8;").map(|said| utf8_address::unembed(&said)))
}

fn original_recipient(about: &str) -> Option<String> {
    let original = field(about, "Original-Recipient:")?;
    Some(if original.starts_with("utf-8;") { utf8_address::unembed(&original) } else { original })
}

fn status_code(about: &str) -> Option<String> {
    let code = field(about, "Status:")?;
    Some(match field(about, "Remote-MTA: dns;") {
        Some(host) => format!("{code} from {host}"),
        None => code,
    })
}

/// What is said of a recipient that has a status code: nothing where no other host gave it.
fn diagnostic(about: &str) -> Option<String> {
    field(about, "Status:")?;
    Some(field(about, "Diagnostic-Code: smtp;").unwrap_or_default())
}

fn field(about: &str, name: &str) -> Option<String> {
    about.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

/// The message of the plan that a header line names: as its own, or as the one that it reports on.
pub(crate) fn header_names(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let (field, id) = line.split_once(": <")?;
    let (name, domain) = id.strip_suffix('>')?.rsplit_once('@')?;
    if domain != PLAN_DOMAIN {
        None
    } else if field.eq_ignore_ascii_case("Message-ID") {
        Some(Kind::Message(name.to_owned()).to_string())
    } else if field.eq_ignore_ascii_case("In-Reply-To") {
        Some(Kind::Report(name.to_owned()).to_string())
    } else {
        None
    }
}

fn plan_name(message: &Message<'_>) -> Option<String> {
    let (name, domain) = message.message_id()?.rsplit_once('@')?;
    (domain == PLAN_DOMAIN).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_plan_is_known_by_its_message_id() {
        let item = identify(b"From: a@x.test\r\nSubject: hi\r\nMessage-ID: <m1@plan.test>\r\n\r\nbody\r\n");
        assert_eq!(item.kind, Kind::Message("m1".to_owned()));
        assert_eq!((item.from.as_str(), item.subject.as_str()), ("a@x.test", "hi"));
    }

    #[test]
    fn what_is_shown_tells_the_message_that_it_is_about() {
        let kinds = [Kind::Message, Kind::Report, Kind::Receipt, Kind::Delay, Kind::Notification];
        for kind in kinds.map(|of| of("m1".to_owned())) {
            let shown = kind.to_string();
            assert!(Kind::about(&shown) == "m1" && kind.is(&shown), "{shown}");
        }
    }

    #[test]
    fn a_report_is_known_by_the_message_it_returns() {
        let report = b"From: postmaster@x.test\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain\r\n\r\nsorry\r\n\
            --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.test\r\n\r\n\
            Final-Recipient: rfc822; bob@y.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <m2@plan.test>\r\n\r\nbody\r\n--b--\r\n";
        let item = identify(report);
        assert_eq!(item.kind, Kind::Report("m2".to_owned()));
        assert_eq!(item.reported, ["bob@y.test"]);
        assert_eq!(item.statuses, ["5.1.1"]);
    }

    #[test]
    fn trace_headers_on_top_are_counted_and_do_not_change_the_fingerprint() {
        let message = b"From: a@x.test\r\nReceived: below\r\n\r\nbody\r\n";
        let traced = b"Return-Path: <a@x.test>\r\nReceived: from y\r\n\tby x\r\nReceived: from z\r\n";
        assert_eq!(untraced(&[&traced[..], message].concat()), (2, untraced(message).1));
        assert_ne!(untraced(message).1, untraced(b"From: a@x.test\r\n\r\nbody\r\n").1);
    }

    #[test]
    fn a_message_of_no_plan_is_unknown() {
        assert_eq!(identify(b"Subject: spam\r\n\r\n").kind, Kind::Other);
        assert_eq!(identify(b"").kind, Kind::Other);
    }
}
