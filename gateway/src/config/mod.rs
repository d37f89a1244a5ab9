//! The configuration: one TOML file, read and checked as a whole before anything starts.
//!
//! `docs/examples/gateway.toml` shows every key with its default. [`Config::parse`] is the only way to a
//! [`Config`]; what it gives back makes sense, and whatever does not is a [`ConfigError`] that names the file, the
//! line and the remedy.
//!
//! This module knows no file system and no single extension: the text is handed to it, and the settings of an extension
//! are kept as they are for the extension to read.

mod account;
mod check;
mod clients;
mod error;
mod file;
mod keys;
mod log;
mod network;
mod reload;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use account::Login;
pub use error::ConfigError;
pub use keys::{Key, keys};
pub use network::{Network, NotANetwork};

use crate::address::{Address, Domain};
use crate::eventlog::Format;
use crate::extension::OnFailure;
use crate::milter::{self, MilterAddress};
use crate::release::Release;
use crate::report::{Category, Identity};
use crate::routing::{NextHop, Table};
use crate::turf::Sender;

/// Everything that an administrator decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The release to be. Default: `current`.
    pub release: Release,
    /// This gateway's name, in the banner, EHLO and Received lines.
    pub host: Domain,
    /// The Exchange organization, in the report line `MSEXCH:IMS:<organization>:<site>:<server>`. Default: the
    /// second label of `host`.
    pub organization: String,
    /// The Exchange site, in the report line. Default: `host` without its first label.
    pub site: String,
    /// The Exchange server, in the report line. Default: the first label of `host`, in upper case.
    pub server: String,
    /// The administrator's mailbox, one that is homed here. Default: nobody.
    pub administrator: Option<Address>,
    /// Where clients connect. Default: port 25 of every IPv4 address.
    pub listen: SocketAddr,
    /// Where clients connect that speak TLS from the first octet (RFC 8314, 3.3). Default: nowhere.
    pub listen_tls: Option<SocketAddr>,
    /// The directory of the spool.
    pub spool: PathBuf,
    /// The directory that holds the Maildirs.
    pub store: PathBuf,
    /// What a client may ask of the gateway.
    pub limits: LimitsConfig,
    /// *Accept Connections*.
    pub accept: AcceptConfig,
    /// The client restrictions.
    pub submission: SubmissionConfig,
    /// Who may have mail passed on.
    pub relay: RelayConfig,
    /// Whose mail is not wanted.
    pub filter: FilterConfig,
    /// What a client is told that asks.
    pub policy: PolicyConfig,
    /// What connections are encrypted with.
    pub tls: TlsConfig,
    /// The mailboxes of this server, and those of other servers that it knows.
    pub mailboxes: Vec<MailboxConfig>,
    /// The native routing table.
    pub routes: Table,
    /// The milters, in the order in which they are asked.
    pub milters: Vec<MilterConfig>,
    /// The extension chain, in order.
    pub extensions: Vec<ExtensionConfig>,
    /// How mail goes out.
    pub delivery: DeliveryConfig,
    /// Who is asked about names.
    pub dns: DnsConfig,
    /// Of what the administrator is told.
    pub notifications: NotificationsConfig,
    /// When a message is set aside.
    pub quarantine: QuarantineConfig,
    /// What is written down of what happens.
    pub log: LogConfig,
    /// Who the process is.
    pub process: ProcessConfig,
    /// How the running service is administered.
    pub admin: AdminConfig,
}

/// `[admin]`: how the running service is administered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it answers administrators and monitors, in HTTP. Default: nowhere.
    pub listen: Option<SocketAddr>,
}

/// `[limits]`: what a client may ask of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// The largest message, in octets; none for no limit. Default: 10 MiB. In the file, 0 is "none".
    pub message_size: Option<NonZeroU64>,
    /// The most recipients of one message, from 100 (RFC 5321, 4.5.3.1.8) to 32,766 (Q272672). Default: 100.
    pub recipients: usize,
    /// The most connections from clients at one time, at least 1. Default: 30.
    pub inbound_connections: usize,
    /// The most connections from one host at one time; none for no limit. This and the next three are of hosts that are
    /// not in [`RelayConfig::networks`], and of `current` alone. Default: none. In the file, 0 is "none".
    pub connections_per_host: Option<NonZeroU32>,
    /// The most connections from one host in a minute. Default: none. In the file, 0 is "none".
    pub connections_per_minute: Option<NonZeroU32>,
    /// The most messages that one host may begin in a minute. Default: none. In the file, 0 is "none".
    pub messages_per_minute: Option<NonZeroU32>,
    /// The most recipients that one host may name in a minute. Default: none. In the file, 0 is "none".
    pub recipients_per_minute: Option<NonZeroU32>,
    /// The most Received lines of one message, at least 1; beyond it the message loops (RFC 5321, 6.3). Default: 30.
    pub hops: usize,
    /// The free space of the spool's drive, in octets, below which no mail is taken in (flush mode, Q189587); none for
    /// any. Default: 10 MiB. In the file, 0 is "none".
    pub disk_low_water: Option<NonZeroU64>,
    /// How many octets of large messages are in memory at one time: of those that milters see, of those that are sorted and
    /// of those that are carried, each. At least 64 KiB. Messages of up to a 64th of it are not counted. Default: 64 MiB.
    pub octets_in_hand: u64,
}

