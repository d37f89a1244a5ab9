//! The gateway between bare `tokio::io::duplex` pipes: what is left of a run when everything that is not the gateway or
//! the mail is taken away.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use gateway::address::Domain;
use gateway::dns::{DnsError, MailExchanger, Resolver};
use gateway::env::{
    BoxFuture, Connection, Disk, Entropy, Env, IoFuture, Listener, Net, Spawn, Stream, UdpSocket, WallClock,
};
use gateway::extension::Registry;
use gateway::service::Gateway;
use jiff::{SignedDuration, Timestamp};
use sim::keys::Recalled;
use sim::machine::disk::SimDisk;
use sim::plan::{ClientPlan, MessagePlan, Plan};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

/// Carries the mail of a plan: every message is handed over once, and what can be delivered is.
pub(crate) fn carry(plan: &Plan) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let board = Board::default();
        for server in &plan.servers {
            let listener = Pipes { board: board.clone(), own: server.address };
            spawn_local(serve(listener));
        }
        let disk = SimDisk::new();
        for (path, content) in &plan.gateway.files {
            install(&disk, path, content).await.unwrap();
        }
        let env = Env {
            net: Arc::new(Pipes { board: board.clone(), own: plan.gateway.address }),
            disk: Arc::new(disk.clone()),
            clock: Arc::new(Virtual { starts: plan.starts, start: Instant::now() }),
            entropy: Arc::new(Counter(Mutex::new(0))),
            keys: Arc::new(Recalled),
            spawn: Arc::new(Local),
        };
        let config = plan.gateway.config.clone();
        let gateway =
            Gateway::start(config, env, Arc::new(Names::of(plan)), &Registry::builtin()).await.unwrap();
        spawn_local(gateway.run(std::future::pending()).map(drop));
        let start = Instant::now();
        join_all(plan.clients.iter().map(|client| hand_over(client, plan, &board, start))).await;
        while start.elapsed() < plan.duration && !is_empty(&disk) {
            sleep(Duration::from_mins(1)).await;
        }
    });
}

async fn install(disk: &SimDisk, path: &std::path::Path, content: &str) -> io::Result<()> {
    disk.create_dir_all(path.parent().unwrap()).await?;
    disk.create(path).await?.write_all(content.as_bytes()).await
}

fn is_empty(disk: &SimDisk) -> bool {
    let folders = ["/imcdata/in/", "/imcdata/out/", "/imcdata/work/"];
    !disk.tree().keys().any(|path| folders.iter().any(|folder| path.to_string_lossy().starts_with(folder)))
}

/// A connection, and where it comes from.
type Arrival = (DuplexStream, SocketAddr);

/// Who listens where.
#[derive(Clone, Default)]
struct Board(Arc<Mutex<BTreeMap<SocketAddr, mpsc::UnboundedSender<Arrival>>>>);

/// One host's sockets.
struct Pipes {
    board: Board,
    own: IpAddr,
}

impl Pipes {
    fn dial(&self, to: SocketAddr) -> io::Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(1 << 16);
        let board = self.board.0.lock().unwrap();
        let listener = board.get(&to).ok_or(ErrorKind::ConnectionRefused)?;
        listener.send((far, (self.own, 1024).into())).map_err(|_| ErrorKind::ConnectionRefused)?;
        Ok(near)
    }

    fn bind(&self, on: SocketAddr) -> Bound {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let on = SocketAddr::new(self.own, on.port());
        self.board.0.lock().unwrap().insert(on, sender);
        Bound { arrivals, on }
    }
}

impl Net for Pipes {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(async move { self.dial(to).map(|stream| Box::new(stream) as Box<dyn Stream>) })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(async move { Ok(Box::new(self.bind(on)) as Box<dyn Listener>) })
    }

    fn bind_udp(&self, _: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        Box::pin(async { Err(ErrorKind::AddrNotAvailable.into()) })
    }
}

struct Bound {
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    on: SocketAddr,
}

impl Listener for Bound {
    fn accept(&mut self) -> IoFuture<'_, Connection> {
        Box::pin(async move {
            let (stream, from) = self.arrivals.recv().await.ok_or(ErrorKind::NotConnected)?;
            Ok(Connection { stream: Box::new(stream), from, to: self.on })
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.on)
    }
}

struct Local;

impl Spawn for Local {
    fn spawn(&self, _: &'static str, task: BoxFuture<'static, ()>) {
        spawn_local(task);
    }
}

struct Virtual {
    starts: Timestamp,
    start: Instant,
}

