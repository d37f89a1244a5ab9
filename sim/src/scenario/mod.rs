//! Scenario files: a run written by hand (TOML), the releases it is replayed on, and what must be true.
//!
//! [`file`](self) is the format; [`Scenario::plan`] writes out the [`Plan`] for one release and seed; [`expect`]
//! says what must be true of its Record.

mod check;
pub(crate) mod config;
pub mod expect;
pub(crate) mod file;
mod library;
mod message;
mod mistake;
pub(crate) mod secrets;
mod setting;

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use gateway::config::Config;
use gateway::dns::MailExchanger;
use gateway::release::Release;
use miette::{Diagnostic, NamedSource, SourceSpan};

pub use library::{Library, LibraryError, Source};
pub(crate) use mistake::mistake;
pub use setting::{Setting, SettingError};

use crate::draw::Seed;
use crate::fault::Fault;
use crate::peer::Names;
use crate::plan::{
    self, Account, Ask, ClientPlan, Errand, GatewayPlan, MessagePlan, MilterPlan, NameServerPlan, Plan,
    ServerPlan, ServicePlan, Task, Uses,
};
use crate::tls;
use expect::Expectation;
use file::{File, LookUps};

/// A scenario: a file that has been read and makes sense.
#[derive(Clone)]
pub struct Scenario {
    /// Its name: the file's, without `.toml`.
    pub name: String,
    file: file::File,
    /// Whether it was read from a file.
    kept: bool,
}

/// A file that is no scenario.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{name}{}: {what}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ScenarioError {
    name: String,
    line: Option<usize>,
    what: String,
    #[source_code]
    source_code: Arc<NamedSource<String>>,
    #[label("here")]
    place: Option<SourceSpan>,
    #[help]
    remedy: Option<String>,
}

impl ScenarioError {
    pub(crate) fn new(name: &str, text: &str, what: impl Into<String>, place: Option<Range<usize>>) -> Self {
        ScenarioError {
            name: name.to_owned(),
            line: place
                .as_ref()
                .map(|place| text.get(..place.start).unwrap_or(text).matches('\n').count() + 1),
            what: what.into(),
            source_code: Arc::new(NamedSource::new(name, text.to_owned()).with_language("TOML")),
            place: place.map(Into::into),
            remedy: None,
        }
    }

    /// What is wrong, without the place.
    pub fn what(&self) -> &str {
        &self.what
    }

    pub(crate) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl Scenario {
    /// Reads a scenario from the text of its file. `path` is for messages.
    ///
    /// # Errors
    /// The text is no TOML, has an unknown or a missing key, or contradicts itself.
    pub fn parse(name: &str, path: &str, text: &str) -> Result<Self, ScenarioError> {
        let file: file::File =
            toml::from_str(text).map_err(|error| mistake(path, text, &error, "docs/scenario-files.md"))?;
        check::check(&file, path, text)?;
        Ok(Scenario { name: name.to_owned(), file, kept: true })
    }

    /// A scenario that was drawn and not read.
    pub(crate) fn drawn(name: String, file: file::File) -> Self {
        Scenario { name, file, kept: false }
    }

    /// The same, as one that is not kept with the project's.
    pub fn apart(self) -> Self {
        Scenario { kept: false, ..self }
    }

    /// Whether it is kept with the project's, and not drawn or apart.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// The scenario as the text of a file.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.file).expect("what a scenario is made of can be written")
    }

    /// What it shows, in a sentence.
    pub fn title(&self) -> &str {
        &self.file.title
    }

    /// The seed it is replayed with unless another is asked for.
    pub fn seed(&self) -> Seed {
        Seed(self.file.seed)
    }

    /// The releases it is replayed on.
    pub fn releases(&self) -> &[Release] {
        self.file.releases.as_ref()
    }

    /// Why it cannot be replayed on a release, whether it names it or not: the gateway then refuses its configuration.
    pub fn refused_on(&self, release: Release) -> Option<String> {
        config::config(&self.file, release).err().map(|error| error.what().to_owned())
    }

