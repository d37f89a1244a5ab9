//! What is in the queue, as an administrator looks at it: the messages in `in/` and the entries of `out/`, with what their
//! journals say.
//!
//! It is read from the spool, whether or not the service runs, and changes nothing. Each file is read whole: a queue of
//! thousands takes seconds.
//!
//! This module knows no courier: whether an entry is being tried at this moment is not written down.

use std::io::ErrorKind;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::{Address, ReversePath};
use crate::env::DiskError;
use crate::envelope::Origin;
use crate::service::history;
use crate::spool::{EntryName, Folder, Message, Progress, ReadError, Spool};

/// Where an entry is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was accepted, and it is not decided yet where it goes.
    Sorting,
    /// It is due, or being tried.
    Due,
    /// It was tried, and is due later.
    Deferred,
    /// It waits until its host asks for it with ETRN.
    UntilEtrn,
    /// An administrator holds it.
    Held,
    /// Its file cannot be read.
    Unreadable,
}

impl State {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            State::Sorting => "sorting",
            State::Due => "due",
            State::Deferred => "deferred",
            State::UntilEtrn => "until-etrn",
            State::Held => "held",
            State::Unreadable => "unreadable",
        }
    }
}

/// An entry of the queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    /// Its name, such as `WKA6D6YM.1`.
    pub id: String,
    /// Where it is on its way.
    pub state: State,
    /// When the message was accepted.
    pub received: Option<Timestamp>,
    /// The octets of its content.
    pub size: usize,
    /// Its sender; none for a report.
    pub sender: Option<Address>,
    /// Who waits for it still.
    pub recipients: Vec<Address>,
    /// The host that routing chose; none where the recipients' domain is asked.
    pub next_hop: Option<String>,
    /// How often it was tried.
    pub tries: u32,
    /// When it is due; none for at once, or for never while it is held.
    pub due: Option<Timestamp>,
    /// What came in the way of the last try.
    pub why: Option<String>,
}

/// An entry, with all that is known of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detail {
    /// As it is listed.
    #[serde(flatten)]
    pub item: Item,
    /// Everybody whom it was for, in the order given.
    pub all_recipients: Vec<Address>,
    /// Where it came from.
    pub origin: Option<Origin>,
    /// Its journal, oldest first.
    pub journal: Vec<Progress>,
    /// The header of the message.
    pub header: String,
}

/// The whole queue, the oldest first.
///
/// # Errors
/// The disk's.
pub async fn list(spool: &Spool) -> Result<Vec<Item>, DiskError> {
    let mut items = Vec::new();
    for folder in [Folder::In, Folder::Out] {
        for name in spool.list(folder).await?.entries {
            items.extend(detail_of(spool, folder, &name).await?.map(|detail| detail.item));
        }
    }
    items.sort_by(|one, other| (one.received, &one.id).cmp(&(other.received, &other.id)));
    Ok(items)
}

/// The entries that a name stands for: the one of that name or, for the name of a message, all its parts.
///
/// # Errors
/// The disk's.
pub async fn find(spool: &Spool, name: &EntryName) -> Result<Vec<(Folder, EntryName)>, DiskError> {
    let mut found = Vec::new();
    for folder in [Folder::In, Folder::Out] {
        let entries = spool.list(folder).await?.entries.into_iter();
        let fits = |entry: &EntryName| entry == name || (name.part.is_none() && entry.id == name.id);
        found.extend(entries.filter(fits).map(|entry| (folder, entry)));
    }
    Ok(found)
}

/// All that is known of the entries that a name stands for.
///
/// # Errors
/// The disk's.
pub async fn show(spool: &Spool, name: &EntryName) -> Result<Vec<Detail>, DiskError> {
    let mut details = Vec::new();
    for (folder, name) in find(spool, name).await? {
        details.extend(detail_of(spool, folder, &name).await?);
    }
    Ok(details)
}

/// All that is known of an entry; none if it has just gone.
async fn detail_of(spool: &Spool, folder: Folder, name: &EntryName) -> Result<Option<Detail>, DiskError> {
    let Message { envelope, content } = match spool.read(folder, name).await {
        Ok(message) => message,
        Err(ReadError::Disk(error)) if error.cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Ok(Some(unreadable(name, &error))),
    };
    let journal = if folder == Folder::Out { spool.progress(name).await? } else { Vec::new() };
    let last = journal.iter().rev().find_map(|one| match one {
        Progress::Deferred { next, why, .. } => Some((*next, why.clone())),
        _ => None,
    });
    let (due, why) = last.unzip();
    let is_held = history::is_held(&journal);
    let state = match (folder, due) {
        (Folder::In, _) => State::Sorting,
        _ if is_held => State::Held,
        (Folder::Out, Some(_)) => State::Deferred,
        (Folder::Out, None) => State::Due,
    };
    let sender = match &envelope.reverse_path {
        ReversePath::Mailbox(sender) => Some(sender.clone()),
        ReversePath::Null => None,
    };
    let item = Item {
        id: name.to_string(),
        state,
        received: Some(envelope.received),
        size: content.len(),
        sender,
        recipients: history::waiting(&envelope, &journal),
        next_hop: envelope.next_hop.filter(|_| folder == Folder::Out).map(|next_hop| next_hop.to_string()),
        tries: history::tries(&journal),
        due: due.filter(|_| !is_held),
        why,
    };
    Ok(Some(Detail {
        item,
        all_recipients: envelope.recipients,
        origin: Some(envelope.origin),
        journal,
        header: header(&content),
    }))
}

fn unreadable(name: &EntryName, error: &ReadError) -> Detail {
    let item = Item {
        id: name.to_string(),
        state: State::Unreadable,
        received: None,
        size: 0,
        sender: None,
        recipients: Vec::new(),
        next_hop: None,
        tries: 0,
        due: None,
        why: Some(error.to_string()),
    };
    Detail { item, all_recipients: Vec::new(), origin: None, journal: Vec::new(), header: String::new() }
}

/// The header: all before the first empty line.
fn header(content: &[u8]) -> String {
    let end = content.windows(4).position(|four| four == b"\r\n\r\n").map_or(content.len(), |at| at + 2);
    String::from_utf8_lossy(&content[..end]).into_owned()
}
