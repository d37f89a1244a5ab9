//! The spool: every message in the gateway's custody, as a file that survives a crash.
//!
//! | folder | what is in it |
//! |---|---|
//! | `work/` | messages being written; nobody's custody, emptied when the spool is opened (Q190709) |
//! | `in/` | messages accepted and not yet processed: `WKA6D6YM` |
//! | `out/` | parts waiting for delivery, one a next hop: `WKA6D6YM.1` |
//! | `archive/` | messages kept after they were processed |
//! | `bad/` | messages set aside because they cannot be processed |
//! | `turf/` | messages set aside because their sender is not wanted here |
//! | `queue/` | what has been tried so far; losing it loses no mail (see [`Progress`]) |
//!
//! **How a message comes in.** Written in `work/`, the file synchronised, renamed into its folder, that folder
//! synchronised. A name in `in/` or `out/` is therefore a whole message; when the last step has succeeded it stays
//! one through a power cut, and only then may a session answer `250`. The names in `work/` need not survive, so
//! `work/` is never synchronised.
//!
//! **How a message goes out of `in/`.** The commit point of processing is that `in/WKA6D6YM` is
//! [removed](Spool::remove), [set aside](Spool::set_aside) or, where all of it goes to one next hop as it came,
//! [passed on](Spool::pass_on), for good: until it is, nothing follows from it. All that processing makes, parts and
//! reports, is [filed](Spool::file_in) before. A crash before the commit point repeats the work; the same work gives the same
//! names ([`SpoolId::derive`]), and what is already filed is left as it is. A part must therefore stay in `out/` for
//! as long as `in/` has its message: one that is delivered and removed before would be filed again.
//!
//! One process uses a spool at a time. This module knows files and envelopes; it does not know what a message is
//! processed to, nor when it is tried again.

mod census;
mod draft;
mod folders;
mod format;
mod hands;
mod name;
mod queue;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::census::Census;
pub use self::draft::{Draft, NotCommitted};
use self::folders::Folders;
pub use self::format::{Damage, decode};
use self::hands::Hands;
pub use self::name::{EntryName, NotAnEntryName};
pub use self::queue::Progress;
use crate::env::{Disk, DiskError, Entropy, sync_with_ancestors};
use crate::envelope::{Envelope, SpoolId};
use crate::reach::{Point, reached};

/// How many names are drawn before the source of random numbers is taken to be broken.
const DRAWS: usize = 100;

/// A folder of messages in custody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Folder {
    /// Accepted, not yet processed.
    In,
    /// Processed, waiting for delivery to a next hop.
    Out,
}

/// A folder of messages that nothing more is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aside {
    /// Kept after processing.
    Archive,
    /// Cannot be processed: an administrator looks at it.
    Bad,
    /// Of a sender who is not wanted here. Only a draft is set aside to there.
    Turf,
}

/// A message in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The envelope.
    pub envelope: Envelope,
    /// The content, byte for byte, with the `Received` line that the gateway has added.
    pub content: Vec<u8>,
}

/// What is in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The entries, sorted.
    pub entries: Vec<EntryName>,
    /// Files whose names are none of the spool's, sorted. Somebody else put them there.
    pub misfits: Vec<String>,
}

/// A message that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk did not give the file. The message may well be sound: try again later.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file is not a sound message and will not become one: set it aside.
    #[error("`{}` is damaged: {damage}; set it aside and restore it from a copy if there is one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
}

/// A spool. Cheap to clone; the clones are one spool.
#[derive(Clone)]
pub struct Spool {
    disk: Arc<dyn Disk>,
    entropy: Arc<dyn Entropy>,
    root: Arc<Path>,
    census: Arc<Census>,
    folders: Arc<Folders>,
    hands: Arc<tokio::sync::Mutex<Hands>>,
}

impl Spool {
    /// Opens the spool in the directory `root`, making its folders if they are not there, and removes what a crash
    /// has left over: drafts that were never answered `250`, and memory of entries that are gone.
    ///
    /// # Errors
    /// The disk's.
    pub async fn open(
        disk: Arc<dyn Disk>,
        entropy: Arc<dyn Entropy>,
        root: &Path,
    ) -> Result<Self, DiskError> {
        let (census, shared, hands) = Default::default();
        let spool = Spool { disk, entropy, root: root.into(), census, folders: shared, hands };
        let folders =
            ["work", "in", "out", "archive", "bad", "turf", "queue"].map(|folder| root.join(folder));
        for folder in &folders {
            spool.disk.create_dir_all(folder).await.map_err(DiskError::of("make", folder))?;
        }
        sync_with_ancestors(&*spool.disk, root).await?;

        let work = spool.work();
        for file_name in spool.disk.list(&work).await.map_err(DiskError::of("list", &work))? {
            reached(Point::WorkEmptied);
            let leftover = work.join(file_name);
            spool.disk.remove(&leftover).await.map_err(DiskError::of("remove", &leftover))?;
        }
        for folder in [Folder::In, Folder::Out] {
            let entries = spool.list(folder).await?.entries;
            entries.iter().for_each(|name| spool.census.add(folder, name));
        }
        for aside in [Aside::Archive, Aside::Bad, Aside::Turf].map(|aside| spool.aside(aside)) {
            let kept = spool.disk.list(&aside).await.map_err(DiskError::of("list", &aside))?;
            kept.iter().for_each(|file| spool.census.set_aside(file));
        }
        spool.forget_the_gone().await?;
        spool.recover_hands().await?;
        // A process may have died after a rename and before the synchronisation: what is listed is durable.
        for folder in &folders {
            spool.sync(folder).await?;
        }
        Ok(spool)
    }

