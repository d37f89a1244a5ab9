//! The format of a scenario file. `docs/scenario-files.md` is its reference.

use std::net::IpAddr;
use std::path::PathBuf;

use gateway::address::{Address, Domain};
use gateway::release::Release;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::expect::Expectation;
use crate::fault::Fault;
use crate::filter::MilterDoes;
use crate::plan::{Hears, Offer, Returns};
use crate::span::Span;

/// A whole file.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) title: String,
    pub(crate) starts: Timestamp,
    pub(crate) duration: Spanned<Span>,
    pub(crate) seed: u64,
    pub(crate) releases: Spanned<Vec<Release>>,
    #[serde(default, skip_serializing_if = "LookUps::are_packets")]
    pub(crate) names: LookUps,
    #[serde(default, skip_serializing_if = "Service::is_nothing")]
    pub(crate) service: Service,
    pub(crate) gateway: Gateway,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) client: Vec<Client>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) server: Vec<Server>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) milter: Vec<Milter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) administrator: Vec<Errand>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) fault: Vec<Spanned<Fault>>,
    #[serde(default, skip_serializing)]
    pub(crate) expect: Vec<Expectation>,
}

/// How the gateway looks names up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LookUps {
    /// In memory, without a name server.
    Map,
    /// It asks a name server.
    #[default]
    Packets,
}

impl LookUps {
    fn are_packets(&self) -> bool {
        *self == LookUps::Packets
    }
}

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    pub(crate) restart_after: Span,
    pub(crate) restarts: usize,
}

impl Service {
    fn is_nothing(&self) -> bool {
        self.restarts == 0
    }
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateway {
    pub(crate) name: Spanned<String>,
    pub(crate) address: Spanned<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) file: Vec<DiskFile>,
    pub(crate) config: Spanned<toml::Table>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiskFile {
    pub(crate) path: Spanned<PathBuf>,
    pub(crate) content: String,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    pub(crate) name: Spanned<String>,
    pub(crate) address: Spanned<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<Account>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) message: Vec<Message>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) password: String,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    pub(crate) name: Spanned<String>,
    pub(crate) at: Span,
    /// The sender; absent for the null reverse path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Address>,
    pub(crate) to: Vec<Address>,
    pub(crate) subject: String,
    #[serde(default = "body", skip_serializing_if = "is_usual_body")]
    pub(crate) body: String,
    /// What its content is like.
    #[serde(default, skip_serializing_if = "Shape::is_plain")]
    pub(crate) shape: Shape,
    /// How many octets its content has besides, about.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub(crate) octets: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) retry: Vec<Span>,
    /// The client says its commands together, where that is offered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) pipeline: bool,
    /// In how many chunks it sends the message, where that is offered.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub(crate) chunks: usize,
    /// Of what the sender wants to hear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) notify: Option<Vec<Hears>>,
    /// How much of the message a report is to return.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ret: Option<Returns>,
    /// The sender's name for this sending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) envid: Option<Spanned<String>>,
}

fn is_nothing(octets: &usize) -> bool {
    *octets == 0
}

/// What the content of a message is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shape {
    /// Lines of ASCII.
    #[default]
    Plain,
    /// Octets past ASCII, undeclared and unencoded.
    EightBit,
    /// Lines as long as may be: 998 octets and CRLF (RFC 5322, 2.1.1).
    LongLines,
    /// Lines that begin with dots, and lines of dots alone.
    Dots,
    /// Parts within parts, and a message within a message.
    Nested,
    /// It says that it has come a long way: a `Received` line for each of many hosts.
    FarTravelled,
    /// No text at all.
    Empty,
    /// More than a report returns whole.
    Large,
}

impl Shape {
    fn is_plain(&self) -> bool {
        *self == Shape::Plain
    }
}

fn is_usual_body(text: &str) -> bool {
    text == body()
}

fn body() -> String {
    "Nothing to see here.\n".to_owned()
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) name: Spanned<String>,
    pub(crate) address: Spanned<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) domains: Vec<Domain>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) offers: Vec<Offer>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Milter {
    pub(crate) name: Spanned<String>,
    pub(crate) address: Spanned<IpAddr>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) terse: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) trusts: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refuses: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) act: Vec<Act>,
}

/// What a milter does to a message.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Act {
    pub(crate) message: Spanned<String>,
    pub(crate) does: MilterDoes,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Errand {
    pub(crate) at: Span,
    #[serde(rename = "do")]
    pub(crate) task: Spanned<Task>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    Start,
    CutPower,
    SetAside,
}
