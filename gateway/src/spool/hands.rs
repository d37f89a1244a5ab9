//! `queue/hands`: which messages of `in/` are being processed. One that is found there at a start was in hand when the
//! process died.
//!
//! A line `+WKA6D6YM` for each time that a message was taken in hand, `-WKA6D6YM` where it was put down with nothing done
//! that says whether the process survives it, and `=WKA6D6YM` where what was said before does not count: the process has
//! survived it, or all is said once more, as it is whenever it is taken in hand. What has left `in/` needs no line. Each line
//! has a line feed before it and after it, so that a torn one does not spoil the next; lines that cannot be read are passed
//! over. The file is begun anew when the spool is opened, and when it has grown long.
//!
//! It is not synchronised: a dead process leaves it behind, and a power cut is not the message's doing. One file for all,
//! because to make and remove one for each message costs a file system more than all else that is done with it there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use super::{EntryName, Folder, Spool};
use crate::env::DiskError;
use crate::envelope::SpoolId;

/// After how many lines the file is begun anew.
const LONG: usize = 4096;

/// What `queue/hands` says.
#[derive(Default)]
pub(super) struct Hands {
    /// How often the process has died with a message in hand.
    deaths: BTreeMap<SpoolId, u32>,
    /// What this process has in hand.
    taken: BTreeSet<SpoolId>,
    lines: usize,
}

impl Hands {
    fn read(file: &[u8], is_there: impl Fn(&SpoolId) -> bool) -> Self {
        let mut hands = Hands::default();
        for line in file.split(|byte| *byte == b'\n') {
            let Some((sign, id)) = line.split_first() else { continue };
            let Ok(Ok(id)) = std::str::from_utf8(id).map(str::parse::<SpoolId>) else { continue };
            match sign {
                b'+' if is_there(&id) => *hands.deaths.entry(id).or_default() += 1,
                b'-' => {
                    if let Some(times) = hands.deaths.get_mut(&id) {
                        *times -= 1;
                    }
                    hands.deaths.retain(|_, times| *times > 0);
                }
                b'=' => drop(hands.deaths.remove(&id)),
                _ => {}
            }
        }
        hands
    }

    /// The lines that say the same.
    fn to_lines(&self) -> Vec<String> {
        let died = self.deaths.iter().flat_map(|(id, times)| (0..*times).map(move |_| id));
        died.chain(&self.taken).map(|id| line('+', id)).collect()
    }

    fn forget(&mut self, id: &SpoolId) {
        self.deaths.remove(id);
        self.taken.remove(id);
    }
}

fn line(sign: char, id: &SpoolId) -> String {
    format!("\n{sign}{id}\n")
}

impl Spool {
    /// Marks a message of `in/` as being processed; nothing if it is so marked: one life of the process counts once.
    ///
    /// # Errors
    /// The disk's.
    pub async fn take_in_hand(&self, id: &SpoolId) -> Result<(), DiskError> {
        let mut hands = self.hands.lock().await;
        if hands.taken.contains(id) {
            return Ok(());
        }
        if hands.lines >= LONG {
            self.write_anew(&mut hands).await?;
        }
        // All that is known of it: an earlier line may be there that should not, or not though it should.
        let times = hands.deaths.get(id).copied().unwrap_or_default() + 1;
        let marks = line('=', id) + &line('+', id).repeat(times as usize);
        self.add_to_memory("hands", marks.into_bytes()).await?;
        hands.lines += 1 + times as usize;
        hands.taken.insert(id.clone());
        Ok(())
    }

    /// Marks a message as no longer being processed, if it was so marked: nothing was done that says whether the process
    /// survives it, and what was counted against it before stays.
    ///
    /// # Errors
    /// The disk's: it is marked still.
    pub async fn put_down(&self, id: &SpoolId) -> Result<(), DiskError> {
        let mut hands = self.hands.lock().await;
        if hands.taken.contains(id) {
            self.add_to_memory("hands", line('-', id).into_bytes()).await?;
            hands.lines += 1;
            hands.taken.remove(id);
        }
        Ok(())
    }

    /// The same where the process has survived it: what was counted against it is forgotten.
    ///
    /// # Errors
    /// The disk's: it is marked still.
    pub async fn survived(&self, id: &SpoolId) -> Result<(), DiskError> {
        let mut hands = self.hands.lock().await;
        if hands.taken.contains(id) || hands.deaths.contains_key(id) {
            self.add_to_memory("hands", line('=', id).into_bytes()).await?;
            hands.lines += 1;
            hands.forget(id);
        }
        Ok(())
    }

    /// Puts everything down: the process ends, and nothing that it had in hand has ended it.
    ///
    /// # Errors
    /// The disk's: the next process takes what is marked still for one death each.
    pub async fn put_all_down(&self) -> Result<(), DiskError> {
        let taken = self.hands.lock().await.taken.clone();
        let mut done = Ok(());
        for id in taken {
            done = done.and(self.put_down(&id).await);
        }
        done
    }

    /// How often the process has died with a message of `in/` in hand, for each that it has.
    pub async fn deaths(&self) -> BTreeMap<SpoolId, u32> {
        self.hands.lock().await.deaths.clone()
    }

    /// A message has left `in/`.
    pub(super) async fn let_go(&self, id: &SpoolId) {
        self.hands.lock().await.forget(id);
    }

    /// Reads what the last process has left, and begins the file anew with it.
    pub(super) async fn recover_hands(&self) -> Result<(), DiskError> {
        let path = self.queue().join("hands");
        let left = match self.disk.read(&path).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            read => read.map_err(DiskError::of("read", &path))?,
        };
        let is_there = |id: &SpoolId| self.census.may_have(Folder::In, &EntryName::from(id.clone()));
        let mut hands = self.hands.lock().await;
        *hands = Hands::read(&left, is_there);
        if hands.deaths.is_empty() {
            return self.forget("hands").await;
        }
        self.write_anew(&mut hands).await
    }

    /// Puts a new file in the place of the old one: a crash leaves either.
    async fn write_anew(&self, hands: &mut Hands) -> Result<(), DiskError> {
        let (work, home) = (self.work().join("hands"), self.queue().join("hands"));
        let lines = hands.to_lines();
        let mut file = self.disk.create_anew(&work).await?;
        file.write_all(lines.concat().as_bytes()).await.map_err(DiskError::of("write", &work))?;
        match self.disk.rename(&work, &home).await {
            // Somebody has removed the folder, and with it the old file.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let queue = self.queue();
                self.disk.create_dir_all(&queue).await.map_err(DiskError::of("make", &queue))?;
                self.disk.rename(&work, &home).await.map_err(DiskError::of("move", &work))?;
            }
            renamed => renamed.map_err(DiskError::of("move", &work))?,
        }
        hands.lines = lines.len();
        Ok(())
    }
}
