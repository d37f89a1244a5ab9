//! A message on its way into the spool.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::format::Encoder;
use super::{Aside, Folder, Spool};
use crate::env::{DiskError, File};
use crate::envelope::{Envelope, SpoolId};
use crate::reach::{Point, reached};

/// How much content is gathered before it is written, in bytes: a session brings it line by line.
const GATHER: usize = 64 * 1024;
/// How much of it is written at once, in bytes.
const BLOCK: usize = 1 << 20;

/// A message that did not become durable, and that nobody has accepted.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct NotCommitted {
    /// What the disk refused.
    pub why: DiskError,
    /// Whether it is in its folder all the same, because the disk did not let it be taken back. Whoever finds it there
    /// takes it for accepted: remove it, or it is handled beside the one that its sender sends again.
    pub is_left: bool,
}

impl From<NotCommitted> for DiskError {
    fn from(error: NotCommitted) -> Self {
        error.why
    }
}

fn is_gone(removed: &io::Result<()>) -> bool {
    removed.as_ref().map_or_else(|error| error.kind() == ErrorKind::NotFound, |()| true)
}

/// A message that is being written in `work/`. It is nobody's custody before [`Draft::commit`] has succeeded.
///
/// One that is dropped leaves its file in `work/`, where the next [`Spool::open`] removes it.
pub struct Draft {
    spool: Spool,
    id: SpoolId,
    work: PathBuf,
    home: PathBuf,
    /// Not made before there is much to write.
    file: Option<Box<dyn File>>,
    encoder: Encoder,
    gathered: Vec<u8>,
    /// The octets before the content.
    head: usize,
    /// Whether its name was taken for it, and is free again if it does not come into the spool.
    has_new_name: bool,
}

impl Draft {
    /// A draft that will be written in `work` and moved to `home`.
    pub(super) fn new(spool: Spool, id: SpoolId, work: PathBuf, home: PathBuf, envelope: &Envelope) -> Self {
        let (encoder, gathered) = Encoder::begin(envelope);
        let head = gathered.len();
        Draft { spool, id, work, home, file: None, encoder, gathered, head, has_new_name: false }
    }

    /// The same, under a name that was taken for it.
    pub(super) fn with_new_name(self) -> Self {
        Draft { has_new_name: true, ..self }
    }

    /// The name that the message will have: the `id` of its `Received` line.
    pub fn id(&self) -> &SpoolId {
        &self.id
    }

    /// The octets of the content so far.
    pub fn octets(&self) -> usize {
        self.encoder.octets()
    }

    /// Adds to the content.
    ///
    /// # Errors
    /// The disk's; [discard](Draft::discard) the draft then.
    pub async fn append(&mut self, content: &[u8]) -> Result<(), DiskError> {
        for block in content.chunks(BLOCK) {
            self.encoder.content(block);
            self.gathered.extend_from_slice(block);
            if self.gathered.len() >= GATHER {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// The content so far.
    ///
    /// # Errors
    /// The disk's; [discard](Draft::discard) the draft then.
    pub async fn content(&mut self) -> Result<Vec<u8>, DiskError> {
        let mut content = match &self.file {
            Some(_) => {
                let read = self.spool.disk.read(&self.work).await;
                read.map_err(DiskError::of("read", &self.work))?
            }
            None => Vec::new(),
        };
        content.extend_from_slice(&self.gathered);
        content.drain(..self.head.min(content.len()));
        Ok(content)
    }

    /// Begins it anew under its name, with this envelope and this content.
    ///
    /// # Errors
    /// The disk's; [discard](Draft::discard) the draft then.
    pub async fn rewrite(&mut self, envelope: &Envelope, content: &[u8]) -> Result<(), DiskError> {
        self.remove().await?;
        (self.encoder, self.gathered) = Encoder::begin(envelope);
        self.head = self.gathered.len();
        self.append(content).await
    }

    /// The same message, to come into a folder of what nothing more is done with.
    #[must_use]
    pub fn set_aside(self, to: Aside) -> Self {
        Draft { home: self.spool.aside(to).join(self.id.as_str()), ..self }
    }

    /// Writes what is gathered.
    async fn write(&mut self) -> Result<(), DiskError> {
        let file = match &mut self.file {
            Some(file) => file,
            file => file.insert(self.spool.disk.create_anew(&self.work).await?),
        };
        file.write_all(&self.gathered).await.map_err(DiskError::of("write", &self.work))?;
        self.gathered.clear();
        Ok(())
    }

    async fn remove(&mut self) -> Result<(), DiskError> {
        match self.file.take() {
            Some(_) => self.spool.disk.remove(&self.work).await.map_err(DiskError::of("remove", &self.work)),
            None => Ok(()),
        }
    }

    /// Makes the message durable, under its own name. Only when this has succeeded may `250` be answered.
    ///
    /// # Errors
    /// The disk's. The message is then taken back, as far as the disk lets it be: whoever sent it still has it.
    pub async fn commit(self) -> Result<SpoolId, NotCommitted> {
        let (spool, id, has_new_name) = (self.spool.clone(), self.id.clone(), self.has_new_name);
        let is_aside = self.home.parent() != Some(&spool.folder(Folder::In));
        let committed = self.make_durable().await;
        if has_new_name {
            match &committed {
                Ok(()) if !is_aside => {}
                Err(error) if error.is_left => {}
                Ok(()) => {
                    spool.census.set_aside(id.as_str());
                    spool.census.remove(Folder::In, &id.clone().into());
                }
                Err(_) => spool.census.remove(Folder::In, &id.clone().into()),
            }
        }
        committed.map(|()| id)
    }

    async fn make_durable(self) -> Result<(), NotCommitted> {
        let (spool, home) = (self.spool.clone(), self.home.clone());
        spool.disk.series(self.bring_home()).await?;
        let folder = home.parent().expect("a spool file is in a folder");
        if let Err(why) = spool.sync(folder).await {
            reached(Point::CommitFailedAtDirectory);
            return Err(NotCommitted { why, is_left: !is_gone(&spool.disk.remove(&home).await) });
        }
        Ok(())
    }

    /// Writes the rest of the file, synchronises it and moves it to where it will be found.
    async fn bring_home(mut self) -> Result<(), NotCommitted> {
        let footer = self.encoder.footer();
        self.gathered.extend(footer);
        let written = async {
            self.write().await.inspect_err(|_| reached(Point::CommitFailedAtWrite))?;
            let file = self.file.as_mut().expect("it was written");
            let synced = file.sync().await;
            synced
                .map_err(DiskError::of("synchronise", &self.work))
                .inspect_err(|_| reached(Point::CommitFailedAtSync))
        };
        if let Err(why) = written.await {
            let _ = self.remove().await;
            return Err(NotCommitted { why, is_left: false });
        }
        let Draft { spool, work, home, file, .. } = self;
        drop(file);
        if let Err(cause) = spool.disk.rename(&work, &home).await {
            reached(Point::CommitFailedAtRename);
            let why = DiskError { action: "move", path: work.clone(), cause };
            // A disk that failed to say so may have done it all the same.
            let is_left = match spool.disk.remove(&work).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    !is_gone(&spool.disk.remove(&home).await)
                }
                _ => false,
            };
            return Err(NotCommitted { why, is_left });
        }
        Ok(())
    }

    /// Throws the message away.
    ///
    /// # Errors
    /// The disk's; the file then stays in `work/` until the spool is opened again.
    pub async fn discard(mut self) -> Result<(), DiskError> {
        reached(Point::DraftDiscarded);
        if self.has_new_name {
            self.spool.census.remove(Folder::In, &self.id.clone().into());
        }
        self.remove().await
    }
}
