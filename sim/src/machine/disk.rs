//! The disk of a simulated machine, behind the gateway's seam.
//!
//! What a process does to it is seen at once and survives the process. What survives a power cut is what was
//! synchronised: the bytes of a file by [`File::sync`], names by [`Disk::sync_dir`]. Both are held twice over, as they
//! are and as a power cut would leave them:
//!
//! - A file only ever grows, as nothing behind the seam can do anything else to it: what is durable of it is a number
//!   of bytes from its beginning.
//! - A directory is two lists of names. To synchronise it is to copy one onto the other.
//! - A rename is atomic, as on a journalling file system: a directory is synchronised together with those that a
//!   rename ties to it, so that a file is never durable under both its names, nor under none.
//! - A second name of a file is a name like the first: each becomes durable with its own directory.
//!
//! A name does not become durable with its file's bytes, nor the other way round.
//!
//! This module knows no mail, no faults but the power cut, no time and no chance.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway::env::{Disk, File, IoFuture};

/// The octets that are always free: no run fills a disk by itself.
const ROOM: u64 = 4 << 30;

/// The disk of one machine. Cheap to clone; the clones are one disk, which outlives the processes that use it.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<Tree>>);

/// Every directory by its path, without the slash at its end: the root is the empty text.
struct Tree {
    dirs: BTreeMap<String, Dir>,
    /// Pairs of directories that a rename not yet durable ties to each other.
    ties: BTreeSet<(String, String)>,
    /// How often a file was made, opened, renamed or removed.
    changes: u64,
}

#[derive(Default)]
struct Dir {
    /// Whether the directory's own name survives a power cut.
    durable: bool,
    names: BTreeMap<String, Content>,
    durable_names: BTreeMap<String, Content>,
}

/// The bytes of a file. It is there as long as a name or an open file has it.
type Content = Arc<Mutex<Bytes>>;

#[derive(Default)]
struct Bytes {
    all: Vec<u8>,
    /// How many of them survive a power cut.
    durable: usize,
}

impl Default for SimDisk {
    fn default() -> Self {
        let root = Dir { durable: true, ..Dir::default() };
        SimDisk(Arc::new(Mutex::new(Tree {
            dirs: BTreeMap::from([(String::new(), root)]),
            ties: BTreeSet::new(),
            changes: 0,
        })))
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The power is cut: what was not synchronised is gone. To be called when no process of the machine runs any
    /// more. The death of a process needs no call: it loses nothing.
    pub fn crash(&self) {
        let mut tree = self.tree_of_now();
        tree.changes += 1;
        tree.ties.clear();
        let lost: Vec<String> =
            tree.dirs.iter().filter(|(_, dir)| !dir.durable).map(|(path, _)| path.clone()).collect();
        // What is below a directory that is gone is gone too.
        tree.dirs.retain(|path, _| !lost.iter().any(|lost| is_in_or_below(path, lost)));
        for dir in tree.dirs.values_mut() {
            dir.names = dir.durable_names.clone();
            for content in dir.names.values() {
                let mut bytes = lock(content);
                let durable = bytes.durable;
                bytes.all.truncate(durable);
            }
        }
    }

    /// Every file and its bytes, as a process sees them now, in the order of their paths.
    pub fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let tree = self.tree_of_now();
        let files = tree.dirs.iter().flat_map(|(path, dir)| {
            dir.names.iter().map(move |(name, content)| {
                (PathBuf::from(format!("{path}/{name}")), lock(content).all.clone())
            })
        });
        files.collect()
    }

    /// How often a file was made, opened, renamed or removed: what was looked at before need not be looked at again if it is the same.
    pub(crate) fn changes(&self) -> u64 {
        self.tree_of_now().changes
    }

    /// How many files are in a directory.
    pub(crate) fn count(&self, dir: &str) -> usize {
        self.tree_of_now().dirs.get(dir).map_or(0, |dir| dir.names.len())
    }

    /// Every file and its length, in the order of their paths.
    pub(crate) fn lengths(&self) -> BTreeMap<PathBuf, usize> {
        let tree = self.tree_of_now();
        let files = tree.dirs.iter().flat_map(|(path, dir)| {
            dir.names.iter().map(move |(name, content)| {
                (PathBuf::from(format!("{path}/{name}")), lock(content).all.len())
            })
        });
        files.collect()
    }

    fn tree_of_now(&self) -> MutexGuard<'_, Tree> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a file for writing at its end; `new` says that it must not be there.
    fn open(&self, path: &Path, new: bool) -> io::Result<Box<dyn File>> {
        let (dir, name) = place(path)?;
        let mut tree = self.tree_of_now();
        if tree.dirs.contains_key(text(path)?) {
            return Err(ErrorKind::IsADirectory.into());
        }
        tree.changes += 1;
        let names = &mut tree.dir(dir)?.names;
        if new && names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        Ok(Box::new(SimFile(Arc::clone(names.entry(name.to_owned()).or_default()))))
    }
}

