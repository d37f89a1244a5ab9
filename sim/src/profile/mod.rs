//! Profiles: what a seed may draw. A profile (TOML in `scenarios/perturbation/`) gives ranges and weights; a seed
//! makes a whole scenario of them.
//!
//! ```text
//! profile + seed ──draw──▶ scenario file ──▶ Plan
//! ```
//!
//! What is drawn is a scenario as anybody could have written it: it can be printed, kept, read again and changed, and
//! goes through the same door. After it is drawn the profile has no say any more.
//!
//! Each seed turns some families of faults on and leaves the others fully off (swarm testing, Groce et al., ISSTA
//! 2012): faults that are always there hide each other.
//!
//! | module | what it draws, from a stream of its own |
//! |---|---|
//! | `admission` | what the gateway allows whom |
//! | `branch` | mail that waits for ETRN, and those who ask for it |
//! | `cast` | the machines, the domains and the people |
//! | `configuration` | how the gateway is set up |
//! | `exchangers` | exchangers with preferences, and with IPv6 addresses |
//! | `imsext` | journals and disclaimers |
//! | `international` | addresses past ASCII, and what goes wrong with them |
//! | `load` | the messages |
//! | `milters` | the milters, and what they do to which message |
//! | `perturbation` | the faults |
//! | `tls` | who encrypts, and who must |
//!
//! It knows no run.

mod admission;
mod branch;
mod cast;
mod configuration;
mod exchangers;
mod imsext;
mod international;
mod load;
mod milters;
mod perturbation;
mod tls;

use std::collections::BTreeMap;
use std::time::Duration;

use gateway::extension::OnFailure;
use gateway::release::Release;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use toml::de::DeTable;
use toml::{Spanned, Table, Value};

use self::international::International;
use crate::draw::{Dice, Seed};
use crate::fault::{Family, Fault, OF_TLS};
use crate::nearest::did_you_mean;
use crate::plan::Mechanism;
use crate::scenario::file::{File, Gateway, LookUps, Service, Shape};
use crate::scenario::{Scenario, ScenarioError, mistake};
use crate::span::Span;

/// A range of numbers, both ends included.
type Range = [u64; 2];
/// A range of time, both ends included.
type SpanRange = [Span; 2];

/// Ranges and weights: what a seed may draw.
#[derive(Clone)]
pub struct Profile {
    /// Its name: the file's, without `.toml`.
    pub name: String,
    ranges: Ranges,
}

/// The file. Chances are in percent.
#[derive(Clone, Deserialize, JsonSchema)]
#[schemars(title = "A profile of Postmortem")]
#[serde(deny_unknown_fields)]
struct Ranges {
    /// What it explores, in a few words.
    title: String,
    /// The time of day at the start of each run.
    #[schemars(with = "String")]
    starts: Timestamp,
    /// How many machines.
    topology: Topology,
    /// Whose mail it is.
    directory: Directory,
    /// How the gateway is set up.
    configuration: Configuration,
    /// What is handed over.
    load: Load,
    /// What goes wrong.
    faults: Faults,
}

/// How many machines.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Topology {
    /// That hand mail over.
    clients: Range,
    /// That take mail.
    servers: Range,
    /// The chance that one of these offers PIPELINING, and that it offers DSN.
    #[serde(default)]
    offers: u64,
    /// The chance that exchangers have preferences and IPv6 addresses, and that one domain has many of them.
    #[serde(default)]
    exchangers: u64,
}

/// Whose mail it is.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Directory {
    /// Mailboxes homed on the gateway.
    here: Range,
    /// Mailboxes homed on another server of the organization.
    elsewhere: Range,
}

