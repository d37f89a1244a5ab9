//! `queue/`: what has been tried so far, as `Queue.dat` kept it (Q148727, Q193862).
//!
//! The files in `in/` and `out/` are the truth and this is memory beside them: losing it loses no mail, but a
//! recipient may then get a message twice, and a retry schedule begins anew. `WKA6D6YM.1` is the journal of the
//! `out/` entry with that name: one [`Progress`] a line, in JSON. A record is written with a line feed before it and after
//! it, so that a torn one does not spoil the next; lines that cannot be read are passed over. `hands` is beside them
//! (see [`super::hands`]).

use std::io::ErrorKind;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{EntryName, Folder, Spool};
use crate::address::Address;
use crate::env::{DiskError, File};
use crate::reach::{Point, reached};
use crate::tls::Shortfall;

/// Something that became of an entry in `out/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// The next hop has taken the message for this recipient.
    Delivered {
        /// The recipient.
        recipient: Address,
        /// The sender is to hear that it was passed on: the next hop reports no delivery.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        relayed: bool,
    },
    /// The next hop has refused this recipient for good.
    Failed {
        /// The recipient.
        recipient: Address,
        /// The next hop's reply.
        reply: String,
    },
    /// The next hop was given the whole message and did not say whether it took it. It may have it (RFC 1047).
    Unanswered {
        /// Which attempt it was, from 1.
        attempt: u32,
    },
    /// The message needs TLS and the next hop had none that would do.
    Unencrypted {
        /// Which attempt it was, from 1.
        attempt: u32,
        /// What was missing.
        shortfall: Shortfall,
    },
    /// An attempt came to nothing and another will be made.
    Deferred {
        /// Which attempt it was, from 1.
        attempt: u32,
        /// When the next is due.
        next: Timestamp,
        /// What came in the way.
        why: String,
    },
    /// The sender was told that it is late.
    DelayReported,
    /// An administrator holds it: it is not tried, and does not expire.
    Held,
    /// It is held no longer, and is to be tried once however old it is.
    Released,
}

impl Spool {
    /// Adds to the journal of an entry in `out/`; durable on return.
    ///
    /// # Errors
    /// The disk's.
    pub async fn note(&self, name: &EntryName, progress: &Progress) -> Result<(), DiskError> {
        let record = serde_json::to_string(progress).expect("progress is made of what JSON can hold");
        self.census.add_journal(name);
        let spool = self.clone();
        let path = self.queue().join(name.to_string());
        let note = async move {
            let mut file = spool.open_memory(&path).await?;
            let line = format!("\n{record}\n");
            file.write_all(line.as_bytes()).await.map_err(DiskError::of("write", &path))?;
            file.sync().await.map_err(DiskError::of("synchronise", &path))
        };
        self.disk.series(note).await?;
        self.sync(&self.queue()).await
    }

    /// Adds to a file of `queue/`.
    pub(super) async fn add_to_memory(&self, file_name: &str, lines: Vec<u8>) -> Result<(), DiskError> {
        let spool = self.clone();
        let path = self.queue().join(file_name);
        let add = async move {
            let mut file = spool.open_memory(&path).await?;
            file.write_all(&lines).await.map_err(DiskError::of("write", &path))
        };
        self.disk.series(add).await
    }

    /// Opens a file of `queue/`, making the folder if somebody has removed it: that loses no mail (Q148727).
    async fn open_memory(&self, path: &Path) -> Result<Box<dyn File>, DiskError> {
        match self.disk.append(path).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let queue = self.queue();
                self.disk.create_dir_all(&queue).await.map_err(DiskError::of("make", &queue))?;
                self.disk.append(path).await.map_err(DiskError::of("open", path))
            }
            opened => opened.map_err(DiskError::of("open", path)),
        }
    }

    /// The journal of an entry in `out/`, oldest first; empty if there is none.
    ///
    /// # Errors
    /// The disk's.
    pub async fn progress(&self, name: &EntryName) -> Result<Vec<Progress>, DiskError> {
        if !self.census.may_have_journal(name) {
            return Ok(Vec::new());
        }
        let path = self.queue().join(name.to_string());
        let journal = match self.disk.read(&path).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.map_err(DiskError::of("read", &path))?,
        };
        Ok(journal
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }

    /// Removes what is remembered of entries that are gone: a crash came between the two removals.
    pub(super) async fn forget_the_gone(&self) -> Result<(), DiskError> {
        let queue = self.queue();
        for file_name in self.disk.list(&queue).await.map_err(DiskError::of("list", &queue))? {
            let Ok(name) = file_name.parse::<EntryName>() else { continue };
            let is_gone = !self.census.may_have(Folder::Out, &name);
            if !is_gone {
                self.census.add_journal(&name);
            }
            if is_gone {
                reached(Point::MemoryOfTheGone);
                self.forget(&file_name).await?;
            }
        }
        Ok(())
    }

    /// Removes what is remembered of an entry that has left its folder.
    pub(super) async fn forget_entry(&self, folder: Folder, file_name: &str) -> Result<(), DiskError> {
        match (folder, file_name.parse()) {
            (Folder::In, Ok(EntryName { id, .. })) => self.survived(&id).await,
            (Folder::Out, Ok(name)) => self.forget_journal(&name).await,
            (_, Err(_)) => Ok(()),
        }
    }

    /// Removes the journal of an entry that has left `out/`.
    pub(super) async fn forget_journal(&self, name: &EntryName) -> Result<(), DiskError> {
        self.forget(&name.to_string()).await?;
        self.census.remove_journal(name);
        Ok(())
    }

    pub(super) async fn forget(&self, file_name: &str) -> Result<(), DiskError> {
        let path = self.queue().join(file_name);
        match self.disk.remove(&path).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(DiskError::of("remove", &path)),
        }
    }
}
