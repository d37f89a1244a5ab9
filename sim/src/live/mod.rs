//! Live: a scenario with the real `gateway` process, on real sockets and a real disk, in real time; and whether that
//! goes as it does in the simulator.
//!
//! The clients, mail servers, milters and the name server are those of the simulator, on this machine's sockets. What
//! they note makes a [`Record`] like any other, with the addresses, paths and times of the scenario.
//!
//! Nothing of this is in a simulated run: it has the machine's clock and network, and is as exact as they are.
//!
//! | module | what it knows |
//! |---|---|
//! | `addresses` | where the scenario's hosts are on this machine |
//! | `net`, `overheard` | the sockets of each of them, and what is said on them |
//! | `pace` | how fast time passes |
//! | `home` | the gateway's disk |
//! | `config` | its configuration |
//! | `process` | its process |
//! | `stand_in` | that process, with an extension that fails |
//! | `control` | who looks after that process |
//! | `possible` | what cannot be had here |
//! | `likeness` | what is the same as in the simulator |

mod addresses;
mod config;
mod control;
mod home;
mod likeness;
#[cfg(test)]
mod miltertest;
mod net;
mod overheard;
mod pace;
mod possible;
mod process;
mod stand_in;

use std::io;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gateway::env::{Net, host};
use gateway::release::Release;
use tokio::runtime;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;
use toml::Table;

use crate::end;
use crate::engine::{Clock, Leap, Seat};
use crate::oracle::{self, Finding};
use crate::peer::Taken;
use crate::plan::Plan;
use crate::record::{Attempt, Entry, Outcome, Record, What};
use crate::run::{RunError, peers, run as simulate, taken_by};
use crate::scenario::{Scenario, ScenarioError};
use crate::scene::Scene;
use crate::subject::ShippedGateway;
use crate::trace::{Keep, Trace};
use crate::verdict;
use addresses::Addresses;
use control::Control;
use home::Home;
use likeness::Likeness;
use net::{HostNet, OwnThread};
use overheard::OverheardNet;
use pace::Pendulum;
pub use process::Programs;
pub use stand_in::serve;

/// How long the process may take to come up before the clients are let loose all the same.
const COMING_UP: Duration = Duration::from_secs(10);

/// The oracle that is not asked: it holds the gateway to moments at the gateway's own sockets, by its own clock, and the
/// other end of a connection hears of them later.
const NOT_ASKED: &str = "bounds";

/// How a scenario went with the real process.
pub enum Live {
    /// It was run.
    Ran(Comparison),
    /// It cannot be, and why.
    NotLive(String),
}

/// A live run beside the simulated one.
pub struct Comparison {
    /// How many times as fast as the machine's clock the scenario's went.
    pub pace: u32,
    /// How long it took.
    pub took: Duration,
    /// What was otherwise than in the scenario, and had to be.
    pub notes: Vec<&'static str>,
    /// What the scenario expects and was not so.
    pub unmet: Vec<String>,
    /// What the oracles found and the scenario does not expect.
    pub findings: Vec<Finding>,
    /// What the event log, the answers and the mail differ in, as a unified diff from the simulated run to the live one;
    /// empty if in nothing.
    pub difference: String,
}

impl Comparison {
    /// Whether the two agree, and all is as it should be.
    pub fn is_good(&self) -> bool {
        self.unmet.is_empty() && self.findings.is_empty() && self.difference.is_empty()
    }
}

