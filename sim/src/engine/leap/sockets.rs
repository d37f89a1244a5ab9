//! A machine's sockets: turmoil-net's, each tied to the kernel it is of.
//!
//! turmoil-net acts on the kernel that is the thread's current one. Every operation here names its own first,
//! dropping too: it does not matter which task, of which machine, does it.
//!
//! This module knows no link, no time and no process.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use gateway::env::{IoFuture, Listener, Net, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil_net::HostId;
use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};

/// The sockets of one machine.
pub(super) struct LeapNet(HostId);

impl LeapNet {
    pub(super) fn new(host: HostId) -> Self {
        LeapNet(host)
    }
}

impl Net for LeapNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        let connecting: IoFuture<'static, TcpStream> = Box::pin(TcpStream::connect(to));
        let mut connecting = OnHost::new(self.0, connecting);
        Box::pin(async move {
            let stream = poll_fn(|cx| connecting.enter().as_mut().poll(cx)).await?;
            Ok(Box::new(OnHost::new(self.0, stream)) as Box<dyn Stream>)
        })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            turmoil_net::set_current(self.0);
            let listener = TcpListener::bind(on).await?;
            Ok(Box::new(OnHost::new(self.0, listener)) as Box<dyn Listener>)
        })
    }
}

/// Something that belongs to a kernel.
struct OnHost<T> {
    host: HostId,
    /// Always there until the drop.
    thing: Option<T>,
}

impl<T> OnHost<T> {
    fn new(host: HostId, thing: T) -> Self {
        OnHost { host, thing: Some(thing) }
    }

    /// The thing, its kernel being the current one.
    fn enter(&mut self) -> &mut T {
        turmoil_net::set_current(self.host);
        self.thing.as_mut().expect("it is there until the drop")
    }
}

impl<T> Drop for OnHost<T> {
    fn drop(&mut self) {
        turmoil_net::set_current(self.host);
        self.thing = None;
    }
}

impl Listener for OnHost<TcpListener> {
    fn accept(&mut self) -> IoFuture<'_, (Box<dyn Stream>, SocketAddr)> {
        Box::pin(poll_fn(|cx| {
            let (stream, from) = ready!(self.enter().poll_accept(cx))?;
            let stream: Box<dyn Stream> = Box::new(OnHost::new(self.host, stream));
            Poll::Ready(Ok((stream, from)))
        }))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        turmoil_net::set_current(self.host);
        self.thing.as_ref().expect("it is there until the drop").local_addr()
    }
}

impl AsyncRead for OnHost<TcpStream> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.enter()).poll_read(cx, buf)
    }
}

impl AsyncWrite for OnHost<TcpStream> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.enter()).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.enter()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.enter()).poll_shutdown(cx)
    }
}
