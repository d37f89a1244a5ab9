//! The dialogues of a live run, written down at the other end: by the client or the server that the gateway speaks to.
//! The gateway's own sockets are its process's.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use gateway::env::{Connection, IoFuture, Listener, Net, Stream, UdpSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::net::HostNet;
use crate::machine::net::Dialogue;
use crate::record::Speaker;
use crate::scene::Scene;

/// The sockets of a host that speaks with the gateway alone.
pub(super) struct OverheardNet {
    pub(super) net: HostNet,
    pub(super) scene: Scene,
}

impl Net for OverheardNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(async move {
            let stream = self.net.connect(to).await?;
            let began = format!("connection from {}", self.net.address);
            Ok(Box::new(Overheard::new(stream, &self.scene, Speaker::Client, began)) as Box<dyn Stream>)
        })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            let (listener, scene) = (self.net.listen(on).await?, self.scene.clone());
            Ok(Box::new(OverheardListener { listener, scene, address: self.net.address })
                as Box<dyn Listener>)
        })
    }

    fn bind_udp(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        self.net.bind_udp(on)
    }
}

struct OverheardListener {
    listener: Box<dyn Listener>,
    scene: Scene,
    address: IpAddr,
}

impl Listener for OverheardListener {
    fn accept(&mut self) -> IoFuture<'_, Connection> {
        Box::pin(async move {
            let taken = self.listener.accept().await?;
            let began = format!("connected to {}:{}", self.address, taken.to.port());
            let stream = Overheard::new(taken.stream, &self.scene, Speaker::Server, began);
            Ok(Connection { stream: Box::new(stream), ..taken })
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with the gateway.
struct Overheard {
    stream: Box<dyn Stream>,
    /// The side that is here. The gateway is the other.
    own: Speaker,
    dialogue: Mutex<Dialogue>,
    is_over: bool,
}

impl Overheard {
    fn new(stream: Box<dyn Stream>, scene: &Scene, own: Speaker, began: String) -> Self {
        let machine = Arc::clone(&scene.plan.gateway.name);
        let gateway = other(own);
        let mut dialogue = Dialogue::new(scene.journal.clone(), machine, gateway, &scene.secrets);
        dialogue.note(Speaker::Network, began);
        Overheard { stream, own, dialogue: Mutex::new(dialogue), is_over: false }
    }

    fn dialogue(&mut self) -> &mut Dialogue {
        self.dialogue.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection ends, and why. It is said once.
    fn ends(&mut self, why: String) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.dialogue().note(Speaker::Network, why);
        }
    }
}

fn other(speaker: Speaker) -> Speaker {
    if speaker == Speaker::Client { Speaker::Server } else { Speaker::Client }
}

impl AsyncRead for Overheard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        let gateway = other(self.own);
        match &read {
            Ok(()) if buf.filled().len() > before => self.dialogue().said(gateway, &buf.filled()[before..]),
            Ok(()) if buf.remaining() > 0 => self.ends("the gateway closes".to_owned()),
            Ok(()) => {}
            Err(error) => self.ends(error.to_string()),
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        let own = self.own;
        match &written {
            Ok(count) => self.dialogue().said(own, &bytes[..*count]),
            Err(error) => self.ends(error.to_string()),
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

impl Drop for Overheard {
    fn drop(&mut self) {
        self.ends("the other side closes".to_owned());
    }
}