    /// What must be true of a replay on this release.
    pub fn expectations(&self, release: Release) -> impl Iterator<Item = &Expectation> {
        self.file.expect.iter().filter(move |expect| {
            expect.releases.is_empty() || expect.releases.iter().any(|about| *about.as_ref() == release)
        })
    }

    /// Writes out everything that will happen on this release with this seed.
    pub fn plan(&self, release: Release, seed: Seed) -> Plan {
        let file = &self.file;
        let clients: Vec<ClientPlan> = file.client.iter().map(|client| client_plan(client, file)).collect();
        let stranger = stranger(file);
        let servers = file
            .server
            .iter()
            .map(|server| ServerPlan {
                name: server.name.as_ref().as_str().into(),
                address: *server.address.as_ref(),
                domains: server.domains.clone(),
                offers: server.offers.clone(),
            })
            .chain(stranger.clone());
        let servers: Vec<ServerPlan> = servers.collect();
        let config =
            config::config(file, release).expect("the configuration was checked when the scenario was read");
        let mut errands: Vec<Errand> = file.administrator.iter().map(errand).collect();
        errands.sort_by_key(|errand| errand.at);
        let mut machines = vec![file.gateway.name.as_ref().as_str()];
        machines.extend(file.client.iter().map(|client| client.name.as_ref().as_str()));
        machines.extend(servers.iter().map(|server| &*server.name));
        machines.extend(file.milter.iter().map(|milter| milter.name.as_ref().as_str()));
        let name_server = name_server(file);
        machines.extend(name_server.iter().map(|server| &*server.name));
        let latencies = plan::latencies(seed, &machines);
        Plan {
            scenario: self.name.clone(),
            release,
            seed,
            starts: file.starts,
            duration: file.duration.as_ref().0,
            gateway: GatewayPlan {
                name: file.gateway.name.as_ref().as_str().into(),
                address: *file.gateway.address.as_ref(),
                routes: config::routes(file, "to"),
                holds: config::routes(file, "hold"),
                certified: config::routes(file, "tls")
                    .into_iter()
                    .map(|(domain, tls)| (domain, tls == "required"))
                    .collect(),
                public: config::routes(file, "from")
                    .into_iter()
                    .map(|(domain, from)| (domain, from == "anybody"))
                    .collect(),
                files: files(file, &config),
                config,
            },
            service: ServicePlan {
                restart_after: file.service.restart_after.0,
                restarts: file.service.restarts,
            },
            errands,
            names: names(file, stranger.as_ref()),
            name_server,
            clients,
            servers,
            milters: file.milter.iter().map(milter_plan).collect(),
            faults: file.fault.iter().map(|fault| fault.as_ref().clone()).collect(),
            latencies,
        }
    }
}

/// The format of a scenario file, as a JSON Schema: what an editor completes and checks. What a file means is checked
/// when it is read.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(file::File).to_value()
}

/// The name server that the gateway asks, if it asks one.
fn name_server(file: &file::File) -> Option<NameServerPlan> {
    let (name, address) = another_machine(file, "ns", 53)?;
    (file.names == LookUps::Packets).then_some(NameServerPlan { name, address })
}

/// The server to which false answers about names lead, if there are any.
fn stranger(file: &file::File) -> Option<ServerPlan> {
    let leads_astray = |fault: &Fault| matches!(fault, Fault::Dns { answer, .. } if answer.leads_astray());
    let (name, address) = another_machine(file, "stranger", 200)?;
    let is_there = file.fault.iter().any(|fault| leads_astray(fault.as_ref()));
    is_there.then_some(ServerPlan { name, address, domains: Vec::new(), offers: Vec::new() })
}

/// A name in `test` and an address, counted on from these, that no machine of the file has.
fn another_machine(file: &file::File, name: &str, last: u32) -> Option<(Arc<str>, IpAddr)> {
    let File { gateway, client, server, .. } = file;
    let machines: Vec<(&String, &IpAddr)> =
        std::iter::once((gateway.name.as_ref(), gateway.address.as_ref()))
            .chain(client.iter().map(|client| (client.name.as_ref(), client.address.as_ref())))
            .chain(server.iter().map(|server| (server.name.as_ref(), server.address.as_ref())))
            .collect();
    let mut names =
        (1..).map(|number| if number == 1 { format!("{name}.test") } else { format!("{name}{number}.test") });
    let mut addresses = (last..).map(|last: u32| IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + last)));
    let name = names.find(|name| machines.iter().all(|(taken, _)| *taken != name))?;
    let address = addresses.find(|address| machines.iter().all(|(_, taken)| *taken != address))?;
    Some((name.into(), address))
}

