//! Which message of the plan each entry of a Record is about.
//!
//! A dialogue says it itself, once the content goes over the wire. Where it never does, it is the one message that has
//! this sender, these recipients and, coming from its client, this size; if there are more of them, it is not known.
//! An event says it by the name of a spool file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::breach::words;
use crate::mailbag::Kind;
use crate::oracle::session::{opening, path, verb};
use crate::plan::{MessagePlan, Plan};
use crate::record::{Content, Record, Speaker, What};

/// A connection of the gateway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    /// Whether the other host opened it.
    pub(super) is_inbound: bool,
    /// The other host.
    pub(super) peer: IpAddr,
}

/// Every connection, by its number.
pub(super) fn connections(record: &Record) -> BTreeMap<u32, Connection> {
    let mut connections = BTreeMap::new();
    for entry in &record.entries {
        if let What::Smtp { connection, speaker: Speaker::Network, line } = &entry.what
            && let Some((is_inbound, peer)) = opening(line).or_else(|| failed(line))
        {
            connections.entry(*connection).or_insert(Connection { is_inbound, peer: peer.to_canonical() });
        }
    }
    connections
}

/// The host that could not be connected to.
fn failed(line: &str) -> Option<(bool, IpAddr)> {
    let (address, _) = line.strip_prefix("no connection to ")?.split_once(": ")?;
    Some((false, address.rsplit_once(':')?.0.trim_matches(['[', ']']).parse().ok()?))
}

/// The message that each entry is about, if it is about one and it is known.
pub(super) fn messages(plan: &Plan, record: &Record) -> Vec<Option<String>> {
    let connections = connections(record);
    let files = files(record);
    let mut about: Vec<Option<String>> = vec![None; record.entries.len()];
    let mut dialogues: BTreeMap<u32, Dialogue> = BTreeMap::new();
    for (place, entry) in record.entries.iter().enumerate() {
        match &entry.what {
            What::Client(attempt) => about[place] = Some(attempt.message.clone()),
            What::Milter(filtering) => about[place] = Some(Kind::about(&filtering.about).to_owned()),
            What::Accepted { message, .. } => about[place] = Some(Kind::about(message).to_owned()),
            What::Event(event) => {
                about[place] = words(&event.description).find_map(|word| files.get(word)).cloned()
            }
            What::Fault(what) => {
                about[place] = crate::breach::message(plan, what).map(str::to_owned);
            }
            What::Smtp { connection, speaker, line } => {
                let dialogue = dialogues.entry(*connection).or_default();
                if *speaker == Speaker::Client && verb(line) == "MAIL" && dialogue.is_whole {
                    // The next message on the same connection.
                    std::mem::take(dialogue).settle(&mut about);
                }
                dialogue.hear(place, *speaker, line);
            }
            What::Service(_) | What::Administrator(_) | What::FaultSpan { .. } => {}
        }
    }
    for (number, mut dialogue) in dialogues {
        if dialogue.message.is_none() {
            dialogue.message = connections.get(&number).and_then(|with| dialogue.guess(plan, *with));
        }
        dialogue.settle(&mut about);
    }
    about
}

/// The message in each spool file, by its name without the number of its part.
fn files(record: &Record) -> BTreeMap<&str, String> {
    let changes = record.capture.iter().flat_map(|capture| &capture.files);
    let named = changes.filter_map(|change| {
        let message = &change.holds.as_ref()?.message;
        let name = change.file.split('.').next()?;
        (!message.is_empty() && !change.folder.starts_with("mailboxes/"))
            .then(|| (name, Kind::about(message).to_owned()))
    });
    named.collect()
}

/// What was said about one message.
#[derive(Default)]
struct Dialogue<'a> {
    places: Vec<usize>,
    sender: Option<&'a str>,
    size: Option<usize>,
    recipients: Vec<&'a str>,
    message: Option<String>,
    /// The final dot was said.
    is_whole: bool,
}

impl<'a> Dialogue<'a> {
    fn hear(&mut self, place: usize, speaker: Speaker, line: &'a str) {
        self.places.push(place);
        if speaker != Speaker::Client {
            return;
        }
        if let Some(content) = Content::read(line) {
            self.message = content.message.as_deref().map(|shown| Kind::about(shown).to_owned());
            self.is_whole = true;
            return;
        }
        match verb(line).as_str() {
            "MAIL" => {
                self.sender = Some(path(line));
                self.size = line.split(' ').find_map(|word| word.strip_prefix("SIZE=")?.parse().ok());
            }
            "RCPT" => self.recipients.push(path(line)),
            _ => {}
        }
    }

    fn settle(self, about: &mut [Option<String>]) {
        for place in self.places {
            about[place].clone_from(&self.message);
        }
    }

    /// The one message of the plan that it can be.
    fn guess(&self, plan: &Plan, with: Connection) -> Option<String> {
        let sender = self.sender?;
        let fits = |message: &&MessagePlan| {
            let is_for = |path: &&str| message.to.iter().any(|to| to.to_string().eq_ignore_ascii_case(path));
            let size = self.size.is_none_or(|size| !with.is_inbound || size == message.content.len());
            message.from.eq_ignore_ascii_case(sender) && self.recipients.iter().all(is_for) && size
        };
        let clients = plan.clients.iter().filter(|client| !with.is_inbound || client.address == with.peer);
        let mut fitting = clients.flat_map(|client| &client.messages).filter(fits);
        let only = fitting.next()?;
        fitting.next().is_none().then(|| only.name.clone())
    }
}
