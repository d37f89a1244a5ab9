//! The gateway's disk as one of its processes has it: a [`SimDisk`] that fails, lingers and stops the machine as the
//! plan says, and that does nothing more once the process has ended.
//!
//! - A write that finds no room has written a part; one that meets another error has written nothing. A
//!   synchronisation that fails has made nothing durable.
//! - A torn write has half of its bytes on the disk for good, under the file's name.
//! - An operation that the process ends at stays pending, whether it has been done or not.
//!
//! Which operation meets which line of the plan is decided in [`super::disk_faults`].

use std::future::{Future, pending};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway::env::{Disk, File, IoFuture};
use tokio::time::sleep;

use super::disk_faults::{Course, DiskFaults, End, Operation, folder};
use super::doom::{Moment, Stop};
use super::life::Life;
use crate::fault::{DiskFailure, DiskOp};

/// One process's way to the disk. Clones are the same.
#[derive(Clone)]
pub(super) struct FaultyDisk {
    faults: Arc<DiskFaults>,
    life: Life,
}

impl FaultyDisk {
    pub(super) fn new(faults: Arc<DiskFaults>, life: Life) -> Self {
        FaultyDisk { faults, life }
    }

    /// Waits as long as an operation takes, and says how it ends.
    async fn end(&self, op: DiskOp, at: &Path, octets: usize) -> End {
        self.life.goes_on().await;
        let Course { takes, end } = self.faults.meet(Operation { op, at, octets });
        if !takes.is_zero() {
            sleep(takes).await;
        }
        end
    }

    /// Carries an operation out, as far as the plan lets it.
    async fn carry_out<T>(
        &self,
        op: DiskOp,
        at: &Path,
        work: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        match self.end(op, at, 0).await {
            End::Done => work.await,
            End::Fails(error, _) => Err(failure(error)),
            End::Stops(Moment::Before | Moment::Halfway, stop) => self.stop(stop).await,
            End::Stops(Moment::After, stop) => {
                work.await?;
                self.stop(stop).await
            }
        }
    }

    /// The process ends here.
    async fn stop<T>(&self, stop: Stop) -> T {
        self.faults.doom.strike(stop);
        pending().await
    }

    /// A process looks whether something is there.
    async fn look(&self, at: &Path) {
        self.life.goes_on().await;
        if let Some(folder) = folder(at) {
            self.faults.touch(folder);
        }
    }

    fn file(&self, path: &Path, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(FaultyFile { file, path: path.to_owned(), disk: self.clone() })
    }
}

/// The error as the system gives it.
fn failure(failure: DiskFailure) -> io::Error {
    io::Error::from_raw_os_error(match failure {
        DiskFailure::Eio => 5,
        DiskFailure::Enospc => 28,
    })
}

impl Disk for FaultyDisk {
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            self.look(dir).await;
            self.faults.disk.create_dir_all(dir).await
        })
    }

    fn create<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        Box::pin(async move {
            let file = self.carry_out(DiskOp::Create, path, self.faults.disk.create(path)).await?;
            Ok(self.file(path, file))
        })
    }

    fn append<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        Box::pin(async move {
            let file = self.carry_out(DiskOp::Append, path, self.faults.disk.append(path)).await?;
            Ok(self.file(path, file))
        })
    }

    fn read<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Vec<u8>> {
        Box::pin(self.carry_out(DiskOp::Read, path, self.faults.disk.read(path)))
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            self.look(from).await;
            self.carry_out(DiskOp::Rename, to, self.faults.disk.rename(from, to)).await
        })
    }

    fn link<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            self.look(from).await;
            self.carry_out(DiskOp::Rename, to, self.faults.disk.link(from, to)).await
        })
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(self.carry_out(DiskOp::Remove, path, self.faults.disk.remove(path)))
    }

    fn exists<'a>(&'a self, path: &'a Path) -> IoFuture<'a, bool> {
        Box::pin(async move {
            self.look(path).await;
            self.faults.disk.exists(path).await
        })
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        Box::pin(self.carry_out(DiskOp::List, dir, self.faults.disk.list(dir)))
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(self.carry_out(DiskOp::SyncDir, dir, self.faults.disk.sync_dir(dir)))
    }

    fn free<'a>(&'a self, at: &'a Path) -> IoFuture<'a, u64> {
        Box::pin(async move {
            self.life.goes_on().await;
            match self.faults.little_room() {
                Some(room) => Ok(room),
                None => self.faults.disk.free(at).await,
            }
        })
    }
}

struct FaultyFile {
    file: Box<dyn File>,
    path: PathBuf,
    disk: FaultyDisk,
}

impl FaultyFile {
    /// Writes the beginning of what was to be written, for good.
    async fn tear(&mut self, beginning: &[u8]) -> io::Result<()> {
        self.file.write_all(beginning).await?;
        self.file.sync().await?;
        let dir = self.path.parent().expect("a file is in a directory");
        self.disk.faults.disk.sync_dir(dir).await
    }
}

impl File for FaultyFile {
    fn write_all<'a>(&'a mut self, bytes: &'a [u8]) -> IoFuture<'a, ()> {
        Box::pin(async move {
            match self.disk.end(DiskOp::Write, &self.path, bytes.len()).await {
                End::Done => self.file.write_all(bytes).await,
                End::Fails(error, written) => {
                    self.file.write_all(&bytes[..written]).await?;
                    Err(failure(error))
                }
                End::Stops(moment, stop) => {
                    match moment {
                        Moment::Before => {}
                        Moment::Halfway => self.tear(&bytes[..bytes.len() / 2]).await?,
                        Moment::After => self.file.write_all(bytes).await?,
                    }
                    self.disk.stop(stop).await
                }
            }
        })
    }

    fn sync(&mut self) -> IoFuture<'_, ()> {
        Box::pin(async move {
            let FaultyFile { file, path, disk } = self;
            disk.carry_out(DiskOp::Sync, path, file.sync()).await
        })
    }
}
