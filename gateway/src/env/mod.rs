//! The seam: everything the gateway asks of the machine it runs on, and nothing else.
//!
//! Six small traits. [`host`] is the real machine; a simulator brings its own. The gateway has no other way out:
//! `clippy.toml` forbids the direct calls. Timers are not here: they are tokio's own (`tokio::time`), which a
//! simulator pauses and moves.
//!
//! This module knows no mail.

pub mod host;

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::secret::Hash;

/// A boxed future: what an object-safe `async fn` returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The outcome of an input or output operation, in time.
pub type IoFuture<'a, T> = BoxFuture<'a, io::Result<T>>;

/// A machine: what one gateway process is given to live on. Cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// TCP and UDP.
    pub net: Arc<dyn Net>,
    /// Files and directories, with explicit synchronisation.
    pub disk: Arc<dyn Disk>,
    /// The time of day.
    pub clock: Arc<dyn WallClock>,
    /// Unpredictable bytes, for identifiers.
    pub entropy: Arc<dyn Entropy>,
    /// Work that is slow on purpose, for passwords.
    pub keys: Arc<dyn KeyDerivation>,
    /// Tasks that live and die with the process.
    pub spawn: Arc<dyn Spawn>,
}

/// The network: TCP connections in both directions, and UDP.
pub trait Net: Send + Sync {
    /// Opens a connection.
    ///
    /// # Errors
    /// Whatever the network says: refused, unreachable, reset. It may also never answer; the caller sets the time-out.
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>>;

    /// Listens on a local address. Port 0 asks for any free port.
    ///
    /// # Errors
    /// The port is taken, or may not be used.
    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>>;

    /// Binds a UDP socket to a local address. Port 0 asks for any free port.
    ///
    /// # Errors
    /// The port is taken, or may not be used.
    fn bind_udp(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>>;
}

/// A listening socket.
pub trait Listener: Send {
    /// The next connection.
    ///
    /// # Errors
    /// One connection could not be taken; the listener itself stays usable.
    fn accept(&mut self) -> IoFuture<'_, Connection>;

    /// The address listened on, with the port that was chosen.
    ///
    /// # Errors
    /// The socket is no longer open.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A connection that was taken.
pub struct Connection {
    /// What is said on it.
    pub stream: Box<dyn Stream>,
    /// The address that it comes from.
    pub from: SocketAddr,
    /// The address of this machine that it was made to.
    pub to: SocketAddr,
}

/// A byte stream in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A UDP socket: datagrams to and from anybody. Each of them may be lost, come twice, or overtake another.
pub trait UdpSocket: Send + Sync {
    /// Sends a datagram. That it was sent says nothing of whether it arrives.
    ///
    /// # Errors
    /// Whatever this machine says: the address cannot be reached from here, the datagram is too long.
    fn poll_send_to(&self, cx: &mut Context<'_>, datagram: &[u8], to: SocketAddr) -> Poll<io::Result<usize>>;

    /// Takes the next datagram that has come, and the address it comes from. What does not fit into `buf` is lost.
    ///
    /// # Errors
    /// Whatever this machine says.
    fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>>;

    /// The address bound to, with the port that was chosen.
    ///
    /// # Errors
    /// The socket is no longer open.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

impl dyn UdpSocket + '_ {
    /// Sends a datagram.
    ///
    /// # Errors
    /// Those of [`UdpSocket::poll_send_to`].
    pub async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        poll_fn(|cx| self.poll_send_to(cx, datagram, to)).await
    }

    /// Waits for a datagram: its length, and where it comes from. What does not fit into `buf` is lost.
    ///
    /// # Errors
    /// Those of [`UdpSocket::poll_recv_from`].
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buf = ReadBuf::new(buf);
        let from = poll_fn(|cx| self.poll_recv_from(cx, &mut buf)).await?;
        Ok((buf.filled().len(), from))
    }
}

/// The file operations that a durable spool needs.
///
/// Two promises are apart, as on a real disk: [`File::sync`] makes a file's *bytes* survive a power cut,
/// [`Disk::sync_dir`] makes its *name* survive one. A rename is atomic but not durable before the directory is
/// synchronised. Files are read whole: a spool's are bounded by the message size limit.
pub trait Disk: Send + Sync {
    /// Makes a directory and those above it; nothing if it is there.
    ///
    /// # Errors
    /// The disk's.
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()>;

    /// Makes a new, empty file and opens it for writing.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken.
    fn create<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>>;

    /// Opens a file for writing at its end, making it if it is not there.
    ///
    /// # Errors
    /// The disk's.
    fn append<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>>;

    /// Reads a whole file.
    ///
    /// # Errors
    /// `NotFound`, or the disk's.
    fn read<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Vec<u8>>;

