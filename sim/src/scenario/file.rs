//! The format of a scenario file. `docs/scenario-files.md` is its reference.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use gateway::address::{Address, Domain};
use gateway::release::Release;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use toml::Spanned;

use super::expect::Expectation;

/// A whole file.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) title: String,
    pub(super) starts: Timestamp,
    pub(super) duration: Span,
    pub(super) seed: u64,
    pub(super) releases: Spanned<Vec<Release>>,
    #[serde(default)]
    pub(super) service: Service,
    pub(super) gateway: Gateway,
    #[serde(default)]
    pub(super) client: Vec<Client>,
    #[serde(default)]
    pub(super) server: Vec<Server>,
    #[serde(default)]
    pub(super) administrator: Vec<Errand>,
    #[serde(default)]
    pub(super) fault: Vec<Fault>,
    #[serde(default)]
    pub(super) expect: Vec<Expectation>,
}

/// A span of time, such as `"90s"` or `"2h 30m"`; never negative.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(try_from = "SignedDuration")]
pub(super) struct Span(pub(super) Duration);

impl TryFrom<SignedDuration> for Span {
    type Error = String;

    fn try_from(span: SignedDuration) -> Result<Self, Self::Error> {
        Duration::try_from(span).map(Span).map_err(|_| "a span of time cannot be negative".to_owned())
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    pub(super) restart_after: Span,
    pub(super) restarts: usize,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gateway {
    pub(super) name: Spanned<String>,
    pub(super) address: Spanned<IpAddr>,
    #[serde(default)]
    pub(super) file: Vec<DiskFile>,
    pub(super) config: Spanned<toml::Table>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiskFile {
    pub(super) path: Spanned<PathBuf>,
    pub(super) content: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Client {
    pub(super) name: Spanned<String>,
    pub(super) address: Spanned<IpAddr>,
    pub(super) account: Option<Account>,
    #[serde(default)]
    pub(super) message: Vec<Message>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) password: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    pub(super) name: Spanned<String>,
    pub(super) at: Span,
    /// The sender; absent for the null reverse path.
    pub(super) from: Option<Address>,
    pub(super) to: Vec<Address>,
    pub(super) subject: String,
    #[serde(default = "body")]
    pub(super) body: String,
    #[serde(default)]
    pub(super) retry: Vec<Span>,
}

fn body() -> String {
    "Nothing to see here.\n".to_owned()
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) name: Spanned<String>,
    pub(super) address: Spanned<IpAddr>,
    #[serde(default)]
    pub(super) domains: Vec<Domain>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Errand {
    pub(super) at: Span,
    #[serde(rename = "do")]
    pub(super) task: Spanned<Task>,
    pub(super) message: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Task {
    Start,
    CutPower,
    SetAside,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) message: Spanned<String>,
    /// For how long, where the kind of fault takes time.
    #[serde(default)]
    pub(super) by: Span,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::enum_variant_names,
    reason = "the extension is the first thing that can fail, not the only one"
)]
pub(super) enum FaultKind {
    ExtensionPanics,
    ExtensionKills,
    ExtensionDelays,
}
