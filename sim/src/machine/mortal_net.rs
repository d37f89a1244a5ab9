//! Sockets that do nothing more once the process they belong to has ended.
//!
//! A connection that the dead process drops in the rest of its turn is not closed there and then: that is the kernel's
//! to do, or nobody's if the power was cut. It is kept until the engine drops the process.
//!
//! This module knows no dialogue and no fault.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use gateway::env::{Connection, IoFuture, Listener, Net, Stream, UdpSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::life::Life;

/// What a dead process has dropped. It goes with the last of what belongs to the process.
type Remains = Arc<Mutex<Vec<Box<dyn Stream>>>>;

/// One process's sockets.
pub(super) struct MortalNet {
    net: Arc<dyn Net>,
    of: Owner,
}

/// The process that sockets belong to.
#[derive(Clone)]
struct Owner {
    life: Life,
    remains: Remains,
}

impl MortalNet {
    pub(super) fn new(net: Arc<dyn Net>, life: Life) -> Self {
        MortalNet { net, of: Owner { life, remains: Remains::default() } }
    }
}

impl Owner {
    fn stream(&self, stream: Box<dyn Stream>) -> Box<dyn Stream> {
        self.life.opens_connection();
        Box::new(MortalStream { stream: Some(stream), of: self.clone() })
    }
}

impl Net for MortalNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(async move {
            self.of.life.goes_on().await;
            self.net.connect(to).await.map(|stream| self.of.stream(stream))
        })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            self.of.life.goes_on().await;
            let listener = self.net.listen(on).await?;
            Ok(Box::new(MortalListener { listener, of: self.of.clone() }) as Box<dyn Listener>)
        })
    }

    fn bind_udp(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        Box::pin(async move {
            self.of.life.goes_on().await;
            let socket = self.net.bind_udp(on).await?;
            Ok(Box::new(MortalUdp { socket, life: self.of.life.clone() }) as Box<dyn UdpSocket>)
        })
    }
}

/// A UDP socket. Closing it says nothing to anybody, so nothing of it remains.
struct MortalUdp {
    socket: Box<dyn UdpSocket>,
    life: Life,
}

impl UdpSocket for MortalUdp {
    fn poll_send_to(&self, cx: &mut Context<'_>, datagram: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        if self.life.is_over() {
            return Poll::Pending;
        }
        self.socket.poll_send_to(cx, datagram, to)
    }

    fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        if self.life.is_over() {
            return Poll::Pending;
        }
        self.socket.poll_recv_from(cx, buf)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

struct MortalListener {
    listener: Box<dyn Listener>,
    of: Owner,
}

impl Listener for MortalListener {
    fn accept(&mut self) -> IoFuture<'_, Connection> {
        Box::pin(async move {
            self.of.life.goes_on().await;
            let taken = self.listener.accept().await?;
            Ok(Connection { stream: self.of.stream(taken.stream), ..taken })
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

struct MortalStream {
    /// There until it is dropped.
    stream: Option<Box<dyn Stream>>,
    of: Owner,
}

impl MortalStream {
    /// The stream, while the process lives.
    fn live(&mut self) -> Option<Pin<&mut Box<dyn Stream>>> {
        if self.of.life.is_over() { None } else { self.stream.as_mut().map(Pin::new) }
    }
}

impl Drop for MortalStream {
    fn drop(&mut self) {
        self.of.life.closes_connection();
        if self.of.life.is_over()
            && let Some(stream) = self.stream.take()
        {
            self.of.remains.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        }
    }
}

impl AsyncRead for MortalStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.live().map_or(Poll::Pending, |stream| stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for MortalStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.live().map_or(Poll::Pending, |stream| stream.poll_write(cx, octets))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.live().map_or(Poll::Pending, |stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.live().map_or(Poll::Pending, |stream| stream.poll_shutdown(cx))
    }
}
