//! What somebody at the machine does to its disk, beside any process: an administrator, or whoever set it up.
//!
//! A simulated disk takes no time, so each operation is done on return.

use std::path::Path;

use futures_util::FutureExt;
use gateway::env::{Disk, IoFuture, sync_with_ancestors};

use super::disk::SimDisk;
use crate::mailbag::{self, Kind};
use crate::subject::Subject;

/// The names of the files in a directory; none if there is no such directory.
pub(crate) fn names(disk: &SimDisk, dir: &Path) -> Vec<String> {
    now(disk.list(dir)).unwrap_or_default()
}

/// The bytes of a file, if it is there.
pub(crate) fn content(disk: &SimDisk, path: &Path) -> Option<Vec<u8>> {
    now(disk.read(path)).ok()
}

/// Writes a file, durably.
pub(crate) fn install(disk: &SimDisk, path: &Path, content: &[u8]) {
    let dir = parent(path);
    let written = now(disk.create_dir_all(dir))
        .and_then(|()| now(disk.create(path)))
        .and_then(|mut file| now(file.write_all(content)).and_then(|()| now(file.sync())));
    written.expect("a machine is set up on an empty, faultless disk");
    synchronise(disk, dir);
}

/// Moves a file to another directory, durably.
pub(crate) fn relocate(disk: &SimDisk, from: &Path, to: &Path) {
    let moved = now(disk.create_dir_all(parent(to))).and_then(|()| now(disk.rename(from, to)));
    moved.expect("the file is there: its name was just listed");
    synchronise(disk, parent(to));
}

/// Removes a file, durably.
pub(crate) fn discard(disk: &SimDisk, path: &Path) {
    now(disk.remove(path)).expect("the file is there: it was just found");
    synchronise(disk, parent(path));
}

/// The file in a folder of the subject's spool that holds a message of the plan.
pub(crate) fn find(disk: &SimDisk, subject: &dyn Subject, folder: &Path, message: &str) -> Option<String> {
    names(disk, folder).into_iter().find(|file| {
        let bytes = content(disk, &folder.join(file)).unwrap_or_default();
        subject.queued(&bytes).is_some_and(|queued| is(&queued.content, message))
    })
}

/// Whether this is the content of a message of the plan.
pub(crate) fn is(content: &[u8], message: &str) -> bool {
    matches!(mailbag::identify(content).kind, Kind::Message(name) if name == message)
}

fn synchronise(disk: &SimDisk, dir: &Path) {
    let done = sync_with_ancestors(disk, dir).now_or_never().expect("a simulated disk takes no time");
    done.expect("the directory is there: a file was just put into it");
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("a file is in a directory")
}

fn now<T>(operation: IoFuture<'_, T>) -> std::io::Result<T> {
    operation.now_or_never().expect("a simulated disk takes no time")
}