/// `[accept]`: from whom connections are taken (*Accept Connections*, Q188250).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptConfig {
    /// What a client needs whose address no host rule settles. Default: nothing.
    pub require: Requirement,
    /// The rules for single hosts and networks, each network once.
    pub hosts: Vec<HostRule>,
}

/// What a client must do before it may send mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// Nothing.
    #[default]
    Nothing,
    /// Authenticate.
    Authentication,
    /// Encrypt the connection. `current` only.
    Encryption,
    /// Both.
    AuthenticationAndEncryption,
}

impl Requirement {
    /// Whether a client must authenticate.
    pub fn authentication(self) -> bool {
        matches!(self, Requirement::Authentication | Requirement::AuthenticationAndEncryption)
    }

    /// Whether it must encrypt the connection.
    pub fn encryption(self) -> bool {
        matches!(self, Requirement::Encryption | Requirement::AuthenticationAndEncryption)
    }
}

/// `[[accept.host]]`: one entry of the *Hosts* list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    /// The clients it is about.
    pub network: Network,
    /// What is done with them.
    pub rule: Rule,
}

/// What is done with the clients of one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// They may connect, as any client may; an exception to a wider `reject`.
    Accept,
    /// They are turned away.
    Reject,
    /// They may connect, and need not authenticate nor encrypt whatever `require` says.
    Exempt,
}

/// `[submission]`: the client restrictions (Q262945, Q188250). Each needs clients to authenticate:
/// `accept.require`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubmissionConfig {
    /// *Clients can only submit if homed on this server*. Default: no.
    pub homed_here_only: bool,
    /// *Clients can only submit if authentication account matches submission address*. Default: no.
    pub account_matches_sender: bool,
}

/// `[tls]`: what connections are encrypted with. `current` only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate that clients are shown, and its key. Default: none, and clients are not offered STARTTLS.
    pub identity: Option<TlsIdentity>,
    /// The file of the authorities that must have certified the hosts of routes with `tls = "required"`. Default: none.
    pub trust: Option<PathBuf>,
    /// Whether clients may authenticate without TLS. Default: on the historical releases, which knew none.
    pub auth_in_clear: bool,
}

/// A certificate and its key, each in a file in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    /// The file of the certificate, and behind it those that lead to its authority.
    pub certificate: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
}

/// `[relay]`: who may have mail passed on to recipients that are not of this server (Q193922).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayConfig {
    /// Clients that have authenticated. Default: yes.
    pub authenticated: bool,
    /// Clients in these networks. Default: none.
    pub networks: Vec<Network>,
    /// Clients that connect to one of these addresses of this server. Default: none.
    pub local_addresses: Vec<Network>,
    /// But never clients in these networks. Default: none.
    pub denied: Vec<Network>,
}

/// `[filter]`: whose mail is not wanted (*Message Filtering*, Q245465).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterConfig {
    /// The senders. Default: none.
    pub senders: Vec<Sender>,
    /// What is done with their mail. Default: it is set aside.
    pub action: FilterAction,
}

/// What is done with mail that is not wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterAction {
    /// It is accepted, and kept in the folder `turf/` of the spool.
    #[default]
    SetAside,
    /// It is accepted, and deleted.
    Delete,
    /// It is not accepted. The original had no such choice.
    Refuse,
}

/// `[policy]`: what a client is told of who exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyConfig {
    /// What it is told that asks (VRFY, EXPN). Default: nothing, in a friendly way.
    pub vrfy: Lookups,
    /// What it is told that has mail for somebody whom nobody is here. Default: that there is no such mailbox; on the
    /// historical releases, which had no directory to ask in a session, nothing.
    pub unknown_recipients: UnknownRecipients,
}

/// What becomes of mail for an address in a domain of this server that no mailbox has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownRecipients {
    /// The recipient is refused with 550, but where an extension chooses where mail goes: it may know better.
    Refuse,
    /// It is taken, and a report goes to the sender, who may be anybody.
    Report,
}

/// What a client is told of who exists (RFC 5321, 3.5.3 and 7.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lookups {
    /// Nothing: 252 to VRFY, whoever is asked about; there is no EXPN.
    #[default]
    Vague,
    /// Nothing: there is neither VRFY nor EXPN.
    Refuse,
    /// The truth, if it has authenticated. Others are told as with `vague`.
    Authenticated,
}

/// `[[mailbox]]`: one mailbox of the organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxConfig {
    /// Its address. No two mailboxes share one.
    pub address: Address,
    /// Its home server; none for this one.
    pub server: Option<NextHop>,
    /// The account of its owner, if the owner may authenticate. No two mailboxes share one.
    pub login: Option<Login>,
    /// Its other addresses.
    pub aliases: Vec<Address>,
}

