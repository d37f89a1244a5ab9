//! Every connection and every octet on it, and every datagram.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use gateway::env::{Connection, IoFuture, Listener, Net, Stream, UdpSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Trace;

/// Sockets that are traced.
#[derive(Clone)]
pub(super) struct TracedNet {
    net: Arc<dyn Net>,
    to: Scribe,
}

/// Writes into the trace for one machine.
#[derive(Clone)]
struct Scribe {
    trace: Trace,
    machine: Arc<str>,
}

impl Scribe {
    fn note(&self, what: &str, detail: &[&[u8]]) {
        self.trace.note(&self.machine, what, detail);
    }

    fn failed(&self, what: &str, error: &io::Error) {
        self.note(what, &[error.kind().to_string().as_bytes()]);
    }
}

impl TracedNet {
    pub(super) fn new(net: Arc<dyn Net>, trace: Trace, machine: Arc<str>) -> Self {
        TracedNet { net, to: Scribe { trace, machine } }
    }
}

impl Net for TracedNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(async move {
            self.to.note("connects to", &[to.to_string().as_bytes()]);
            let connected = self.net.connect(to).await;
            let stream = connected.inspect_err(|error| self.to.failed("is not connected", error))?;
            self.to.note("is connected to", &[to.to_string().as_bytes()]);
            Ok(Box::new(Traced { stream, to: self.to.clone() }) as Box<dyn Stream>)
        })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            self.to.note("listens on", &[on.to_string().as_bytes()]);
            let listened = self.net.listen(on).await;
            let listener = listened.inspect_err(|error| self.to.failed("does not listen", error))?;
            Ok(Box::new(TracedListener { listener, to: self.to.clone() }) as Box<dyn Listener>)
        })
    }

    fn bind_udp(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        Box::pin(async move {
            let bound = self.net.bind_udp(on).await;
            let socket = bound.inspect_err(|error| self.to.failed("does not bind", error))?;
            self.to.note("binds", &[socket.local_addr()?.to_string().as_bytes()]);
            Ok(Box::new(TracedUdp { socket, to: self.to.clone() }) as Box<dyn UdpSocket>)
        })
    }
}

/// A UDP socket that is traced.
struct TracedUdp {
    socket: Box<dyn UdpSocket>,
    to: Scribe,
}

impl UdpSocket for TracedUdp {
    fn poll_send_to(&self, cx: &mut Context<'_>, datagram: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        let sent = ready!(self.socket.poll_send_to(cx, datagram, to));
        match &sent {
            Ok(_) => self.to.note("sends a datagram", &[to.to_string().as_bytes(), datagram]),
            Err(error) => self.to.failed("sends no datagram", error),
        }
        Poll::Ready(sent)
    }

    fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        let before = buf.filled().len();
        let received = ready!(self.socket.poll_recv_from(cx, buf));
        match &received {
            Ok(from) => {
                self.to.note("takes a datagram", &[from.to_string().as_bytes(), &buf.filled()[before..]])
            }
            Err(error) => self.to.failed("takes no datagram", error),
        }
        Poll::Ready(received)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

struct TracedListener {
    listener: Box<dyn Listener>,
    to: Scribe,
}

impl Listener for TracedListener {
    fn accept(&mut self) -> IoFuture<'_, Connection> {
        Box::pin(async move {
            let accepted = self.listener.accept().await;
            let taken = accepted.inspect_err(|error| self.to.failed("does not accept", error))?;
            self.to.note("accepts", &[taken.from.to_string().as_bytes()]);
            let stream = Box::new(Traced { stream: taken.stream, to: self.to.clone() });
            Ok(Connection { stream, ..taken })
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A stream that is traced.
struct Traced {
    stream: Box<dyn Stream>,
    to: Scribe,
}

impl AsyncRead for Traced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        match &read {
            Ok(()) => self.to.note("reads", &[&buf.filled()[before..]]),
            Err(error) => self.to.failed("reads no more", error),
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Traced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, octets));
        match &written {
            Ok(count) => self.to.note("writes", &[&octets[..*count]]),
            Err(error) => self.to.failed("writes no more", error),
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
        self.to.note("closes", &[]);
        Poll::Ready(shut)
    }
}
