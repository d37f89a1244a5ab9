//! What makes a spool one process's own: a lock on the file `lock` in its directory, which the system gives up when the
//! process ends, however it ends.
//!
//! The lock is advisory (`flock`): it keeps other gateways away, not other programs. The file stays behind, and says
//! nothing without the lock on it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

/// The spool is this process's own until this is dropped.
#[derive(Debug)]
pub struct SpoolLock {
    _file: File,
}

/// Why the spool is not this process's.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the spool `{}` is in use by {by}; end that one first, or give this one a spool of its own", spool.display())]
    InUse {
        /// The spool.
        spool: PathBuf,
        /// Which process, as far as it says so.
        by: String,
    },
    /// The disk does not let it be locked.
    #[error("`{}` cannot be locked: {why}; see that the disk is there, and lets the service write", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        why: io::Error,
    },
}

impl SpoolLock {
    /// Makes a spool this process's own. The directory is made if it is not there.
    ///
    /// # Errors
    /// Another process has it, or the disk does not let it be locked.
    pub fn take(spool: &Path) -> Result<Self, LockError> {
        let path = spool.join("lock");
        let refused = |why| LockError::Disk { path: path.clone(), why };
        fs::create_dir_all(spool).map_err(refused)?;
        // Not cut to nothing yet: what it says is another's.
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::InUse { spool: spool.to_owned(), by: owner(&path) });
            }
            Err(TryLockError::Error(why)) => return Err(refused(why)),
        }
        let named = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        named.map_err(refused)?;
        Ok(SpoolLock { _file: file })
    }
}

/// Who has written its number there.
fn owner(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    match text.trim().parse::<u32>() {
        Ok(pid) => format!("the process {pid}"),
        Err(_) => "another process".to_owned(),
    }
}