/// Where the gateway keeps its spool in every scenario.
pub(crate) const SPOOL: &str = "/imcdata";
/// Where it keeps its mailboxes.
pub(crate) const STORE: &str = "/mailboxes";

/// The files on the gateway's disk: those of the scenario, and those of TLS that it does not have.
fn files(file: &file::File, config: &Config) -> Vec<(PathBuf, String)> {
    let given = file.gateway.file.iter().map(|file| (file.path.as_ref().clone(), file.content.clone()));
    let mut files: Vec<(PathBuf, String)> = given.collect();
    for (path, text) in tls::files(&config.tls, file.gateway.name.as_ref()) {
        if !files.iter().any(|(known, _)| *known == path) {
            files.push((path, text));
        }
    }
    files
}

fn client_plan(client: &file::Client, file: &file::File) -> ClientPlan {
    ClientPlan {
        name: client.name.as_ref().as_str().into(),
        address: *client.address.as_ref(),
        account: client.account.as_ref().map(|file::Account { name, password, mechanism }| Account {
            name: name.clone(),
            password: password.clone(),
            mechanism: *mechanism,
        }),
        tls: client.tls,
        messages: client
            .message
            .iter()
            .map(|message| MessagePlan {
                name: message.name.as_ref().clone(),
                at: message.at.0,
                from: message.from.as_ref().map(ToString::to_string).unwrap_or_default(),
                to: message.to.clone(),
                content: message::content(message, file.starts),
                retry: message.retry.iter().map(|wait| wait.0).collect(),
                uses: Uses {
                    pipelining: message.pipeline,
                    chunks: message.chunks,
                    notify: message.notify.clone(),
                    ret: message.ret,
                    envelope_id: message.envid.as_ref().map(|id| id.as_ref().clone()),
                },
            })
            .collect(),
        asks: client.etrn.iter().map(|etrn| Ask { at: etrn.at.0, node: etrn.node.clone() }).collect(),
    }
}

fn milter_plan(milter: &file::Milter) -> MilterPlan {
    MilterPlan {
        name: milter.name.as_ref().as_str().into(),
        address: *milter.address.as_ref(),
        is_terse: milter.terse,
        trusts: milter.trusts.clone(),
        refuses: milter.refuses.clone(),
        acts: milter.act.iter().map(|act| (act.message.as_ref().clone(), act.does.clone())).collect(),
    }
}

fn errand(errand: &file::Errand) -> Errand {
    let task = match (errand.task.as_ref(), &errand.message) {
        (file::Task::SetAside, Some(message)) => Task::SetAside { message: message.as_ref().clone() },
        (file::Task::CutPower, _) => Task::CutPower,
        (file::Task::SetAside | file::Task::Start, _) => Task::Start,
    };
    Errand { at: errand.at.0, task }
}

/// The names that can be looked up: each machine's address, and each server as the exchanger of its domains.
fn names(file: &file::File, stranger: Option<&ServerPlan>) -> Names {
    let stranger = stranger.map(|server| (server.name.to_string(), server.address));
    let mut names = Names { stranger, ..Names::default() };
    names.addresses.extend(names.stranger.clone());
    names.addresses.insert(file.gateway.name.as_ref().clone(), *file.gateway.address.as_ref());
    for client in &file.client {
        names.addresses.insert(client.name.as_ref().clone(), *client.address.as_ref());
    }
    for milter in &file.milter {
        names.addresses.insert(milter.name.as_ref().clone(), *milter.address.as_ref());
    }
    for server in &file.server {
        names.addresses.insert(server.name.as_ref().clone(), *server.address.as_ref());
        for domain in &server.domains {
            let exchanger =
                MailExchanger { preference: server.preference, host: server.name.as_ref().clone() };
            names.exchangers.entry(domain.clone()).or_default().push(exchanger);
        }
    }
    names
}
