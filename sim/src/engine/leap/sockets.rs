//! A machine's sockets, as its processes see them.
//!
//! Each operation is one question to the kernels. A socket that is dropped is closed. This module knows no link and
//! no time.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use gateway::env::{Connection, IoFuture, Listener, Net, Stream, UdpSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::MachineId;
use super::kernels::{Flow, Kernels};
use super::tcp::{End, Segment};

/// The sockets of one machine.
#[derive(Clone)]
pub(super) struct LeapNet {
    machine: MachineId,
    kernels: Arc<Mutex<Kernels>>,
}

impl LeapNet {
    pub(super) fn new(machine: MachineId, kernels: Arc<Mutex<Kernels>>) -> Self {
        LeapNet { machine, kernels }
    }

    fn kernels(&self) -> MutexGuard<'_, Kernels> {
        lock(&self.kernels)
    }

    fn socket(&self, flow: Flow) -> Socket {
        Socket { flow, kernels: Arc::clone(&self.kernels) }
    }
}

fn lock(kernels: &Mutex<Kernels>) -> MutexGuard<'_, Kernels> {
    kernels.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Net for LeapNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(async move {
            let flow = self.kernels().open(self.machine, to);
            let socket = self.socket(flow);
            poll_fn(|cx| socket.ask(|end| (end.poll_connected(cx), None))).await?;
            Ok(Box::new(socket) as Box<dyn Stream>)
        })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            let (on, number) = self.kernels().listen(self.machine, on)?;
            Ok(Box::new(Listening { net: self.clone(), on, number }) as Box<dyn Listener>)
        })
    }

    fn bind_udp(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        Box::pin(async move {
            let (on, number) = self.kernels().bind_udp(self.machine, on)?;
            Ok(Box::new(Bound { net: self.clone(), on, number }) as Box<dyn UdpSocket>)
        })
    }
}

struct Listening {
    net: LeapNet,
    on: SocketAddr,
    number: u64,
}

impl Listener for Listening {
    fn accept(&mut self) -> IoFuture<'_, Connection> {
        Box::pin(poll_fn(|cx| {
            let (flow, [from, to]) =
                ready!(self.net.kernels().poll_accept(self.net.machine, self.on.port(), cx));
            Poll::Ready(Ok(Connection { stream: Box::new(self.net.socket(flow)), from, to }))
        }))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.on)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.net.kernels().close_listener(self.net.machine, self.on.port(), self.number);
    }
}

/// A UDP socket.
struct Bound {
    net: LeapNet,
    on: SocketAddr,
    number: u64,
}

impl UdpSocket for Bound {
    fn poll_send_to(&self, _: &mut Context<'_>, datagram: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        Poll::Ready(self.net.kernels().send_udp(self.net.machine, self.on.port(), to, datagram))
    }

    fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        let (machine, port) = (self.net.machine, self.on.port());
        let datagram = ready!(self.net.kernels().poll_udp(machine, port, self.number, cx));
        buf.put_slice(&datagram.octets[..datagram.octets.len().min(buf.remaining())]);
        Poll::Ready(Ok(datagram.from))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.on)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.net.kernels().close_udp(self.net.machine, self.on.port(), self.number);
    }
}

/// One end of a connection.
struct Socket {
    flow: Flow,
    kernels: Arc<Mutex<Kernels>>,
}

impl Socket {
    /// Asks the kernel, which may then have something to send.
    fn ask<T>(
        &self,
        work: impl FnOnce(&mut End) -> (Poll<io::Result<T>>, Option<Segment>),
    ) -> Poll<io::Result<T>> {
        let forgotten = Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        lock(&self.kernels).with_socket(self.flow, work).unwrap_or(forgotten)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.ask(|end| {
            let (read, tell) = end.poll_read(cx, buf);
            (read, tell.map(Segment::Ack))
        })
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        if octets.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let written = self.ask(|end| match end.poll_write(cx, octets) {
            Poll::Ready(Ok(segment)) => (Poll::Ready(Ok(segment.octets())), Some(segment)),
            Poll::Ready(Err(error)) => (Poll::Ready(Err(error)), None),
            Poll::Pending => (Poll::Pending, None),
        });
        if written.is_pending() {
            lock(&self.kernels).touched.push(self.flow.connection);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ask(|end| match end.shut_down() {
            Ok(fin) => (Poll::Ready(Ok(())), fin),
            Err(error) => (Poll::Ready(Err(error)), None),
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut kernels = lock(&self.kernels);
        kernels.with_socket(self.flow, |end| ((), end.close()));
        kernels.touched.push(self.flow.connection);
    }
}
