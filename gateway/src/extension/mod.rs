//! Extensions: programs of the administrator's that decide where a recipient's mail goes, asked before the routing
//! table.
//!
//! The original loaded a DLL and called its `rcRouteInboundMail` for each inbound message (KB Q188298). Only names
//! and dispositions of that interface were ever published; the shape here is ours. An extension is asked once for
//! each recipient and answers with a [`Disposition`]. It is asynchronous because it may take its time, or never
//! answer: whoever asks sets the deadline. One that panics or does not answer in time has [`Failed`]; what becomes of the
//! message then is the administrator's to say, for each link of the chain ([`OnFailure`]).
//!
//! **Rewriting.** [`Disposition::Rewrite`] says nothing of where the message goes. The content is from then on the new
//! one, for every recipient, and the chain goes on with it: the next extension is asked about this recipient, and all
//! are asked anew about the next recipient, the one that rewrote among them. Nothing of it is kept in `in/`: processing
//! that a crash cut off begins with the message as it was received, and rewrites it again. An extension should therefore
//! recognise its own work, and rewrite the same message in the same way. The `Received` lines stay, or nothing stops a
//! message that loops.
//!
//! **Passing.** When every recipient is sorted, each extension is asked once for each way that the message goes, to
//! mailboxes here and to other hosts ([`Extension::pass`]): it may have a copy made, or give what goes that way another
//! content.
//!
//! | module | what it knows |
//! |---|---|
//! | [`journal`] | copies of messages for a journal |
//! | [`disclaimer`] | text before and behind the text of messages |
//! | [`imcext`] | the sample extension of the BackOffice Resource Kit, reconstructed |
//! | [`route_file`] | the file in which that extension keeps its routes |
//! | [`q169681`] | what a release with the defect does when that extension answers `localhost` |
//!
//! This module knows no spool and no SMTP.

pub mod disclaimer;
pub mod imcext;
pub mod journal;
pub mod q169681;
pub mod route_file;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::address::Address;
use crate::config::ExtensionConfig;
use crate::env::{BoxFuture, Env};
use crate::envelope::Envelope;
use crate::exception::{self, Exception};
use crate::reach::{Point, reached};
use crate::report::Direction;
use crate::routing::NextHop;

/// The message about which an extension is asked.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Who sent it, to whom, and from where.
    pub envelope: &'a Envelope,
    /// The message as it was received or as an extension has rewritten it: header and body, in lines that end in CRLF.
    pub content: &'a [u8],
}

/// What an extension says of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// No opinion: the next extension, and in the end the routing table, decides.
    Continue,
    /// This machine handles the recipient's domain.
    ThisHost,
    /// The message goes to this host.
    Reroute(NextHop),
    /// The message goes nowhere: it is not for this recipient any more. Nobody is told but the event log.
    Drop,
    /// The message has this content from now on, for all its recipients: header and body, in lines that end in CRLF. The
    /// next extension, and in the end the routing table, decides where it goes.
    Rewrite(Vec<u8>),
}

/// What an extension does with a message that goes one way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Passage {
    /// Nothing.
    #[default]
    Unchanged,
    /// What goes that way has this content: header and body, in lines that end in CRLF.
    Rewritten(Vec<u8>),
    /// Somebody has a copy.
    Copied {
        /// Who.
        to: Address,
        /// Who hears of a copy that could not be delivered.
        reports_to: Address,
    },
}

/// What a chain does with a message that goes one way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Its content that way, if it is another.
    pub content: Option<Vec<u8>>,
    /// The copies of it.
    pub copies: Vec<Copied>,
}

/// A copy that an extension has made of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Who has it.
    pub to: Address,
    /// Who hears of it if it could not be delivered.
    pub reports_to: Address,
    /// Its content: the message's, as the extensions before have left it.
    pub content: Vec<u8>,
    /// The place in the chain of the extension.
    pub link: usize,
}

/// What a chain says of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: the routing table decides.
    Nothing,
    /// This machine handles the recipient's domain.
    ThisHost,
    /// The message goes to this host.
    Reroute(NextHop),
    /// The message is not for this recipient any more.
    Drop {
        /// Which extension says so.
        extension: String,
    },
}

