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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use gateway::env::{IoFuture, Listener, Net, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil_net::HostId;
use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};

/// The sockets of one machine.
pub(super) struct LeapNet(Kernel);

impl LeapNet {
    /// The sockets of `host`'s kernel. `stirred` is set whenever one of them is used.
    pub(super) fn new(host: HostId, stirred: Arc<AtomicBool>) -> Self {
        LeapNet(Kernel { host, stirred })
    }
}

/// A kernel, as its sockets know it.
#[derive(Clone)]
struct Kernel {
    host: HostId,
    stirred: Arc<AtomicBool>,
}

impl Kernel {
    /// Makes it the current one, of which a socket is about to be used.
    fn enter(&self) {
        turmoil_net::set_current(self.host);
        self.stirred.store(true, Ordering::Relaxed);
    }
}

impl Net for LeapNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        let connecting: IoFuture<'static, TcpStream> = Box::pin(TcpStream::connect(to));
        let mut connecting = OnHost::new(self.0.clone(), connecting);
        Box::pin(async move {
            let stream = poll_fn(|cx| connecting.enter().as_mut().poll(cx)).await?;
            Ok(Box::new(OnHost::new(self.0.clone(), stream)) as Box<dyn Stream>)
        })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            self.0.enter();
            let listener = TcpListener::bind(on).await?;
            Ok(Box::new(OnHost::new(self.0.clone(), listener)) as Box<dyn Listener>)
        })
    }
}

/// Something that belongs to a kernel.
struct OnHost<T> {
    kernel: Kernel,
    /// Always there until the drop.
    thing: Option<T>,
}

impl<T> OnHost<T> {
    fn new(kernel: Kernel, thing: T) -> Self {
        OnHost { kernel, thing: Some(thing) }
    }

    /// The thing, its kernel being the current one.
    fn enter(&mut self) -> &mut T {
        self.kernel.enter();
        self.thing.as_mut().expect("it is there until the drop")
    }
}

impl<T> Drop for OnHost<T> {
    fn drop(&mut self) {
        self.kernel.enter();
        self.thing = None;
    }
}

impl Listener for OnHost<TcpListener> {
    fn accept(&mut self) -> IoFuture<'_, (Box<dyn Stream>, SocketAddr)> {
        Box::pin(poll_fn(|cx| {
            let (stream, from) = ready!(self.enter().poll_accept(cx))?;
            let stream: Box<dyn Stream> = Box::new(OnHost::new(self.kernel.clone(), stream));
            Poll::Ready(Ok((stream, from)))
        }))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.kernel.enter();
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
