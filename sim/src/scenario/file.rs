//! The format of a scenario file. `docs/scenario-files.md` is its reference.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use gateway::address::{Address, Domain};
use gateway::release::Release;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::expect::Expectation;
use crate::fault::Fault;
use crate::filter::MilterDoes;
use crate::plan::{ClientTls, Hears, Mechanism, Offer, Returns};
use crate::span::Span;

/// A whole file.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[schemars(title = "A scenario of Postmortem")]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// What it shows, in a sentence.
    pub(crate) title: String,
    /// The time of day at the start of the run.
    #[schemars(with = "String")]
    pub(crate) starts: Timestamp,
    /// When the run ends at the latest.
    #[schemars(with = "Span")]
    pub(crate) duration: Spanned<Span>,
    /// The seed of every draw.
    pub(crate) seed: u64,
    /// The releases it is replayed on.
    #[schemars(with = "Vec<String>")]
    pub(crate) releases: Spanned<Vec<Release>>,
    /// How the gateway looks names up; `packets` if nothing is said.
    #[serde(default, skip_serializing_if = "LookUps::are_packets")]
    pub(crate) names: LookUps,
    /// How the service is looked after; without it nobody starts it again.
    #[serde(default, skip_serializing_if = "Service::is_nothing")]
    pub(crate) service: Service,
    /// The gateway's machine.
    pub(crate) gateway: Gateway,
    /// The hosts that hand mail over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) client: Vec<Client>,
    /// The hosts that take mail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) server: Vec<Server>,
    /// The hosts that milters run on, which the gateway asks if its configuration names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) milter: Vec<Milter>,
    /// What the administrator does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) administrator: Vec<Errand>,
    /// What goes wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Fault>")]
    pub(crate) fault: Vec<Spanned<Fault>>,
    /// What must be true of a replay, as often as needed.
    #[serde(default, skip_serializing)]
    pub(crate) expect: Vec<Expectation>,
}

/// How the gateway looks names up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
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

/// How the service is looked after.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    /// How long after its end it is started again.
    pub(crate) restart_after: Span,
    /// How often at most.
    pub(crate) restarts: usize,
}

impl Service {
    fn is_nothing(&self) -> bool {
        self.restarts == 0
    }
}

/// The gateway's machine.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateway {
    /// Its host name.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// Its address.
    #[schemars(with = "IpAddr")]
    pub(crate) address: Spanned<IpAddr>,
    /// Files on its disk from the start. Those that `[gateway.config.tls]` names are there even if they are not here: a
    /// certificate for the gateway's name with its key, and the authority of every scenario.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) file: Vec<DiskFile>,
    /// Its configuration, without `release`, `host`, `listen`, `spool` and `store`: these follow from the scenario.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub(crate) config: Spanned<toml::Table>,
}

/// A file on the gateway's disk from the start.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiskFile {
    /// Where it is, from the root.
    #[schemars(with = "PathBuf")]
    pub(crate) path: Spanned<PathBuf>,
    /// What is in it.
    pub(crate) content: String,
}

/// A host that hands mail over.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    /// Its host name.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// Its address.
    #[schemars(with = "IpAddr")]
    pub(crate) address: Spanned<IpAddr>,
    /// What it authenticates with; without it, it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<Account>,
    /// How it encrypts its connections; without it, it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<ClientTls>,
    /// What it hands over, each message on a connection of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) message: Vec<Message>,
    /// When it asks with ETRN for mail that waits, and for whose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) etrn: Vec<Etrn>,
}

/// A time at which a client asks for mail that waits (RFC 1985).
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Etrn {
    /// When, since the start.
    pub(crate) at: Span,
    /// Whose: a domain, or `@` and a domain for all below it too.
    pub(crate) node: String,
}

/// What a client authenticates with.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    /// The account.
    pub(crate) name: String,
    /// Its password.
    pub(crate) password: String,
    /// How it proves that it knows it; `plain` if nothing is said.
    #[serde(default, skip_serializing_if = "Mechanism::is_plain")]
    pub(crate) mechanism: Mechanism,
}

