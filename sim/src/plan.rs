//! The Plan: every single thing that will happen in a run, written out before anything runs.
//!
//! A run draws nothing that a line here could have held. Made from a scenario, a release and a seed by
//! [`crate::scenario::Scenario::plan`].

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway::address::{Address, Domain};
use gateway::config::Config;
use gateway::release::Release;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::draw::{Seed, between};
use crate::engine::MachineId;
use crate::fault::Fault;
use crate::filter::MilterDoes;
use crate::peer::Names;
use crate::utf8_address;

/// Everything that will happen in one run.
#[derive(Clone)]
pub struct Plan {
    /// The scenario it was made from.
    pub scenario: String,
    /// The release of the gateway.
    pub release: Release,
    /// The seed of every draw.
    pub seed: Seed,
    /// The time of day at the start.
    pub starts: Timestamp,
    /// When the run ends at the latest.
    pub duration: Duration,
    /// The gateway.
    pub gateway: GatewayPlan,
    /// How its service is looked after.
    pub service: ServicePlan,
    /// What the administrator does, in the order of time.
    pub errands: Vec<Errand>,
    /// The clients. They are the machines after the gateway.
    pub clients: Vec<ClientPlan>,
    /// The mail servers. They are the machines after the clients.
    pub servers: Vec<ServerPlan>,
    /// The milters. They are the machines after the servers.
    pub milters: Vec<MilterPlan>,
    /// What goes wrong, a line each. Elsewhere a line is spoken of by its place here.
    pub faults: Vec<Fault>,
    /// The name server that the gateway asks; none if it looks into the map itself. It is the last machine.
    pub name_server: Option<NameServerPlan>,
    /// The names that the gateway can look up.
    pub(crate) names: Names,
    /// The latency of each link, the lower machine first.
    pub(crate) latencies: BTreeMap<(MachineId, MachineId), Duration>,
}

/// The machine that the gateway is on.
#[derive(Clone)]
pub struct GatewayPlan {
    /// Its host name.
    pub name: Arc<str>,
    /// Its address.
    pub address: IpAddr,
    /// The gateway's configuration.
    pub config: Config,
    /// The entries of its routing table and their targets, as they were written.
    pub routes: Vec<(String, String)>,
    /// The same entries, and until when their mail waits: empty for not at all.
    pub holds: Vec<(String, String)>,
    /// The entries of its routing table, and whether the mail needs TLS with a certificate.
    pub certified: Vec<(String, bool)>,
    /// The entries of its routing table, and whether anybody may send what goes there.
    pub public: Vec<(String, bool)>,
    /// Files that are on its disk from the start.
    pub files: Vec<(PathBuf, String)>,
}

/// How the service is looked after.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServicePlan {
    /// How long after its end it is started again.
    pub restart_after: Duration,
    /// How many times.
    pub restarts: usize,
}

/// Something the administrator does.
#[derive(Clone, Debug)]
pub struct Errand {
    /// When.
    pub at: Duration,
    /// What.
    pub task: Task,
}

/// What an administrator can do.
#[derive(Clone, Debug)]
pub enum Task {
    /// Start the service, if it is down.
    Start,
    /// Cut the machine's power: nobody hears of it, and what the disk had not synchronised is gone.
    CutPower,
    /// Move the spool file of a message out of `in`, to where the gateway does not look.
    SetAside {
        /// The message.
        message: String,
    },
}

/// An SMTP client.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// Its host name.
    pub name: Arc<str>,
    /// Its address.
    pub address: IpAddr,
    /// What it authenticates with.
    pub account: Option<Account>,
    /// How it encrypts its connections, if it does.
    pub tls: Option<ClientTls>,
    /// What it hands over.
    pub messages: Vec<MessagePlan>,
    /// For what it asks with ETRN.
    pub asks: Vec<Ask>,
}

/// A time at which a client asks for mail with ETRN (RFC 1985).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// When, since the start of the run.
    pub at: Duration,
    /// Whose mail, as it is said.
    pub node: String,
}

/// How a client encrypts its connections.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ClientTls {
    /// By STARTTLS, where it is offered; otherwise it goes on in clear.
    Starttls,
    /// From the first octet, at the port that is for it.
    Implicit,
}

/// An account and its password.
#[derive(Clone, Debug)]
pub struct Account {
    /// The account's name.
    pub name: String,
    /// Its password.
    pub password: String,
    /// How a client proves that it knows it.
    pub mechanism: Mechanism,
}

/// How a client authenticates.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// PLAIN (RFC 4616).
    #[default]
    Plain,
    /// LOGIN.
    Login,
    /// SCRAM-SHA-256 (RFC 7677) where it is offered, and else PLAIN.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
}

impl Mechanism {
    pub(crate) fn is_plain(&self) -> bool {
        *self == Mechanism::Plain
    }
}

impl Account {
    /// The initial response of AUTH PLAIN (RFC 4616).
    pub fn sasl_plain(&self) -> String {
        BASE64_STANDARD.encode(format!("\0{}\0{}", self.name, self.password))
    }
}

/// A message that a client hands over.
#[derive(Clone, Debug)]
pub struct MessagePlan {
    /// Its name in the plan.
    pub name: String,
    /// When it is handed over, since the start of the run.
    pub at: Duration,
    /// The reverse path, empty for the null one.
    pub from: String,
    /// The recipients.
    pub to: Vec<Address>,
    /// The content (RFC 5322), as it is before it goes over the wire.
    pub content: Vec<u8>,
    /// How long the client waits before each further try.
    pub retry: Vec<Duration>,
    /// Which service extensions the client makes use of, where they are offered.
    pub uses: Uses,
}

