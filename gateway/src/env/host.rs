//! The real machine: tokio's sockets, the system's files, clock and random numbers.
//!
//! Files are worked on in tokio's blocking threads, so that a slow disk holds up no session. This module knows no
//! mail, and decides nothing: each function is one question to the system.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this module is the real machine")]

pub mod lock;
pub mod secret_file;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::io::ReadBuf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{
    BoxFuture, Connection, Disk, Entropy, Env, File, IoFuture, KeyDerivation, Listener, Net, Spawn, Stream,
    UdpSocket, WallClock,
};
use crate::exception;
use crate::secret::{self, Hash};

/// The machine that this process runs on. To be used within a tokio runtime.
pub fn env() -> Env {
    env_with(Bound::default())
}

/// The machine that this process runs on, where these addresses are bound already: who listens on one of them is given
/// what was bound.
pub fn env_with(bound: Bound) -> Env {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let host = Arc::new(Host { bound, deriving: Semaphore::new(processors) });
    Env {
        net: host.clone(),
        disk: host.clone(),
        clock: host.clone(),
        entropy: host.clone(),
        keys: host.clone(),
        spawn: host,
    }
}

/// Addresses that were bound while the process might do so. Each can be listened on once.
#[derive(Default)]
pub struct Bound(Mutex<BTreeMap<SocketAddr, std::net::TcpListener>>);

impl Bound {
    /// Binds an address.
    ///
    /// # Errors
    /// The port is taken, or may not be used.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(address, listener);
        Ok(())
    }

    fn take(&self, address: SocketAddr) -> Option<std::net::TcpListener> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&address)
    }
}

struct Host {
    bound: Bound,
    /// How many keys are derived at one time: no more than do any good, so that strangers who guess passwords leave the
    /// threads to those that wait for the disk.
    deriving: Semaphore,
}

impl Net for Host {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(async move { without_delay(TcpStream::connect(to).await?) })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            let listener = match self.bound.take(on) {
                Some(bound) => TcpListener::from_std(bound)?,
                None => TcpListener::bind(on).await?,
            };
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }

    fn bind_udp(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        Box::pin(async move { Ok(Box::new(tokio::net::UdpSocket::bind(on).await?) as Box<dyn UdpSocket>) })
    }
}

impl UdpSocket for tokio::net::UdpSocket {
    fn poll_send_to(&self, cx: &mut Context<'_>, datagram: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        tokio::net::UdpSocket::poll_send_to(self, cx, datagram, to)
    }

    fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        tokio::net::UdpSocket::poll_recv_from(self, cx, buf)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        tokio::net::UdpSocket::local_addr(self)
    }
}

