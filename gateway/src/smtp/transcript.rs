//! The transcript of a conversation, for the SMTP protocol log: who said what (Q154505).
//!
//! `<<<` is what the other end said, `>>>` what this one did; at the level `maximum` each is preceded by the line as it was
//! on the wire, `IO: |...|`. Headers of messages are there from `medium` on, bodies only of messages that come in and only at
//! `maximum`.
//!
//! **No secret is written at any level.** Behind AUTH only a mechanism that there is is named, the challenges and the
//! responses to them are left out, and once a client has said AUTH a line of it that is no command is left out too: it may
//! be a password that came at the wrong time. Of a reply to what is left out there is the code alone.
//!
//! This module knows no clock and no file: it is given what takes the lines.

use crate::config::ProtocolLevel;
use crate::sasl;

/// How long a line of a message may be that is written as one, in octets.
const LINE: usize = 1_000;

/// The commands that there are, but for AUTH.
const COMMANDS: [&str; 14] = [
    "HELO", "EHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP", "ETRN",
    "STARTTLS",
];

/// How a connection came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A client connected, from this address.
    Accepted(String),
    /// This host connected, to this address.
    Established(String),
}

/// What takes the lines.
pub type Lines = Box<dyn FnMut(String) + Send>;

/// The transcript of one conversation.
pub struct Transcript {
    level: ProtocolLevel,
    is_server: bool,
    lines: Lines,
    message: Message,
    /// A client's answer to a challenge is the next that is said.
    awaits_response: bool,
    has_said_auth: bool,
    /// Something that the client said was left out, and a reply to it may repeat it.
    hides_replies: bool,
}

/// How far a message is.
#[derive(Default)]
struct Message {
    is_past_header: bool,
    /// The beginning of a line.
    line: Vec<u8>,
}

impl Transcript {
    /// The transcript of a conversation that begins.
    pub fn begin(level: ProtocolLevel, opening: &Opening, mut lines: Lines) -> Self {
        lines(match opening {
            Opening::Accepted(from) => format!("A connection was accepted from {}.", shown(from.as_bytes())),
            Opening::Established(to) => format!("A connection to {} was established.", shown(to.as_bytes())),
        });
        let is_server = matches!(opening, Opening::Accepted(_));
        let message = Message::default();
        Transcript {
            level,
            is_server,
            lines,
            message,
            awaits_response: false,
            has_said_auth: false,
            hides_replies: false,
        }
    }

