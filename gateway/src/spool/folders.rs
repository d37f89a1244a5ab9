//! Synchronising folders, together: what many sessions have renamed at about the same time is made durable at once, as a
//! database commits in groups.
//!
//! While one synchronisation of a folder runs, all who ask for another wait for the same next one. It begins after each of
//! them has asked, so it covers what each has done before; and all of them hear what became of it. Nobody waits for
//! others to come: whoever asks while none runs has one at once.
//!
//! This module knows no message.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::Shared;

use crate::env::{BoxFuture, Disk};

/// A synchronisation that several wait for.
type Together = Shared<BoxFuture<'static, Result<(), Arc<io::Error>>>>;

/// The folders that are synchronised.
#[derive(Default)]
pub(super) struct Folders(Mutex<BTreeMap<PathBuf, Folder>>);

#[derive(Default)]
struct Folder {
    /// Held by the synchronisation that runs.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The one that has not begun.
    next: Option<Together>,
}

impl Folders {
    /// Makes the names in `folder` durable: all that it has now.
    ///
    /// # Errors
    /// The disk's.
    pub(super) async fn sync(self: &Arc<Self>, disk: &Arc<dyn Disk>, folder: &Path) -> io::Result<()> {
        let together = {
            let mut folders = self.lock();
            let state = folders.entry(folder.to_owned()).or_default();
            let turn = &state.turn;
            state.next.get_or_insert_with(|| self.begin(disk, folder, Arc::clone(turn))).clone()
        };
        together.await.map_err(|error| io::Error::new(error.kind(), error))
    }

    fn begin(
        self: &Arc<Self>,
        disk: &Arc<dyn Disk>,
        folder: &Path,
        turn: Arc<tokio::sync::Mutex<()>>,
    ) -> Together {
        let (folders, disk, folder) = (Arc::clone(self), Arc::clone(disk), folder.to_owned());
        let sync: BoxFuture<'static, _> = Box::pin(async move {
            let _turn = turn.lock().await;
            // Whoever asks from here on may have done something that this one misses.
            let begun = folders.lock().get_mut(&folder).and_then(|state| state.next.take());
            drop(begun);
            disk.sync_dir(&folder).await.map_err(Arc::new)
        });
        sync.shared()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Folder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