/// How the gateway is set up: the chance of each setting.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Configuration {
    /// Clients must authenticate.
    require_authentication: u64,
    /// A client's host is exempt from that.
    exempt_host: u64,
    /// A client's host is turned away.
    reject_host: u64,
    /// Clients can only submit if homed on this server.
    homed_here_only: u64,
    /// ... if their account matches the submission address.
    account_matches_sender: u64,
    /// A client's host may have mail passed on.
    relay_host: u64,
    /// The sample extension is loaded.
    imcext: u64,
    /// ... and has a domain as `localhost`.
    localhost_route: u64,
    /// There is an administrator.
    administrator: u64,
    /// ... who is told of each kind of failure.
    notification: u64,
    /// It asks a name server, in packets; it looks names up in memory otherwise. Where a fault is drawn that only packets
    /// can show, it always asks.
    name_server: u64,
    /// All mail without a route goes to one host.
    smart_host: u64,
    /// Routes to hosts of one's own choice.
    routes: Range,
    /// A small limit instead of the default one, for each of message size, connections from clients and hops, and for
    /// connections to other hosts.
    tight_limit: u64,
    /// A file in the spool that is no message, for each of two kinds: of a name that no message has, and of one.
    stray_file: u64,
    /// There are limits for one host, where the release knows any.
    #[serde(default)]
    host_limits: u64,
    /// Who may have mail passed on is said in another way than by the clients' hosts alone.
    #[serde(default)]
    relay_lists: u64,
    /// Anybody may send to a host that the routing table leads to, for each, where the release knows such routes.
    #[serde(default)]
    public_route: u64,
    /// The mail of some senders is not wanted.
    #[serde(default)]
    filter: u64,
    /// VRFY is answered otherwise than vaguely, where the release has a choice.
    #[serde(default)]
    lookups: u64,
    /// Mail for an unknown recipient is taken and reported, on the releases that have a choice.
    #[serde(default)]
    unknown_reported: u64,
    /// There are milters, where the release knows any.
    #[serde(default)]
    milters: u64,
    /// There is a domain whose mail waits for ETRN, where the release is `current`.
    #[serde(default)]
    branch: u64,
    /// There is mail with addresses and headers past ASCII, where the release knows any.
    #[serde(default)]
    international: u64,
    /// There is a journal or a disclaimer, or both, where the release is `current`.
    #[serde(default)]
    imsext: u64,
    /// There is TLS, where the release knows it: a certificate, clients and servers that make use of it, and routes that
    /// need it. Without it no kind of fault is drawn that is about TLS.
    #[serde(default)]
    tls: u64,
    /// The shortest wait of the retry schedule; each further one is up to twice as long.
    retry: SpanRange,
    /// How many waits it has.
    waits: Range,
    /// The age at which a message is reported as not delivered.
    expire: SpanRange,
    /// The chance that its sender hears of a delay at another age than the default.
    #[serde(default)]
    delay_notice: u64,
    /// Weights of what becomes of a message over which an extension fails, where one is told to fail: `quarantine`,
    /// `bypass`, `retry` and `report`.
    #[schemars(with = "BTreeMap<String, u64>")]
    on_failure: BTreeMap<OnFailure, u64>,
    /// Weights of how a client with an account authenticates: `plain`, `login` and `scram-sha-256`. Without them, `plain`.
    #[serde(default)]
    #[schemars(schema_with = "weights::<Mechanism>")]
    mechanisms: BTreeMap<Mechanism, u64>,
}

/// What is handed over.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Load {
    /// How many messages, small numbers more often.
    messages: Range,
    /// For how many recipients each, small numbers more often.
    recipients: Range,
    /// Within how long.
    within: SpanRange,
    /// The chance of the null reverse path.
    null_sender: u64,
    /// Weights of senders.
    #[schemars(schema_with = "weights::<load::Sender>")]
    from: BTreeMap<load::Sender, u64>,
    /// Weights of recipients.
    #[schemars(schema_with = "weights::<load::Recipient>")]
    to: BTreeMap<load::Recipient, u64>,
    /// Weights of shapes.
    #[schemars(schema_with = "weights::<Shape>")]
    shape: BTreeMap<Shape, u64>,
    /// Octets of content, small numbers more often.
    octets: Range,
    /// The chance that its client gives up at the first failure.
    impatient: u64,
    /// The chance that its client says commands together, that it sends the message in chunks, and that its sender asks
    /// something of reports.
    #[serde(default)]
    extensions: u64,
    /// The chance that some messages more are for one domain, within seconds of each other.
    #[serde(default)]
    burst: u64,
}

/// What goes wrong.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Faults {
    /// The chance that a seed turns each family on.
    #[schemars(schema_with = "weights::<Family>")]
    families: BTreeMap<Family, u64>,
    /// How many lines of a family that is on.
    lines: Range,
    /// Weights of kinds, where they are not 1; 0 leaves a kind out.
    #[serde(default)]
    kinds: BTreeMap<String, u64>,
    /// When a fault begins.
    begins: SpanRange,
    /// How long it lasts.
    lasts: SpanRange,
    /// How long after a crash the service is started again.
    restart_after: SpanRange,
}

