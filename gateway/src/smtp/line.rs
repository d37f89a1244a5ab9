//! The wire: bounded lines and message data, read through one buffer.
//!
//! What a client pipelines behind a command may be the next command or the first of the message, so all reading
//! goes through the buffer that [`Wire`] owns. No time-out is set here but for the end: the caller wraps each call. A
//! call that was given up halfway may have lost a part of a line, so the conversation ends there.
//!
//! This module knows no command and no reply.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::data::DataReader;
use super::transcript::Transcript;
use crate::env::Stream;

/// The longest command line, in octets with its CRLF: 512 (RFC 5321, 4.5.3.1.4), and what the service extensions add to
/// MAIL at the most (RFC 1870, 3461, 4954, 6152, 6531).
pub const COMMAND_LIMIT: usize = 512 + 26 + 17 + 500 + 9 + 107 + 10;

/// How long the end of a connection may take.
const CLOSE_TIME: Duration = Duration::from_secs(10);

/// The longest line of an authentication exchange, in octets with its CRLF (RFC 4954, 4).
pub const AUTH_LIMIT: usize = 12_288;

/// One end of an SMTP connection.
pub struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    transcript: Option<Transcript>,
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The line was longer than the limit. It was read to its end: the next line can be read.
    #[error("line too long: the limit is {limit} octets")]
    TooLong {
        /// The limit, in octets with CRLF.
        limit: usize,
    },
    /// The line ended in LF without CR. What follows may have been meant as part of it, so a server should end the
    /// conversation (RFC 5321, 2.3.8).
    #[error("bare LF: lines end in CR LF")]
    BareLf,
    /// There was a CR within the line, which was read to its end.
    #[error("bare CR: lines end in CR LF")]
    BareCr,
    /// The other end closed the connection, perhaps in the middle of a line.
    #[error("the connection was closed")]
    Closed,
    /// The connection failed.
    #[error("the connection was lost: {0}")]
    Io(#[from] io::Error),
}

