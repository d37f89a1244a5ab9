//! The ledger: what became of each message, looked up once for all oracles.
//!
//! It lists; it does not judge.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::session::{self, Session, Transfer};
use crate::fault::{DiskFolder, Fault};
use crate::mailbag::{self, Item, Kind};
use crate::plan::{ClientPlan, MessagePlan, Plan};
use crate::record::{Attempt, Entry, Outcome, Record, Spooled, What};

/// What became of each message.
pub struct Ledger<'a> {
    plan: &'a Plan,
    record: &'a Record,
    /// Each message of the plan, by its name, and the client that hands it over.
    pub planned: BTreeMap<&'a str, (&'a ClientPlan, &'a MessagePlan)>,
    /// Each try of a client, in the order in which they ended.
    pub attempts: Vec<(&'a Entry, &'a Attempt)>,
    /// Each time that the gateway answered for a message of the plan to the client that hands it over, whether the
    /// client heard of it or not.
    pub accepted: Vec<Acceptance>,
    /// Each time that a mail server took a message, with its recipients there.
    pub taken: Vec<Taken<'a>>,
    /// What is in the mailboxes at the end.
    pub mailboxes: BTreeMap<String, &'a [Item]>,
    /// What each mail server took.
    pub servers: BTreeMap<&'a str, &'a [Item]>,
    /// What is in the spool at the end: the folder, the file.
    pub spooled: Vec<(&'a str, &'a Spooled)>,
    /// Each SMTP dialogue.
    pub sessions: Vec<Session<'a>>,
    /// Each message that was sent whole in one.
    pub transfers: Vec<Transfer<'a>>,
}

/// A message that the gateway answered for.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// Its name in the plan.
    pub message: String,
    /// The recipients accepted.
    pub recipients: Vec<String>,
    /// The reply to the end of the data.
    pub reply: String,
}

impl Acceptance {
    /// Its name in the spool.
    pub fn spool_id(&self) -> &str {
        self.reply.rsplit(' ').next().unwrap_or_default()
    }
}

/// A message that a mail server took.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// When, and on which server.
    pub entry: &'a Entry,
    /// What it is, as [`Kind`] shows it.
    pub message: &'a str,
    /// Its recipients there.
    pub recipients: &'a [String],
}

impl<'a> Ledger<'a> {
    /// Looks everything up.
    pub fn new(plan: &'a Plan, record: &'a Record) -> Self {
        let planned = plan.clients.iter().flat_map(|client| {
            client.messages.iter().map(move |message| (message.name.as_str(), (client, message)))
        });
        let (mut attempts, mut taken) = (Vec::new(), Vec::new());
        for entry in &record.entries {
            match &entry.what {
                What::Client(attempt) => attempts.push((entry, attempt)),
                What::Accepted { message, recipients } => taken.push(Taken { entry, message, recipients }),
                _ => {}
            }
        }
        let mailboxes = record.end.mailboxes.iter();
        let servers = record.end.servers.iter();
        let spool = record.end.spool.iter();
        let sessions = session::sessions(record);
        let transfers = session::transfers(&sessions, &plan.gateway.name);
        let mut ledger = Ledger {
            plan,
            record,
            planned: planned.collect(),
            accepted: Vec::new(),
            attempts,
            taken,
            mailboxes: mailboxes.map(|(name, items)| (mailbox_of(name), &items[..])).collect(),
            servers: servers.map(|(name, items)| (name.as_str(), &items[..])).collect(),
            spooled: spool
                .flat_map(|(folder, files)| files.iter().map(move |file| (folder.as_str(), file)))
                .collect(),
            sessions,
            transfers,
        };
        ledger.accepted = ledger.heard().chain(ledger.unheard()).collect();
        ledger
    }

    fn heard(&self) -> impl Iterator<Item = Acceptance> {
        self.attempts.iter().filter_map(|(_, attempt)| match &attempt.outcome {
            Outcome::Accepted { recipients, reply } => Some(Acceptance {
                message: attempt.message.clone(),
                recipients: recipients.clone(),
                reply: reply.clone(),
            }),
            _ => None,
        })
    }

    /// The answers that a broken connection kept from the client.
    fn unheard(&self) -> impl Iterator<Item = Acceptance> {
        let heard: BTreeSet<&str> = self.attempts.iter().filter_map(|(_, attempt)| heard(attempt)).collect();
        self.transfers.iter().filter(|transfer| transfer.is_inbound && transfer.is_answered()).filter_map(
            move |transfer| {
                let reply = transfer.reply.as_ref()?.lines.join(" / ");
                let message = transfer.message()?.to_owned();
                let (client, _) = self.planned.get(message.as_str())?;
                let is_unheard = client.address == transfer.peer && !heard.contains(reply.as_str());
                is_unheard.then(|| Acceptance { message, recipients: transfer.recipients.clone(), reply })
            },
        )
    }