/// `[[milter]]`: one filter of another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilterConfig {
    /// Where it listens.
    pub address: MilterAddress,
    /// What is done with mail while it cannot be asked. Default: `tempfail`.
    pub on_failure: milter::OnFailure,
}

/// `[[extension]]`: one link of the extension chain.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtensionConfig {
    /// Which extension.
    pub name: String,
    /// What becomes of a message over which it fails: it panics, or takes longer than
    /// [`extension_time`](QuarantineConfig::extension_time) lets it. Default: it is set aside.
    pub on_failure: OnFailure,
    /// All its other keys.
    pub settings: toml::Table,
}

/// `[delivery]`: how mail goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// The waits between one try and the next; the last repeats. At least one, none of them zero. Default: 15
    /// minutes, 30 minutes, 1 hour, 4 hours.
    pub retry: Vec<Duration>,
    /// The age at which a message is reported as not delivered. Default: 48 hours.
    pub expire: Duration,
    /// The age at which the sender is told that a message is late; none for never, as on the historical releases.
    /// Default: 4 hours. In the file, `"never"` is "none".
    pub delay_notice: Option<Duration>,
    /// Where all mail goes that no route sends elsewhere. Default: to each domain's own exchangers.
    pub smart_host: Option<NextHop>,
    /// The port of next hops that name none. Default: 25.
    pub port: u16,
    /// The most connections to other hosts at one time, from 1 to 1,000. Default: 20.
    pub connections: usize,
    /// The most of them to one host, so that a slow one leaves room for others. Default: 5; on the historical releases 10
    /// (Q153655). In all, no more than `connections`.
    pub connections_per_host: usize,
}

/// `[dns]`: who is asked about names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsConfig {
    /// The name servers. Default: none, which stands for those of the machine (`/etc/resolv.conf`).
    pub servers: Vec<SocketAddr>,
}

/// `[notifications]`: of what the administrator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationsConfig {
    /// The kinds of failure (*Notifications* dialog, Q217195, Q190708). Default: all. In the file, `"all"` stands
    /// for every kind.
    pub administrator: BTreeSet<Category>,
}

/// `[quarantine]`: when a message is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineConfig {
    /// How often the process may die with one message in hand, at least 1, before that message is set aside.
    /// Default: 2.
    pub deaths: u32,
    /// How long the extensions may take over one message, all its recipients together, before the one that is being
    /// asked has failed ([`ExtensionConfig::on_failure`]). No other message waits longer for it, but that a message which
    /// goes on without that extension has the time anew. The historical releases wait for ever. Default: 5 minutes.
    pub extension_time: Duration,
}

/// `[log]`: what is written down of what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How events are written to standard output. Default: for the journal of systemd if that is where standard output
    /// goes, otherwise for a person.
    pub format: Option<Format>,
    /// The directory of the message tracking log. Default: none, and no message is tracked.
    pub tracking: Option<PathBuf>,
    /// How much of the conversations with other hosts is written down. Default: nothing.
    pub protocol: ProtocolLevel,
    /// The directory of the SMTP protocol log. Default: `log` in the directory of the spool.
    pub protocol_directory: PathBuf,
}

/// How much of the conversations with other hosts is written down (*Diagnostics Logging*, SMTP Protocol Log, Q154505).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolLevel {
    /// Nothing.
    #[default]
    None,
    /// Who was connected to whom.
    Minimum,
    /// The commands and replies too, and the headers of messages.
    Medium,
    /// All of it, with the bodies of messages that come in.
    Maximum,
}

/// `[process]`: who the process is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessConfig {
    /// The user that it becomes when it was started by root and listens. Default: none, and it stays who it is.
    pub user: Option<String>,
}

impl Config {
    /// Reads the configuration from the text of its file. `name` is the file's, for messages.
    ///
    /// # Errors
    /// The first thing wrong: the text is no TOML, a key is unknown or missing, a value is of the wrong type or
    /// makes no sense, or two settings contradict each other.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        check::config(&error::Source::new(text, name))
    }

    /// Who reports: what this gateway says of itself in reports.
    pub fn identity(&self) -> Identity {
        let fallback =
            || format!("postmaster@{}", self.host).parse().expect("it was tried when the file was read");
        Identity {
            host: self.host.clone(),
            organization: self.organization.clone(),
            site: self.site.clone(),
            server: self.server.clone(),
            postmaster: self.administrator.as_ref().map_or_else(fallback, |administrator| {
                let postmaster = format!("postmaster@{}", administrator.domain().as_str());
                postmaster.parse().unwrap_or_else(|_| administrator.clone())
            }),
            release: self.release,
        }
    }
}

impl DeliveryConfig {
    /// How long to wait after the given try, counted from 1.
    pub fn wait_after(&self, attempt: u32) -> Duration {
        let place = usize::try_from(attempt).unwrap_or(usize::MAX).saturating_sub(1);
        let last = self.retry.last().copied().unwrap_or_default();
        self.retry.get(place).copied().unwrap_or(last)
    }
}
