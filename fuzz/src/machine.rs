//! A machine in memory: its one connection brings the octets of the target, its disk is a map, its clock stands still.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{pending, ready};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use gateway::address::Domain;
use gateway::dns::{DnsError, MailExchanger, Resolver};
use gateway::env::{
    BoxFuture, Connection, Disk, Entropy, Env, File, IoFuture, KeyDerivation, Listener, Net, Spawn, Stream,
    UdpSocket, WallClock,
};
use gateway::secret::{Hash, salted};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// How many octets come at a time.
const PIECE: usize = 61;

/// The machine, as one that looks at it from outside.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) files: Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>,
    pub(crate) network: Arc<dyn Net>,
    count: Arc<AtomicU8>,
}

impl Machine {
    pub(crate) fn new(network: impl Net + 'static) -> Self {
        Machine { files: Arc::default(), network: Arc::new(network), count: Arc::default() }
    }

    pub(crate) fn env(&self) -> Env {
        let machine = Arc::new(self.clone());
        Env {
            net: Arc::clone(&self.network),
            disk: machine.clone(),
            clock: machine.clone(),
            entropy: machine.clone(),
            keys: machine.clone(),
            spawn: machine,
        }
    }
}

/// Does this on a runtime whose clock goes on when there is nothing else to do.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(work)
}

/// A connection on which these octets come, and then the end. What is said to it can be read afterwards.
pub(crate) struct Scripted {
    input: Vec<u8>,
    at: usize,
    pub(crate) output: Arc<Mutex<Vec<u8>>>,
    is_over: watch::Sender<()>,
}

impl Scripted {
    pub(crate) fn new(input: &[u8]) -> Self {
        Scripted { input: input.to_vec(), at: 0, output: Arc::default(), is_over: watch::channel(()).0 }
    }

    /// Fails when the connection has been closed.
    pub(crate) fn end(&self) -> watch::Receiver<()> {
        self.is_over.subscribe()
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let end = self.input.len().min(self.at + PIECE.min(buf.remaining()));
        buf.put_slice(&self.input[self.at..end]);
        self.at = end;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.output.lock().unwrap().extend_from_slice(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A network with one connection, for whoever takes or makes it first.
pub(crate) struct OneConnection(Arc<Mutex<Option<Scripted>>>);

impl OneConnection {
    pub(crate) fn new(connection: Scripted) -> Self {
        OneConnection(Arc::new(Mutex::new(Some(connection))))
    }
}

impl Net for OneConnection {
    fn connect(&self, _: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        let connection = self.0.lock().unwrap().take();
        let refused = || io::Error::from(ErrorKind::ConnectionRefused);
        Box::pin(ready(connection.map(|it| Box::new(it) as Box<dyn Stream>).ok_or_else(refused)))
    }

    fn listen(&self, _: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        let listener = OneConnection(Arc::clone(&self.0));
        Box::pin(ready(Ok(Box::new(listener) as Box<dyn Listener>)))
    }

    fn bind_udp(&self, _: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        Box::pin(ready(Err(ErrorKind::AddrInUse.into())))
    }
}

impl Listener for OneConnection {
    fn accept(&mut self) -> IoFuture<'_, Connection> {
        match self.0.lock().unwrap().take() {
            Some(connection) => Box::pin(ready(Ok(Connection {
                stream: Box::new(connection),
                from: SocketAddr::from(([192, 0, 2, 7], 40_000)),
                to: SocketAddr::from(([192, 0, 2, 1], 25)),
            }))),
            None => Box::pin(pending()),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([192, 0, 2, 1], 25)))
    }
}

/// Knows no name.
pub(crate) struct NoNames;

impl Resolver for NoNames {
    fn mail_exchangers<'a>(&'a self, _: &'a Domain) -> BoxFuture<'a, Result<Vec<MailExchanger>, DnsError>> {
        Box::pin(ready(Err(DnsError::NoSuchName)))
    }

    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<std::net::IpAddr>, DnsError>> {
        Box::pin(ready(Err(DnsError::NoSuchName)))
    }
}

/// A file that is being written.
struct Open {
    machine: Machine,
    path: PathBuf,
}

impl File for Open {
    fn write_all<'a>(&'a mut self, bytes: &'a [u8]) -> IoFuture<'a, ()> {
        let mut files = self.machine.files.lock().unwrap();
        files.entry(self.path.clone()).or_default().extend_from_slice(bytes);
        Box::pin(ready(Ok(())))
    }

    fn sync(&mut self) -> IoFuture<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}

fn is_missing() -> io::Error {
    ErrorKind::NotFound.into()
}

impl Disk for Machine {
    fn create_dir_all<'a>(&'a self, _: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(ready(Ok(())))
    }

    fn create<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        if self.files.lock().unwrap().contains_key(path) {
            return Box::pin(ready(Err(ErrorKind::AlreadyExists.into())));
        }
        self.append(path)
    }

    fn append<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        self.files.lock().unwrap().entry(path.to_owned()).or_default();
        Box::pin(ready(Ok(Box::new(Open { machine: self.clone(), path: path.to_owned() }) as Box<dyn File>)))
    }

    fn read<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Vec<u8>> {
        Box::pin(ready(self.files.lock().unwrap().get(path).cloned().ok_or_else(is_missing)))
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        let mut files = self.files.lock().unwrap();
        let file = files.remove(from).ok_or_else(is_missing);
        Box::pin(ready(file.map(|file| drop(files.insert(to.to_owned(), file)))))
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(ready(self.files.lock().unwrap().remove(path).map(drop).ok_or_else(is_missing)))
    }

    fn exists<'a>(&'a self, path: &'a Path) -> IoFuture<'a, bool> {
        Box::pin(ready(Ok(self.files.lock().unwrap().contains_key(path))))
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        let files = self.files.lock().unwrap();
        let here = files.keys().filter(|path| path.parent() == Some(dir)).filter_map(|path| path.file_name());
        let names: BTreeSet<_> = here.map(|name| name.to_string_lossy().into_owned()).collect();
        Box::pin(ready(Ok(names.into_iter().collect())))
    }

    fn sync_dir<'a>(&'a self, _: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(ready(Ok(())))
    }

    fn free<'a>(&'a self, _: &'a Path) -> IoFuture<'a, u64> {
        Box::pin(ready(Ok(u64::MAX)))
    }
}

impl WallClock for Machine {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

impl Entropy for Machine {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.count.fetch_add(1, Ordering::Relaxed));
    }
}

impl KeyDerivation for Machine {
    fn salted<'a>(&'a self, password: &'a str, salt: &'a [u8], _: u32) -> BoxFuture<'a, Hash> {
        Box::pin(ready(salted(password, salt, 1)))
    }
}

impl Spawn for Machine {
    fn spawn(&self, _: &'static str, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}
