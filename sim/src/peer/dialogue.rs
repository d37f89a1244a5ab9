//! Reading and writing lines of SMTP, as plainly as it can be done.

use std::io;

use gateway::env::Stream;
use smtp_proto::response::parser::ResponseReceiver;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// A connection, line by line.
pub(super) struct Dialogue {
    stream: BufReader<Box<dyn Stream>>,
}

impl Dialogue {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Dialogue { stream: BufReader::new(stream) }
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
        self.stream.write_all(bytes).await?;
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
