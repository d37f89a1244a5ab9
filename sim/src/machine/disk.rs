//! The disk of a simulated machine: `turmoil-fs` behind the gateway's seam.
//!
//! What a process does to it is seen at once and survives the process. What survives a power cut is what was
//! synchronised: bytes by [`File::sync`], names by [`Disk::sync_dir`].
//!
//! `turmoil-fs` keeps a queue of operations not yet durable, and takes them out of it by directory, not in their
//! order. Two things are therefore put right here, so that the disk is as strict as a journalling file system and
//! no stricter:
//!
//! - A rename is atomic: synchronising either directory makes both of its names durable. By itself `turmoil-fs`
//!   loses both names when only the old directory was synchronised; and when only the new one was, an old name
//!   that was not durable itself comes back as an empty file.
//! - What is done to a name whose rename or removal is not yet durable would be undone by it later. The names in
//!   that directory are made durable first: here the disk is more lenient than a real one may be.
//!
//! One thing is left: a file that is renamed before its bytes are synchronised reads as empty once the rename is
//! durable, and not only after a crash.
//!
//! This module knows no mail, no faults but the power cut, and no time but the clock that it is handed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gateway::env::{Disk, File, IoFuture};
use turmoil_fs::Fs;
use turmoil_fs::shim::std::fs;

/// Tells the time since the Unix epoch, for the dates of files.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The disk of one machine. Cheap to clone; the clones are one disk, which outlives the processes that use it.
#[derive(Clone)]
pub struct SimDisk {
    fs: Fs,
    clock: Clock,
    pending: Arc<Mutex<Pending>>,
}

/// Changes of names that are not yet durable.
#[derive(Default)]
struct Pending {
    /// Old name, new name; oldest first.
    renames: Vec<(PathBuf, PathBuf)>,
    removals: BTreeSet<PathBuf>,
}

impl SimDisk {
    /// An empty disk. `seed` is for what the simulated file system decides by chance, which is nothing so far.
    pub fn new(seed: u64, clock: Clock) -> Self {
        SimDisk { fs: Fs::builder().seed(seed).build(), clock, pending: Arc::default() }
    }

    /// The power is cut: what was not synchronised is gone. To be called when no process of the machine runs any
    /// more. The death of a process needs no call: it loses nothing.
    pub fn crash(&self) {
        *self.pending() = Pending::default();
        self.fs.crash();
    }

    /// Every file and its bytes, as a process sees them now, in the order of their paths.
    ///
    /// # Errors
    /// The simulated disk's.
    pub fn tree(&self) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
        self.on(|| {
            let mut tree = BTreeMap::new();
            let mut dirs = vec![PathBuf::from("/")];
            while let Some(dir) = dirs.pop() {
                for entry in fs::read_dir(dir)? {
                    let entry = entry?;
                    if entry.file_type()?.is_dir() {
                        dirs.push(entry.path());
                    } else {
                        tree.insert(entry.path(), fs::read(entry.path())?);
                    }
                }
            }
            Ok(tree)
        })
    }

    /// Does one operation on this disk, now. The disk is the thread's current one only for that long.
    fn on<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.fs.set_now((self.clock)());
        let _entered = self.fs.enter();
        operation().map_err(with_its_kind)
    }

    /// Makes the names in `dir` durable, and those that a rename ties to them.
    fn settle(&self, dir: &Path) -> io::Result<()> {
        let mut old_names = Vec::new();
        while let Some((from, to)) = self.next_rename(dir) {
            let reused = fs::exists(&from);
            if to.parent() != Some(dir) {
                // The new name first, while the file system still knows both.
                self.settle(parent(&to))?;
                if !reused {
                    self.remove_ghost(from)?;
                }
            } else if !reused {
                old_names.push(from);
            }
        }
        fs::sync_dir(dir)?;
        self.pending().removals.retain(|path| path.parent() != Some(dir));
        old_names.into_iter().try_for_each(|from| self.remove_ghost(from))
    }

    /// Removes the old name of a durable rename if it has come back.
    fn remove_ghost(&self, path: PathBuf) -> io::Result<()> {
        if fs::exists(&path) {
            fs::remove_file(&path)?;
            self.pending().removals.insert(path);
        }
        Ok(())
    }

    /// Settles what is pending for this name, before something more is done to it.
    fn settle_name(&self, path: &Path) -> io::Result<()> {
        let pending = self.pending();
        let due = pending.removals.contains(path) || pending.renames.iter().any(|(_, to)| to == path);
        drop(pending);
        if due { self.settle(parent(path)) } else { Ok(()) }
    }

    /// Takes the oldest rename into or out of `dir` that is not yet durable.
    fn next_rename(&self, dir: &Path) -> Option<(PathBuf, PathBuf)> {
        let renames = &mut self.pending().renames;
        let touches = |(from, to): &(PathBuf, PathBuf)| [from.parent(), to.parent()].contains(&Some(dir));
        let place = renames.iter().position(touches)?;
        Some(renames.remove(place))
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().expect("nothing panics while it holds this")
    }

    /// Opens a file for writing at its end; `new` says that it must not be there.
    fn open(&self, path: &Path, new: bool) -> io::Result<Box<dyn File>> {
        let file = self.on(|| {
            self.settle_name(path)?;
            fs::OpenOptions::new().append(true).create(true).create_new(new).open(path)
        })?;
        Ok(Box::new(SimFile { disk: self.clone(), file: Some(file) }))
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("a file is in a directory")
}