/// What becomes of a message over which an extension fails. The historical releases have no choice: an exception ends
/// them, and an extension that does not answer is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It is set aside in `bad/`, and the administrator is told.
    #[default]
    Quarantine,
    /// It goes on as if the extension were not in the chain.
    Bypass,
    /// It is kept and tried again by the retry schedule; when it has grown too old its sender is told.
    Retry,
    /// Its sender is told that it cannot be delivered.
    Report,
}

/// An extension failed over a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", match how {
    Failure::NoAnswer => format!("the extension `{extension}` gave no answer in time"),
    Failure::Exception(exception) => format!("processing it raised an exception, {exception}"),
})]
pub struct Failed {
    /// Its name.
    pub extension: String,
    /// Its place in the chain.
    pub link: usize,
    /// How it failed.
    pub how: Failure,
    /// What is to become of the message.
    pub on_failure: OnFailure,
}

/// How an extension fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It did not answer before the deadline.
    NoAnswer,
    /// It panicked.
    Exception(Exception),
}

/// A routing extension.
pub trait Extension: Send + Sync {
    /// Its name, as in the configuration and the event log.
    fn name(&self) -> &str;

    /// Where the message goes for `recipient`.
    fn route<'a>(&'a self, subject: Subject<'a>, recipient: &'a Address) -> BoxFuture<'a, Disposition>;

    /// Whether it may have an opinion of where messages go.
    fn chooses_routes(&self) -> bool {
        true
    }

    /// What becomes of a message that goes this way. It is asked once for each way, when its recipients are sorted.
    fn pass<'a>(&'a self, _subject: Subject<'a>, _way: Direction) -> BoxFuture<'a, Passage> {
        Box::pin(async { Passage::Unchanged })
    }
}

/// Makes an extension from its settings, on this machine.
pub type Factory =
    Box<dyn Fn(toml::Table, Env) -> BoxFuture<'static, Result<Box<dyn Extension>, LoadError>> + Send + Sync>;

/// The extensions that a configuration can name.
pub struct Registry {
    factories: BTreeMap<String, Factory>,
}

impl Registry {
    /// The extensions that come with the gateway: [`disclaimer`], [`imcext`] and [`journal`].
    pub fn builtin() -> Self {
        let mut registry = Registry { factories: BTreeMap::new() };
        registry.add(disclaimer::NAME, Box::new(|settings, env| Box::pin(disclaimer::load(settings, env))));
        registry.add(journal::NAME, Box::new(|settings, env| Box::pin(journal::load(settings, env))));
        registry.add(imcext::NAME, Box::new(|settings, env| Box::pin(imcext::load(settings, env))));
        registry
    }

    /// Adds an extension, in place of one that has the same name.
    pub fn add(&mut self, name: impl Into<String>, factory: Factory) {
        self.factories.insert(name.into(), factory);
    }

    /// Loads the extensions of `chain`, in that order.
    ///
    /// # Errors
    /// The first that could not be loaded. The service then logs event 4084 and does not start.
    pub async fn load(&self, chain: &[ExtensionConfig], env: &Env) -> Result<Chain, LoadError> {
        let mut links = Vec::with_capacity(chain.len());
        for ExtensionConfig { name, on_failure, settings } in chain {
            let factory = self
                .factories
                .get(name)
                .ok_or_else(|| LoadError::new(name.clone(), UnknownExtension { known: self.known() }))?;
            let extension = factory(settings.clone(), env.clone()).await?;
            links.push(Link { extension, on_failure: *on_failure });
        }
        Ok(Chain { links })
    }

    fn known(&self) -> String {
        self.factories.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }
}

/// An extension that could not be loaded: the content of event 4084.
#[derive(Debug, thiserror::Error)]
#[error("the extension `{extension}` could not be loaded: {why}")]
pub struct LoadError {
    /// The name in the configuration.
    pub extension: String,
    /// Why not, and the remedy.
    pub why: Box<dyn Error + Send + Sync>,
}

