//! A running service as an administrator has it in hand: what is in its queue, what it counts, whether it takes mail, and
//! another configuration for it.
//!
//! This module knows no protocol and asks nobody who he is: `admin` does.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::StartError;
use super::core::Core;
use super::courier::{Deletion, Done, Order};
use super::present::Present;
use crate::address::Domain;
use crate::config::Config;
use crate::dns::Resolver;
use crate::env::{DiskError, Env};
use crate::eventlog::Event;
use crate::extension::Registry;
use crate::queue::{self, Detail, Item, State};
use crate::spool::{EntryName, Folder, Progress, ReadError, Spool};

pub use super::metrics::Metric;

/// A running service, in hand. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    present: Arc<Present>,
    /// When it was taken in hand.
    since: Timestamp,
}

/// What is to become of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// They are tried as soon as they can be.
    Retry,
    /// They stay where they are.
    Hold,
    /// They are held no longer, and tried.
    Release,
    /// They are deleted, and nobody is told.
    Delete,
}

/// Which entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// These, or all parts of these messages.
    Ids(Vec<String>),
    /// All.
    All,
    /// Those with a recipient in this domain.
    Domain(Domain),
}

/// What became of one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Its name, as it was given if there is no such entry.
    pub id: String,
    /// Whether it was done.
    pub is_done: bool,
    /// What was done, or why not.
    pub what: String,
}

/// Why no mail is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// The drive is nearly full.
    #[error("in flush mode: the spool's drive is nearly full")]
    FlushMode,
    /// It is being stopped.
    #[error("being stopped")]
    Stopping,
}

impl Control {
    pub(super) fn new(present: Arc<Present>) -> Self {
        let since = present.get().now();
        Control { present, since }
    }

    /// Whether mail is taken.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn health(&self) -> Result<(), Unready> {
        let core = self.present.get();
        if core.is_closing_down() {
            return Err(Unready::Stopping);
        }
        if core.is_in_flush_mode().await { Err(Unready::FlushMode) } else { Ok(()) }
    }

    /// The machine that it runs on.
    pub fn env(&self) -> Env {
        self.present.get().env.clone()
    }

    /// All that is counted.
    ///
    /// # Errors
    /// The disk's.
    pub async fn metrics(&self) -> Result<Vec<Metric>, DiskError> {
        super::metrics::all(&self.present.get(), self.since).await
    }

    /// The queue, the oldest first.
    ///
    /// # Errors
    /// The disk's.
    pub async fn list(&self) -> Result<Vec<Item>, DiskError> {
        let core = self.present.get();
        let mut items = queue::list(&core.spool).await?;
        items.iter_mut().for_each(|item| note_waiting(&core, item));
        Ok(items)
    }

    /// All that is known of the entries that a name stands for.
    ///
    /// # Errors
    /// The disk's.
    pub async fn show(&self, name: &EntryName) -> Result<Vec<Detail>, DiskError> {
        let core = self.present.get();
        let mut details = queue::show(&core.spool, name).await?;
        details.iter_mut().for_each(|detail| note_waiting(&core, &mut detail.item));
        Ok(details)
    }

    /// Changes entries of the queue. `by` is who asks for it, for the event log.
    ///
    /// # Errors
    /// The disk's; some of it may be done.
    pub async fn change(&self, change: Change, which: &Which, by: &str) -> Result<Vec<Changed>, DiskError> {
        let core = self.present.get();
        let (found, mut changed) = select(&core.spool, which).await?;
        for (folder, name) in found {
            let said = match folder {
                Folder::In => Err("it is being sorted still: ask again in a moment".to_owned()),
                Folder::Out => change_one(&core, change, &name, by).await?,
            };
            let is_done = said.is_ok();
            let what = said.unwrap_or_else(|why| why);
            changed.push(Changed { id: name.to_string(), is_done, what });
        }
        if change == Change::Retry {
            let tried = changed.iter().filter(|one| one.is_done).count();
            if tried > 0 {
                let what = format!("Of the queue, {tried} in all");
                Event::QueueChanged { what, done: "tried at once", by: by.to_owned() }.log();
            }
        }
        Ok(changed)
    }

    /// Has another configuration count for what begins from now on; the keys that have changed and wait for the next start.
    ///
    /// # Errors
    /// Something that it needs cannot be had: the old one still counts.
    pub async fn reload(
        &self,
        mut config: Config,
        resolver: Arc<dyn Resolver>,
        extensions: &Registry,
    ) -> Result<Vec<&'static str>, StartError> {
        let old = self.present.get();
        let kept = config.keep_until_restart(&old.config);
        self.present.put(old.reconfigured(config, resolver, extensions).await?);
        Event::Reconfigured { kept: kept.clone() }.log();
        Ok(kept)
    }
}

