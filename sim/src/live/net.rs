//! A host's sockets on this machine: at its own address, and on ports that anybody may listen on.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use gateway::env::{BoxFuture, IoFuture, Listener, Net, Spawn, Stream, UdpSocket};
use tokio::net::TcpSocket;

use super::addresses::port_here;

/// The sockets of the host at an address. The rest is the real machine's.
pub(super) struct HostNet {
    pub(super) address: IpAddr,
    pub(super) machine: Arc<dyn Net>,
}

impl HostNet {
    /// Where on this machine something is that a host calls so: it knows its own address only as any.
    fn here(&self, at: SocketAddr) -> SocketAddr {
        let address = if at.ip().is_unspecified() { self.address } else { at.ip() };
        (address, port_here(at.port())).into()
    }
}

impl Net for HostNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(async move {
            let socket = TcpSocket::new_v4()?;
            // The gateway has rules by host: a client comes from where it is.
            socket.bind((self.address, 0).into())?;
            let stream = socket.connect(self.here(to)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        self.machine.listen(self.here(on))
    }

    fn bind_udp(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        self.machine.bind_udp(self.here(on))
    }
}

/// Tasks on the run's own thread. They end with its runtime.
pub(super) struct OwnThread;

impl Spawn for OwnThread {
    #[expect(clippy::disallowed_methods, reason = "a live run is on the real machine")]
    fn spawn(&self, _: &'static str, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}