impl Wire {
    /// Takes over an open connection.
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Wire { stream: BufReader::new(stream), transcript: None }
    }

    /// The same connection, of which this is written down, if anything is.
    pub fn written_down(self, transcript: Option<Transcript>) -> Self {
        Wire { transcript, ..self }
    }

    /// Whether the other end has said more than was asked for: what it sent before the last answer.
    pub fn has_input(&self) -> bool {
        !self.stream.buffer().is_empty()
    }

    /// Whether there is nothing to read, and the other end has not closed, as far as is known here.
    pub async fn is_quiet(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(Pin::new(&mut self.stream).poll_fill_buf(cx).is_pending())).await
    }

    /// Takes the connection out, to be [put](Self::put) back encrypted. Until then there is nothing to read, and what was
    /// read and not yet asked for is gone.
    pub fn take(&mut self) -> Box<dyn Stream> {
        let gone: Box<dyn Stream> = Box::new(tokio::io::empty());
        std::mem::replace(&mut self.stream, BufReader::new(gone)).into_inner()
    }

    /// Goes on with another connection.
    pub fn put(&mut self, stream: Box<dyn Stream>) {
        self.stream = BufReader::new(stream);
    }

    /// Reads a line of at most `limit` octets with its CRLF, and gives it back without.
    ///
    /// # Errors
    /// Of a line that is too long or badly ended, once for the whole line; and of a connection that is gone.
    pub async fn read_line(&mut self, limit: usize) -> Result<Vec<u8>, LineError> {
        let line = self.line(limit).await;
        if let Some(transcript) = &mut self.transcript {
            match &line {
                Ok(line) => transcript.heard(line),
                // The transcript ends with that anyway.
                Err(LineError::Closed) => {}
                Err(error) => transcript.heard_no_line(&error.to_string()),
            }
        }
        line
    }

    async fn line(&mut self, limit: usize) -> Result<Vec<u8>, LineError> {
        let mut line = Vec::new();
        let mut too_long = false;
        loop {
            let available = self.stream.fill_buf().await?;
            if available.is_empty() {
                return Err(LineError::Closed);
            }
            let end = available.iter().position(|octet| *octet == b'\n');
            let taken = end.map_or(available.len(), |at| at + 1);
            too_long |= line.len() + taken > limit;
            if !too_long {
                line.extend_from_slice(&available[..taken]);
            }
            self.stream.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if too_long {
            return Err(LineError::TooLong { limit });
        }
        let text = line.strip_suffix(b"\r\n").ok_or(LineError::BareLf)?;
        if text.contains(&b'\r') {
            return Err(LineError::BareCr);
        }
        line.truncate(text.len());
        Ok(line)
    }

    /// Reads on in a message: waits for octets, hands them to `reader`, and leaves in `chunk` the content that was
    /// in them, which may be none. What follows the end of data stays on the wire. Nothing happens once the data
    /// has ended.
    ///
    /// # Errors
    /// The connection's; `UnexpectedEof` if it was closed before the end of data.
    pub async fn read_data(&mut self, reader: &mut DataReader, chunk: &mut Vec<u8>) -> io::Result<()> {
        chunk.clear();
        if reader.has_ended() {
            return Ok(());
        }
        let available = self.stream.fill_buf().await?;
        if available.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection was closed before the end of data",
            ));
        }
        let taken = reader.feed(available, chunk);
        self.stream.consume(taken);
        self.write_content_down(chunk, true);
        Ok(())
    }

    /// Reads at most so many octets as they are, and leaves them in `chunk`.
    ///
    /// # Errors
    /// The connection's; `UnexpectedEof` if it was closed.
    pub async fn read_octets(&mut self, most: u64, chunk: &mut Vec<u8>) -> io::Result<()> {
        chunk.clear();
        let available = self.stream.fill_buf().await?;
        if available.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection was closed within a chunk",
            ));
        }
        let taken = available.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        chunk.extend_from_slice(&available[..taken]);
        self.stream.consume(taken);
        self.write_content_down(chunk, true);
        Ok(())
    }

    /// Writes all of some lines and sees them on their way.
    ///
    /// # Errors
    /// The connection's; some of the octets may have been sent.
    pub async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Some(transcript) = &mut self.transcript {
            transcript.said(lines);
        }
        self.send(lines).await
    }

    /// The same for a part of a message, which may end anywhere.
    ///
    /// # Errors
    /// The connection's; some of the octets may have been sent.
    pub async fn write_content(&mut self, content: &[u8]) -> io::Result<()> {
        self.write_content_down(content, false);
        self.send(content).await
    }

    fn write_content_down(&mut self, content: &[u8], came: bool) {
        if let Some(transcript) = &mut self.transcript {
            transcript.content(content, came);
        }
    }

    async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets).await?;
        self.stream.flush().await
    }

    /// Ends the conversation from this side, so that what was written still arrives. TLS has a farewell to write too; who
    /// does not read is not waited for.
    ///
    /// # Errors
    /// The connection's.
    pub async fn close(&mut self) -> io::Result<()> {
        timeout(CLOSE_TIME, self.stream.shutdown()).await.unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::*;

    /// A wire on which the other end has said `octets` and hung up.
    async fn wire_with(octets: &[u8]) -> Wire {
        let (near, mut far) = tokio::io::duplex(octets.len().max(1));
        far.write_all(octets).await.unwrap();
        Wire::new(Box::new(near))
    }

    /// A connection whose other end has gone to sleep: its farewell is never written.
    struct Stuck;

    impl AsyncRead for Stuck {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Stuck {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_not_waited_for_at_the_end() {
        let begun = tokio::time::Instant::now();
        Wire::new(Box::new(Stuck)).close().await.unwrap();
        assert_eq!(begun.elapsed(), CLOSE_TIME);
    }

    #[tokio::test]
    async fn lines_are_read_one_by_one_until_the_other_end_hangs_up() {
        let mut wire = wire_with(b"EHLO client.example\r\n\r\nQUI").await;
        assert_eq!(wire.read_line(COMMAND_LIMIT).await.unwrap(), b"EHLO client.example");
        assert_eq!(wire.read_line(COMMAND_LIMIT).await.unwrap(), b"");
        assert!(matches!(wire.read_line(COMMAND_LIMIT).await, Err(LineError::Closed)));
    }

    #[tokio::test]
    async fn a_line_may_arrive_octet_by_octet() {
        let (near, mut far) = tokio::io::duplex(1);
        let mut wire = Wire::new(Box::new(near));
        let (line, written) = tokio::join!(wire.read_line(COMMAND_LIMIT), far.write_all(b"NOOP\r\n"));
        written.unwrap();
        assert_eq!(line.unwrap(), b"NOOP");
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_refused_once_and_the_next_one_is_read() {
        let longest = [vec![b'x'; COMMAND_LIMIT - 2], b"\r\n".to_vec()].concat();
        let too_long = [vec![b'x'; 20_000], b"\r\n".to_vec()].concat();
        let mut wire = wire_with(&[longest, too_long, b"NOOP\r\n".to_vec()].concat()).await;
        assert_eq!(wire.read_line(COMMAND_LIMIT).await.unwrap().len(), COMMAND_LIMIT - 2);
        assert!(matches!(
            wire.read_line(COMMAND_LIMIT).await,
            Err(LineError::TooLong { limit: COMMAND_LIMIT })
        ));
        assert_eq!(wire.read_line(COMMAND_LIMIT).await.unwrap(), b"NOOP");
    }

    #[tokio::test]
    async fn a_line_that_does_not_end_in_crlf_alone_is_refused() {
        let mut wire = wire_with(b"RSET\nRSET\rNOOP\r\nRSET\r\r\nQUIT\r\n").await;
        assert!(matches!(wire.read_line(COMMAND_LIMIT).await, Err(LineError::BareLf)));
        assert!(matches!(wire.read_line(COMMAND_LIMIT).await, Err(LineError::BareCr)));
        assert!(matches!(wire.read_line(COMMAND_LIMIT).await, Err(LineError::BareCr)));
        assert_eq!(wire.read_line(COMMAND_LIMIT).await.unwrap(), b"QUIT");
    }

    #[tokio::test]
    async fn what_is_pipelined_around_message_data_is_not_lost() {
        let mut wire = wire_with(b"DATA\r\nHello\r\n.\r\nQUIT\r\n").await;
        assert_eq!(wire.read_line(COMMAND_LIMIT).await.unwrap(), b"DATA");
        let (mut reader, mut chunk, mut content) = (DataReader::new(), Vec::new(), Vec::new());
        while !reader.has_ended() {
            wire.read_data(&mut reader, &mut chunk).await.unwrap();
            content.extend_from_slice(&chunk);
        }
        assert_eq!(content, b"Hello\r\n");
        assert_eq!(wire.read_line(COMMAND_LIMIT).await.unwrap(), b"QUIT");
    }

    #[tokio::test]
    async fn data_that_is_cut_off_is_an_error_and_not_a_message() {
        let mut wire = wire_with(b"Hello\r\n.").await;
        let (mut reader, mut chunk) = (DataReader::new(), Vec::new());
        wire.read_data(&mut reader, &mut chunk).await.unwrap();
        let error = wire.read_data(&mut reader, &mut chunk).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
