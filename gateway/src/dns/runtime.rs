//! What the resolver library runs on: the sockets and tasks of the machine's seam, and tokio's timers.
//!
//! A question is sent once and waited for; who asks again is the resolver. The library would send it again by itself
//! meanwhile, and would let chance decide between an answer and the time to do so: a generator that a counter of the
//! whole process seeds, which differs from run to run.
//!
//! It knows no name and no answer.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, ProtocolConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::iocompat::AsyncIoTokioAsStd;
use hickory_resolver::net::runtime::{self, DnsUdpSocket, RuntimeProvider, TokioTime};
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::DnsExchange;
use hickory_resolver::{ConnectionProvider, PoolContext};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::env::{Env, Net, Spawn, Stream, UdpSocket};

/// How long a connection to a name server may take, unless the library says.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Connections to name servers.
#[derive(Clone)]
pub(super) struct Connections(Runtime);

impl Connections {
    pub(super) fn of(env: &Env) -> Self {
        Connections(Runtime { net: Arc::clone(&env.net), spawn: Arc::clone(&env.spawn) })
    }
}

impl ConnectionProvider for Connections {
    type Conn = DnsExchange<Runtime>;
    type FutureConn = Pin<Box<dyn Future<Output = Result<Self::Conn, NetError>> + Send>>;
    type RuntimeProvider = Runtime;

    fn new_connection(
        &self,
        ip: IpAddr,
        config: &ConnectionConfig,
        pool: &PoolContext,
    ) -> Result<Self::FutureConn, NetError> {
        if !matches!(config.protocol, ProtocolConfig::Udp) {
            return self.0.new_connection(ip, config, pool);
        }
        let once = UdpClientStream::builder((ip, config.port).into(), self.0.clone())
            .with_timeout(Some(pool.options.timeout))
            .with_max_retries(1);
        Ok(Box::pin(async { Ok(once.exchange()) }))
    }

    fn runtime_provider(&self) -> &Runtime {
        &self.0
    }
}

/// The network and the tasks of one machine.
#[derive(Clone)]
pub(super) struct Runtime {
    net: Arc<dyn Net>,
    spawn: Arc<dyn Spawn>,
}

impl runtime::Spawn for Runtime {
    fn spawn_bg(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn.spawn("name server connection", Box::pin(task));
    }
}

type Opened<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl RuntimeProvider for Runtime {
    type Handle = Runtime;
    type Timer = TokioTime;
    type Udp = Udp;
    type Tcp = AsyncIoTokioAsStd<Tcp>;

    fn create_handle(&self) -> Runtime {
        self.clone()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        _: Option<SocketAddr>,
        patience: Option<Duration>,
    ) -> Opened<Self::Tcp> {
        let net = Arc::clone(&self.net);
        Box::pin(async move {
            let stream = timeout(patience.unwrap_or(CONNECT_TIME), net.connect(server)).await??;
            Ok(AsyncIoTokioAsStd(Tcp(Mutex::new(stream))))
        })
    }

    fn bind_udp(&self, on: SocketAddr, _: SocketAddr) -> Opened<Udp> {
        let net = Arc::clone(&self.net);
        Box::pin(async move { Ok(Udp(net.bind_udp(on).await?)) })
    }
}

/// A UDP socket as the library has it.
pub(super) struct Udp(Box<dyn UdpSocket>);

impl DnsUdpSocket for Udp {
    type Time = TokioTime;

    fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buf = ReadBuf::new(buf);
        self.0.poll_recv_from(cx, &mut buf).map_ok(|from| (buf.filled().len(), from))
    }

    fn poll_send_to(&self, cx: &mut Context<'_>, octets: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        self.0.poll_send_to(cx, octets, to)
    }
}

/// A TCP connection as the library has it. The lock makes it one that threads may share; nobody waits for it.
pub(super) struct Tcp(Mutex<Box<dyn Stream>>);

impl Tcp {
    fn stream(&mut self) -> Pin<&mut Box<dyn Stream>> {
        Pin::new(self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buf)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
