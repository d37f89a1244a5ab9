//! The gateway's sockets in the simulator: the engine's, with every SMTP dialogue written down as it is read and
//! written.
//!
//! A dialogue is recorded line by line, as the gateway saw it. What lies between `354` and the final dot is one line,
//! which says what an oracle has to know of it ([`Content`]). From the first octet of a TLS handshake on, what the two
//! sides say is read with the secrets that the peer wrote down; what cannot be read so is not written down. What is no
//! record of TLS is in clear, and is written down as that.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use gateway::env::{Connection, IoFuture, Listener, Net, Stream, UdpSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::mailbag;
use crate::record::{Content, Journal, Speaker, TLS_BEGINS, TLS_ENDS, What};
use crate::tls::{HANDSHAKE, Secrets, Side, Tap};

/// Sockets whose dialogues are recorded.
pub(crate) struct RecordedNet {
    pub(crate) net: Arc<dyn Net>,
    pub(crate) machine: Arc<str>,
    pub(crate) journal: Journal,
    pub(crate) secrets: Secrets,
}

impl RecordedNet {
    fn dialogue(&self) -> Dialogue {
        let (journal, machine) = (self.journal.clone(), Arc::clone(&self.machine));
        Dialogue::new(journal, machine, Speaker::Client, &self.secrets)
    }
}

impl Net for RecordedNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(async move {
            let mut dialogue = self.dialogue();
            match self.net.connect(to).await {
                Ok(stream) => {
                    dialogue.note(Speaker::Network, format!("connected to {to}"));
                    Ok(Box::new(Recorded::new(stream, dialogue)) as Box<dyn Stream>)
                }
                Err(error) => {
                    dialogue.note(Speaker::Network, format!("no connection to {to}: {error}"));
                    Err(error)
                }
            }
        })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            let listener = self.net.listen(on).await?;
            Ok(Box::new(RecordedListener {
                listener,
                journal: self.journal.clone(),
                machine: Arc::clone(&self.machine),
                secrets: self.secrets.clone(),
            }) as Box<dyn Listener>)
        })
    }

    /// No SMTP goes over UDP.
    fn bind_udp(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        self.net.bind_udp(on)
    }
}

struct RecordedListener {
    listener: Box<dyn Listener>,
    journal: Journal,
    machine: Arc<str>,
    secrets: Secrets,
}

