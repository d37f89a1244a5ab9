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
//! | module | what it knows |
//! |---|---|
//! | [`imcext`] | the sample extension of the BackOffice Resource Kit, reconstructed |
//! | [`route_file`] | the file in which that extension keeps its routes |
//! | [`q169681`] | what a release with the defect does when that extension answers `localhost` |
//!
//! This module knows no spool and no SMTP.

pub mod imcext;
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
}

/// Makes an extension from its settings, on this machine.
pub type Factory =
    Box<dyn Fn(toml::Table, Env) -> BoxFuture<'static, Result<Box<dyn Extension>, LoadError>> + Send + Sync>;

/// The extensions that a configuration can name.
pub struct Registry {
    factories: BTreeMap<String, Factory>,
}

impl Registry {
    /// The extensions that come with the gateway: [`imcext`].
    pub fn builtin() -> Self {
        let mut registry = Registry { factories: BTreeMap::new() };
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
        let asked = self.links.iter().enumerate().filter(|(link, _)| !without.contains(link));
        for (link, Link { extension, on_failure }) in asked {
            let name = || extension.name().to_owned();
            let failed = |how| Failed { extension: name(), link, how, on_failure: *on_failure };
            let subject = Subject { envelope, content };
            let answer = exception::filter(async { extension.route(subject, recipient).await });
            let answer = match deadline {
                Some(deadline) => {
                    timeout_at(deadline, answer).await.map_err(|_| failed(Failure::NoAnswer))?
                }
                None => answer.await,
            };
            let said = answer.map_err(|exception| failed(Failure::Exception(exception)))?;
            match said {
                Disposition::Continue => {}
                Disposition::ThisHost => return Ok(Answer::ThisHost),
                Disposition::Reroute(next_hop) => return Ok(Answer::Reroute(next_hop)),
                Disposition::Drop => return Ok(Answer::Drop { extension: name() }),
                Disposition::Rewrite(rewritten) => {
                    reached(Point::ExtensionRewrote);
                    *content = Cow::Owned(rewritten);
                }
            }
        }
        Ok(Answer::Nothing)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.links.iter().map(|link| link.extension.name())).finish()
    }
}

#[cfg(test)]
mod tests;