impl WallClock for Virtual {
    fn now(&self) -> Timestamp {
        self.starts + SignedDuration::try_from(self.start.elapsed()).unwrap()
    }
}

struct Counter(Mutex<u64>);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let mut count = self.0.lock().unwrap();
        for part in bytes.chunks_mut(8) {
            *count = count.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            part.copy_from_slice(&count.to_be_bytes()[..part.len()]);
        }
    }
}

#[derive(Default)]
struct Names {
    exchangers: BTreeMap<Domain, Vec<MailExchanger>>,
    addresses: BTreeMap<String, IpAddr>,
}

impl Names {
    fn of(plan: &Plan) -> Self {
        let mut names = Names::default();
        for server in &plan.servers {
            names.addresses.insert(server.name.to_string(), server.address);
            for domain in &server.domains {
                let exchanger = MailExchanger { preference: 10, host: server.name.to_string() };
                names.exchangers.entry(domain.clone()).or_default().push(exchanger);
            }
        }
        names
    }
}

impl Resolver for Names {
    fn mail_exchangers<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> BoxFuture<'a, Result<Vec<MailExchanger>, DnsError>> {
        Box::pin(async move { self.exchangers.get(domain).cloned().ok_or(DnsError::NoSuchName) })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        let found = self.addresses.get(&host.to_ascii_lowercase()).map(|address| vec![*address]);
        Box::pin(async move { found.ok_or(DnsError::NoSuchName) })
    }
}

/// A mail server that takes everything and keeps nothing.
async fn serve(pipes: Pipes) {
    let mut bound = pipes.bind((IpAddr::from([0, 0, 0, 0]), 25).into());
    while let Some((stream, _)) = bound.arrivals.recv().await {
        spawn_local(session(BufReader::new(stream)).map(drop));
    }
}

async fn session(mut stream: BufReader<DuplexStream>) -> io::Result<()> {
    stream.write_all(b"220 ready\r\n").await?;
    let mut line = Vec::new();
    let mut in_content = false;
    while stream.read_until(b'\n', &mut line).await? > 0 {
        let reply: &[u8] = match &line[..] {
            b".\r\n" if in_content => {
                in_content = false;
                b"250 OK\r\n"
            }
            _ if in_content => b"",
            b"DATA\r\n" => {
                in_content = true;
                b"354 go ahead\r\n"
            }
            b"QUIT\r\n" => b"221 bye\r\n",
            command if command.starts_with(b"EHLO") => b"250-me\r\n250-8BITMIME\r\n250 SIZE\r\n",
            _ => b"250 OK\r\n",
        };
        stream.write_all(reply).await?;
        line.clear();
    }
    Ok(())
}

/// Hands over each message at its time, once.
async fn hand_over(client: &ClientPlan, plan: &Plan, board: &Board, start: Instant) {
    let own = Pipes { board: board.clone(), own: client.address };
    let to = (plan.gateway.address, 25).into();
    let own = &own;
    join_all(client.messages.iter().map(|message| async move {
        sleep_until(start + message.at).await;
        if let Ok(stream) = own.dial(to) {
            let _ = converse(BufReader::new(stream), client, message).await;
        }
    }))
    .await;
}

async fn converse(
    mut stream: BufReader<DuplexStream>,
    client: &ClientPlan,
    message: &MessagePlan,
) -> io::Result<()> {
    reply(&mut stream).await?;
    ask(&mut stream, &format!("EHLO {}", client.name)).await?;
    if let Some(account) = &client.account {
        ask(&mut stream, &format!("AUTH PLAIN {}", account.sasl_plain())).await?;
    }
    ask(&mut stream, &format!("MAIL FROM:<{}>", message.from)).await?;
    for recipient in &message.to {
        let _ = ask(&mut stream, &format!("RCPT TO:<{recipient}>")).await;
    }
    ask(&mut stream, "DATA").await?;
    let mut wire = Vec::with_capacity(message.content.len() + 8);
    for line in message.content.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
    stream.write_all(&wire).await?;
    reply(&mut stream).await?;
    ask(&mut stream, "QUIT").await
}

async fn ask(stream: &mut BufReader<DuplexStream>, command: &str) -> io::Result<()> {
    stream.write_all(format!("{command}\r\n").as_bytes()).await?;
    reply(stream).await
}

/// Reads a reply. An error if it is negative, or if there is none.
async fn reply(stream: &mut BufReader<DuplexStream>) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        stream.read_until(b'\n', &mut line).await?;
        match line.get(3) {
            Some(b'-') => {}
            Some(_) if line[0] < b'4' => return Ok(()),
            _ => return Err(ErrorKind::Other.into()),
        }
    }
}
