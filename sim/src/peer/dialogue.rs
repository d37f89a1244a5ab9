//! Reading and writing lines of SMTP, as plainly as it can be done.

use std::io;
use std::time::Duration;

use gateway::env::Stream;
use smtp_proto::response::parser::ResponseReceiver;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::sleep;

/// How long a side that drips waits after each octet.
const DRIP: Duration = Duration::from_millis(20);

/// How many octets it drips before it goes on as usual: enough to meet every place where a reader might stumble.
const DRIPS: usize = 400;

/// A connection, line by line.
pub(super) struct Dialogue {
    stream: BufReader<Box<dyn Stream>>,
    /// How many octets are still to be sent one at a time.
    drips: usize,
}

impl Dialogue {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Dialogue { stream: BufReader::new(stream), drips: 0 }
    }

    /// Goes on encrypted, once a handshake has made it so. What was read and not asked for is gone.
    ///
    /// # Errors
    /// The handshake's.
    pub(super) async fn secure<F>(&mut self, handshake: impl FnOnce(Box<dyn Stream>) -> F) -> io::Result<()>
    where
        F: Future<Output = io::Result<Box<dyn Stream>>>,
    {
        let gone: Box<dyn Stream> = Box::new(tokio::io::empty());
        let stream = std::mem::replace(&mut self.stream, BufReader::new(gone)).into_inner();
        self.stream = BufReader::new(handshake(stream).await?);
        Ok(())
    }

    /// Sends one octet at a time from now on.
    pub(super) fn drip(&mut self) {
        self.drips = DRIPS;
    }

    /// The next line without its end, or `None` when the other side has closed.
    pub(super) async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        while line.last().is_some_and(|end| matches!(end, b'\r' | b'\n')) {
            line.pop();
        }
        Ok(Some(line))
    }

    /// The next reply: its code, and its lines joined with a slash.
    pub(super) async fn reply(&mut self) -> io::Result<Option<Reply>> {
        let (mut receiver, mut lines) = (ResponseReceiver::default(), Vec::new());
        loop {
            let Some(line) = self.line().await? else { return Ok(None) };
            lines.push(String::from_utf8_lossy(&line).into_owned());
            match receiver.parse(&mut [&line[..], b"\r\n"].concat().iter()) {
                Ok(response) => return Ok(Some(Reply { code: response.code, text: lines.join(" / ") })),
                Err(smtp_proto::Error::NeedsMoreData { .. }) => {}
                // What is no reply is an answer all the same, and not the wanted one.
                Err(_) => return Ok(Some(Reply { code: 0, text: lines.join(" / ") })),
            }
        }
    }

    pub(super) async fn say(&mut self, line: &str) -> io::Result<()> {
        self.send(format!("{line}\r\n").as_bytes()).await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (dripped, rest) = bytes.split_at(self.drips.min(bytes.len()));
        for octet in dripped {
            self.stream.write_all(&[*octet]).await?;
            self.stream.flush().await?;
            sleep(DRIP).await;
        }
        self.drips -= dripped.len();
        self.stream.write_all(rest).await?;
        self.stream.flush().await
    }
}

/// A server's reply.
pub(super) struct Reply {
    /// Its code, 0 if it is no reply at all.
    pub(super) code: u16,
    /// As it was said.
    pub(super) text: String,
}

/// The content as it goes over the wire: dots doubled at the start of lines, and the final dot (RFC 5321, 4.5.2).
pub(super) fn dotted(content: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(content.len() + 8);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
    wire
}
