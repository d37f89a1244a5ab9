//! Every operation on a disk, and how it went.

use std::io;
use std::path::Path;
use std::sync::Arc;

use gateway::env::{Disk, File, IoFuture};

use super::Trace;

/// A disk that is traced.
pub(crate) struct TracedDisk {
    disk: Arc<dyn Disk>,
    to: Scribe,
}

/// Writes into the trace for one machine's disk.
#[derive(Clone)]
struct Scribe {
    trace: Trace,
    machine: Arc<str>,
}

impl Scribe {
    fn went<T>(&self, what: &str, path: &Path, result: &io::Result<T>, detail: &[u8]) {
        let path = path.as_os_str().as_encoded_bytes();
        match result {
            Ok(_) => self.trace.note(&self.machine, what, &[path, detail]),
            Err(error) => self.trace.note(&self.machine, what, &[path, error.kind().to_string().as_bytes()]),
        }
    }
}

impl TracedDisk {
    pub(crate) fn new(disk: Arc<dyn Disk>, trace: Trace, machine: Arc<str>) -> Self {
        TracedDisk { disk, to: Scribe { trace, machine } }
    }

    fn file(&self, path: &Path, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(TracedFile { file, path: path.into(), to: self.to.clone() })
    }
}

impl Disk for TracedDisk {
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            let result = self.disk.create_dir_all(dir).await;
            self.to.went("disk: make directory", dir, &result, b"");
            result
        })
    }

    fn create<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        Box::pin(async move {
            let result = self.disk.create(path).await;
            self.to.went("disk: create", path, &result, b"");
            result.map(|file| self.file(path, file))
        })
    }

    fn append<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        Box::pin(async move {
            let result = self.disk.append(path).await;
            self.to.went("disk: open", path, &result, b"");
            result.map(|file| self.file(path, file))
        })
    }

    fn read<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Vec<u8>> {
        Box::pin(async move {
            let result = self.disk.read(path).await;
            self.to.went("disk: read", path, &result, result.as_deref().unwrap_or_default());
            result
        })
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            let result = self.disk.rename(from, to).await;
            self.to.went("disk: rename", from, &result, to.as_os_str().as_encoded_bytes());
            result
        })
    }

    fn link<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            let result = self.disk.link(from, to).await;
            self.to.went("disk: link", from, &result, to.as_os_str().as_encoded_bytes());
            result
        })
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            let result = self.disk.remove(path).await;
            self.to.went("disk: remove", path, &result, b"");
            result
        })
    }

    fn exists<'a>(&'a self, path: &'a Path) -> IoFuture<'a, bool> {
        Box::pin(async move {
            let result = self.disk.exists(path).await;
            let there: &[u8] = if matches!(result, Ok(true)) { b"there" } else { b"not there" };
            self.to.went("disk: look for", path, &result, there);
            result
        })
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        Box::pin(async move {
            let result = self.disk.list(dir).await;
            let names = result.as_deref().unwrap_or_default().join(" ");
            self.to.went("disk: list", dir, &result, names.as_bytes());
            result
        })
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            let result = self.disk.sync_dir(dir).await;
            self.to.went("disk: synchronise directory", dir, &result, b"");
            result
        })
    }

    fn free<'a>(&'a self, at: &'a Path) -> IoFuture<'a, u64> {
        Box::pin(async move {
            let result = self.disk.free(at).await;
            let octets = result.as_ref().copied().unwrap_or_default();
            self.to.went("disk: free space", at, &result, &octets.to_le_bytes());
            result
        })
    }
}

struct TracedFile {
    file: Box<dyn File>,
    path: Box<Path>,
    to: Scribe,
}

impl File for TracedFile {
    fn write_all<'a>(&'a mut self, bytes: &'a [u8]) -> IoFuture<'a, ()> {
        Box::pin(async move {
            let result = self.file.write_all(bytes).await;
            self.to.went("disk: write", &self.path, &result, bytes);
            result
        })
    }

    fn sync(&mut self) -> IoFuture<'_, ()> {
        Box::pin(async move {
            let result = self.file.sync().await;
            self.to.went("disk: synchronise", &self.path, &result, b"");
            result
        })
    }
}
