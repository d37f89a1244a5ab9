//! What must be true of a replay: the `[[expect]]` tables of a scenario.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gateway::release::Release;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::oracle::address_of;
use crate::oracle::session::opening;
use crate::plan::Plan;
use crate::record::{Entry, Outcome, Record, Service, Speaker, What};

/// What must be true of a replay on some releases. Every key that is there is checked.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The releases it is about; all of the scenario's if there are none.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub releases: Vec<Spanned<Release>>,
    /// Whether the service is up at the end.
    service: Option<State>,
    /// How many times its process ended of itself, by an exception.
    deaths: Option<usize>,
    /// How many times an event was logged.
    #[serde(default)]
    events: Vec<EventCount>,
    /// What a client got for a message, try by try.
    #[serde(default)]
    answers: Vec<Answers>,
    /// What is in a mailbox at the end: names of messages, `report on NAME`, `notification on NAME`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    mailboxes: BTreeMap<Spanned<String>, Vec<String>>,
    /// How many connections of the gateway to a mail server came about.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, usize>")]
    connections: BTreeMap<Spanned<String>, usize>,
    /// What is said in a dialogue.
    #[serde(default)]
    said: Vec<Said>,
    /// What a mail server has taken.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    servers: BTreeMap<Spanned<String>, Vec<String>>,
    /// What is in a spool folder at the end.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    spool: BTreeMap<Spanned<String>, Vec<String>>,
    /// The oracles whose promises these releases break: each finds something, and that is no fault of the replay.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    broken: Vec<Spanned<String>>,
}

/// How the service is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// It serves.
    Up,
    /// It has ended, or was never started.
    Down,
}

/// How many times an event was logged.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EventCount {
    /// Its number.
    #[schemars(with = "u16")]
    id: Spanned<u16>,
    /// How often.
    times: usize,
    /// Text that each of them contains.
    #[serde(default)]
    says: String,
}

/// What a client got for a message, try by try.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Answers {
    /// The message.
    #[schemars(with = "String")]
    message: Spanned<String>,
    /// The beginning of what the client saw at each try, such as `250`, `554 Mailbox is not local` or
    /// `connection lost`.
    are: Vec<String>,
}

/// What is said in a dialogue, and how often.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    /// Who the gateway says it to or hears it from: a client or a mail server; whoever it is if nothing is said.
    #[schemars(with = "Option<String>")]
    with: Option<Spanned<String>>,
    /// The beginnings of lines that follow each other in one dialogue, as `replay` prints them: `C: ` or `S: `, for who is
    /// the client of it and who the server, and the line.
    #[schemars(example = ["C: MAIL", "C: RCPT", "C: DATA"])]
    lines: Vec<String>,
    /// How often.
    times: usize,
}

impl Said {
    /// How often these lines follow each other.
    fn count(&self, plan: &Plan, record: &Record) -> usize {
        let wanted = self.with.as_ref().map(|name| address(plan, name.as_ref()));
        let mut dialogues: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for entry in &record.entries {
            let What::Smtp { connection, speaker, line } = &entry.what else { continue };
            match (speaker, opening(line)) {
                (Speaker::Network, Some((_, peer))) => {
                    if wanted.is_none_or(|wanted| wanted == Some(peer.to_canonical())) {
                        dialogues.insert(*connection, Vec::new());
                    }
                }
                (Speaker::Network, None) => {}
                (speaker, _) => {
                    let by = if *speaker == Speaker::Client { "C: " } else { "S: " };
                    let said = dialogues.get_mut(connection);
                    said.into_iter().for_each(|said| said.push(format!("{by}{line}")));
                }
            }
        }
        let follow =
            |said: &&[String]| said.iter().zip(&self.lines).all(|(said, line)| said.starts_with(line));
        let length = self.lines.len().max(1);
        dialogues.values().map(|said| said.windows(length).filter(follow).count()).sum()
    }
}

/// The address of a machine.
fn address(plan: &Plan, name: &str) -> Option<IpAddr> {
    plan.addresses().find(|(_, known)| *known == name).map(|(address, _)| address)
}

