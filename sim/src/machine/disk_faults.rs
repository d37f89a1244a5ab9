//! Which line of the plan meets an operation on the gateway's disk.
//!
//! Operations are counted by kind and folder from the start of the run, whichever process makes them. A rename counts
//! for the folder that it leads to. Of the lines that meet the same operation the first of the plan is carried out;
//! those that only make it slow come on top.
//!
//! A disk with little room has a number of octets left while it is so: what is written takes from them, what is removed
//! gives back its own length, and nothing else counts. A file cannot be made when none are left.
//!
//! This module decides; [`super::faulty_disk`] carries out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::disk::SimDisk;
use super::doom::{Doom, Moment, Stop, at_operation};
use super::{by_hand, points};
use crate::fault::{DiskFailure, DiskFolder, DiskOp, Family, Fault};
use crate::record::What;
use crate::scenario::{SPOOL, STORE};
use crate::scene::Scene;
use crate::subject::Subject;

/// What is wrong with the gateway's disk over the whole run.
pub(super) struct DiskFaults {
    scene: Scene,
    machine: Arc<str>,
    subject: Arc<dyn Subject>,
    pub(super) disk: Arc<SimDisk>,
    pub(super) doom: Doom,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    operations: BTreeMap<(DiskOp, DiskFolder), u64>,
    /// Of files and of the folder together.
    synchronisations: BTreeMap<DiskFolder, u64>,
    /// The octets that are left, for each line that has begun.
    room: BTreeMap<usize, u64>,
    vanished: BTreeSet<usize>,
}

/// An operation on the disk.
#[derive(Clone, Copy)]
pub(super) struct Operation<'a> {
    pub(super) op: DiskOp,
    /// The file or directory; of a rename, the new name.
    pub(super) at: &'a Path,
    /// The octets that it writes.
    pub(super) octets: usize,
}

/// What becomes of an operation.
pub(super) struct Course {
    /// How long it takes.
    pub(super) takes: Duration,
    pub(super) end: End,
}

/// How an operation ends.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// As ever.
    Done,
    /// With an error, when so many octets have been written.
    Fails(DiskFailure, usize),
    /// With the end of the process.
    Stops(Moment, Stop),
}

/// The folder that a file or a directory counts for.
pub(super) fn folder(path: &Path) -> Option<DiskFolder> {
    if path.starts_with(STORE) {
        return Some(DiskFolder::Mailboxes);
    }
    match path.strip_prefix(SPOOL).ok()?.components().next()?.as_os_str().to_str()? {
        "work" => Some(DiskFolder::Work),
        "in" => Some(DiskFolder::In),
        "out" => Some(DiskFolder::Out),
        "queue" => Some(DiskFolder::Queue),
        "archive" => Some(DiskFolder::Archive),
        "bad" => Some(DiskFolder::Bad),
        _ => None,
    }
}

impl DiskFaults {
    /// What the plan has wrong with the disk; none if it has no line that the disk needs to know of.
    pub(super) fn new(
        scene: &Scene,
        subject: &Arc<dyn Subject>,
        disk: &Arc<SimDisk>,
        doom: &Doom,
    ) -> Option<Self> {
        let concerns = |line: &Fault| matches!(line.family(), Family::Disk | Family::Process);
        scene.plan.faults.iter().any(concerns).then(|| DiskFaults {
            scene: scene.clone(),
            machine: Arc::clone(&scene.plan.gateway.name),
            subject: Arc::clone(subject),
            disk: Arc::clone(disk),
            doom: doom.clone(),
            state: Mutex::default(),
        })
    }

    /// A process looks at something in this folder.
    pub(super) fn touch(&self, folder: DiskFolder) {
        self.let_vanish(Some(folder), self.scene.now());
    }

    /// A process makes an operation.
    pub(super) fn meet(&self, operation: Operation<'_>) -> Course {
        let mut course = Course { takes: Duration::ZERO, end: End::Done };
        let Operation { op, at, .. } = operation;
        if let Some(folder) = folder(at) {
            self.touch(folder);
            let mut state = self.state();
            let count = state.operations.entry((op, folder)).or_default();
            *count += 1;
            let nth = *count;
            let mut synchronisation = 0;
            if matches!(op, DiskOp::Sync | DiskOp::SyncDir) {
                let count = state.synchronisations.entry(folder).or_default();
                *count += 1;
                synchronisation = *count;
            }
            drop(state);
            course.takes = self.slowness(folder, synchronisation);
            course.end = self.end(operation, folder, nth);
        }
        if matches!(course.end, End::Done) {
            course.end = self.use_room(operation);
        }
        course
    }

    /// How long a synchronisation takes; the 0th is none.
    fn slowness(&self, of: DiskFolder, synchronisation: u64) -> Duration {
        let mut slowness = Duration::ZERO;
        for (fault, line) in self.scene.faults() {
            if let Fault::SlowSync { folder, nth, times, by } = line
                && *folder == of
                && among(synchronisation, *nth, *times)
            {
                slowness += by.0;
                let what = format!("synchronising in {} takes {:?}", name(of), by.0);
                self.scene.bit_and_says(fault, &self.machine, what);
                self.scene.points.reached(points::SYNC_SLOW);
            }
        }
        slowness
    }