    /// The other end said a line, which is here without its CRLF.
    pub(super) fn heard(&mut self, line: &[u8]) {
        if self.level < ProtocolLevel::Medium {
            return;
        }
        // The chunks of a message are one.
        if self.is_server && !line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT")) {
            self.end_message();
        }
        let text = if self.is_server { self.without_secrets(line) } else { shown(line) };
        self.line("<<<", &text);
    }

    /// The other end said something that is no line.
    pub(super) fn heard_no_line(&mut self, why: &str) {
        if self.level >= ProtocolLevel::Medium {
            self.awaits_response = false;
            (self.lines)(format!("<<< ({why})"));
        }
    }

    /// This end said whole lines.
    pub(super) fn said(&mut self, lines: &[u8]) {
        if self.level < ProtocolLevel::Medium {
            return;
        }
        if !self.is_server {
            self.end_message();
        }
        for line in lines.split_inclusive(|octet| *octet == b'\n') {
            let line = line.strip_suffix(b"\r\n").unwrap_or(line);
            let is_challenge = self.is_server && line.starts_with(b"334");
            self.awaits_response = is_challenge;
            let text = match line.get(..3) {
                Some(code) if is_challenge || self.hides_replies => format!("{} ***", shown(code)),
                _ => shown(line),
            };
            self.line(">>>", &text);
        }
    }

    /// A part of a message came, or went.
    pub(super) fn content(&mut self, piece: &[u8], came: bool) {
        let keeps_body = came && self.level == ProtocolLevel::Maximum;
        if self.level < ProtocolLevel::Medium || self.message.is_past_header && !keeps_body {
            return;
        }
        for part in piece.split_inclusive(|octet| *octet == b'\n') {
            if self.message.is_past_header && !keeps_body {
                return;
            }
            self.message.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.message.line.len() >= LINE {
                self.content_line(came);
            }
        }
    }

    fn content_line(&mut self, came: bool) {
        let whole = std::mem::take(&mut self.message.line);
        let line = whole.strip_suffix(b"\n").unwrap_or(&whole);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.message.is_past_header {
            (self.lines)(format!("IO: |{}|", shown(&whole)));
        } else if line.is_empty() {
            self.message.is_past_header = true;
        } else {
            self.line(if came { "<<<" } else { ">>>" }, &shown(line));
        }
    }

    /// What follows is no part of a message any more.
    fn end_message(&mut self) {
        if !self.message.line.is_empty() {
            self.content_line(self.is_server);
        }
        self.message = Message::default();
    }

    fn line(&mut self, sign: &str, text: &str) {
        if self.level == ProtocolLevel::Maximum {
            (self.lines)(format!("IO: |{text}\\r\\n|"));
        }
        (self.lines)(format!("{sign} {text}"));
    }

    /// What a client said, as it may be written down.
    fn without_secrets(&mut self, line: &[u8]) -> String {
        let octets = line.len();
        self.hides_replies = true;
        if std::mem::take(&mut self.awaits_response) {
            return format!("*** ({octets} octets, a response)");
        }
        let text = shown(line);
        let mut words = text.split_whitespace();
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        if verb.starts_with("AUTH") {
            self.has_said_auth = true;
            let mechanism = words.next().unwrap_or_default();
            let is_known = verb == "AUTH" && sasl::is_known(mechanism);
            let is_all = words.next().is_none();
            return match (is_known, is_all) {
                (true, true) => {
                    self.hides_replies = false;
                    format!("AUTH {mechanism}")
                }
                (true, false) => format!("AUTH {mechanism} ***"),
                (false, _) => format!("AUTH *** ({octets} octets)"),
            };
        }
        if self.has_said_auth && !COMMANDS.contains(&verb.as_str()) {
            return format!("*** ({octets} octets, no command)");
        }
        self.hides_replies = false;
        text
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        self.end_message();
        (self.lines)("The connection was closed.".to_owned());
    }
}

