//! The process that the program is: who it is to the system, and what others may see of its files.
//!
//! Root starts the program only where the port asks for it. The program then binds its addresses, becomes the user that is
//! configured, for good, and only then touches a file or a message ([`become_user`]).
//!
//! Users are looked up in `/etc/passwd`: no library of the system is asked, so none that root would load is needed.
#![expect(clippy::disallowed_methods, reason = "this is done before there is a gateway")]

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::{geteuid, getgid, getuid};
use rustix::thread::{Gid, Uid};

/// Why the process cannot become another user.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is no such user.
    #[error("there is no user `{0}` in /etc/passwd; make one, such as with: useradd --system {0}")]
    Unknown(String),
    /// The users cannot be read.
    #[error("/etc/passwd cannot be read: {0}")]
    NoUsers(io::Error),
    /// The process is another user already, and not root.
    #[error("only root can become `{0}`; start the program as that user, or take `user` out of [process]")]
    NotRoot(String),
    /// The system refuses it.
    #[error("the system does not let the program become `{user}`: {why}")]
    Refused {
        /// The user.
        user: String,
        /// What the system said.
        why: io::Error,
    },
    /// It could become root again.
    #[error("the program became `{0}` and could become root again; it does not go on like this")]
    Regained(String),
}

/// A user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct User {
    id: u32,
    group: u32,
}

/// A user of a text in the format of `passwd(5)`.
fn find(users: &str, name: &str) -> Option<User> {
    let mut lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.find_map(|fields| match fields[..] {
        [found, _, id, group, ..] if found == name => {
            Some(User { id: id.parse().ok()?, group: group.parse().ok()? })
        }
        _ => None,
    })
}

/// Becomes a user, with the user's own group and no other, and makes sure that there is no way back. To be called while
/// the process has one thread: on Linux each thread is somebody for itself, and those that it starts are who it is.
///
/// # Errors
/// It cannot, or there is a way back. The process should end.
pub fn become_user(name: &str) -> Result<(), UserError> {
    let users = fs::read_to_string("/etc/passwd").map_err(UserError::NoUsers)?;
    let user = find(&users, name).ok_or_else(|| UserError::Unknown(name.to_owned()))?;
    let (uid, gid) = (Uid::from_raw(user.id), Gid::from_raw(user.group));
    if !geteuid().is_root() {
        let is_it = getuid() == uid && geteuid() == uid;
        return if is_it { Ok(()) } else { Err(UserError::NotRoot(name.to_owned())) };
    }
    let refused = |why: rustix::io::Errno| UserError::Refused { user: name.to_owned(), why: why.into() };
    rustix::thread::set_thread_groups(&[gid]).map_err(refused)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(refused)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(refused)?;
    let is_gone = rustix::thread::set_thread_uid(Uid::ROOT).is_err()
        && rustix::thread::set_thread_gid(Gid::ROOT).is_err()
        && (getuid(), geteuid(), getgid()) == (uid, uid, gid);
    if is_gone { Ok(()) } else { Err(UserError::Regained(name.to_owned())) }
}

/// From now on what the process makes is for its user alone.
pub fn keep_files_private() {
    rustix::process::umask(Mode::from_raw_mode(0o077));
}

/// The permissions of a directory, if it is there and there is something in them for every user of the machine.
pub fn open_to_all(directory: &Path) -> Option<u32> {
    let mode = fs::metadata(directory).ok()?.mode() & 0o7777;
    (mode & 0o007 != 0).then_some(mode)
}

/// Whether standard output goes to the journal of systemd: then `JOURNAL_STREAM` has its device and inode
/// (`systemd.exec(5)`). A program that is started within a service and writes elsewhere inherits the variable too.
pub fn is_stdout_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(found) = rustix::fs::fstat(io::stdout()) else { return false };
    stream == format!("{}:{}", found.st_dev, found.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\n\nbroken\ngate:x:7:8::/:/bin/false\ngateway:x:990:991::/:/bin/false\n";
        assert_eq!(find(users, "gateway"), Some(User { id: 990, group: 991 }));
        assert_eq!((find(users, "gatewa"), find(users, "broken"), find(users, "")), (None, None, None));
    }
}