/// A message that a client hands over.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    /// How the rest of the file speaks of it.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// When it is handed over, since the start.
    pub(crate) at: Span,
    /// The sender; absent for the null reverse path.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(crate) from: Option<Address>,
    /// Its recipients.
    #[schemars(with = "Vec<String>")]
    pub(crate) to: Vec<Address>,
    /// Its subject.
    pub(crate) subject: String,
    /// Its text, if it is of a shape that has one.
    #[serde(default = "usual_body", skip_serializing_if = "is_usual_body")]
    pub(crate) body: String,
    /// What its content is like.
    #[serde(default, skip_serializing_if = "Shape::is_plain")]
    pub(crate) shape: Shape,
    /// How many octets its content has besides, about.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub(crate) octets: usize,
    /// The waits before further tries, when there was no answer or a 4yz.
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
    #[schemars(with = "Option<String>")]
    pub(crate) envid: Option<Spanned<String>>,
}

fn is_nothing(octets: &usize) -> bool {
    *octets == 0
}

/// What the content of a message is like: lines that end in CRLF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shape {
    /// The body, and text: lines of ASCII.
    #[default]
    Plain,
    /// Octets past ASCII, undeclared and unencoded; the client says `BODY=8BITMIME` if the gateway offers it.
    EightBit,
    /// Lines as long as may be: 998 octets and CRLF (RFC 5322, 2.1.1).
    LongLines,
    /// Lines that begin with dots, and lines of dots alone.
    Dots,
    /// The body and text, in parts within parts, beside a message within the message.
    Nested,
    /// The body and text, below the `Received` lines of twelve hosts.
    FarTravelled,
    /// The body and text, below a header in UTF-8 (RFC 6532); the client says SMTPUTF8 if the gateway offers it.
    Utf8Header,
    /// No text at all.
    Empty,
    /// 70,000 octets of text, whatever `octets` is: more than a report returns.
    Large,
}

impl Shape {
    fn is_plain(&self) -> bool {
        *self == Shape::Plain
    }
}

fn is_usual_body(text: &str) -> bool {
    text == usual_body()
}

pub(crate) fn usual_body() -> String {
    "Nothing to see here.\n".to_owned()
}

pub(crate) fn usual_preference() -> u16 {
    10
}

fn is_usual_preference(preference: &u16) -> bool {
    *preference == usual_preference()
}

/// A host that takes any mail.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// Its host name.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// Its address.
    #[schemars(with = "IpAddr")]
    pub(crate) address: Spanned<IpAddr>,
    /// The domains that it is the mail exchanger of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub(crate) domains: Vec<Domain>,
    /// With which preference: an exchanger with a lower one is tried first. 10 if nothing is said.
    #[serde(default = "usual_preference", skip_serializing_if = "is_usual_preference")]
    pub(crate) preference: u16,
    /// What it offers beside 8BITMIME and SIZE.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) offers: Vec<Offer>,
}

/// A host that a milter runs on.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Milter {
    /// Its host name.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// Its address.
    #[schemars(with = "IpAddr")]
    pub(crate) address: Spanned<IpAddr>,
    /// It is not told of DATA, and does not answer to header fields and to the body.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) terse: bool,
    /// Clients that it asks nothing about: by address, or by what they say in HELO.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) trusts: Vec<String>,
    /// Clients likewise, senders and recipients that it refuses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refuses: Vec<String>,
    /// What it does to messages, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) act: Vec<Act>,
}

/// What a milter does to a message.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Act {
    /// The message.
    #[schemars(with = "String")]
    pub(crate) message: Spanned<String>,
    /// What it does.
    pub(crate) does: MilterDoes,
}

/// Something that the administrator does.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Errand {
    /// When, since the start.
    pub(crate) at: Span,
    /// What is done.
    #[serde(rename = "do")]
    #[schemars(with = "Task")]
    pub(crate) task: Spanned<Task>,
    /// The message it is about, of `set-aside`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(crate) message: Option<Spanned<String>>,
}

/// What the administrator can do.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// The service is started.
    Start,
    /// The gateway's machine loses its power, and stays down.
    CutPower,
    /// The message's file is moved out of `in/` by hand.
    SetAside,
}
