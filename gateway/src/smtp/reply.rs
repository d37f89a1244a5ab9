//! Replies: what a server answers (RFC 5321, 4.2).
//!
//! The same type is written by the server and read by the client. Its text is printable ASCII whatever it was made
//! from, so no reply can break out of its line.
//!
//! This module does not know what was asked.

use std::fmt;

use super::line::{LineError, Wire};

/// The longest reply line that is sent, in octets with its CRLF (RFC 5321, 4.5.3.1.5).
const LINE_LIMIT: usize = 512;

/// The longest reply line that is read. Real servers exceed the 512 octets; 2,048 is what Postfix allows them.
const READ_LINE_LIMIT: usize = 2_048;

/// The most lines that are read as one reply. The longest in practice, to EHLO, has some twenty.
const READ_LINES: usize = 100;

/// A reply: a code of three digits, and text for people on one line or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    /// The enhanced status code (RFC 3463), where it is said apart from the text.
    status: Option<&'static str>,
    lines: Vec<String>,
}

/// Why what a server said is no reply.
#[derive(Debug, thiserror::Error)]
pub enum ReplyError {
    /// There was no line.
    #[error(transparent)]
    Line(#[from] LineError),
    /// A line does not begin with a code from 200 to 599 and then a space, a hyphen or its end.
    #[error("`{0}` is not a reply: expected a code from 200 to 599")]
    NotAReply(String),
    /// The lines of one reply have different codes.
    #[error("one reply has the codes {first} and {next}")]
    CodesDisagree {
        /// The code of its first line.
        first: u16,
        /// The code that differs.
        next: u16,
    },
    /// The reply goes on and on.
    #[error("the reply has more than {READ_LINES} lines")]
    Endless,
}

impl Reply {
    /// A reply of one line. What does not fit into a line of 512 octets is cut off.
    pub fn new(code: u16, text: impl AsRef<str>) -> Self {
        Self::multi(code, [text])
    }

    /// A reply of one line for each of `lines`.
    pub fn multi(code: u16, lines: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut lines: Vec<String> = lines.into_iter().map(|line| printable(line.as_ref())).collect();
        if lines.is_empty() {
            lines.push(String::new());
        }
        Reply { code, status: None, lines }
    }

    /// The same reply, with an enhanced status code for clients that may have one (RFC 2034).
    pub fn with_status(self, status: &'static str) -> Self {
        Reply { status: Some(status), ..self }
    }

    /// The code, such as 250.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The text, line by line; at least one line.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// 2yz, positive completion: done.
    pub fn is_completion(&self) -> bool {
        self.code / 100 == 2
    }

    /// 3yz, positive intermediate: go on.
    pub fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }

    /// 4yz, transient negative completion: not now.
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5yz, permanent negative completion: no.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// The reply as it goes over the wire, without an enhanced status code.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes("")
    }

    /// The reply as it goes over the wire where enhanced status codes are offered: each line has the reply's own, or
    /// that of its class; 3yz has none (RFC 2034, 4).
    pub fn to_bytes_with_status(&self) -> Vec<u8> {
        let of_class = match self.code / 100 {
            2 => "2.0.0",
            4 => "4.0.0",
            5 => "5.0.0",
            _ => return self.to_bytes(),
        };
        self.bytes(&format!("{} ", self.status.unwrap_or(of_class)))
    }

    fn bytes(&self, status: &str) -> Vec<u8> {
        let last = self.lines.len() - 1;
        let line = |(at, text): (usize, &String)| {
            let separator = if at == last { ' ' } else { '-' };
            // What another program has us say may bring its own.
            let status = if status_of(self.code, text).is_some() { "" } else { status };
            let room = LINE_LIMIT - "250 \r\n".len() - status.len();
            let text = &text[..text.len().min(room)];
            format!("{}{separator}{status}{text}\r\n", self.code)
        };
        self.lines.iter().enumerate().map(line).collect::<String>().into_bytes()
    }

    /// Waits for a reply and reads it.
    ///
    /// # Errors
    /// Of a connection that is gone, and of anything that is not a reply; the conversation cannot go on then.
    pub async fn read(wire: &mut Wire) -> Result<Reply, ReplyError> {
        let mut lines = Vec::new();
        let mut first = None;
        while lines.len() < READ_LINES {
            let line = wire.read_line(READ_LINE_LIMIT).await?;
            let line = printable(&String::from_utf8_lossy(&line));
            let (code, is_last, text) =
                parse_line(&line).ok_or_else(|| ReplyError::NotAReply(line.clone()))?;
            let first = *first.get_or_insert(code);
            if code != first {
                return Err(ReplyError::CodesDisagree { first, next: code });
            }
            lines.push(text.to_owned());
            if is_last {
                return Ok(Reply { code, status: None, lines });
            }
        }
        Err(ReplyError::Endless)
    }
}

