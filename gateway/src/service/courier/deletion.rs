//! Entries that an administrator has deleted. One that is being tried is deleted when that try is over, unless the try
//! was the end of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Again, Carried, DISK_PAUSE};
use crate::env::DiskError;
use crate::service::core::Core;
use crate::service::filing;
use crate::spool::{EntryName, Folder};

/// What is to be deleted.
pub(in crate::service) struct Deletion {
    pub(in crate::service) name: EntryName,
    /// To be told what became of it.
    pub(in crate::service) done: oneshot::Sender<Done>,
    /// What is done when it is gone.
    pub(in crate::service) then: Box<dyn FnOnce() + Send>,
}

/// What became of a deletion.
pub(in crate::service) enum Done {
    /// The entry is gone.
    Deleted,
    /// The entry is being tried: it is deleted when that is over.
    WhenTried,
    /// The disk does not let it go.
    Failed(DiskError),
}

/// The deletions that wait for a try to be over.
#[derive(Default)]
pub(super) struct Deletions(BTreeMap<EntryName, Deletion>);

impl Deletions {
    /// Takes an order; whether it can be begun at once, since the entry `is_here`.
    pub(super) fn add(&mut self, mut deletion: Deletion, is_here: bool) -> bool {
        if !is_here {
            let (done, _) = oneshot::channel();
            let _ = std::mem::replace(&mut deletion.done, done).send(Done::WhenTried);
        }
        self.0.insert(deletion.name.clone(), deletion);
        is_here
    }

    /// Whether an entry of which a try is over is to be deleted.
    pub(super) fn is_due(&mut self, name: &EntryName, again: &Again) -> bool {
        if let Again::Never = again {
            self.0.remove(name);
        }
        self.0.contains_key(name)
    }

    /// Deletes an entry, beside what else the courier does.
    pub(super) fn begin(
        &mut self,
        name: &EntryName,
        core: &Arc<Core>,
        back: &mpsc::UnboundedSender<Carried>,
    ) {
        let Some(Deletion { name, done, then }) = self.0.remove(name) else { return };
        let (core, back) = (Arc::clone(core), back.clone());
        let spawn = Arc::clone(&core.env.spawn);
        let delete = async move {
            let (done_is, again) = match core.spool.remove(Folder::Out, &name).await {
                Ok(()) => {
                    then();
                    core.suspended.remove(&name);
                    filing::announce(&core, &name);
                    (Done::Deleted, Again::Never)
                }
                Err(error) => (Done::Failed(error), Again::At(Instant::now() + DISK_PAUSE)),
            };
            // Who asked may have gone; without a courier nothing is carried any more.
            let _ = done.send(done_is);
            let _ = back.send(Carried { name, again });
        };
        spawn.spawn("deletion", Box::pin(delete));
    }
}
