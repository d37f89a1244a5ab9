//! What a fault says of the gateway's disk: operations, folders and errors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An operation on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskOp {
    /// A file is made.
    Create,
    /// A file is opened for writing at its end.
    Append,
    /// Bytes are written.
    Write,
    /// A file is synchronised.
    Sync,
    /// A file is renamed into the folder, or has a second name there.
    Rename,
    /// A file is removed.
    Remove,
    /// A file is read.
    Read,
    /// The names in the folder are listed.
    List,
    /// The folder is synchronised.
    SyncDir,
}

impl DiskOp {
    /// Every operation.
    pub const ALL: [DiskOp; 9] = [
        DiskOp::Create,
        DiskOp::Append,
        DiskOp::Write,
        DiskOp::Sync,
        DiskOp::Rename,
        DiskOp::Remove,
        DiskOp::Read,
        DiskOp::List,
        DiskOp::SyncDir,
    ];
}

/// A folder on the gateway's disk: one of the spool, or all mailboxes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFolder {
    /// Messages being written.
    Work,
    /// Messages accepted and not yet processed.
    In,
    /// Parts waiting for delivery.
    Out,
    /// What has been tried so far.
    Queue,
    /// Messages kept after they were processed.
    Archive,
    /// Messages set aside.
    Bad,
    /// The mailboxes.
    Mailboxes,
}

/// With what a disk operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFailure {
    /// EIO: the disk itself fails.
    Eio,
    /// ENOSPC: there is no room.
    Enospc,
}
