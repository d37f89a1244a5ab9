//! The service: starts, takes connections, processes and delivers mail, and ends.
//!
//! [`Gateway::start`] opens everything that can fail to open; [`Gateway::run`] then serves until it is told to stop
//! or an exception ends it. The parts, each in a file of its own: the SMTP session, the inbound worker that
//! processes what was accepted, the courier that delivers it to other hosts.

mod control;
mod core;
mod counters;
mod courier;
mod filing;
mod flush_mode;
mod held;
mod hosts;
mod inbound;
mod logs;
pub(crate) mod metrics;
mod patience;
mod present;
mod room;
mod session;
mod sorting;
mod suspended;
mod tracked;

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::io::AsyncWriteExt;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::config::Config;
use crate::dns::Resolver;
use crate::env::{Connection, DiskError, Env, Listener, Spawn, Stream};
use crate::eventlog::Event;
use crate::exception::Exception;
use crate::extension::{LoadError, Registry};
use crate::reach::{Point, reached};
use crate::smtp::reply::Reply;
use crate::tls::TlsError;
pub use control::{Change, Changed, Control, Metric, Unready, Which};
use core::Core;
pub(crate) use courier::history;
use present::Present;

/// How long the service waits when the machine can give it no connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// How long the service, when it is told to stop, waits for the messages that are being handed over, in either direction,
/// and for those that are being processed.
const CLOSING_TIME: Duration = Duration::from_secs(29);

/// How long those that are cut off then may take to hear of it.
const PARTING_TIME: Duration = Duration::from_secs(1);

/// How long it then waits for the disk.
const LAST_DISK_TIME: Duration = Duration::from_secs(5);

/// How long a client may take to hear that there are too many.
const REFUSAL_TIME: Duration = Duration::from_secs(10);

/// A gateway that has started.
pub struct Gateway {
    core: Arc<Core>,
    present: Arc<Present>,
    listener: Box<dyn Listener>,
    tls_listener: Option<Box<dyn Listener>>,
    exceptions: mpsc::UnboundedReceiver<Exception>,
    inbound: inbound::Worker,
    courier: courier::Courier,
}

/// Where a client comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// It speaks in clear at first.
    Clear,
    /// It speaks TLS from the first octet.
    Tls,
}

/// How the service ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was told to stop.
    Stopped,
    /// An exception in the handling of a message ended it, as it did on the historical releases.
    Exception(Exception),
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The spool cannot be used.
    #[error("the spool cannot be used: {0}")]
    Spool(#[from] DiskError),
    /// An extension cannot be loaded.
    #[error(transparent)]
    Extension(#[from] LoadError),
    /// A file that TLS needs does not do.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {why}; see that no other program does, and that this one may")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        why: io::Error,
    },
}

impl Gateway {
    /// Starts the service: listens, loads the extensions, recovers the spool.
    ///
    /// # Errors
    /// Something it needs cannot be had. The reason is in the event log too.
    pub async fn start(
        config: Config,
        env: Env,
        resolver: Arc<dyn Resolver>,
        extensions: &Registry,
    ) -> Result<Self, StartError> {
        let (fatal, exceptions) = mpsc::unbounded_channel();
        let (inbox, arrivals) = mpsc::unbounded_channel();
        let (outbox, orders) = mpsc::unbounded_channel();
        // The address first: a second gateway started by mistake ends here, before it touches the spool of the first.
        let listener = listen(&env, config.listen).await?;
        let tls_listener = match config.listen_tls {
            Some(address) => Some(listen(&env, address).await?),
            None => None,
        };
        let core =
            Core::open(config, env, resolver, extensions, core::Channels { fatal, inbox, outbox }).await?;
        let present = Present::new(Arc::clone(&core));
        let unusable = |error: &DiskError| Event::SpoolUnusable { why: error.to_string() }.log();
        let inbound = inbound::Worker::recover(&core, &present, arrivals).await.inspect_err(unusable)?;
        let courier = courier::Courier::recover(&core, &present, orders).await.inspect_err(unusable)?;
        Event::Started { build: core.config.release.build() }.log();
        Ok(Gateway { core, present, listener, tls_listener, exceptions, inbound, courier })
    }

    /// The address that it listens on, with the port that was chosen.
    ///
    /// # Errors
    /// The socket is no longer open.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The address at which it is spoken to in TLS from the first octet, if there is one.
    ///
    /// # Errors
    /// The socket is no longer open.
    pub fn local_tls_addr(&self) -> io::Result<Option<SocketAddr>> {
        self.tls_listener.as_ref().map(|listener| listener.local_addr()).transpose()
    }