/// The schema of a table that has a number for each of these names.
fn weights<Name: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": generator.subschema_for::<Name>(),
        "additionalProperties": { "type": "integer", "minimum": 0 },
    })
}

/// The format of a profile, as a JSON Schema.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Ranges).to_value()
}

/// What makes no sense in a profile.
struct Wrong {
    /// The table and the key that it is at.
    key: [&'static str; 2],
    what: String,
    remedy: String,
}

impl Profile {
    /// Reads a profile from the text of its file. `path` is for messages.
    ///
    /// # Errors
    /// The text is no TOML, has an unknown or a missing key, or a value that makes no sense.
    pub fn parse(name: &str, path: &str, text: &str) -> Result<Self, ScenarioError> {
        let ranges = toml::from_str(text).map_err(|error| mistake(path, text, &error, "docs/profiles.md"))?;
        let profile = Profile { name: name.to_owned(), ranges };
        profile.check().map_err(|wrong| {
            ScenarioError::new(path, text, wrong.what, place(text, wrong.key)).with_remedy(wrong.remedy)
        })?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), Wrong> {
        let Ranges { topology, directory, configuration, load, faults, .. } = &self.ranges;
        let ranges = [
            (["topology", "clients"], topology.clients, 1),
            (["topology", "servers"], topology.servers, 1),
            (["directory", "here"], directory.here, 1),
            (["directory", "elsewhere"], directory.elsewhere, 0),
            (["configuration", "routes"], configuration.routes, 0),
            (["configuration", "waits"], configuration.waits, 0),
            (["load", "messages"], load.messages, 1),
            (["load", "recipients"], load.recipients, 1),
            (["load", "octets"], load.octets, 0),
            (["faults", "lines"], faults.lines, 0),
        ];
        for (key, [low, high], least) in ranges {
            if low < least || high < low {
                let remedy = format!("write two numbers from {least} on, the smaller first");
                return Err(Wrong { key, what: format!("`{}` is no range", key.join(".")), remedy });
            }
        }
        let spans = [
            (["configuration", "retry"], configuration.retry),
            (["configuration", "expire"], configuration.expire),
            (["load", "within"], load.within),
            (["faults", "begins"], faults.begins),
            (["faults", "lasts"], faults.lasts),
            (["faults", "restart_after"], faults.restart_after),
        ];
        if let Some((key, _)) = spans.into_iter().find(|(_, [low, high])| high < low) {
            let remedy = "write two spans of time, the shorter first".to_owned();
            return Err(Wrong { key, what: format!("`{}` is no range", key.join(".")), remedy });
        }
        let known: Vec<&str> = Family::ALL.into_iter().flat_map(Family::kinds).copied().collect();
        if let Some(kind) = faults.kinds.keys().find(|kind| !known.contains(&kind.as_str())) {
            let remedy = did_you_mean(kind, known) + "the kinds are in docs/reference/faults.md";
            let what = format!("no kind of fault is named `{kind}`");
            return Err(Wrong { key: ["faults", "kinds"], what, remedy });
        }
        Ok(())
    }

    /// What it is for, in a sentence.
    pub fn title(&self) -> &str {
        &self.ranges.title
    }

    /// The kinds of fault that a seed may draw.
    pub fn kinds(&self) -> Vec<&'static str> {
        let Faults { families, kinds, .. } = &self.ranges.faults;
        let on = families.iter().filter(|(_, chance)| **chance > 0).flat_map(|(family, _)| family.kinds());
        let has_tls = self.ranges.configuration.tls > 0;
        let may_be = |kind: &&str| has_tls || !OF_TLS.contains(kind);
        on.copied().filter(|kind| kinds.get(*kind) != Some(&0)).filter(may_be).collect()
    }