    /// The spool in the directory `root` for who only looks at it: another process may have it open, and nothing is made,
    /// removed or synchronised.
    pub fn look_at(disk: Arc<dyn Disk>, entropy: Arc<dyn Entropy>, root: &Path) -> Self {
        let (census, folders, hands) = (Arc::new(Census::of_anothers()), Arc::default(), Arc::default());
        Spool { disk, entropy, root: root.into(), census, folders, hands }
    }

    /// Begins a message that will come into `in/`, under a name that nothing in the spool has.
    ///
    /// # Errors
    /// `AlreadyExists` if no free name could be drawn.
    pub fn draft(&self, envelope: &Envelope) -> Result<Draft, DiskError> {
        for _ in 0..DRAWS {
            let id = SpoolId::draw(&*self.entropy);
            if !self.census.take(&id) {
                continue;
            }
            let work = self.work().join(id.as_str());
            let home = self.folder(Folder::In).join(id.as_str());
            return Ok(Draft::new(self.clone(), id, work, home, envelope).with_new_name());
        }
        let cause =
            io::Error::new(ErrorKind::AlreadyExists, format!("{DRAWS} names drawn, and all are taken"));
        Err(DiskError { action: "find a free name in", path: self.root.to_path_buf(), cause })
    }

    /// Writes a whole message that the gateway makes itself: a report into `in/`, a part into `out/`. Durable on
    /// return. If a sound message has the name already it is left as it is: the same work was done before a crash.
    ///
    /// # Errors
    /// The disk's.
    pub async fn file_in(
        &self,
        folder: Folder,
        name: &EntryName,
        envelope: &Envelope,
        content: &[u8],
    ) -> Result<(), DiskError> {
        if self.census.may_have(folder, name) {
            match self.read(folder, name).await {
                Ok(_) => {
                    reached(Point::FiledBefore);
                    return self.sync(&self.folder(folder)).await;
                }
                Err(ReadError::Damaged { .. }) => {
                    reached(Point::DamagedSetAside);
                    self.set_aside(folder, &name.to_string(), Aside::Bad).await?;
                }
                Err(ReadError::Disk(error)) if error.cause.kind() == ErrorKind::NotFound => {}
                Err(ReadError::Disk(error)) => return Err(error),
            }
        }
        self.census.add(folder, name);
        // No session's draft has a name of this form.
        let work = self.work().join(format!("{name}.made"));
        let home = self.folder(folder).join(name.to_string());
        let mut draft = Draft::new(self.clone(), name.id.clone(), work, home, envelope);
        match draft.append(content).await {
            Ok(()) => Ok(draft.commit().await.map(|_| ())?),
            Err(error) => {
                let _ = draft.discard().await;
                Err(error)
            }
        }
    }