impl LoadError {
    /// The extension `extension` could not be loaded. `why` also says the remedy.
    pub fn new(extension: impl Into<String>, why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        LoadError { extension: extension.into(), why: why.into() }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("there is none of that name; the extensions are {known}")]
struct UnknownExtension {
    known: String,
}

/// The extensions in use, in the order in which they are asked.
#[derive(Default)]
pub struct Chain {
    links: Vec<Link>,
}

struct Link {
    extension: Box<dyn Extension>,
    on_failure: OnFailure,
}

impl Chain {
    /// Whether an extension may have an opinion of where messages go.
    pub fn chooses_routes(&self) -> bool {
        self.links.iter().any(|link| link.extension.chooses_routes())
    }

    /// Asks each extension in turn about one recipient until one has an opinion; those in the places `without` are not
    /// asked. `content` is the message's, and becomes another where one rewrites it.
    ///
    /// # Errors
    /// One of them panicked, or did not answer before `deadline`. Without a deadline it is waited for.
    pub async fn route(
        &self,
        envelope: &Envelope,
        content: &mut Cow<'_, [u8]>,
        recipient: &Address,
        without: &BTreeSet<usize>,
        deadline: Option<Instant>,
    ) -> Result<Answer, Failed> {
        for (place, link) in self.asked(without) {
            let subject = Subject { envelope, content };
            match link.ask(place, deadline, link.extension.route(subject, recipient)).await? {
                Disposition::Continue => {}
                Disposition::ThisHost => return Ok(Answer::ThisHost),
                Disposition::Reroute(next_hop) => return Ok(Answer::Reroute(next_hop)),
                Disposition::Drop => {
                    return Ok(Answer::Drop { extension: link.extension.name().to_owned() });
                }
                Disposition::Rewrite(rewritten) => {
                    reached(Point::ExtensionRewrote);
                    *content = Cow::Owned(rewritten);
                }
            }
        }
        Ok(Answer::Nothing)
    }

    /// Asks each extension in turn what becomes of a message that goes this way; those in the places `without` are not
    /// asked.
    ///
    /// # Errors
    /// One of them panicked, or did not answer before `deadline`. Without a deadline it is waited for.
    pub async fn pass(
        &self,
        subject: Subject<'_>,
        way: Direction,
        without: &BTreeSet<usize>,
        deadline: Option<Instant>,
    ) -> Result<Passed, Failed> {
        let mut passed = Passed::default();
        for (place, link) in self.asked(without) {
            let content = passed.content.as_deref().unwrap_or(subject.content);
            let subject = Subject { content, ..subject };
            match link.ask(place, deadline, link.extension.pass(subject, way)).await? {
                Passage::Unchanged => {}
                Passage::Copied { to, reports_to } => {
                    let content = content.to_vec();
                    passed.copies.push(Copied { to, reports_to, content, link: place });
                }
                Passage::Rewritten(content) => passed.content = Some(content),
            }
        }
        Ok(passed)
    }

    /// The links with their places, but for those in the places `without`.
    fn asked(&self, without: &BTreeSet<usize>) -> impl Iterator<Item = (usize, &Link)> {
        self.links.iter().enumerate().filter(|(place, _)| !without.contains(place))
    }
}

impl Link {
    /// Waits for an answer.
    ///
    /// # Errors
    /// The extension, which is at this place, panicked, or did not answer in time.
    async fn ask<T>(
        &self,
        place: usize,
        deadline: Option<Instant>,
        answer: BoxFuture<'_, T>,
    ) -> Result<T, Failed> {
        let failed = |how| Failed {
            extension: self.extension.name().to_owned(),
            link: place,
            how,
            on_failure: self.on_failure,
        };
        let answer = exception::filter(answer);
        let answer = match deadline {
            Some(deadline) => timeout_at(deadline, answer).await.map_err(|_| failed(Failure::NoAnswer))?,
            None => answer.await,
        };
        answer.map_err(|exception| failed(Failure::Exception(exception)))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.links.iter().map(|link| link.extension.name())).finish()
    }
}

#[cfg(test)]
mod tests;
