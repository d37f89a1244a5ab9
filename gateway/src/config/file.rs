//! The format of the configuration file, before its values are checked. Each key is described in
//! [`Config`](super::Config) and `docs/examples/gateway.toml`.

use serde::Deserialize;
use toml::{Spanned, Table};

use super::{FilterAction, Lookups, ProtocolLevel, Requirement, Rule, UnknownRecipients};
use crate::eventlog::Format;
use crate::milter::OnFailure;

/// A text and its place.
pub(super) type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) release: Option<Text>,
    pub(super) host: Text,
    pub(super) organization: Option<Text>,
    pub(super) site: Option<Text>,
    pub(super) server: Option<Text>,
    pub(super) administrator: Option<Text>,
    pub(super) listen: Option<Text>,
    pub(super) listen_tls: Option<Text>,
    pub(super) spool: Text,
    pub(super) store: Text,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) accept: Accept,
    #[serde(default)]
    pub(super) submission: Submission,
    #[serde(default)]
    pub(super) relay: Relay,
    #[serde(default)]
    pub(super) filter: Filter,
    #[serde(default)]
    pub(super) policy: Policy,
    #[serde(default)]
    pub(super) tls: Tls,
    #[serde(default)]
    pub(super) mailbox: Vec<Mailbox>,
    #[serde(default)]
    pub(super) route: Vec<Route>,
    #[serde(default)]
    pub(super) milter: Vec<Milter>,
    #[serde(default)]
    pub(super) extension: Vec<Spanned<Table>>,
    #[serde(default)]
    pub(super) delivery: Delivery,
    #[serde(default)]
    pub(super) dns: Dns,
    #[serde(default)]
    pub(super) notifications: Notifications,
    #[serde(default)]
    pub(super) quarantine: Quarantine,
    #[serde(default)]
    pub(super) log: Log,
    #[serde(default)]
    pub(super) process: Process,
    #[serde(default)]
    pub(super) admin: Admin,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) listen: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) message_size: Option<Spanned<i64>>,
    pub(super) recipients: Option<Spanned<i64>>,
    pub(super) inbound_connections: Option<Spanned<i64>>,
    pub(super) connections_per_host: Option<Spanned<i64>>,
    pub(super) connections_per_minute: Option<Spanned<i64>>,
    pub(super) messages_per_minute: Option<Spanned<i64>>,
    pub(super) recipients_per_minute: Option<Spanned<i64>>,
    pub(super) hops: Option<Spanned<i64>>,
    pub(super) octets_in_hand: Option<Spanned<i64>>,
    pub(super) disk_low_water: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accept {
    pub(super) require: Option<Spanned<Requirement>>,
    #[serde(default)]
    pub(super) host: Vec<AcceptHost>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AcceptHost {
    pub(super) network: Text,
    pub(super) rule: Rule,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Submission {
    pub(super) homed_here_only: Option<Spanned<bool>>,
    pub(super) account_matches_sender: Option<Spanned<bool>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Relay {
    pub(super) authenticated: Option<bool>,
    #[serde(default)]
    pub(super) networks: Vec<Text>,
    #[serde(default)]
    pub(super) local_addresses: Vec<Text>,
    #[serde(default)]
    pub(super) denied: Vec<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    #[serde(default)]
    pub(super) senders: Vec<Text>,
    pub(super) action: Option<Spanned<FilterAction>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) vrfy: Option<Spanned<Lookups>>,
    pub(super) unknown_recipients: Option<Spanned<UnknownRecipients>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mailbox {
    pub(super) address: Text,
    pub(super) server: Option<Text>,
    pub(super) account: Option<Text>,
    pub(super) secret: Option<Text>,
    #[serde(default)]
    pub(super) aliases: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub(super) domain: Text,
    pub(super) to: Text,
    pub(super) hold: Option<Spanned<Hold>>,
    pub(super) tls: Option<Spanned<RouteTls>>,
    pub(super) from: Option<Spanned<RouteFrom>>,
}

/// From whom the mail of a route that leads to another host is taken.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RouteFrom {
    /// From clients that may relay.
    RelayClients,
    /// From every client, as this server's own.
    Anybody,
}

/// Until when the mail of a route waits.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Hold {
    /// Until somebody asks for it.
    UntilEtrn,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RouteTls {
    Opportunistic,
    Required,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificate: Option<Text>,
    pub(super) key: Option<Text>,
    pub(super) trust: Option<Text>,
    pub(super) auth_in_clear: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Milter {
    pub(super) address: Text,
    #[serde(default)]
    pub(super) on_failure: OnFailure,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delivery {
    pub(super) retry: Option<Spanned<Vec<Text>>>,
    pub(super) expire: Option<Text>,
    pub(super) delay_notice: Option<Text>,
    pub(super) smart_host: Option<Text>,
    pub(super) port: Option<Spanned<i64>>,
    pub(super) connections: Option<Spanned<i64>>,
    pub(super) connections_per_host: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dns {
    #[serde(default)]
    pub(super) servers: Vec<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notifications {
    pub(super) administrator: Option<Vec<Text>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quarantine {
    pub(super) deaths: Option<Spanned<i64>>,
    pub(super) extension_time: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) format: Option<Spanned<Format>>,
    pub(super) tracking: Option<Text>,
    pub(super) protocol: Option<Spanned<ProtocolLevel>>,
    pub(super) protocol_directory: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Process {
    pub(super) user: Option<Text>,
}
