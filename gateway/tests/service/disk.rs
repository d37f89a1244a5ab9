//! The disk of the machine: the real one, with the trouble that a test wants.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex};

use gateway::env::{Disk, File, IoFuture, host};

/// What goes wrong with an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is refused.
    Refuse,
    /// It is done, and said to be refused.
    DoAndRefuse,
    /// It never ends, and is not done.
    Halt,
}

/// Asked with the operation (`make`, `create`, `open`, `read`, `rename`, `file`, `remove`, `look`, `list` or `sync`) and
/// the path. A rename out of `work/` is a `file`, with the path of the file in `work/`.
pub(crate) type Troubles = Box<dyn Fn(&str, &Path) -> Option<Trouble> + Send>;

/// The real disk, with trouble.
pub(crate) struct TroubledDisk {
    disk: Arc<dyn Disk>,
    pub(crate) trouble: Mutex<Troubles>,
    pub(crate) free: Mutex<u64>,
}

impl Default for TroubledDisk {
    fn default() -> Self {
        TroubledDisk {
            disk: host::env().disk,
            trouble: Mutex::new(Box::new(|_, _| None)),
            free: Mutex::new(1 << 40),
        }
    }
}

impl TroubledDisk {
    fn through<'a, T: Send + 'a>(&self, what: &str, path: &Path, done: IoFuture<'a, T>) -> IoFuture<'a, T> {
        let trouble = (self.trouble.lock().unwrap())(what, path);
        Box::pin(async move {
            let refused = || Err(io::Error::from(ErrorKind::StorageFull));
            match trouble {
                None => done.await,
                Some(Trouble::Refuse) => refused(),
                Some(Trouble::DoAndRefuse) => done.await.and_then(|_| refused()),
                Some(Trouble::Halt) => std::future::pending().await,
            }
        })
    }
}

impl Disk for TroubledDisk {
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        self.through("make", dir, self.disk.create_dir_all(dir))
    }

    fn create<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        self.through("create", path, self.disk.create(path))
    }

    fn append<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        self.through("open", path, self.disk.append(path))
    }

    fn read<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Vec<u8>> {
        self.through("read", path, self.disk.read(path))
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        let is_filed = from.parent().unwrap().ends_with("work");
        self.through(if is_filed { "file" } else { "rename" }, from, self.disk.rename(from, to))
    }

    fn link<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        self.through("link", from, self.disk.link(from, to))
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        self.through("remove", path, self.disk.remove(path))
    }

    fn exists<'a>(&'a self, path: &'a Path) -> IoFuture<'a, bool> {
        self.through("look", path, self.disk.exists(path))
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        self.through("list", dir, self.disk.list(dir))
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        self.through("sync", dir, self.disk.sync_dir(dir))
    }

    fn free<'a>(&'a self, _: &'a Path) -> IoFuture<'a, u64> {
        let free = *self.free.lock().unwrap();
        Box::pin(async move { Ok(free) })
    }
}
