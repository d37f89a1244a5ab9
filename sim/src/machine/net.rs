//! The gateway's sockets in the simulator: the engine's, with every SMTP dialogue written down as it is read and
//! written.
//!
//! A dialogue is recorded line by line, as the gateway saw it. What lies between `354` and the final dot is one line.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use gateway::env::{IoFuture, Listener, Net, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::record::{Journal, Speaker, What};

/// Sockets whose dialogues are recorded.
pub(crate) struct RecordedNet {
    pub(crate) net: Arc<dyn Net>,
    pub(crate) machine: Arc<str>,
    pub(crate) journal: Journal,
}

impl RecordedNet {
    fn dialogue(&self) -> Dialogue {
        Dialogue::new(self.journal.clone(), Arc::clone(&self.machine))
    }
}

impl Net for RecordedNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(async move {
            let mut dialogue = self.dialogue();
            match self.net.connect(to).await {
                Ok(stream) => {
                    dialogue.note(Speaker::Network, format!("connected to {to}"));
                    Ok(Box::new(Recorded::new(stream, dialogue, Speaker::Client)) as Box<dyn Stream>)
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
            }) as Box<dyn Listener>)
        })
    }
}

struct RecordedListener {
    listener: Box<dyn Listener>,
    journal: Journal,
    machine: Arc<str>,
}

impl Listener for RecordedListener {
    fn accept(&mut self) -> IoFuture<'_, (Box<dyn Stream>, SocketAddr)> {
        Box::pin(async move {
            let (stream, from) = self.listener.accept().await?;
            let mut dialogue = Dialogue::new(self.journal.clone(), Arc::clone(&self.machine));
            dialogue.note(Speaker::Network, format!("connection from {}", from.ip()));
            Ok((Box::new(Recorded::new(stream, dialogue, Speaker::Server)) as Box<dyn Stream>, from))
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
    /// The side of the dialogue that the gateway is.
    gateway: Speaker,
}

impl Recorded {
    fn new(stream: Box<dyn Stream>, dialogue: Dialogue, gateway: Speaker) -> Self {
        Recorded { stream, dialogue: Mutex::new(dialogue), gateway }
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
        let peer = if self.gateway == Speaker::Server { Speaker::Client } else { Speaker::Server };
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
        let gateway = self.gateway;
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
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// One connection's dialogue, cut into lines.
struct Dialogue {
    journal: Journal,
    machine: Arc<str>,
    connection: u32,
    client: Vec<u8>,
    server: Vec<u8>,
    /// The octets of content so far, between 354 and the final dot.
    content: Option<usize>,
}

impl Dialogue {
    fn new(journal: Journal, machine: Arc<str>) -> Self {
        let connection = journal.next_connection();
        Dialogue { journal, machine, connection, client: Vec::new(), server: Vec::new(), content: None }
    }

    fn note(&mut self, speaker: Speaker, line: String) {
        self.journal.note(&self.machine, What::Smtp { connection: self.connection, speaker, line });
    }

    fn said(&mut self, speaker: Speaker, bytes: &[u8]) {
        for byte in bytes {
            let line = if speaker == Speaker::Client { &mut self.client } else { &mut self.server };
            line.push(*byte);
            if *byte == b'\n' {
                let line = std::mem::take(line);
                self.line(speaker, &line);
            }
        }
    }

    fn line(&mut self, speaker: Speaker, line: &[u8]) {
        if speaker == Speaker::Client
            && let Some(octets) = &mut self.content
        {
            if line != b".\r\n" {
                *octets += line.len();
                return;
            }
            let octets = *octets;
            self.content = None;
            self.note(speaker, format!("(message of {octets} octets)"));
        } else if speaker == Speaker::Server && line.starts_with(b"354") {
            self.content = Some(0);
        }
        let shown = line.strip_suffix(b"\r\n").unwrap_or(line).escape_ascii().to_string();
        self.note(speaker, shown.replace("\\\"", "\"").replace("\\'", "'"));
    }
}