impl Listener for TcpListener {
    fn accept(&mut self) -> IoFuture<'_, Connection> {
        Box::pin(async move {
            let (stream, from) = TcpListener::accept(self).await?;
            let to = stream.local_addr()?;
            Ok(Connection { stream: without_delay(stream)?, from, to })
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpListener::local_addr(self)
    }
}

/// SMTP waits for each reply: a reply held back to be sent with the next bytes would only wait.
fn without_delay(stream: TcpStream) -> io::Result<Box<dyn Stream>> {
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

thread_local! {
    /// Whether this thread may block, and is going through steps that each would go to such a thread.
    static GOES_THROUGH: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` in a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    if GOES_THROUGH.get() { work() } else { in_thread(work).await }
}

async fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The process is ending, and with it who asked: the disk has nothing to do with it.
        Err(ends) if ends.is_cancelled() => std::future::pending().await,
        Err(failed) => panic::resume_unwind(failed.into_panic()),
    }
}

impl Disk for Host {
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        let dir = dir.to_owned();
        Box::pin(blocking(|| fs::create_dir_all(dir)))
    }

    fn create<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        open(path, OpenOptions::new().write(true).create_new(true))
    }

    fn append<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        open(path, OpenOptions::new().append(true).create(true))
    }

    fn read<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Vec<u8>> {
        let path = path.to_owned();
        Box::pin(blocking(|| fs::read(path)))
    }

    fn read_if_small<'a>(&'a self, path: &'a Path, most: u64) -> IoFuture<'a, Result<Vec<u8>, u64>> {
        let path = path.to_owned();
        Box::pin(blocking(move || {
            let mut file = fs::File::open(path)?;
            let octets = file.metadata()?.len();
            if octets > most {
                return Ok(Err(octets));
            }
            let mut content = Vec::with_capacity(usize::try_from(octets).unwrap_or_default());
            file.read_to_end(&mut content)?;
            Ok(Ok(content))
        }))
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        Box::pin(blocking(|| fs::rename(from, to)))
    }

    fn link<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        Box::pin(blocking(move || match fs::hard_link(&from, &to) {
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
                let mut copy = fs::File::create_new(&to)?;
                io::copy(&mut fs::File::open(&from)?, &mut copy)?;
                copy.sync_all()
            }
            linked => linked,
        }))
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        let path = path.to_owned();
        Box::pin(blocking(|| fs::remove_file(path)))
    }

    fn exists<'a>(&'a self, path: &'a Path) -> IoFuture<'a, bool> {
        let path = path.to_owned();
        Box::pin(blocking(move || match fs::metadata(path) {
            Ok(found) => Ok(found.is_file()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }))
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        let dir = dir.to_owned();
        Box::pin(blocking(|| {
            let mut names = Vec::new();
            for entry in fs::read_dir(dir)? {
                let entry = entry?;
                if !entry.file_type()?.is_dir() {
                    names.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
            names.sort();
            Ok(names)
        }))
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        let dir = dir.to_owned();
        Box::pin(blocking(move || sync_names(&dir)))
    }

    fn free<'a>(&'a self, at: &'a Path) -> IoFuture<'a, u64> {
        let at = at.to_owned();
        Box::pin(blocking(move || free(&at)))
    }

    /// In one thread: to wake another for each step costs more than most of them.
    fn go_through(&self, steps: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        Box::pin(in_thread(|| {
            GOES_THROUGH.set(true);
            let gone = panic::catch_unwind(AssertUnwindSafe(|| steps.now_or_never()));
            GOES_THROUGH.set(false);
            match gone {
                Ok(gone) => gone.expect("the steps wait for nothing but the disk"),
                Err(panicked) => panic::resume_unwind(panicked),
            }
        }))
    }
}

/// What a process without special rights may still write.
#[cfg(unix)]
fn free(at: &Path) -> io::Result<u64> {
    let drive = rustix::fs::statvfs(at)?;
    Ok(drive.f_bavail.saturating_mul(drive.f_frsize))
}

/// Elsewhere nobody asks the system yet: the drive is never found to be full before it is.
#[cfg(not(unix))]
fn free(_at: &Path) -> io::Result<u64> {
    Ok(u64::MAX)
}

#[cfg(unix)]
fn sync_names(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

/// Elsewhere a directory cannot be opened as a file, and the file system keeps its names in its own journal.
#[cfg(not(unix))]
fn sync_names(_dir: &Path) -> io::Result<()> {
    Ok(())
}

fn open<'a>(path: &Path, options: &OpenOptions) -> IoFuture<'a, Box<dyn File>> {
    let (path, options) = (path.to_owned(), options.clone());
    Box::pin(async {
        Ok(Box::new(HostFile(Arc::new(blocking(move || options.open(path)).await?))) as Box<dyn File>)
    })
}

struct HostFile(Arc<fs::File>);

impl File for HostFile {
    fn write_all<'a>(&'a mut self, bytes: &'a [u8]) -> IoFuture<'a, ()> {
        let (file, bytes) = (self.0.clone(), bytes.to_owned());
        Box::pin(blocking(move || (&*file).write_all(&bytes)))
    }

    fn sync(&mut self) -> IoFuture<'_, ()> {
        let file = self.0.clone();
        Box::pin(blocking(move || file.sync_all()))
    }
}

impl WallClock for Host {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl Entropy for Host {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("a running system gives random bytes");
    }
}

impl KeyDerivation for Host {
    fn salted<'a>(&'a self, password: &'a str, salt: &'a [u8], iterations: u32) -> BoxFuture<'a, Hash> {
        let (password, salt) = (password.to_owned(), salt.to_owned());
        let work = move || Ok(secret::salted(&password, &salt, iterations));
        Box::pin(async {
            let _turn = self.deriving.acquire().await.expect("it is never closed");
            blocking(work).await.expect("the runtime outlives its tasks")
        })
    }
}

impl Spawn for Host {
    /// A panic that gets past every filter of the gateway ends the process, as an access violation would: a service
    /// that has lost one of its tasks only looks alive, and the spool is made for being started again.
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        tokio::spawn(async move {
            if let Err(exception) = exception::filter(task).await {
                eprintln!("the task `{name}` has ended with an exception, and the process ends. {exception}");
                std::process::abort();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_disk_gives_no_answer_to_a_process_that_is_ending() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let _within = handle.enter();
        assert!(blocking(|| Ok(())).now_or_never().is_none());
    }

    #[tokio::test]
    async fn several_steps_come_to_what_they_come_to() {
        let (disk, dir) = (env().disk, tempfile::tempdir().unwrap());
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let steps = {
            let (disk, one, two) = (Arc::clone(&disk), one.clone(), two.clone());
            async move {
                disk.create(&one).await?.write_all(b"hello").await?;
                disk.link(&one, &two).await?;
                disk.remove(&one).await?;
                disk.read(&two).await
            }
        };
        assert_eq!(disk.series(steps).await.unwrap(), b"hello");
        assert_eq!(disk.link(&one, &two).await.unwrap_err().kind(), ErrorKind::NotFound);
        drop(disk.create(&one).await.unwrap());
        assert_eq!(disk.link(&one, &two).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    }

    #[tokio::test]
    async fn steps_that_raise_an_exception_raise_it_where_they_are_waited_for_and_harm_no_others() {
        let disk = env().disk;
        for _ in 0..3 {
            let raised = AssertUnwindSafe(disk.series(async { panic!("in a step") })).catch_unwind().await;
            let raised: Result<(), _> = raised;
            assert_eq!(raised.unwrap_err().downcast_ref(), Some(&"in a step"));
        }
        let waits = AssertUnwindSafe(disk.series(std::future::pending::<()>())).catch_unwind().await;
        assert!(waits.is_err(), "it waits for something else than the disk");
        assert_eq!(disk.series(async { 7 }).await, 7);
    }
}