/// The service extensions that a client makes use of for a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// It says its commands together (RFC 2920).
    pub pipelining: bool,
    /// In how many chunks it sends the message (RFC 3030); 0 for DATA.
    pub chunks: usize,
    /// Of what the sender wants to hear (RFC 3461); of nothing if it is empty. None: nothing is said of it.
    pub notify: Option<Vec<Hears>>,
    /// How much of the message a report is to return.
    pub ret: Option<Returns>,
    /// The sender's name for this sending: letters and digits.
    pub envelope_id: Option<String>,
}

/// Of what a sender can want to hear (RFC 3461, 4.1).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Hears {
    /// It was delivered, or passed on to a host that reports no delivery.
    Success,
    /// A recipient will not have it.
    Failure,
    /// It is late.
    Delay,
}

/// How much of a message a report returns (RFC 3461, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Returns {
    /// All of it.
    Full,
    /// Its header section.
    Headers,
}

/// What a mail server offers beside 8BITMIME and SIZE.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Offer {
    /// PIPELINING (RFC 2920).
    Pipelining,
    /// DSN (RFC 3461).
    Dsn,
    /// SMTPUTF8 (RFC 6531).
    Smtputf8,
    /// STARTTLS (RFC 3207), with a certificate for its name of the authority that every scenario has.
    Starttls,
}

impl MessagePlan {
    /// Whether it has an address or a header past ASCII, and takes SMTPUTF8 (RFC 6531).
    pub fn is_international(&self) -> bool {
        !self.from.is_ascii()
            || self.to.iter().any(|to| !to.is_ascii())
            || utf8_address::has_utf8_header(&self.content)
    }

    /// Whether its sender wants to hear this of its recipients. Who says nothing hears of failures and delays.
    pub fn wants(&self, what: Hears) -> bool {
        self.uses.notify.as_ref().map_or(what != Hears::Success, |hears| hears.contains(&what))
    }
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    /// Its host name.
    pub name: Arc<str>,
    /// Its address.
    pub address: IpAddr,
    /// The domains that it is a mail exchanger of.
    pub domains: Vec<Domain>,
    /// What it offers.
    pub offers: Vec<Offer>,
}

/// A name server.
#[derive(Clone, Debug)]
pub struct NameServerPlan {
    /// Its host name.
    pub name: Arc<str>,
    /// Its address.
    pub address: IpAddr,
}

/// A milter: a filter beside the gateway.
#[derive(Clone, Debug)]
pub struct MilterPlan {
    /// Its host name.
    pub name: Arc<str>,
    /// Its address.
    pub address: IpAddr,
    /// Whether it asks for as few questions as it can, and answers only those that it must.
    pub is_terse: bool,
    /// The clients that it asks nothing more about: by address, or by what they call themselves.
    pub trusts: Vec<String>,
    /// What it refuses: a client, by its address or by what it calls itself; a sender; a recipient.
    pub refuses: Vec<String>,
    /// What it does to messages, in this order.
    pub acts: Vec<(String, MilterDoes)>,
}

impl Plan {
    /// The names of all machines, in the order of their places in the run: the gateway, the clients, the servers, the
    /// milters, the name server.
    pub fn machines(&self) -> impl Iterator<Item = &Arc<str>> {
        let clients = self.clients.iter().map(|client| &client.name);
        let servers = self.servers.iter().map(|server| &server.name);
        let milters = self.milters.iter().map(|milter| &milter.name);
        let name_server = self.name_server.iter().map(|server| &server.name);
        let others = clients.chain(servers).chain(milters).chain(name_server);
        std::iter::once(&self.gateway.name).chain(others)
    }

    /// The address and the name of each machine, in the same order.
    pub fn addresses(&self) -> impl Iterator<Item = (IpAddr, &str)> {
        let clients = self.clients.iter().map(|client| client.address);
        let servers = self.servers.iter().map(|server| server.address);
        let milters = self.milters.iter().map(|milter| milter.address);
        let name_server = self.name_server.iter().map(|server| server.address);
        let others = clients.chain(servers).chain(milters).chain(name_server);
        std::iter::once(self.gateway.address).chain(others).zip(self.machines().map(AsRef::as_ref))
    }

    /// What each machine is, in the same order.
    pub fn roles(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once("gateway")
            .chain(std::iter::repeat_n("client", self.clients.len()))
            .chain(std::iter::repeat_n("server", self.servers.len()))
            .chain(std::iter::repeat_n("milter", self.milters.len()))
            .chain(self.name_server.iter().map(|_| "name-server"))
    }

    /// The place of a machine in the run.
    pub fn machine(&self, name: &str) -> Option<MachineId> {
        self.machines().position(|known| **known == *name).map(MachineId)
    }

    /// Each exchanger, and its preference for a domain.
    pub fn preferences(&self) -> impl Iterator<Item = (&str, u16)> {
        self.names.exchangers.values().flatten().map(|mx| (mx.host.as_str(), mx.preference))
    }

    /// Every message that a client hands over.
    pub fn messages(&self) -> impl Iterator<Item = &MessagePlan> {
        self.clients.iter().flat_map(|client| &client.messages)
    }
}

/// A latency for each pair of machines, from 1 to 80 ms. It is drawn for the two names: a machine more or less
/// changes no other link.
pub(crate) fn latencies(seed: Seed, names: &[&str]) -> BTreeMap<(MachineId, MachineId), Duration> {
    let pairs = (0..names.len()).flat_map(|a| (a + 1..names.len()).map(move |b| (a, b)));
    pairs
        .map(|(a, b)| {
            let mut stream = seed.stream(&format!("link latency {} {}", names[a], names[b]));
            ((MachineId(a), MachineId(b)), Duration::from_millis(between(&mut stream, 1, 80)))
        })
        .collect()
}
