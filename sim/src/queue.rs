//! How many files wait in the gateway's spool, moment by moment, seen by looking at the disk whenever something happened.
//!
//! It counts what is in `in` and `out`, whatever it is: it reads no file.

use std::sync::Arc;
use std::time::Duration;

use crate::machine::disk::SimDisk;
use crate::scenario::SPOOL;

/// Looks at a spool again and again.
pub(crate) struct QueueWatch {
    disk: Arc<SimDisk>,
    folders: [String; 2],
    /// How often the disk had changed when it was last looked at.
    seen: u64,
    /// Each time that the number changed, and what it was from then on.
    lengths: Vec<(Duration, usize)>,
}

impl QueueWatch {
    pub(crate) fn new(disk: Arc<SimDisk>) -> Self {
        let folders = ["in", "out"].map(|folder| format!("{SPOOL}/{folder}"));
        QueueWatch { disk, folders, seen: 0, lengths: Vec::new() }
    }

    /// Counts again, if the disk has changed.
    pub(crate) fn look(&mut self, now: Duration) {
        let changes = self.disk.changes();
        if std::mem::replace(&mut self.seen, changes) == changes {
            return;
        }
        let length = self.folders.iter().map(|folder| self.disk.count(folder)).sum();
        if self.lengths.last().map_or(0, |(_, last)| *last) != length {
            self.lengths.push((now, length));
        }
    }

    /// What was counted.
    pub(crate) fn finish(self) -> Vec<(Duration, usize)> {
        self.lengths
    }
}
