//! A machine's sockets: turmoil's, and around them what turmoil has not.
//!
//! A connection to a machine without power, or to an address of no machine, is tried for as long as a kernel tries. A
//! connection can be broken from outside: its process then meets an error at its next operation.
//!
//! This module knows no link and no conductor.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use gateway::env::{BoxFuture, Connection, IoFuture, Listener, Net, Stream, UdpSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{sleep, timeout};
use turmoil::net::{TcpListener, TcpStream};

/// How long a kernel tries to connect; Linux's six repetitions.
const CONNECT_PATIENCE: Duration = Duration::from_secs(127);

/// The longest that it waits between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(64);

/// What the sockets of a run have in common. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Wiring(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The machines that have power.
    powered: Vec<IpAddr>,
    /// Every stream that a process has.
    streams: BTreeMap<u64, Open>,
    streams_so_far: u64,
}

/// A stream that a process has.
struct Open {
    local: SocketAddr,
    peer: SocketAddr,
    broken: Option<Broken>,
    wakers: [Option<Waker>; 2],
}

/// How a stream was broken.
#[derive(Clone, Copy)]
struct Broken {
    error: io::ErrorKind,
    /// Whether its process has heard of it.
    told: bool,
}

impl Wiring {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn power(&self, address: IpAddr, on: bool) {
        let mut state = self.state();
        state.powered.retain(|powered| *powered != address);
        if on {
            state.powered.push(address);
        }
    }

    fn has_power(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.state().powered.contains(&address)
    }

    /// Resets every connection between two machines.
    pub(super) fn reset(&self, a: IpAddr, b: IpAddr) {
        self.break_where(io::ErrorKind::ConnectionReset, |open| {
            let ends = (open.local.ip(), open.peer.ip());
            ends == (a, b) || ends == (b, a)
        });
    }

    /// A sender has tried for too long: it gives up, and its peer meets a reset.
    pub(super) fn give_up(&self, from: SocketAddr, to: SocketAddr) {
        self.break_where(io::ErrorKind::TimedOut, |open| (open.local, open.peer) == (from, to));
        self.break_where(io::ErrorKind::ConnectionReset, |open| (open.local, open.peer) == (to, from));
    }

    fn break_where(&self, error: io::ErrorKind, which: impl Fn(&Open) -> bool) {
        for open in self.state().streams.values_mut().filter(|open| which(open)) {
            open.broken.get_or_insert(Broken { error, told: false });
            open.wakers.iter_mut().filter_map(Option::take).for_each(Waker::wake);
        }
    }

    fn keep(&self, stream: TcpStream) -> io::Result<Breakable> {
        let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
        let mut state = self.state();
        let number = state.streams_so_far;
        state.streams_so_far += 1;
        state.streams.insert(number, Open { local, peer, broken: None, wakers: [None, None] });
        Ok(Breakable { stream, number, wiring: self.clone() })
    }
}

/// A machine's sockets.
#[derive(Clone)]
pub(super) struct ClassicNet(pub(super) Wiring);

impl ClassicNet {
    /// Tries until there is an answer.
    async fn connect_with_patience(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let mut wait = Duration::from_secs(1);
        loop {
            if self.0.has_power(to.ip()) {
                let answer = TcpStream::connect(to).await;
                // Turmoil answers for a machine that lost its power meanwhile.
                if answer.is_ok() || self.0.has_power(to.ip()) {
                    return answer;
                }
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

impl Net for ClassicNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(async move {
            let answer = timeout(CONNECT_PATIENCE, self.connect_with_patience(to)).await;
            let stream = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
            Ok(Box::new(self.0.keep(stream)?) as Box<dyn Stream>)
        })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            let listener = TcpListener::bind(on).await?;
            Ok(Box::new(ClassicListener { listener, wiring: self.0.clone() }) as Box<dyn Listener>)
        })
    }

    fn bind_udp(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        Box::pin(async move {
            let socket = Arc::new(turmoil::net::UdpSocket::bind(on).await?);
            let readable = Mutex::new(readable(&socket));
            Ok(Box::new(ClassicUdp { socket, readable, wiring: self.0.clone() }) as Box<dyn UdpSocket>)
        })
    }
}

/// A UDP socket. What is sent to a machine without power, or to an address of no machine, is lost.
struct ClassicUdp {
    socket: Arc<turmoil::net::UdpSocket>,
    /// Ready when there may be something to read: turmoil's socket cannot be polled.
    readable: Mutex<BoxFuture<'static, io::Result<()>>>,
    wiring: Wiring,
}

fn readable(socket: &Arc<turmoil::net::UdpSocket>) -> BoxFuture<'static, io::Result<()>> {
    let socket = Arc::clone(socket);
    Box::pin(async move { socket.readable().await })
}

impl UdpSocket for ClassicUdp {
    fn poll_send_to(&self, _: &mut Context<'_>, datagram: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        if !self.wiring.has_power(to.ip()) {
            return Poll::Ready(Ok(datagram.len()));
        }
        Poll::Ready(self.socket.try_send_to(datagram, to))
    }

    fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        let mut waits = self.readable.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            ready!(waits.as_mut().poll(cx))?;
            *waits = readable(&self.socket);
            match self.socket.try_recv_from(buf.initialize_unfilled()) {
                Ok((octets, from)) => {
                    buf.advance(octets);
                    return Poll::Ready(Ok(from));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

struct ClassicListener {
    listener: TcpListener,
    wiring: Wiring,
}

impl Listener for ClassicListener {
    fn accept(&mut self) -> IoFuture<'_, Connection> {
        Box::pin(async move {
            let (stream, from) = self.listener.accept().await?;
            let to = stream.local_addr()?;
            Ok(Connection { stream: Box::new(self.wiring.keep(stream)?), from, to })
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A stream that can be broken from outside.
struct Breakable {
    stream: TcpStream,
    number: u64,
    wiring: Wiring,
}

impl Breakable {
    /// The stream; or, if it was broken, what its process meets: the error once, then `after`. `way` is whose waker
    /// it is.
    fn whole<T>(
        &mut self,
        way: usize,
        cx: &Context<'_>,
        after: io::Result<T>,
    ) -> Result<Pin<&mut TcpStream>, Poll<io::Result<T>>> {
        let mut state = self.wiring.state();
        let open = state.streams.get_mut(&self.number).expect("it is kept until it is dropped");
        open.wakers[way] = Some(cx.waker().clone());
        match &mut open.broken {
            None => {
                drop(state);
                Ok(Pin::new(&mut self.stream))
            }
            Some(Broken { told: true, .. }) => Err(Poll::Ready(after)),
            Some(broken) => {
                broken.told = true;
                Err(Poll::Ready(Err(broken.error.into())))
            }
        }
    }
}

impl Drop for Breakable {
    fn drop(&mut self) {
        self.wiring.state().streams.remove(&self.number);
    }
}

impl AsyncRead for Breakable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.whole(0, cx, Ok(())) {
            Ok(stream) => stream.poll_read(cx, buf),
            Err(broken) => broken,
        }
    }
}

impl AsyncWrite for Breakable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.whole(1, cx, Err(io::ErrorKind::BrokenPipe.into())) {
            Ok(stream) => stream.poll_write(cx, octets),
            Err(broken) => broken,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.whole(1, cx, Err(io::ErrorKind::NotConnected.into())) {
            Ok(stream) => stream.poll_shutdown(cx),
            Err(broken) => broken,
        }
    }
}
