//! Which files of the spool and the mailboxes come and go, seen by looking at the disk whenever something happened.
//!
//! What comes and goes within one instant is not seen: a view shows how things stand, not how they got there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{FileChange, Held};
use crate::machine::by_hand;
use crate::machine::disk::SimDisk;
use crate::mailbag;
use crate::scenario::{SPOOL, STORE};
use crate::subject::{Queued, Subject};

/// Looks at a disk again and again.
pub(crate) struct FileWatch {
    disk: Arc<SimDisk>,
    subject: Arc<dyn Subject>,
    /// How often the disk had changed when it was last looked at.
    seen: u64,
    /// The files that were there, and their lengths.
    there: BTreeMap<PathBuf, usize>,
    changes: Vec<FileChange>,
}

impl FileWatch {
    pub(crate) fn new(disk: Arc<SimDisk>, subject: Arc<dyn Subject>) -> Self {
        FileWatch { disk, subject, seen: 0, there: BTreeMap::new(), changes: Vec::new() }
    }

    /// Writes down what is otherwise than at the last look.
    pub(crate) fn look(&mut self, now: Duration) {
        let changes = self.disk.changes();
        if std::mem::replace(&mut self.seen, changes) == changes {
            return;
        }
        let there = self.disk.lengths();
        for (path, octets) in &there {
            if self.there.get(path) != Some(octets) {
                let held = self.held(path, *octets);
                self.note(now, path, Some(held));
            }
        }
        let before = std::mem::replace(&mut self.there, there);
        for path in before.keys().filter(|path| !self.there.contains_key(*path)).cloned().collect::<Vec<_>>()
        {
            self.note(now, &path, None);
        }
    }

    /// Everything that was seen.
    pub(crate) fn finish(self) -> Vec<FileChange> {
        self.changes
    }

    fn held(&self, path: &Path, octets: usize) -> Held {
        let bytes = by_hand::content(&self.disk, path).unwrap_or_default();
        if path.starts_with(STORE) {
            let message = mailbag::identify(&bytes).kind.to_string();
            return Held { message, recipients: Vec::new(), octets };
        }
        match self.subject.queued(&bytes) {
            Some(Queued { recipients, content }) => {
                Held { message: mailbag::identify(&content).kind.to_string(), recipients, octets }
            }
            None => Held { octets, ..Held::default() },
        }
    }

    fn note(&mut self, at: Duration, path: &Path, holds: Option<Held>) {
        let spooled = path.strip_prefix(SPOOL).ok().and_then(Path::to_str);
        if spooled.is_some_and(|file| self.subject.is_of_no_message(file)) {
            return;
        }
        if let Some((folder, file)) = place(path) {
            self.changes.push(FileChange { at, folder, file, holds });
        }
    }
}

/// The folder and the name as they are shown; none of a file that is neither in the spool nor in a mailbox.
fn place(path: &Path) -> Option<(String, String)> {
    let of = |below: &str| path.strip_prefix(below).ok()?.to_str()?.split_once('/');
    if let Some((mailbox, file)) = of(STORE) {
        // A file in `tmp` is not delivered yet (Maildir).
        let delivered = file.strip_prefix("new/").or_else(|| file.strip_prefix("cur/"))?;
        return Some((format!("mailboxes/{mailbox}"), delivered.to_owned()));
    }
    of(SPOOL).map(|(folder, file)| (folder.to_owned(), file.to_owned()))
}