/// Why a live run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The simulated run that it is compared with.
    #[error(transparent)]
    Simulated(#[from] RunError),
    /// The scenario, with the addresses of this machine.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// It was not to go on.
    #[error("interrupted")]
    Interrupted,
    /// The machine.
    #[error("{0}")]
    Machine(#[from] io::Error),
}

/// Asked now and then whether a run is not to go on.
pub type Interrupted<'a> = &'a (dyn Fn() -> bool + Sync);

/// Runs a scenario in the simulator, then with the real process, and compares.
///
/// # Errors
/// One of the two runs cannot be made, or is not to go on. What happens in them is no error.
pub fn run(
    scenario: &Scenario,
    release: Release,
    programs: &Programs,
    interrupted: Interrupted<'_>,
) -> Result<Live, LiveError> {
    let plan = scenario.plan(release, scenario.seed());
    if let Some(why) = possible::why_not(&plan) {
        return Ok(Live::NotLive(why));
    }
    let simulated = simulate(&plan, &Leap, Keep::Digest)?;
    let pace = match pace::pace(&plan, simulated.ended) {
        Ok(pace) => pace,
        Err(why) => return Ok(Live::NotLive(why)),
    };
    let (live, took) = live(scenario, release, programs, pace, interrupted)?;
    let mut findings = oracle::judge(&plan, &live);
    findings.retain(|finding| finding.oracle != NOT_ASKED);
    let unmet = verdict::unmet(scenario, &plan, &live, &findings);
    let broken = verdict::broken(scenario, release);
    let findings = findings.into_iter().filter(|finding| !broken.contains(finding.oracle)).collect();
    let mut notes = possible::notes(&plan);
    let difference = match likeness::likeness(&simulated, &live) {
        Likeness::Same => String::new(),
        Likeness::InAnotherOrder => {
            notes.push("events about different messages in another order");
            String::new()
        }
        Likeness::Other(difference) => difference,
    };
    Ok(Live::Ran(Comparison { pace, took, notes, unmet, findings, difference }))
}

/// Makes the run on this machine.
fn live(
    scenario: &Scenario,
    release: Release,
    programs: &Programs,
    pace: u32,
    interrupted: Interrupted<'_>,
) -> Result<(Record, Duration), LiveError> {
    let text = scenario.to_toml();
    let addresses = Addresses::of(&text)?;
    let here = addresses.here(&text);
    let mut table: Table = here.parse().expect("it was written as TOML");
    // Without it the gateway asks the name server.
    table.remove("names");
    let own = table["gateway"]["config"].as_table().cloned().unwrap_or_default();
    let here = toml::to_string(&table).expect("a table that was read can be written");
    let plan = Scenario::parse(&scenario.name, &scenario.name, &here)?.plan(release, scenario.seed());

    let home = Home::new()?;
    for (path, content) in &plan.gateway.files {
        home.write(path, content)?;
    }
    let config = config::text(own, &plan, &home, addresses.name_server(), pace);
    let config = home.write("/gateway.toml", &config)?;
    let scenario = home.write("/scenario.toml", &here)?;
    let has_its_extension_fail = possible::has_its_extension_fail(&plan);
    let command = || {
        let mut command = match has_its_extension_fail {
            true => Command::new(&programs.postmortem),
            false => Command::new(&programs.gateway),
        };
        if has_its_extension_fail {
            command.args(["serve-failing".as_ref(), scenario.as_os_str(), pace.to_string().as_ref()]);
        } else {
            command.arg("serve");
        }
        command.arg("--config").arg(&config);
        command
    };

    let runtime = runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let tasks = LocalSet::new();
    let conducted = tasks.block_on(&runtime, conduct(plan, &addresses, &home, &command, pace, interrupted));
    let (record, took) = conducted?;
    Ok((as_in_the_scenario(record, &addresses, &home), took))
}

/// Brings up the hosts and the gateway, and sees the run to its end.
#[expect(clippy::disallowed_methods, reason = "how long it takes is told by the machine's clock")]
async fn conduct(
    plan: Plan,
    addresses: &Addresses,
    home: &Home,
    command: &dyn Fn() -> Command,
    pace: u32,
    interrupted: Interrupted<'_>,
) -> Result<(Record, Duration), LiveError> {
    let began = std::time::Instant::now();
    let mut pendulum = Pendulum::of_this_runtime(pace);
    let start = Instant::now();
    let clock: Clock = Arc::new(move || start.elapsed());
    let trace = Trace::new(Arc::clone(&clock), Keep::Digest);
    let scene = Scene::new(Arc::new(plan), clock, trace);
    let plan = &scene.plan;
    let taken: Vec<Taken> = plan.servers.iter().map(|_| Taken::default()).collect();
    let mut control = Control::new(&scene, home, command);
    control.start()?;

    let (mut clients, mut others) = (JoinSet::new(), JoinSet::new());
    let machine = host::env().net;
    for (place, peer) in peers(&scene, &taken).into_iter().enumerate() {
        let is_a_client = place < plan.clients.len();
        let is_a_name_server = place == plan.clients.len() + plan.servers.len() + plan.milters.len();
        let address = if is_a_name_server { addresses.name_server() } else { peer.address };
        let net = HostNet { address, machine: Arc::clone(&machine) };
        let speaks_smtp = place < plan.clients.len() + plan.servers.len();
        let net: Arc<dyn Net> = match speaks_smtp {
            true => Arc::new(OverheardNet { net, scene: scene.clone() }),
            false => Arc::new(net),
        };
        let software = (peer.software)(Seat { net, spawn: Arc::new(OwnThread) });
        let set = if is_a_client { &mut clients } else { &mut others };
        set.spawn_local(software);
    }

    // Until the service is up no time passes for the clients.
    tokio::select! {
        said = control.hears() => control.heard(said)?,
        () = pendulum.hangs(COMING_UP) => {}
    }
    loop {
        tokio::select! {
            biased;
            said = control.hears() => control.heard(said)?,
            () = pendulum.swing() => {
                while let Some(ended) = clients.try_join_next().or_else(|| others.try_join_next()) {
                    ended.map_err(io::Error::other)?;
                }
                if interrupted() {
                    return Err(LiveError::Interrupted);
                }
                if control.act(!clients.is_empty())? {
                    break;
                }
            }
        }
    }

    let service_up = control.is_up();
    let ended = scene.now();
    drop(control);
    let end = end::state(home.files()?, &ShippedGateway, service_up, taken_by(plan, &taken));
    let (digest, trace) = scene.trace.finish();
    let record = Record {
        starts: plan.starts,
        entries: scene.journal.entries(),
        queue: Vec::new(),
        end,
        ended,
        bites: scene.bites.counts(),
        reached: scene.points.counts(),
        digest,
        trace,
        capture: None,
    };
    Ok((record, began.elapsed()))
}

/// The Record with the addresses, ports and paths of the scenario.
fn as_in_the_scenario(mut record: Record, addresses: &Addresses, home: &Home) -> Record {
    let there = |text: &mut String| *text = home.there(&addresses.there(text));
    for Entry { what, .. } in &mut record.entries {
        match what {
            What::Event(event) => there(&mut event.description),
            What::Smtp { line, .. } => there(line),
            What::Client(Attempt { outcome: Outcome::Accepted { reply, .. }, .. }) => there(reply),
            What::Client(Attempt { outcome: Outcome::Refused { command, reply }, .. }) => {
                there(command);
                there(reply);
            }
            _ => {}
        }
    }
    record
}