    /// The same, of those that there can be on a release: milters, TLS and international mail are `current`'s alone.
    pub fn kinds_on(&self, release: Release) -> Vec<&'static str> {
        let mut kinds = self.kinds();
        let came_later = |kind: &&str| {
            Family::Milters.kinds().contains(kind)
                || OF_TLS.contains(kind)
                || international::KINDS.contains(kind)
        };
        kinds.retain(|kind| release == Release::Current || !came_later(kind));
        kinds
    }

    /// Whether a seed may draw any kind of fault.
    pub fn draws_everything(&self) -> bool {
        self.kinds().len() == Family::ALL.into_iter().map(|family| family.kinds().len()).sum::<usize>()
    }

    /// Draws the scenario of a seed, for a release.
    pub fn scenario(&self, seed: Seed, release: Release) -> Scenario {
        let Ranges { title, starts, configuration, .. } = &self.ranges;
        let of_current = |chance: u64| if release == Release::Current { chance } else { 0 };
        let mut international = International::of(of_current(configuration.international), seed);
        let mut cast = cast::draw(&self.ranges, seed);
        exchangers::draw(self.ranges.topology.exchangers, &mut cast, seed);
        let mut setup = configuration::draw(configuration, &cast, seed);
        let load = &self.ranges.load;
        let mut clients = load::draw(load, &cast, &setup, seed);
        load::add_burst(load, &cast, &mut clients, seed);
        let chance = of_current(configuration.branch);
        let has_branch = branch::add(chance, load.within[1], &cast, &mut setup.config, &mut clients, seed);
        imsext::draw(of_current(configuration.imsext), &cast, &mut setup.config, seed);
        international.cast(&mut cast);
        international.configuration(&mut setup.config);
        international.load(&mut clients);
        let (milters, told_of) = milters::draw(of_current(configuration.milters), &cast, &clients, seed);
        let mut config = setup.config;
        let mut attacked = admission::draw(configuration, &cast, &clients, release, seed, &mut config);
        attacked.extend(has_branch.then(|| branch::attacked(&clients)));
        let chance = of_current(configuration.tls);
        let has_tls = tls::draw(chance, &mut cast, &mut clients, &mut config, seed);
        let mut faults =
            perturbation::draw(&self.ranges.faults, &cast, &clients, &milters, &attacked, has_tls, seed);
        faults.extend(international.faults(&self.ranges.faults, &cast, &clients));
        let needs_packets =
            |fault: &Fault| matches!(fault, Fault::Dns { answer, .. } if answer.needs_packets());
        let in_packets =
            faults.iter().any(needs_packets) || Dice::of(seed, "look-ups").chance(configuration.name_server);
        if !told_of.is_empty() {
            config.insert("milter".to_owned(), told_of.into());
        }
        if faults.iter().any(|fault| fault.family() == Family::Extension) {
            configuration::add_faulty_extension(&mut config, setup.on_failure);
        }
        let file = File {
            title: format!("{title} (seed {})", seed.0),
            starts: *starts,
            duration: plain(duration(&faults, &clients, setup.patience)),
            seed: seed.0,
            releases: plain(vec![release]),
            names: if in_packets { LookUps::Packets } else { LookUps::Map },
            service: Service { restart_after: Span(Duration::from_mins(1)), restarts: 20 },
            gateway: Gateway {
                name: plain(cast.gateway.name.clone()),
                address: plain(cast.gateway.address),
                file: setup.files,
                config: plain(config),
            },
            client: clients,
            server: cast.servers.iter().map(cast::Server::entry).collect(),
            milter: milters,
            administrator: Vec::new(),
            fault: faults.into_iter().map(plain).collect(),
            expect: Vec::new(),
        };
        Scenario::drawn(format!("{}-{}", self.name, seed.0), file)
    }
}

/// Where in the text of a profile the value of a key stands.
fn place(text: &str, [table, key]: [&str; 2]) -> Option<std::ops::Range<usize>> {
    let root = DeTable::parse(text).ok()?;
    Some(root.get_ref().get(table)?.get_ref().get(key)?.span())
}

/// A table with these entries.
fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Table::from_iter(entries.map(|(key, value)| (key.to_owned(), value))).into()
}

/// A value that stands in no text.
fn plain<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

/// When the run ends at the latest: when everything has healed, and every message and then every report on it has had
/// its time.
fn duration(faults: &[Fault], clients: &[crate::scenario::file::Client], patience: Duration) -> Span {
    let healed = faults.iter().filter_map(Fault::heals_at).max().unwrap_or_default();
    let messages = clients.iter().flat_map(|client| &client.message);
    let handed_over = messages
        .map(|message| message.at.0 + message.retry.iter().map(|wait| wait.0).sum::<Duration>())
        .max()
        .unwrap_or_default();
    Span(healed.max(handed_over) + 2 * patience + Duration::from_hours(12))
}