impl Tree {
    fn dir(&mut self, path: &str) -> io::Result<&mut Dir> {
        self.dirs.get_mut(path).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn file(&mut self, path: &Path) -> io::Result<&Content> {
        let (dir, name) = place(path)?;
        self.dir(dir)?.names.get(name).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from, old), (to, new)) = (place(from)?, place(to)?);
        if !self.dirs.contains_key(to) {
            return Err(ErrorKind::NotFound.into());
        }
        self.changes += 1;
        let content = self.dir(from)?.names.remove(old).ok_or(ErrorKind::NotFound)?;
        self.dir(to)?.names.insert(new.to_owned(), content);
        if from != to {
            self.ties.insert((from.to_owned(), to.to_owned()));
        }
        Ok(())
    }

    /// Makes the names in a directory durable, and those in all directories that renames tie to it.
    fn synchronise(&mut self, dir: &str) -> io::Result<()> {
        self.dir(dir)?;
        let mut due = vec![dir.to_owned()];
        while let Some(dir) = due.pop() {
            self.ties.retain(|(from, to)| {
                let tied = *from == dir || *to == dir;
                if tied {
                    due.push(if *from == dir { to.clone() } else { from.clone() });
                }
                !tied
            });
            if let Some(dir) = self.dirs.get_mut(&dir) {
                dir.durable_names.clone_from(&dir.names);
            }
            for (path, below) in self.dirs.range_mut(format!("{dir}/")..) {
                if !is_in_or_below(path, &dir) {
                    break;
                }
                below.durable |= !path[dir.len() + 1..].contains('/');
            }
        }
        Ok(())
    }
}

/// Whether a path is that of a directory or of something in it, at any depth.
fn is_in_or_below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn lock(content: &Content) -> MutexGuard<'_, Bytes> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path as the tree knows it.
fn text(path: &Path) -> io::Result<&str> {
    let text = path.to_str().filter(|text| text.starts_with('/'));
    Ok(text.ok_or(ErrorKind::InvalidInput)?.trim_end_matches('/'))
}

/// A file's directory and its name there.
fn place(path: &Path) -> io::Result<(&str, &str)> {
    text(path)?
        .rsplit_once('/')
        .filter(|(_, name)| !name.is_empty())
        .ok_or_else(|| ErrorKind::InvalidInput.into())
}

impl Disk for SimDisk {
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            let mut tree = self.tree_of_now();
            for dir in dir.ancestors() {
                let path = text(dir)?;
                if tree.dirs.contains_key(path) {
                    break;
                }
                if tree.file(dir).is_ok() {
                    return Err(ErrorKind::AlreadyExists.into());
                }
                tree.dirs.insert(path.to_owned(), Dir::default());
            }
            Ok(())
        })
    }

    fn create<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        Box::pin(async move { self.open(path, true) })
    }

    fn append<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        Box::pin(async move { self.open(path, false) })
    }

    fn read<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Vec<u8>> {
        Box::pin(async move { Ok(lock(self.tree_of_now().file(path)?).all.clone()) })
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move { self.tree_of_now().rename(from, to) })
    }

    fn link<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            let (dir, name) = place(to)?;
            let mut tree = self.tree_of_now();
            let content = Arc::clone(tree.file(from)?);
            tree.changes += 1;
            match tree.dir(dir)?.names.entry(name.to_owned()) {
                Entry::Occupied(_) => Err(ErrorKind::AlreadyExists.into()),
                Entry::Vacant(free) => {
                    free.insert(content);
                    Ok(())
                }
            }
        })
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            let (dir, name) = place(path)?;
            let mut tree = self.tree_of_now();
            tree.changes += 1;
            tree.dir(dir)?.names.remove(name).ok_or(ErrorKind::NotFound)?;
            Ok(())
        })
    }

    fn exists<'a>(&'a self, path: &'a Path) -> IoFuture<'a, bool> {
        Box::pin(async move { Ok(self.tree_of_now().file(path).is_ok()) })
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        Box::pin(async move { Ok(self.tree_of_now().dir(text(dir)?)?.names.keys().cloned().collect()) })
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move { self.tree_of_now().synchronise(text(dir)?) })
    }

    fn free<'a>(&'a self, _: &'a Path) -> IoFuture<'a, u64> {
        Box::pin(async { Ok(ROOM) })
    }
}

struct SimFile(Content);

impl File for SimFile {
    fn write_all<'a>(&'a mut self, bytes: &'a [u8]) -> IoFuture<'a, ()> {
        Box::pin(async move {
            lock(&self.0).all.extend_from_slice(bytes);
            Ok(())
        })
    }

    fn sync(&mut self) -> IoFuture<'_, ()> {
        Box::pin(async move {
            let mut bytes = lock(&self.0);
            bytes.durable = bytes.all.len();
            Ok(())
        })
    }
}