/// Says of an entry that it waits for ETRN, which is not written down.
fn note_waiting(core: &Core, item: &mut Item) {
    let waits = item.id.parse().is_ok_and(|name| core.held.waits(&name));
    if waits && item.state != State::Held {
        item.state = State::UntilEtrn;
    }
}

type Found = (Vec<(Folder, EntryName)>, Vec<Changed>);

/// The entries that are meant, and what is to be said of those that are not there.
async fn select(spool: &Spool, which: &Which) -> Result<Found, DiskError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    match which {
        Which::Ids(ids) => {
            for id in ids {
                let entries = match id.parse() {
                    Ok(name) => queue::find(spool, &name).await?,
                    Err(_) => Vec::new(),
                };
                if entries.is_empty() {
                    let what = "there is no such entry in the queue".to_owned();
                    missing.push(Changed { id: id.clone(), is_done: false, what });
                }
                found.extend(entries.into_iter().filter(|entry| !found.contains(entry)).collect::<Vec<_>>());
            }
        }
        Which::All => {
            let entries = spool.list(Folder::Out).await?.entries;
            found.extend(entries.into_iter().map(|entry| (Folder::Out, entry)));
        }
        Which::Domain(domain) => {
            for name in spool.list(Folder::Out).await?.entries {
                // One that cannot be read is nobody's.
                let Ok(message) = spool.read(Folder::Out, &name).await else { continue };
                if message.envelope.recipients.iter().any(|recipient| recipient.domain() == domain) {
                    found.push((Folder::Out, name));
                }
            }
        }
    }
    Ok((found, missing))
}

/// Changes one entry of `out/`. What was done, or why it was not.
async fn change_one(
    core: &Core,
    change: Change,
    name: &EntryName,
    by: &str,
) -> Result<Result<String, String>, DiskError> {
    // A part is the courier's only when its message has left `in/`: until then it would be made anew.
    if core.spool.holds(Folder::In, &EntryName::from(name.id.clone())).await? {
        return Ok(Err("its message is being sorted still: ask again in a moment".to_owned()));
    }
    let envelope = match core.spool.read(Folder::Out, name).await {
        Ok(message) => message.envelope,
        Err(ReadError::Disk(error)) => return Ok(Err(error.to_string())),
        Err(damaged @ ReadError::Damaged { .. }) => return Ok(Err(damaged.to_string())),
    };
    let (from, count) = (&envelope.reverse_path, envelope.recipients.len());
    let what = format!("Entry {name} from {from} for {count} recipient(s)");
    let by = by.to_owned();
    let is_held = super::history::is_held(&core.spool.progress(name).await?);
    match change {
        Change::Retry if is_held => Ok(Err("it is held: release it".to_owned())),
        Change::Retry => {
            core.held.ask_for_entry(name);
            core.order(Order::Now(name.clone()));
            Ok(Ok("is tried at once".to_owned()))
        }
        Change::Hold if is_held => Ok(Ok("is held already".to_owned())),
        Change::Hold => {
            core.spool.note(name, &Progress::Held).await?;
            core.suspended.add(name);
            // A try that was under way may have been the end of it.
            if !core.spool.holds(Folder::Out, name).await? {
                core.suspended.remove(name);
                core.spool.settle(Folder::Out, &name.to_string()).await?;
                return Ok(Err("it has just been delivered, or reported".to_owned()));
            }
            Event::QueueChanged { what, done: "held", by }.log();
            Ok(Ok("is held; a try that is under way comes to its end".to_owned()))
        }
        Change::Release if !is_held => Ok(Err("it is not held".to_owned())),
        Change::Release => {
            core.spool.note(name, &Progress::Released).await?;
            core.suspended.remove(name);
            Event::QueueChanged { what, done: "let go", by }.log();
            core.order(Order::Now(name.clone()));
            Ok(Ok("is held no longer, and tried at once".to_owned()))
        }
        Change::Delete => {
            let (done, outcome) = oneshot::channel();
            let then = Box::new(move || Event::QueueChanged { what, done: "deleted", by }.log());
            core.order(Order::Delete(Deletion { name: name.clone(), done, then }));
            Ok(match outcome.await {
                Ok(Done::Deleted) => Ok("is deleted".to_owned()),
                Ok(Done::WhenTried) => {
                    Ok("is being sent; what of it is not delivered then is deleted".to_owned())
                }
                Ok(Done::Failed(error)) => Err(error.to_string()),
                Err(_) => Err("the service is ending".to_owned()),
            })
        }
    }
}