/// `turmoil-fs` gives some errors by their words alone.
fn with_its_kind(error: io::Error) -> io::Error {
    let kind = match error.to_string().as_str() {
        "No such file or directory" => ErrorKind::NotFound,
        "File exists" => ErrorKind::AlreadyExists,
        "No space left on device" => ErrorKind::StorageFull,
        _ => error.kind(),
    };
    io::Error::new(kind, error)
}

impl Disk for SimDisk {
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move { self.on(|| fs::create_dir_all(dir)) })
    }

    fn create<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        Box::pin(async move { self.open(path, true) })
    }

    fn append<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        Box::pin(async move { self.open(path, false) })
    }

    fn read<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Vec<u8>> {
        Box::pin(async move { self.on(|| fs::read(path)) })
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            self.on(|| {
                self.settle_name(from)?;
                fs::rename(from, to)?;
                self.pending().renames.push((from.to_owned(), to.to_owned()));
                Ok(())
            })
        })
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            self.on(|| {
                self.settle_name(path)?;
                // Writes to a file that is gone would stay in the file system's queue for ever.
                fs::OpenOptions::new().write(true).open(path)?.sync_all()?;
                fs::remove_file(path)?;
                self.pending().removals.insert(path.to_owned());
                Ok(())
            })
        })
    }

    fn exists<'a>(&'a self, path: &'a Path) -> IoFuture<'a, bool> {
        Box::pin(async move { self.on(|| Ok(fs::exists(path) && fs::metadata(path)?.is_file())) })
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        Box::pin(async move {
            self.on(|| {
                let mut names = Vec::new();
                for entry in fs::read_dir(dir)? {
                    let entry = entry?;
                    if !entry.file_type()?.is_dir() {
                        names.push(entry.file_name().to_string_lossy().into_owned());
                    }
                }
                names.sort();
                Ok(names)
            })
        })
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move { self.on(|| self.settle(dir)) })
    }
}

struct SimFile {
    disk: SimDisk,
    /// Always there until the drop.
    file: Option<fs::File>,
}

impl SimFile {
    fn on(&mut self, operation: impl FnOnce(&mut fs::File) -> io::Result<()>) -> io::Result<()> {
        let file = self.file.as_mut().expect("a file is closed only when it is dropped");
        self.disk.on(|| operation(file))
    }
}

impl File for SimFile {
    fn write_all<'a>(&'a mut self, bytes: &'a [u8]) -> IoFuture<'a, ()> {
        Box::pin(async move { self.on(|file| file.write_all(bytes)) })
    }

    fn sync(&mut self) -> IoFuture<'_, ()> {
        Box::pin(async move { self.on(|file| file.sync_all()) })
    }
}

impl Drop for SimFile {
    /// Closes the file on its own disk: each disk numbers its open files alike, and another may be entered.
    fn drop(&mut self) {
        let _entered = self.disk.fs.enter();
        self.file = None;
    }
}