    /// How the nth operation of its kind in a folder ends.
    fn end(&self, Operation { op, octets, .. }: Operation<'_>, of: DiskFolder, count: u64) -> End {
        for (fault, line) in self.scene.faults() {
            if let Fault::DiskFails { op: fails, folder, nth, times, error } = line
                && (*fails, *folder) == (op, of)
                && among(count, *nth, *times)
            {
                let (code, written, point) = match error {
                    DiskFailure::Eio => ("EIO", 0, points::DISK_FAILED),
                    DiskFailure::Enospc => ("ENOSPC", octets / 2, points::DISK_FULL),
                };
                let what = format!("{} in {} fails with {code}", verb(op), name(of));
                self.scene.bit_and_says(fault, &self.machine, what);
                self.scene.points.reached(point);
                return End::Fails(*error, written);
            }
            if let Some((at, folder, nth, moment)) = at_operation(line)
                && (at, folder, nth) == (op, of, count)
                && let Some(stop) = Stop::of(fault, line)
            {
                self.reached(line);
                return End::Stops(moment, stop);
            }
        }
        End::Done
    }

    fn reached(&self, line: &Fault) {
        let point = match line {
            Fault::TornWrite { .. } => points::WRITE_TORN,
            Fault::LostData { .. } => points::BYTES_LOST,
            Fault::LostRename { .. } => points::RENAME_LOST,
            _ => return,
        };
        self.scene.points.reached(point);
    }

    /// Whether there is room for an operation, which then has taken it.
    fn use_room(&self, Operation { op, at, octets }: Operation<'_>) -> End {
        let Some((fault, room)) = self.room() else { return End::Done };
        match op {
            DiskOp::Write if octets as u64 > room => {
                self.take_room(room);
                self.is_full(fault);
                return End::Fails(DiskFailure::Enospc, room as usize);
            }
            DiskOp::Write => self.take_room(octets as u64),
            DiskOp::Create | DiskOp::Append if room == 0 && by_hand::content(&self.disk, at).is_none() => {
                self.is_full(fault);
                return End::Fails(DiskFailure::Enospc, 0);
            }
            DiskOp::Remove => {
                let length = by_hand::content(&self.disk, at).unwrap_or_default().len() as u64;
                self.state().room.values_mut().for_each(|room| *room = room.saturating_add(length));
            }
            _ => {}
        }
        End::Done
    }

    /// The octets that are free, while there are few: a process asks for them.
    pub(super) fn little_room(&self) -> Option<u64> {
        let (fault, room) = self.room()?;
        self.scene.bit(fault);
        self.scene.points.reached(points::LITTLE_ROOM);
        Some(room)
    }

    /// The octets that are free and the line that makes them few, while there is one.
    fn room(&self) -> Option<(usize, u64)> {
        let now = self.scene.now();
        let mut state = self.state();
        let low = self.scene.faults().filter_map(|(fault, line)| match line {
            Fault::LowSpace { at, until, free } if at.0 <= now && now < until.0 => {
                Some((fault, *state.room.entry(fault).or_insert(*free)))
            }
            _ => None,
        });
        low.min_by_key(|(_, room)| *room)
    }

    fn take_room(&self, octets: u64) {
        self.state().room.values_mut().for_each(|room| *room = room.saturating_sub(octets));
    }

    fn is_full(&self, fault: usize) {
        self.scene.bit_and_says(fault, &self.machine, "the disk is full".to_owned());
        self.scene.points.reached(points::DISK_FULL);
    }

    /// Removes the files that are to vanish and are there, durably: from one folder, or from all.
    pub(super) fn let_vanish(&self, from: Option<DiskFolder>, now: Duration) {
        for (fault, line) in self.scene.faults() {
            let Fault::FileVanishes { message, folder, at } = line else { continue };
            if at.0 > now
                || from.is_some_and(|from| from != *folder)
                || self.state().vanished.contains(&fault)
            {
                continue;
            }
            let Some(path) = self.find(*folder, message) else { continue };
            self.state().vanished.insert(fault);
            by_hand::discard(&self.disk, &path);
            self.scene.bites.bit(fault, now);
            let what = format!("the file of {message} vanishes from {}", name(*folder));
            self.scene.journal.note_at(now, &self.machine, What::Fault(what));
            self.scene.points.reached(points::FILE_VANISHED);
        }
    }

    /// The file of a message in a folder.
    fn find(&self, of: DiskFolder, message: &str) -> Option<PathBuf> {
        if of != DiskFolder::Mailboxes {
            let dir = Path::new(SPOOL).join(name(of));
            return by_hand::find(&self.disk, &*self.subject, &dir, message).map(|file| dir.join(file));
        }
        // What is in tmp is not in the mailbox yet.
        let is_stored =
            |path: &Path| folder(path) == Some(of) && !path.parent().is_some_and(|dir| dir.ends_with("tmp"));
        let mut stored = self.disk.tree().into_iter().filter(|(path, _)| is_stored(path));
        stored.find(|(_, bytes)| by_hand::is(bytes, message)).map(|(path, _)| path)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether something that was counted is among so many from the nth.
fn among(count: u64, nth: u64, times: u64) -> bool {
    count >= nth.max(1) && count - nth.max(1) < times
}

/// The folder's name in a spool, or what it is.
fn name(folder: DiskFolder) -> &'static str {
    match folder {
        DiskFolder::Work => "work",
        DiskFolder::In => "in",
        DiskFolder::Out => "out",
        DiskFolder::Queue => "queue",
        DiskFolder::Archive => "archive",
        DiskFolder::Bad => "bad",
        DiskFolder::Mailboxes => "the mailboxes",
    }
}

fn verb(op: DiskOp) -> &'static str {
    match op {
        DiskOp::Create => "making a file",
        DiskOp::Append => "opening a file",
        DiskOp::Write => "writing",
        DiskOp::Sync => "synchronising a file",
        DiskOp::Rename => "moving a file",
        DiskOp::Remove => "removing a file",
        DiskOp::Read => "reading",
        DiskOp::List => "listing the files",
        DiskOp::SyncDir => "synchronising the names",
    }
}