impl Listener for RecordedListener {
    fn accept(&mut self) -> IoFuture<'_, Connection> {
        Box::pin(async move {
            let taken = self.listener.accept().await?;
            let (journal, machine) = (self.journal.clone(), Arc::clone(&self.machine));
            let mut dialogue = Dialogue::new(journal, machine, Speaker::Server, &self.secrets);
            dialogue.note(Speaker::Network, format!("connection from {}", taken.from.ip()));
            Ok(Connection { stream: Box::new(Recorded::new(taken.stream, dialogue)), ..taken })
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A stream whose dialogue is written down.
struct Recorded {
    stream: Box<dyn Stream>,
    dialogue: Mutex<Dialogue>,
    has_closed: bool,
}

impl Recorded {
    fn new(stream: Box<dyn Stream>, dialogue: Dialogue) -> Self {
        Recorded { stream, dialogue: Mutex::new(dialogue), has_closed: false }
    }

    fn dialogue(&mut self) -> &mut Dialogue {
        self.dialogue.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        let peer = if self.dialogue().gateway == Speaker::Server { Speaker::Client } else { Speaker::Server };
        match &read {
            Ok(()) if buf.filled().len() > before => self.dialogue().said(peer, &buf.filled()[before..]),
            Ok(()) if buf.remaining() > 0 => {
                self.dialogue().note(Speaker::Network, "the other side closes".to_owned())
            }
            Ok(()) => {}
            Err(error) => self.dialogue().note(Speaker::Network, error.to_string()),
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        let gateway = self.dialogue().gateway;
        match &written {
            Ok(count) => self.dialogue().said(gateway, &bytes[..*count]),
            Err(error) => self.dialogue().note(Speaker::Network, error.to_string()),
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.has_closed, true) {
            self.dialogue().note(Speaker::Network, "the gateway closes".to_owned());
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// One connection's dialogue, cut into lines.
pub(crate) struct Dialogue {
    journal: Journal,
    machine: Arc<str>,
    connection: u32,
    /// The side of the dialogue that the gateway is.
    gateway: Speaker,
    client: Vec<u8>,
    server: Vec<u8>,
    /// The content so far, between 354 and the final dot.
    content: Option<Reading>,
    /// How many replies the gateway owes: at first the greeting.
    owed: u32,
    /// A DATA has been read, and so many replies on the one to it comes. What a hasty client says meanwhile is held
    /// back: whether it is a command or content hangs on that reply.
    data: Option<u32>,
    held: Vec<Vec<u8>>,
    /// The chunk that is being read (RFC 3030), and the message so far where it comes in chunks.
    chunk: Option<Chunk>,
    chunks: Reading,
    secrets: Secrets,
    /// What reads along once TLS has begun.
    tap: Option<Tap>,
    /// Whether a side has gone on in clear since.
    is_in_clear_again: bool,
}

/// A chunk: how it was announced, and how many octets of it are still to come.
struct Chunk {
    command: Vec<u8>,
    left: u64,
    is_last: bool,
}

/// A content that is being read.
#[derive(Default)]
struct Reading {
    content: Content,
    /// Of a message in chunks, the line that is not whole yet.
    line: Vec<u8>,
    is_within_line: bool,
    is_past_header: bool,
}

impl Dialogue {
    /// A new one, in which the gateway is this side.
    pub(crate) fn new(journal: Journal, machine: Arc<str>, gateway: Speaker, secrets: &Secrets) -> Self {
        let connection = journal.next_connection();
        Dialogue {
            journal,
            machine,
            connection,
            gateway,
            client: Vec::new(),
            server: Vec::new(),
            content: None,
            owed: 1,
            data: None,
            held: Vec::new(),
            chunk: None,
            chunks: Reading::default(),
            secrets: secrets.clone(),
            tap: None,
            is_in_clear_again: false,
        }
    }

    /// Writes a line down.
    pub(crate) fn note(&mut self, speaker: Speaker, line: String) {
        self.journal.note(&self.machine, What::Smtp { connection: self.connection, speaker, line });
    }

    /// A side has said this.
    pub(crate) fn said(&mut self, speaker: Speaker, bytes: &[u8]) {
        let is_between_lines = self.client.is_empty() && self.content.is_none() && self.chunk.is_none();
        if self.tap.is_none()
            && speaker == Speaker::Client
            && is_between_lines
            && bytes.first() == Some(&HANDSHAKE)
        {
            self.tap = Some(Tap::new(&self.secrets));
            self.note(Speaker::Network, TLS_BEGINS.to_owned());
        }
        let side = if speaker == Speaker::Client { Side::Client } else { Side::Server };
        match &mut self.tap {
            None => self.said_so(speaker, bytes),
            Some(tap) => {
                let said = tap.read(side, bytes);
                self.said_so(speaker, &said.encrypted);
                if !said.clear.is_empty() {
                    if !std::mem::replace(&mut self.is_in_clear_again, true) {
                        self.note(Speaker::Network, TLS_ENDS.to_owned());
                    }
                    self.said_so(speaker, &said.clear);
                }
            }
        }
    }

    fn said_so(&mut self, speaker: Speaker, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let to_the_line_feed = bytes.iter().position(|octet| *octet == b'\n').map(|at| at + 1);
            let mut length = to_the_line_feed.unwrap_or(bytes.len());
            if speaker == Speaker::Client
                && let Some(chunk) = &self.chunk
            {
                length = length.min(usize::try_from(chunk.left).unwrap_or(usize::MAX));
                self.piece_of_a_chunk(&bytes[..length]);
            } else {
                self.piece_of_a_line(speaker, &bytes[..length], to_the_line_feed.is_some());
            }
            bytes = &bytes[length..];
        }
    }

    fn piece_of_a_line(&mut self, speaker: Speaker, piece: &[u8], ends_it: bool) {
        let begun = if speaker == Speaker::Client { &mut self.client } else { &mut self.server };
        if !ends_it {
            begun.extend_from_slice(piece);
            return;
        }
        let mut line = std::mem::take(begun);
        let whole = if line.is_empty() {
            piece
        } else {
            line.extend_from_slice(piece);
            &line
        };
        match speaker {
            Speaker::Server => self.reply(whole),
            _ => self.request(whole),
        }
    }

    fn request(&mut self, line: &[u8]) {
        if self.data.is_some() {
            self.held.push(line.to_owned());
            return;
        }
        match &mut self.content {
            Some(reading) if reading.is_within_line || line != b".\r\n" => return reading.read(line),
            Some(_) => {
                let content = self.content.take().unwrap_or_default().content;
                self.note(Speaker::Client, content.to_string());
            }
            None => {}
        }
        self.owed += 1;
        if line.trim_ascii().eq_ignore_ascii_case(b"DATA") {
            self.data = Some(self.owed);
        }
        match Chunk::announced(line) {
            Some(chunk) if self.gateway == Speaker::Server => self.begin_chunk(chunk),
            _ => self.note(Speaker::Client, shown(line)),
        }
    }

    /// A chunk is written down when it is whole: the last one behind the content of the message, as the final dot is.
    fn begin_chunk(&mut self, chunk: Chunk) {
        let is_whole = chunk.left == 0;
        self.chunk = Some(chunk);
        if is_whole {
            self.end_chunk();
        }
    }

    /// Takes octets of a chunk up to a line feed, or to the end of the chunk or of what has come.
    fn piece_of_a_chunk(&mut self, piece: &[u8]) {
        self.chunks.read_raw(piece);
        let chunk = self.chunk.as_mut().expect("one is being read");
        chunk.left -= piece.len() as u64;
        if chunk.left == 0 {
            self.end_chunk();
        }
    }

    fn end_chunk(&mut self) {
        let Chunk { command, is_last, .. } = self.chunk.take().expect("one is being read");
        if is_last {
            let content = std::mem::take(&mut self.chunks).content;
            self.note(Speaker::Client, content.to_string());
        }
        self.note(Speaker::Client, shown(&command));
    }

    fn reply(&mut self, line: &[u8]) {
        self.note(Speaker::Server, shown(line));
        let is_last = line.get(3) != Some(&b'-');
        let begins_content = line.starts_with(b"354") && is_last;
        if is_last {
            self.owed = self.owed.saturating_sub(1);
        }
        let is_due = match &mut self.data {
            // Whatever another server says next, the gateway takes it for the reply to a DATA that it said by itself.
            Some(due) if is_last && self.gateway == Speaker::Client && *due <= 1 => true,
            Some(due) if is_last => {
                *due -= 1;
                *due == 0
            }
            _ => false,
        };
        if is_due {
            self.data = None;
            self.content = begins_content.then(Reading::default);
            std::mem::take(&mut self.held).into_iter().for_each(|line| self.request(&line));
        }
    }
}

/// A line as it is written down: what can be printed as it is, UTF-8 too, and the rest in escapes.
fn shown(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    if line.iter().all(|octet| matches!(octet, b' '..=b'[' | b']'..=b'~')) {
        return String::from_utf8_lossy(line).into_owned();
    }
    let mut shown = String::new();
    for chunk in line.utf8_chunks() {
        for c in chunk.valid().chars() {
            let turns =
                matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let is_plain = matches!(c, '"' | '\'') || !c.is_ascii() && !c.is_control() && !turns;
            match is_plain {
                true => shown.push(c),
                false => shown.push_str(&c.encode_utf8(&mut [0; 4]).as_bytes().escape_ascii().to_string()),
            }
        }
        shown.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    shown
}

impl Chunk {
    /// What a command announces, if it is BDAT.
    fn announced(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let mut words = text.split_ascii_whitespace();
        let is_it = words.next()?.eq_ignore_ascii_case("BDAT");
        let left = words.next()?.parse().ok().filter(|_| is_it)?;
        let is_last = words.next().is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
        Some(Chunk { command: line.to_owned(), left, is_last })
    }
}

impl Reading {
    /// Takes octets of a chunk up to a line feed, or fewer: no dots are stuffed into it.
    fn read_raw(&mut self, piece: &[u8]) {
        self.line.extend_from_slice(piece);
        self.content.octets += piece.len();
        if !piece.ends_with(b"\n") {
            return;
        }
        let line = std::mem::take(&mut self.line);
        let text = line.strip_suffix(b"\r\n");
        self.content.is_bare |= text.is_none_or(|text| text.contains(&b'\r'));
        self.content.is_long |= line.len() > 1_000;
        self.is_past_header |= text.is_some_and(<[u8]>::is_empty);
        if !self.is_past_header && self.content.message.is_none() {
            self.content.message = mailbag::header_names(&line);
        }
    }

    /// Takes what was said up to a line feed, which need not end a line.
    fn read(&mut self, piece: &[u8]) {
        let content = &mut self.content;
        let stuffed = usize::from(!self.is_within_line && piece.starts_with(b"."));
        let text = piece.strip_suffix(b"\r\n");
        content.octets += piece.len() - stuffed;
        content.is_bare |= text.is_none_or(|text| text.contains(&b'\r'));
        content.is_long |= piece.len() - stuffed > 1_000;
        self.is_past_header |= text.is_some_and(<[u8]>::is_empty);
        if !self.is_past_header && content.message.is_none() {
            content.message = mailbag::header_names(piece);
        }
        self.is_within_line = text.is_none();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Keep, Trace};

    /// What is written down when the two sides say this, in turn and in these pieces.
    fn written(gateway: Speaker, pieces: &[(Speaker, &str)]) -> Vec<String> {
        let clock: crate::engine::Clock = Arc::new(|| std::time::Duration::ZERO);
        let journal = Journal::new(Arc::clone(&clock), Trace::new(clock, Keep::Digest));
        let mut dialogue = Dialogue::new(journal.clone(), "gw".into(), gateway, &Secrets::default());
        pieces.iter().for_each(|(speaker, piece)| dialogue.said(*speaker, piece.as_bytes()));
        let entries = journal.entries().into_iter();
        entries.map(|entry| entry.what.to_string().replace("smtp 1 ", "")).collect()
    }

    use Speaker::{Client, Server};

    #[test]
    fn what_is_said_in_clear_after_a_handshake_has_begun_is_written_down() {
        let pieces = [
            (Server, "220 hi\r\n"),
            (Client, "STARTTLS\r\n"),
            (Server, "220 go\r\n"),
            (Client, "\x16\x03\x01\0\x05hello"),
            (Server, "\x15\x03\x03\0\x02no"),
            (Client, "MAIL FROM"),
            (Client, ":<a@b>\r\n"),
            (Server, "250 OK\r\n"),
        ];
        let expected = ["-- TLS begins", "-- TLS ends", "C: MAIL FROM:<a@b>", "S: 250 OK"];
        assert_eq!(written(Client, &pieces)[3..], expected);
    }

    #[test]
    fn the_content_of_a_message_is_one_line_that_names_it() {
        let content =
            "Subject: x\r\nMessage-ID: <m1@plan.test>\r\n\r\n..\r\nMessage-ID: <m2@plan.test>\r\n.\r\n";
        let written = written(
            Server,
            &[(Server, "220 hi\r\n"), (Client, "DATA\r\n"), (Server, "354 go\r\n"), (Client, content)],
        );
        assert_eq!(written, ["S: 220 hi", "C: DATA", "S: 354 go", "C: (content of 73 octets: m1)", "C: ."]);
    }

    #[test]
    fn a_message_in_chunks_is_one_content_before_its_last_chunk() {
        let said = "BDAT 29\r\nMessage-ID: <m1@plan.test>\r\n\rBDAT 5 LAST\r\n\n.\r\n\nQUIT\r\n";
        let replies = "250 hi\r\n250 29 octets\r\n554 no\r\n221 bye\r\n";
        let written = written(Server, &[(Server, "220 hi\r\n"), (Client, said), (Server, replies)]);
        assert_eq!(
            written[..5],
            [
                "S: 220 hi",
                "C: BDAT 29",
                "C: (content of 34 octets, bare CR or LF: m1)",
                "C: BDAT 5 LAST",
                "C: QUIT"
            ]
        );
    }

    #[test]
    fn a_data_that_was_said_together_with_others_waits_for_its_own_reply() {
        let pieces = [
            (Server, "220 hi\r\n"),
            (Client, "EHLO x\r\n"),
            (Server, "250 hi\r\n"),
            (Client, "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n"),
            (Server, "250 OK\r\n550 no\r\n354 go\r\n"),
            (Client, ".\r\n"),
        ];
        assert_eq!(written(Client, &pieces)[9..], ["C: (content of 0 octets)", "C: ."]);
    }

    #[test]
    fn a_false_end_of_data_ends_no_content() {
        for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n"] {
            let content = format!("a{end}MAIL FROM:<x@y>\r\n\r\n.\r\nQUIT\r\n");
            let written = written(
                Server,
                &[(Server, "220 hi\r\n"), (Client, "DATA\r\n"), (Server, "354 go\r\n"), (Client, &content)],
            );
            assert!(written[3].contains("bare CR or LF"), "{end:?}: {written:?}");
            assert_eq!(written[4..], ["C: .", "C: QUIT"], "{end:?}");
        }
    }

    #[test]
    fn what_a_client_sends_before_354_is_content_if_354_comes_and_commands_if_not() {
        let hasty = "EHLO x\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n";
        let taken =
            [(Server, "220 hi\r\n"), (Client, hasty), (Server, "250 hi\r\n354 go\r\n250 OK\r\n221 bye\r\n")];
        assert_eq!(
            written(Server, &taken)[2..],
            [
                "C: DATA",
                "S: 250 hi",
                "S: 354 go",
                "C: (content of 7 octets)",
                "C: .",
                "C: QUIT",
                "S: 250 OK",
                "S: 221 bye"
            ]
        );
        let refused = [(Server, "220 hi\r\n"), (Client, hasty), (Server, "250 hi\r\n503 no\r\n500 what\r\n")];
        assert_eq!(
            written(Server, &refused)[2..],
            ["C: DATA", "S: 250 hi", "S: 503 no", "C: hello", "C: .", "C: QUIT", "S: 500 what"]
        );
    }
}