/// Octets as one line of text.
fn shown(octets: &[u8]) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(octets).chars() {
        match c {
            '\r' => text += "\\r",
            '\n' => text += "\\n",
            c if c.is_control() && c != '\t' => text += &format!("\\x{{{:02X}}}", u32::from(c)),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// The lines of a conversation, without its opening and its end.
    fn lines(level: ProtocolLevel, is_server: bool, talk: impl FnOnce(&mut Transcript)) -> Vec<String> {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&lines);
        let host = "192.0.2.7".to_owned();
        let opening = if is_server { Opening::Accepted(host) } else { Opening::Established(host) };
        let mut transcript =
            Transcript::begin(level, &opening, Box::new(move |line| kept.lock().unwrap().push(line)));
        talk(&mut transcript);
        drop(transcript);
        let mut lines = std::mem::take(&mut *lines.lock().unwrap());
        let first = if is_server {
            "A connection was accepted from 192.0.2.7."
        } else {
            "A connection to 192.0.2.7 was established."
        };
        assert_eq!(
            (lines.remove(0).as_str(), lines.pop().unwrap().as_str()),
            (first, "The connection was closed.")
        );
        lines
    }

    fn take_a_message(transcript: &mut Transcript) {
        transcript.heard(b"DATA");
        transcript.said(b"354 Send data. End with CRLF.CRLF\r\n");
        transcript.content(b"Subject: Cha", true);
        transcript.content(b"irs\r\n\r\nSubject: none\r\nFor", true);
        transcript.content(b"ty\r\n", true);
        transcript.said(b"250 OK\r\n");
    }

    #[test]
    fn each_level_has_what_the_one_before_has_and_more() {
        assert_eq!(lines(ProtocolLevel::Minimum, true, take_a_message), [""; 0]);
        let medium =
            ["<<< DATA", ">>> 354 Send data. End with CRLF.CRLF", "<<< Subject: Chairs", ">>> 250 OK"];
        assert_eq!(lines(ProtocolLevel::Medium, true, take_a_message), medium);
        assert_eq!(
            lines(ProtocolLevel::Maximum, true, take_a_message),
            [
                "IO: |DATA\\r\\n|",
                "<<< DATA",
                "IO: |354 Send data. End with CRLF.CRLF\\r\\n|",
                ">>> 354 Send data. End with CRLF.CRLF",
                "IO: |Subject: Chairs\\r\\n|",
                "<<< Subject: Chairs",
                "IO: |Subject: none\\r\\n|",
                "IO: |Forty\\r\\n|",
                "IO: |250 OK\\r\\n|",
                ">>> 250 OK",
            ]
        );
    }

    #[test]
    fn the_body_of_a_message_that_goes_out_is_never_written() {
        let lines = lines(ProtocolLevel::Maximum, false, |transcript| {
            transcript.said(b"DATA\r\n");
            transcript.heard(b"354 go on");
            transcript.content(b"Subject: Chairs\r\n\r\nsecret\r\n.\r\n", false);
            transcript.heard(b"250 OK");
        });
        assert!(lines.contains(&">>> Subject: Chairs".to_owned()), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:?}");
    }

    #[test]
    fn nothing_of_an_authentication_is_written_but_its_mechanism() {
        for level in [ProtocolLevel::Medium, ProtocolLevel::Maximum] {
            let lines = lines(level, true, |transcript| {
                transcript.heard(b"AUTH PLAIN secret");
                transcript.said(b"535 5.7.8 no such secret\r\n");
                transcript.heard(b"auth login");
                transcript.said(b"334 secretVXNlcm5hbWU6\r\n");
                transcript.heard(b"secret");
                transcript.said(b"334 secretUGFzc3dvcmQ6\r\n");
                transcript.heard(b"QUIT secret");
                transcript.said(b"235 2.7.0 authentication successful\r\n");
                transcript.heard(b"secret");
                transcript.said(b"500 no command: secret\r\n");
                transcript.heard(b"AUTH secret");
                transcript.heard(b" AUTHPLAIN secret");
                transcript.heard(b"AUTH\tPLAIN\tsecret");
                transcript.heard(b"NOOP");
            });
            assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:?}");
            for shown in ["<<< AUTH PLAIN ***", "<<< AUTH login", ">>> 334 ***", ">>> 535 ***", "<<< NOOP"] {
                assert!(lines.iter().any(|line| line == shown), "{shown} is not in {lines:?}");
            }
        }
    }

    #[test]
    fn a_line_stays_one_line() {
        let lines = lines(ProtocolLevel::Medium, true, |transcript| {
            transcript.heard(b"EHLO a\x1b[2Jb\xff\rc");
            transcript.heard_no_line("line too long: the limit is 512 octets");
        });
        assert_eq!(
            lines,
            ["<<< EHLO a\\x{1B}[2Jb\u{fffd}\\rc", "<<< (line too long: the limit is 512 octets)"]
        );
    }

    #[test]
    fn the_chunks_of_a_message_are_one_message() {
        let lines = lines(ProtocolLevel::Medium, true, |transcript| {
            transcript.heard(b"BDAT 10");
            transcript.content(b"A: b\r\n\r\nC:", true);
            transcript.said(b"250 10 octets received\r\n");
            transcript.heard(b"BDAT 3 LAST");
            transcript.content(b" d\r\n", true);
        });
        assert!(!lines.iter().any(|line| line.contains(" d")), "{lines:?}");
    }
}
