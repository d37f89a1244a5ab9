//! The local store: where messages for mailboxes of this server end, one Maildir a mailbox.
//!
//! `<root>/<mailbox>/` has the three directories of a Maildir: a message is written in `tmp/`, synchronised, and
//! renamed into `new/`; a mail program moves it to `cur/` when it has seen it, and adds flags to its name. The
//! directory of a mailbox is named by its address. Bytes that are not letters, digits or one of `@._+=-`, and a dot
//! at the start, are written as `%` and two hexadecimal digits, so that no address leads out of `root`.
//!
//! The store does not know which addresses are mailboxes, nor whether two spellings are the same one: the caller does.

use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::address::Address;
use crate::env::{Disk, DiskError};
use crate::spool::{EntryName, Message};

/// How much of a message is written at once, in bytes.
const BLOCK: usize = 1 << 20;

/// The local store. Cheap to clone; the clones are one store.
#[derive(Clone)]
pub struct Store {
    disk: Arc<dyn Disk>,
    root: Arc<Path>,
}

impl Store {
    /// The store in the directory `root`. Directories are made when they are needed.
    pub fn new(disk: Arc<dyn Disk>, root: &Path) -> Self {
        Store { disk, root: root.into() }
    }

    /// Delivers a message to a mailbox: its content, after a `Return-Path` line (RFC 5321, 4.4). Durable on return.
    ///
    /// `entry` is where the message is in the spool. Delivering the same again, after a crash, changes nothing: the
    /// file is named by the entry and the time at which the message was received.
    ///
    /// # Errors
    /// The disk's; the message is then not in the mailbox, or not yet for good. Deliver it again later.
    pub async fn deliver(
        &self,
        mailbox: &Address,
        entry: &EntryName,
        message: &Message,
    ) -> Result<Delivery, DiskError> {
        let maildir = self.maildir(mailbox);
        let [tmp, new, cur] = ["tmp", "new", "cur"].map(|part| maildir.join(part));
        for dir in [&tmp, &new, &cur] {
            self.disk.create_dir_all(dir).await.map_err(DiskError::of("make", dir))?;
        }
        self.sync(&self.root).await?;
        self.sync(&maildir).await?;

        let name = format!("{}.{entry}", message.envelope.received.as_second());
        let (from, to) = (tmp.join(&name), new.join(&name));
        if self.disk.exists(&to).await.map_err(DiskError::of("look for", &to))? {
            self.sync(&new).await?;
            return Ok(Delivery::AlreadyThere);
        }
        // What a mail program has seen has flags behind its name.
        let seen = self.disk.list(&cur).await.map_err(DiskError::of("list", &cur))?;
        if seen.iter().any(|found| found.split(':').next() == Some(&name)) {
            self.sync(&cur).await?;
            return Ok(Delivery::AlreadyThere);
        }
        self.write(&from, message).await?;
        self.disk.rename(&from, &to).await.map_err(DiskError::of("move", &from))?;
        self.sync(&new).await?;
        Ok(Delivery::Delivered)
    }

    /// Where the messages of a mailbox are.
    pub fn maildir(&self, mailbox: &Address) -> PathBuf {
        self.root.join(directory_name(&mailbox.to_string()))
    }

    async fn write(&self, path: &Path, message: &Message) -> Result<(), DiskError> {
        let mut file = self.disk.create_anew(path).await?;
        let mut blocks = message.content.chunks(BLOCK);
        let mut first = format!("Return-Path: {}\r\n", message.envelope.reverse_path).into_bytes();
        first.extend_from_slice(blocks.next().unwrap_or_default());
        for block in iter::once(&first[..]).chain(blocks) {
            file.write_all(block).await.map_err(DiskError::of("write", path))?;
        }
        file.sync().await.map_err(DiskError::of("synchronise", path))
    }

    async fn sync(&self, dir: &Path) -> Result<(), DiskError> {
        self.disk.sync_dir(dir).await.map_err(DiskError::of("synchronise", dir))
    }
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The message is in the mailbox.
    Delivered,
    /// It was in the mailbox before.
    AlreadyThere,
}

/// A mailbox's address as the name of a directory.
fn directory_name(address: &str) -> String {
    let mut name = String::new();
    for (place, byte) in address.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"@_+=-".contains(&byte) || (byte == b'.' && place > 0);
        if plain {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_leads_out_of_the_store() {
        assert_eq!(directory_name("Ann.B+list@a.example"), "Ann.B+list@a.example");
        assert_eq!(directory_name("../../etc@a.example"), "%2E.%2F..%2Fetc@a.example");
        assert_eq!(directory_name("\"a b\0%\"@a.example"), "%22a%20b%00%25%22@a.example");
        assert_eq!(directory_name("ü@a.example"), "%C3%BC@a.example");
    }
}
