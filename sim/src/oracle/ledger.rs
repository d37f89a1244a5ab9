//! The ledger: what became of each message, looked up once for all oracles.
//!
//! It lists; it does not judge.

use std::collections::BTreeMap;

use crate::mailbag::{Item, Kind};
use crate::plan::{ClientPlan, MessagePlan, Plan};
use crate::record::{Attempt, Entry, Outcome, Record, Spooled, What};

/// What became of each message.
pub struct Ledger<'a> {
    /// Each message of the plan, by its name, and the client that hands it over.
    pub planned: BTreeMap<&'a str, (&'a ClientPlan, &'a MessagePlan)>,
    /// Each try of a client, in the order in which they ended.
    pub attempts: Vec<(&'a Entry, &'a Attempt)>,
    /// Each time that the gateway answered for a message.
    pub accepted: Vec<Acceptance<'a>>,
    /// Each time that a mail server took a message, with its recipients there.
    pub taken: Vec<Taken<'a>>,
    /// What is in the mailboxes at the end.
    pub mailboxes: BTreeMap<String, &'a [Item]>,
    /// What is in the spool at the end: the folder, the file.
    pub spooled: Vec<(&'a str, &'a Spooled)>,
}

/// A message that the gateway answered for.
#[derive(Clone, Copy, Debug)]
pub struct Acceptance<'a> {
    /// The client's side of it.
    pub entry: &'a Entry,
    /// Its name in the plan.
    pub message: &'a str,
    /// The recipients accepted.
    pub recipients: &'a [String],
    /// The reply to the end of the data.
    pub reply: &'a str,
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
        let (mut attempts, mut accepted, mut taken) = (Vec::new(), Vec::new(), Vec::new());
        for entry in &record.entries {
            match &entry.what {
                What::Client(attempt) => {
                    attempts.push((entry, attempt));
                    if let Outcome::Accepted { recipients, reply } = &attempt.outcome {
                        let message = attempt.message.as_str();
                        accepted.push(Acceptance { entry, message, recipients, reply });
                    }
                }
                What::Accepted { message, recipients } => taken.push(Taken { entry, message, recipients }),
                _ => {}
            }
        }
        let mailboxes = record.end.mailboxes.iter();
        let spool = record.end.spool.iter();
        Ledger {
            planned: planned.collect(),
            attempts,
            accepted,
            taken,
            mailboxes: mailboxes.map(|(name, items)| (name.to_ascii_lowercase(), &items[..])).collect(),
            spooled: spool
                .flat_map(|(folder, files)| files.iter().map(move |file| (folder.as_str(), file)))
                .collect(),
        }
    }

    /// Every report on a message that is somewhere at the end: in a mailbox, on a server or in the spool.
    pub fn reports_on(&self, record: &'a Record, message: &str) -> impl Iterator<Item = &'a Item> {
        let report = Kind::Report(message.to_owned());
        let stored = record.end.mailboxes.iter().chain(&record.end.servers).flat_map(|(_, items)| items);
        let spooled = record.end.spool.iter().flat_map(|(_, files)| files);
        stored.chain(spooled.filter_map(|file| file.item.as_ref())).filter(move |item| item.kind == report)
    }
}