    /// For who administers it while it runs.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.present))
    }

    /// Serves until `stop` is ready or an exception ends the service. When it is to stop, it takes no more connections,
    /// says farewell to the clients that are between two messages, and gives those within one some time to finish it. It
    /// takes no more messages in hand either, and hands no more over, and finishes what it has begun. What is not finished
    /// then is finished by the next start: nothing that was accepted is only in memory.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Exit {
        let spawn = Arc::clone(&self.core.env.spawn);
        let inbound = start(&*spawn, "inbound worker", self.inbound.run());
        let courier = start(&*spawn, "courier", self.courier.run());
        let places = Arc::new(Semaphore::new(self.core.config.limits.inbound_connections));
        let doors = [(Door::Clear, Some(self.listener)), (Door::Tls, self.tls_listener)];
        let doors = doors.into_iter().filter_map(|(door, listener)| Some((door, listener?)));
        let doors = doors.map(|(door, listener)| accept(&self.present, listener, door, &places));
        tokio::select! {
            biased;
            Some(exception) = self.exceptions.recv() => {
                self.core.logs.close().await;
                return Exit::Exception(exception);
            }
            () = stop => {}
            _ = join_all(doors) => unreachable!("accepting connections never ends"),
        }
        if self.core.config.release.closes_down_gently() {
            self.core.close_down();
            let all = u32::try_from(self.core.config.limits.inbound_connections).unwrap_or(u32::MAX);
            let sessions = async {
                if timeout(CLOSING_TIME, places.acquire_many(all)).await.is_err() {
                    self.core.cut_off();
                    let _ = timeout(PARTING_TIME, places.acquire_many(all)).await;
                }
            };
            let parts = timeout(CLOSING_TIME + LAST_DISK_TIME, join(inbound, courier));
            let _ = join(sessions, parts).await;
        }
        self.core.logs.close().await;
        Event::Stopped.log();
        Exit::Stopped
    }
}

/// Starts a part of the service. What is given back is ready when it has ended.
fn start(
    spawn: &dyn Spawn,
    name: &'static str,
    part: impl Future<Output = ()> + Send + 'static,
) -> oneshot::Receiver<()> {
    let (ended, has_ended) = oneshot::channel();
    spawn.spawn(
        name,
        Box::pin(async move {
            part.await;
            // Only a service that is being stopped waits for it.
            let _ = ended.send(());
        }),
    );
    has_ended
}

async fn listen(env: &Env, address: SocketAddr) -> Result<Box<dyn Listener>, StartError> {
    env.net.listen(address).await.map_err(|why| {
        Event::ListenFailed { address, why: why.to_string() }.log();
        StartError::Listen { address, why }
    })
}

/// Takes connections for ever, each a session of its own, up to the limit.
async fn accept(present: &Present, mut listener: Box<dyn Listener>, door: Door, places: &Arc<Semaphore>) {
    loop {
        let Connection { stream, from, to } = match listener.accept().await {
            Ok(connection) => connection,
            // A connection that was lost before it was taken concerns nobody.
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) =>
            {
                continue;
            }
            // The machine is short of something, such as file descriptors: asking at once would only take more.
            Err(_) => {
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let core = &present.get();
        let guest = match core.hosts.connect(from.ip()) {
            Ok(guest) => guest,
            Err(excess) => {
                reached(Point::HostOverLimit);
                core.counters.turned_away.count();
                let text = format!("{} too many {}, try again later", core.config.host, excess.what());
                // Beside the greeting there is no enhanced status code (RFC 2034, 4); here Postfix has one, and so have we.
                turn_away(core, stream, door, Reply::new(421, format!("4.7.0 {text}")));
                continue;
            }
        };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            reached(Point::ConnectionOverLimit);
            core.counters.turned_away.count();
            // Over the limit is refused at once (Q166584).
            let text = format!("{} too many connections, try again later", core.config.host);
            turn_away(core, stream, door, Reply::new(421, text));
            continue;
        };
        let visit = core.counters.clients.begin();
        let session = session::Session::new(Arc::clone(core), stream, [from.ip(), to.ip()], guest, door);
        core.env.spawn.spawn(
            "SMTP session",
            Box::pin(async move {
                session.run().await;
                drop(place);
                drop(visit);
            }),
        );
    }
}

/// Tells a client that it cannot be served. Whether it still hears that is its own affair.
fn turn_away(core: &Core, mut stream: Box<dyn Stream>, door: Door, refusal: Reply) {
    core.env.spawn.spawn(
        "refusal",
        Box::pin(async move {
            let _ = timeout(REFUSAL_TIME, async {
                // Who waits for a handshake understands no refusal but the end of the connection.
                if door == Door::Clear {
                    let _ = stream.write_all(&refusal.to_bytes()).await;
                }
                let _ = stream.shutdown().await;
            })
            .await;
        }),
    );
}