    /// Every report on a message that is somewhere at the end: in a mailbox, on a server or in the spool.
    pub fn reports_on(&self, message: &str) -> impl Iterator<Item = &'a Item> {
        let report = Kind::Report(message.to_owned());
        self.items().map(|(_, item)| item).filter(move |item| item.kind == report)
    }

    /// Everything that is somewhere at the end, and where: in a mailbox, on a server, in the spool.
    pub fn items(&self) -> impl Iterator<Item = (Where<'a>, &'a Item)> {
        let end = &self.record.end;
        let mailboxes = end
            .mailboxes
            .iter()
            .flat_map(|(name, items)| items.iter().map(move |item| (Where::Mailbox(name.as_str()), item)));
        let servers = end
            .servers
            .iter()
            .flat_map(|(name, items)| items.iter().map(move |item| (Where::Server(name.as_str()), item)));
        let spool = end.spool.iter().flat_map(|(folder, files)| {
            files.iter().filter_map(move |file| Some((Where::Spool(folder.as_str()), file.item.as_ref()?)))
        });
        mailboxes.chain(servers).chain(spool)
    }

    /// Whether a fault of this sort changed what happened.
    pub fn bit(&self, is_meant: impl Fn(&Fault) -> bool) -> bool {
        let counted = self.plan.faults.iter().zip(&self.record.bites);
        counted.into_iter().any(|(fault, bite)| bite.times > 0 && is_meant(fault))
    }

    /// Whether what a client sent for this message may differ from what the plan holds.
    pub fn is_garbled(&self, message: &str) -> bool {
        use crate::fault::ClientDoes::{LongLine, Percent, Smuggles};
        self.bit(|fault| {
            fault.message() == Some(message)
                && matches!(fault, Fault::Client { does: LongLine | Percent | Smuggles(_), .. })
        })
    }

    /// Whether the file of a message vanished from one of these folders.
    pub fn vanished(&self, message: &str, from: &[DiskFolder]) -> bool {
        self.bit(|fault| {
            matches!(fault, Fault::FileVanishes { message: about, folder, .. }
                if about == message && from.contains(folder))
        })
    }

    /// Whether the event log has an event of this number whose description has this in it.
    pub fn has_event(&self, ids: &[u16], says: &str) -> bool {
        self.record.entries.iter().any(|entry| {
            matches!(&entry.what, What::Event(event) if ids.contains(&event.id) && event.description.contains(says))
        })
    }

    /// Whether the event log says that the message with this name in the spool was dropped for a recipient.
    pub fn was_dropped(&self, id: &str, recipient: &str) -> bool {
        self.drops(recipient).any(|(dropped, _)| dropped == id)
    }

    /// Whether it says so of a message, whichever time it was taken.
    pub fn was_ever_dropped(&self, message: &str, recipient: &str) -> bool {
        let mut drops = self.drops(recipient).peekable();
        if drops.peek().is_none() {
            return false;
        }
        let taken = self.transfers.iter().filter(|transfer| transfer.is_inbound);
        let ids = taken.filter(|transfer| transfer.message() == Some(message)).filter_map(Transfer::spool_id);
        let ids: BTreeSet<&str> = ids.collect();
        drops.any(|(id, _)| ids.contains(id))
    }

    /// Whether it says that something that the gateway wrote about a message was lost on its way to its reader.
    pub fn was_report_lost(&self, message: &str, reader: &str) -> bool {
        let about = format!("it is about <{}>", mailbag::message_id(message));
        self.drops(reader).any(|(_, why)| why.contains(&about))
    }

    /// The messages that were dropped for a recipient, by their names in the spool, and why.
    fn drops(&self, recipient: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let recipient = recipient.to_lowercase();
        self.record.entries.iter().filter_map(move |entry| match &entry.what {
            What::Event(event) if event.id == 4123 => {
                let (id, rest) = event.description.strip_prefix("Message ")?.split_once(" to ")?;
                let (to, why) = rest.split_once(" was dropped: ")?;
                (to.to_lowercase() == recipient).then_some((id, why))
            }
            _ => None,
        })
    }

    /// The name of the mail server at an address.
    pub fn server_at(&self, address: IpAddr) -> Option<&'a str> {
        self.plan.servers.iter().find(|server| server.address == address).map(|server| &*server.name)
    }

    /// The address of a mail server.
    pub fn address_of(&self, server: &str) -> Option<IpAddr> {
        self.plan.servers.iter().find(|known| *known.name == *server).map(|server| server.address)
    }
}

fn heard(attempt: &Attempt) -> Option<&str> {
    match &attempt.outcome {
        Outcome::Accepted { reply, .. } => Some(reply),
        _ => None,
    }
}

/// The mailbox, in lower case, whose directory has this name: what no file name may have stands there in hexadecimal.
pub(super) fn mailbox_of(directory: &str) -> String {
    address_of(directory).to_ascii_lowercase()
}

/// The address as it was written.
pub(crate) fn address_of(directory: &str) -> String {
    let mut parts = directory.split('%');
    let mut name: Vec<u8> = parts.next().unwrap_or_default().bytes().collect();
    for part in parts {
        match part.split_at_checked(2).map(|(octet, rest)| (u8::from_str_radix(octet, 16), rest)) {
            Some((Ok(octet), rest)) => {
                name.push(octet);
                name.extend(rest.bytes());
            }
            _ => name.extend(part.bytes()),
        }
    }
    String::from_utf8_lossy(&name).into_owned()
}

/// Where something is at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where<'a> {
    /// In the mailbox with this directory.
    Mailbox(&'a str),
    /// On this mail server.
    Server(&'a str),
    /// In this folder of the spool.
    Spool(&'a str),
}