    /// Reads a whole file if it has no more than `most` octets; else says how many it has.
    ///
    /// # Errors
    /// `NotFound`, or the disk's.
    fn read_if_small<'a>(&'a self, path: &'a Path, most: u64) -> IoFuture<'a, Result<Vec<u8>, u64>> {
        Box::pin(async move {
            let file = self.read(path).await?;
            let octets = file.len() as u64;
            Ok(if octets > most { Err(octets) } else { Ok(file) })
        })
    }

    /// Gives a file another name, replacing what had that name.
    ///
    /// # Errors
    /// `NotFound`, or the disk's.
    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()>;

    /// Gives a file a second name; where the file system has no such thing, makes a copy of it with durable bytes.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyExists`, or the disk's.
    fn link<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            let bytes = self.read(from).await?;
            let mut copy = self.create(to).await?;
            copy.write_all(&bytes).await?;
            copy.sync().await
        })
    }

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound`, or the disk's.
    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()>;

    /// Whether a file has this name.
    ///
    /// # Errors
    /// The disk's.
    fn exists<'a>(&'a self, path: &'a Path) -> IoFuture<'a, bool>;

    /// The names of the files in a directory, sorted; directories in it are left out.
    ///
    /// # Errors
    /// `NotFound`, or the disk's.
    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// The disk's; the names may then be lost by a power cut.
    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()>;

    /// How many octets can still be written to the drive that `at`, a file or directory, is on.
    ///
    /// # Errors
    /// The disk's.
    fn free<'a>(&'a self, at: &'a Path) -> IoFuture<'a, u64>;

    /// Does several steps, which wait for nothing but files of this disk. A machine may do them in one go, where each by
    /// itself would cost it more: then they come to their end though nobody waits for them any more.
    fn go_through(&self, steps: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        steps
    }
}

impl dyn Disk + '_ {
    /// Makes a new file. One that is there is left over from a failed attempt, and is removed: nobody else has its name.
    ///
    /// # Errors
    /// The disk's.
    pub async fn create_anew(&self, path: &Path) -> Result<Box<dyn File>, DiskError> {
        let file = match self.create(path).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.remove(path).await.map_err(DiskError::of("remove", path))?;
                self.create(path).await
            }
            created => created,
        };
        file.map_err(DiskError::of("make", path))
    }

    /// [Goes through](Disk::go_through) several steps, and gives what they come to.
    pub async fn series<T: Send + 'static>(&self, steps: impl Future<Output = T> + Send + 'static) -> T {
        let (say, hear) = oneshot::channel();
        self.go_through(Box::pin(async { drop(say.send(steps.await)) })).await;
        hear.await.expect("the steps were gone through")
    }
}

/// Makes the names of a directory and of all those above it durable: of one that was just made, its own name is in the
/// directory above.
///
/// # Errors
/// The disk's.
pub async fn sync_with_ancestors(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    for dir in dir.ancestors() {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        disk.sync_dir(dir).await.map_err(DiskError::of("synchronise", dir))?;
    }
    Ok(())
}

/// A file open for writing.
pub trait File: Send {
    /// Appends all of `bytes`.
    ///
    /// # Errors
    /// The disk's; some of the bytes may have been written.
    fn write_all<'a>(&'a mut self, bytes: &'a [u8]) -> IoFuture<'a, ()>;

    /// Makes the bytes written so far durable.
    ///
    /// # Errors
    /// The disk's; nothing may then be assumed of any byte since the last success.
    fn sync(&mut self) -> IoFuture<'_, ()>;
}

/// An operation that the disk refused. It says nothing of the state of the file: what could not be read is not
/// therefore damaged.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`: {cause}; see that the disk is there, has room, and lets the service write", path.display())]
pub struct DiskError {
    /// What was to be done, such as `read`.
    pub action: &'static str,
    /// To which file or directory.
    pub path: PathBuf,
    /// What the disk said.
    pub cause: io::Error,
}

impl DiskError {
    /// Names what was being done, and to what: for `map_err`.
    pub fn of<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> DiskError + use<'a> {
        move |cause| DiskError { action, path: path.to_owned(), cause }
    }
}

/// The time of day, in UTC. It may jump.
pub trait WallClock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// A source of unpredictable bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The derivation of keys from passwords: work that is slow on purpose.
pub trait KeyDerivation: Send + Sync {
    /// [`salted`](crate::secret::salted), of these. A machine may do the work where it holds nobody up, and need not do it twice.
    fn salted<'a>(&'a self, password: &'a str, salt: &'a [u8], iterations: u32) -> BoxFuture<'a, Hash>;
}

/// Tasks of this process.
pub trait Spawn: Send + Sync {
    /// Runs `task` beside the others until it ends or the process does. `name` says what it does, for whoever asks
    /// what a process is busy with.
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>);
}