impl Expectation {
    /// The messages that it speaks of.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.answers.iter().map(|answers| &answers.message)
    }

    /// The mail servers that it speaks of.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.servers.keys().chain(self.connections.keys())
    }

    /// The others whose dialogues it speaks of.
    pub(super) fn others(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.said.iter().filter_map(|said| said.with.as_ref())
    }

    /// The mailboxes that it speaks of.
    pub(super) fn mailboxes(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.mailboxes.keys()
    }

    /// The numbers of the events that it speaks of.
    pub(super) fn events(&self) -> impl Iterator<Item = &Spanned<u16>> {
        self.events.iter().map(|event| &event.id)
    }

    /// The folders of the spool that it speaks of.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.spool.keys()
    }

    /// The oracles whose promises are broken.
    pub fn broken(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.broken.iter()
    }

    /// What of it is not true, a sentence each.
    pub fn unmet(&self, plan: &Plan, record: &Record) -> Vec<String> {
        let mut unmet = Vec::new();
        let mut compare = |what: &str, wanted: String, found: String| {
            if wanted != found {
                unmet.push(format!("{what}: expected {wanted}, found {found}"));
            }
        };
        if let Some(wanted) = self.service {
            let found = if record.end.service_up { State::Up } else { State::Down };
            compare(
                "the service at the end",
                format!("{wanted:?}").to_lowercase(),
                format!("{found:?}").to_lowercase(),
            );
        }
        if let Some(wanted) = self.deaths {
            let died = |what: &What| matches!(what, What::Service(Service::Died(_)));
            let found = record.entries.iter().filter(|entry| died(&entry.what)).count();
            compare("deaths of the service", wanted.to_string(), found.to_string());
        }
        for wanted in &self.events {
            let id = wanted.id.as_ref();
            let found = record.entries.iter().filter(|entry| {
                matches!(&entry.what, What::Event(event)
                    if event.id == *id && event.description.contains(&wanted.says))
            });
            let what = match wanted.says.as_str() {
                "" => format!("events {id}"),
                says => format!("events {id} with \"{says}\""),
            };
            compare(&what, wanted.times.to_string(), found.count().to_string());
        }
        for wanted in &self.answers {
            let found: Vec<String> =
                outcomes(record, wanted.message.as_ref()).map(ToString::to_string).collect();
            let met = found.len() == wanted.are.len()
                && found.iter().zip(&wanted.are).all(|(found, wanted)| begins(found, wanted));
            if !met {
                compare(&format!("answers for {}", wanted.message.as_ref()), list(&wanted.are), list(&found));
            }
        }
        for (server, wanted) in &self.connections {
            let server = server.as_ref();
            let to = address(plan, server);
            let is_one = |entry: &&Entry| {
                let What::Smtp { speaker: Speaker::Network, line, .. } = &entry.what else { return false };
                matches!(opening(line), Some((false, peer)) if Some(peer.to_canonical()) == to)
            };
            let found = record.entries.iter().filter(is_one).count();
            compare(&format!("connections to {server}"), wanted.to_string(), found.to_string());
        }
        for wanted in &self.said {
            let found = wanted.count(plan, record);
            let what = format!("\"{}\" in a dialogue", wanted.lines.join("\", \""));
            compare(&what, wanted.times.to_string(), found.to_string());
        }
        let addresses: Vec<String> = record.end.mailboxes.iter().map(|(name, _)| address_of(name)).collect();
        let places = [
            (
                "mailbox",
                &self.mailboxes,
                addresses
                    .iter()
                    .zip(&record.end.mailboxes)
                    .map(|(name, (_, items))| (name, kinds(items.iter().map(Some))))
                    .collect(),
            ),
            (
                "server",
                &self.servers,
                record
                    .end
                    .servers
                    .iter()
                    .map(|(name, items)| (name, kinds(items.iter().map(Some))))
                    .collect(),
            ),
            (
                "spool folder",
                &self.spool,
                record
                    .end
                    .spool
                    .iter()
                    .map(|(name, files)| (name, kinds(files.iter().map(|file| file.item.as_ref()))))
                    .collect::<BTreeMap<_, _>>(),
            ),
        ];
        for (what, wanted, found) in places {
            for (place, wanted) in wanted {
                let place = place.as_ref();
                let mut wanted = wanted.clone();
                wanted.sort();
                let found = found.get(place).cloned().unwrap_or_default();
                compare(&format!("{what} {place}"), list(&wanted), list(&found));
            }
        }
        unmet
    }
}

fn outcomes<'a>(record: &'a Record, message: &'a str) -> impl Iterator<Item = &'a Outcome> {
    record.entries.iter().filter_map(move |entry| match &entry.what {
        What::Client(attempt) if attempt.message == message => Some(&attempt.outcome),
        _ => None,
    })
}

fn kinds<'a>(items: impl Iterator<Item = Option<&'a crate::mailbag::Item>>) -> Vec<String> {
    let mut kinds: Vec<String> =
        items.map(|item| item.map_or("unreadable".to_owned(), |item| item.kind.to_string())).collect();
    kinds.sort();
    kinds
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

/// Whether a reply begins so, with or without its enhanced status code: the historical releases have none.
fn begins(reply: &str, wanted: &str) -> bool {
    let without = reply.split_once(' ').and_then(|(code, rest)| {
        let (status, text) = rest.split_once(' ')?;
        let is_status = status.split('.').count() == 3 && status.starts_with(code.get(..1)?);
        is_status.then(|| format!("{code} {text}"))
    });
    reply.starts_with(wanted) || without.is_some_and(|reply| reply.starts_with(wanted))
}