    /// What is in a folder.
    ///
    /// # Errors
    /// The disk's.
    pub async fn list(&self, folder: Folder) -> Result<Listing, DiskError> {
        let path = self.folder(folder);
        let mut listing = Listing::default();
        for file_name in self.disk.list(&path).await.map_err(DiskError::of("list", &path))? {
            match file_name.parse::<EntryName>() {
                Ok(name) if name.part.is_some() == (folder == Folder::Out) => listing.entries.push(name),
                _ => listing.misfits.push(file_name),
            }
        }
        listing.entries.sort();
        Ok(listing)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// The disk's, which says nothing of the message; or damage, which is final.
    pub async fn read(&self, folder: Folder, name: &EntryName) -> Result<Message, ReadError> {
        let path = self.folder(folder).join(name.to_string());
        let file = self.disk.read(&path).await.map_err(DiskError::of("read", &path))?;
        format::into_message(file).map_err(|damage| ReadError::Damaged { path, damage })
    }

    /// Reads a message if its file has no more than `most` octets; else says how many it has.
    ///
    /// # Errors
    /// Those of [`Spool::read`].
    pub async fn read_if_small(
        &self,
        folder: Folder,
        name: &EntryName,
        most: u64,
    ) -> Result<Result<Message, u64>, ReadError> {
        let path = self.folder(folder).join(name.to_string());
        match self.disk.read_if_small(&path, most).await.map_err(DiskError::of("read", &path))? {
            Ok(file) => {
                format::into_message(file).map(Ok).map_err(|damage| ReadError::Damaged { path, damage })
            }
            Err(octets) => Ok(Err(octets)),
        }
    }

    /// Moves a file, entry or misfit, out of the way; gives the name that it has there. Durable on return.
    ///
    /// # Errors
    /// The disk's.
    pub async fn set_aside(&self, folder: Folder, file_name: &str, to: Aside) -> Result<String, DiskError> {
        let kept = self.move_aside(folder, file_name, to).await?;
        self.settle(folder, file_name).await?;
        Ok(kept)
    }

    /// The first half of [`Spool::set_aside`], for whoever has something to say of the move whether or not it can be
    /// made durable at once: then [settle](Spool::settle) the folder. Nothing is overwritten: if the name is taken, `~2`
    /// is added, or `~3`, and so on.
    ///
    /// # Errors
    /// The disk's; the file is then where it was.
    pub async fn move_aside(&self, folder: Folder, file_name: &str, to: Aside) -> Result<String, DiskError> {
        let from = self.folder(folder).join(file_name);
        let aside = self.aside(to);
        let mut kept = file_name.to_owned();
        for number in 2_u64.. {
            let path = aside.join(&kept);
            if !self.disk.exists(&path).await.map_err(DiskError::of("look for", &path))? {
                break;
            }
            kept = format!("{file_name}~{number}");
        }
        let to = aside.join(&kept);
        if let Err(cause) = self.disk.rename(&from, &to).await {
            // A disk that failed to say so may have done it all the same.
            let is_done = matches!(self.disk.exists(&from).await, Ok(false))
                && matches!(self.disk.exists(&to).await, Ok(true));
            if !is_done {
                return Err(DiskError { action: "move", path: from, cause });
            }
        }
        self.census.set_aside(&kept);
        Ok(kept)
    }

    /// Makes it durable that an entry has left its folder, removed or set aside, and forgets it. To be repeated until it
    /// succeeds: nothing may follow from the entry's leaving before.
    ///
    /// # Errors
    /// The disk's.
    pub async fn settle(&self, folder: Folder, file_name: &str) -> Result<(), DiskError> {
        // The new name first: a crash in between may leave both names, and never neither.
        for aside in [Aside::Archive, Aside::Bad] {
            self.sync(&self.aside(aside)).await?;
        }
        self.sync(&self.folder(folder)).await?;
        if let Ok(name) = file_name.parse() {
            self.census.remove(folder, &name);
        }
        self.forget_entry(folder, file_name).await
    }

    /// Whether there may be an entry of this name, as far as is known without asking the disk: if not, there is none.
    pub fn may_hold(&self, folder: Folder, name: &EntryName) -> bool {
        self.census.may_have(folder, name)
    }

    /// Whether there is an entry of this name.
    ///
    /// # Errors
    /// The disk's.
    pub async fn holds(&self, folder: Folder, name: &EntryName) -> Result<bool, DiskError> {
        let path = self.folder(folder).join(name.to_string());
        self.disk.exists(&path).await.map_err(DiskError::of("look for", &path))
    }

    /// Removes an entry, and what is remembered of it. Durable on return; for `in/` this is the commit point.
    ///
    /// # Errors
    /// The disk's.
    pub async fn remove(&self, folder: Folder, name: &EntryName) -> Result<(), DiskError> {
        let path = self.folder(folder).join(name.to_string());
        self.disk.remove(&path).await.map_err(DiskError::of("remove", &path))?;
        self.sync(&self.folder(folder)).await?;
        self.census.remove(folder, name);
        match folder {
            Folder::In => self.let_go(&name.id).await,
            Folder::Out if self.census.may_have_journal(name) => self.forget_journal(name).await?,
            Folder::Out => {}
        }
        Ok(())
    }

    /// Makes a message of `in/`, as it is, the part of it with this name. Durable on return; this is the commit point.
    ///
    /// # Errors
    /// The disk's.
    pub async fn pass_on(&self, id: &SpoolId, part: &EntryName) -> Result<(), DiskError> {
        let name = EntryName::from(id.clone());
        let [from, to] = [(Folder::In, &name), (Folder::Out, part)]
            .map(|(folder, name)| self.folder(folder).join(name.to_string()));
        self.census.add(Folder::Out, part);
        // Both names until the new one is durable: it must not hang on a file system that moves files between folders as one.
        self.disk.link(&from, &to).await.map_err(DiskError::of("link", &from))?;
        self.sync(&self.folder(Folder::Out)).await?;
        self.disk.remove(&from).await.map_err(DiskError::of("remove", &from))?;
        self.sync(&self.folder(Folder::In)).await?;
        self.census.remove(Folder::In, &name);
        self.let_go(id).await;
        Ok(())
    }

    async fn sync(&self, folder: &Path) -> Result<(), DiskError> {
        self.folders.sync(&self.disk, folder).await.map_err(DiskError::of("synchronise", folder))
    }

    fn folder(&self, folder: Folder) -> PathBuf {
        self.root.join(match folder {
            Folder::In => "in",
            Folder::Out => "out",
        })
    }

    fn aside(&self, aside: Aside) -> PathBuf {
        self.root.join(match aside {
            Aside::Archive => "archive",
            Aside::Bad => "bad",
            Aside::Turf => "turf",
        })
    }

    fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    fn queue(&self) -> PathBuf {
        self.root.join("queue")
    }
}