/// The code of a reply line, whether it is the last, and its text. A code alone is a line without text.
fn parse_line(line: &str) -> Option<(u16, bool, &str)> {
    let (code, rest) = line.split_at_checked(3)?;
    let code = code.bytes().all(|octet| octet.is_ascii_digit()).then(|| code.parse().ok()).flatten()?;
    if !(200..600).contains(&code) {
        return None;
    }
    match rest.split_at_checked(1) {
        None => Some((code, true, "")),
        Some((" ", text)) => Some((code, true, text)),
        Some(("-", text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

/// The enhanced status code that the text of a reply begins with, if it has one of the class of the reply's code (RFC
/// 2034, 4).
pub fn status_of(code: u16, text: &str) -> Option<&str> {
    let status = text.split_whitespace().next()?;
    let is_number =
        |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit());
    match status.split('.').collect::<Vec<_>>()[..] {
        [class, subject, detail]
            if class == (code / 100).to_string() && is_number(subject) && is_number(detail) =>
        {
            Some(status)
        }
        _ => None,
    }
}

/// Text as a reply may carry it: printable ASCII, and short enough for its line with code, separator and CRLF.
fn printable(text: &str) -> String {
    let harmless = |character: char| match character {
        ' '..='~' => character,
        _ if character.is_control() => ' ',
        _ => '?',
    };
    text.chars().map(harmless).take(LINE_LIMIT - "250 \r\n".len()).collect()
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" / "))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn read(octets: &[u8]) -> Result<Reply, ReplyError> {
        let (near, mut far) = tokio::io::duplex(octets.len());
        far.write_all(octets).await.unwrap();
        drop(far);
        Reply::read(&mut Wire::new(Box::new(near))).await
    }

    #[test]
    fn every_line_but_the_last_has_a_hyphen() {
        let reply = Reply::multi(250, ["mx.example", "SIZE 1000", "HELP"]);
        assert_eq!(reply.to_bytes(), b"250-mx.example\r\n250-SIZE 1000\r\n250 HELP\r\n");
    }

    #[test]
    fn no_text_can_break_out_of_its_line() {
        let reply = Reply::new(550, "no such user\r\n250 \u{e9}\0");
        assert_eq!(reply.to_bytes(), b"550 no such user  250 ? \r\n");
        assert_eq!(Reply::new(550, "x".repeat(1_000)).to_bytes().len(), 512);
    }

    #[test]
    fn an_enhanced_status_code_stands_on_each_line_and_in_its_class() {
        let reply = Reply::multi(550, ["no", "really"]).with_status("5.7.1");
        assert_eq!(reply.to_bytes_with_status(), b"550-5.7.1 no\r\n550 5.7.1 really\r\n");
        assert_eq!(Reply::new(250, "OK").to_bytes_with_status(), b"250 2.0.0 OK\r\n");
        assert_eq!(Reply::new(354, "go").to_bytes_with_status(), b"354 go\r\n");
        assert_eq!(Reply::new(550, "x".repeat(1_000)).to_bytes_with_status().len(), 512);
    }

    #[tokio::test]
    async fn a_reply_is_read_as_it_was_written() {
        for reply in [Reply::new(250, "OK"), Reply::multi(220, ["one", "", "three"]), Reply::new(354, "")] {
            assert_eq!(read(&reply.to_bytes()).await.unwrap(), reply);
        }
        assert_eq!(read(b"250\r\n").await.unwrap(), Reply::new(250, ""));
    }

    #[tokio::test]
    async fn what_is_no_reply_is_told_apart() {
        for garbage in
            ["\r\n", "25\r\n", "250OK\r\n", "199 no\r\n", "600 no\r\n", "+50 no\r\n", "HTTP/1.1 400\r\n"]
        {
            assert!(matches!(read(garbage.as_bytes()).await, Err(ReplyError::NotAReply(_))), "{garbage}");
        }
        let disagreeing = read(b"250-yes\r\n550 no\r\n").await;
        assert!(matches!(disagreeing, Err(ReplyError::CodesDisagree { first: 250, next: 550 })));
        assert!(matches!(read(&b"250-more\r\n".repeat(101)).await, Err(ReplyError::Endless)));
        assert!(matches!(read(&[b'2'; 9_000]).await, Err(ReplyError::Line(LineError::Closed))));
        assert!(matches!(read(b"250-more\r\n").await, Err(ReplyError::Line(LineError::Closed))));
    }
}
