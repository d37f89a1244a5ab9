//! The state at the end of a run, read from the gateway's disk by the simulator itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::mailbag::{self, Item};
use crate::record::{End, Spooled};
use crate::scenario::{SPOOL, STORE};
use crate::subject::Subject;

/// Reads the end state from every file of the disk and its bytes.
pub(crate) fn state(
    disk: BTreeMap<PathBuf, Vec<u8>>,
    subject: &dyn Subject,
    service_up: bool,
    servers: Vec<(String, Vec<Item>)>,
) -> End {
    let mut mailboxes: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    let mut spool: BTreeMap<String, Vec<Spooled>> = BTreeMap::new();
    for (path, bytes) in disk {
        let path = path.display().to_string();
        if let Some((mailbox, file)) = path.strip_prefix(STORE).and_then(|rest| rest[1..].split_once('/')) {
            if !file.starts_with("tmp/") {
                mailboxes.entry(mailbox.to_owned()).or_default().push(mailbag::identify(&bytes));
            }
        } else if let Some(file) = path.strip_prefix(SPOOL).map(|rest| &rest[1..])
            && let Some((folder, file)) = file.split_once('/').filter(|_| !subject.is_of_no_message(file))
        {
            let message = subject.queued(&bytes);
            let item = message.as_ref().map(|message| mailbag::identify(&message.content));
            let recipients = message.map(|message| message.recipients).unwrap_or_default();
            spool.entry(folder.to_owned()).or_default().push(Spooled {
                file: file.to_owned(),
                item,
                recipients,
                octets: bytes.len(),
            });
        }
    }
    End {
        service_up,
        mailboxes: mailboxes.into_iter().collect(),
        servers,
        spool: spool.into_iter().collect(),
    }
}
