//! A run, top to bottom: a Plan goes in, a Record comes out.

use std::cell::RefCell;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gateway::eventlog::EventLogLayer;
use gateway::reach::{Point, ReachLayer};
use tracing_subscriber::layer::SubscriberExt;

use crate::capture::{Capture, FileWatch, Segment};
use crate::contain::{self, Leak};
use crate::end;
use crate::engine::{Action, Conductor, Engine, EngineError, Look, Machine, MachineId, Observer};
use crate::links::PlannedLinks;
use crate::machine::gateway_machine::GatewayMachine;
use crate::mailbag::Item;
use crate::peer::{Client, Milter, NameServer, Server, Taken};
use crate::plan::{ClientPlan, MilterPlan, NameServerPlan, Plan, ServerPlan};
use crate::queue::QueueWatch;
use crate::record::{Entry, Record, What};
use crate::scene::Scene;
use crate::service_control::ServiceControl;
use crate::subject::{ShippedGateway, Subject};
use crate::trace::{Keep, Trace};

/// Runs a plan on an engine.
///
/// The same plan on the same engine gives the same Record, to the byte, on any thread.
///
/// # Errors
/// Something reached for the machine itself, or the engine broke down. Whatever the gateway does is in the Record.
pub fn run(plan: &Plan, engine: &dyn Engine, keep: Keep) -> Result<Record, RunError> {
    run_subject(plan, &(Arc::new(ShippedGateway) as Arc<_>), engine, keep)
}

/// Runs a plan with other software in the gateway's place.
///
/// # Errors
/// As [`run`](fn@run): whatever the software does is in the Record.
pub fn run_subject(
    plan: &Plan,
    subject: &Arc<dyn Subject>,
    engine: &dyn Engine,
    keep: Keep,
) -> Result<Record, RunError> {
    let record = contain::run_on_fresh_thread(plan.seed, plan.starts, &engine.contained_clock(), || {
        run_contained(plan, subject, engine, keep)
    })??;
    Ok(record)
}

/// Why a run gave no Record.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Something asked the machine for what only the plan may decide.
    #[error(transparent)]
    Leak(#[from] Leak),
    /// The engine broke down.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

fn run_contained(
    plan: &Plan,
    subject: &Arc<dyn Subject>,
    engine: &dyn Engine,
    keep: Keep,
) -> Result<Record, EngineError> {
    let trace = Trace::new(engine.clock(), keep);
    let scene = Scene::new(Arc::new(plan.clone()), engine.clock(), trace.clone());
    let plan = &scene.plan;
    let gateway = GatewayMachine::new(&scene, subject);
    let taken: Vec<Taken> = plan.servers.iter().map(|_| Taken::default()).collect();

    let mut machines = vec![gateway_machine(plan, &gateway)];
    machines.extend(peers(&scene, &taken));

    let names: Vec<_> = machines.iter().map(|machine| machine.name.clone()).collect();
    let machines = machines.into_iter().map(|machine| watched(machine, &trace)).collect();
    let capture =
        (keep == Keep::Capture).then(|| FileWatch::new(Arc::clone(&gateway.disk), Arc::clone(subject)));
    let segments = capture.is_some().then(RefCell::default);
    let observer = Traced { trace: &trace, machines: &names, segments };

    let links = PlannedLinks::new(&scene);
    let mut control = ServiceControl::new(&scene, &gateway);
    let queue = QueueWatch::new(Arc::clone(&gateway.disk));
    let mut watched = Watched { control: &mut control, files: capture, queue };
    let keep = event_keeper(&gateway);
    let reached = point_keeper(&gateway);
    let subscriber =
        tracing_subscriber::registry().with(EventLogLayer::new(keep)).with(ReachLayer::new(reached));
    tracing::subscriber::with_default(subscriber, || {
        engine.run(machines, &links, &mut watched, &observer, plan.seed)
    })?;

    let Watched { files, queue, .. } = watched;
    control.lose_what_was_not_synchronised();

    let end = end::state(gateway.disk.tree(), &**subject, control.service_is_up(), taken_by(plan, &taken));
    trace.note_at(plan.duration, &plan.gateway.name, "at the end", &[format!("{end:?}").as_bytes()]);
    let (digest, trace) = trace.finish();
    Ok(Record {
        starts: plan.starts,
        end,
        ended: control.ended_at(),
        bites: scene.bites.counts(),
        reached: scene.points.counts(),
        entries: with_fault_spans(scene.journal.entries(), plan, control.ended_at()),
        queue: queue.finish(),
        digest,
        trace,
        capture: files.map(|files| Capture {
            segments: observer.segments(),
            files: files.finish(),
            tls_secrets: scene.secrets.to_text(),
        }),
    })
}

/// The entries, and among them where each fault that lasts a while begins and ends: before what happens then. These
/// are the plan's words, and not in the digest: nothing has to happen at those times.
fn with_fault_spans(entries: Vec<Entry>, plan: &Plan, ended: Duration) -> Vec<Entry> {
    debug_assert!(entries.is_sorted_by_key(|entry| entry.at), "the journal is written in the order of time");
    let mut all = Vec::new();
    for (fault, line) in plan.faults.iter().enumerate() {
        let Some(span) = line.lasts() else { continue };
        let named = line.machines().first().and_then(|name| plan.machines().find(|known| ***known == **name));
        let machine = named.unwrap_or(&plan.gateway.name);
        for (at, begins) in [(span.start, true), (span.end, false)].into_iter().filter(|(at, _)| *at <= ended)
        {
            let what = What::FaultSpan { fault, what: line.words(), begins };
            all.push(Entry { at, machine: Arc::clone(machine), what });
        }
    }
    if all.is_empty() {
        return entries;
    }
    all.extend(entries);
    // Stable: what is at the same time stays as it is.
    all.sort_by_key(|entry| entry.at);
    all
}

/// The machine, with a trace of what its software does.
fn watched(machine: Machine, trace: &Trace) -> Machine {
    let (name, software, trace) = (Arc::from(machine.name.as_str()), machine.software, trace.clone());
    let software = Box::new(move |seat| trace.watch_main(&name, software(trace.watch(&name, seat))));
    Machine { software, ..machine }
}

/// Service control, watched. It ends the run at its first leak: what follows would not be the plan's. And it looks at
/// the disk: at the length of the queue, and at all files if they are kept.
struct Watched<'a> {
    control: &'a mut dyn Conductor,
    files: Option<FileWatch>,
    queue: QueueWatch,
}

impl Watched<'_> {
    fn look_at_files(&mut self, now: Duration) {
        self.queue.look(now);
        if let Some(files) = &mut self.files {
            files.look(now);
        }
    }
}

impl Conductor for Watched<'_> {
    fn act(&mut self, now: Duration) -> Vec<Action> {
        let actions = self.control.act(now);
        self.look_at_files(now);
        actions
    }

    fn next(&self) -> Option<Duration> {
        self.control.next()
    }

    fn ended(&mut self, machine: MachineId, now: Duration) {
        self.control.ended(machine, now);
    }

    fn look(&mut self, now: Duration) -> Look {
        self.look_at_files(now);
        if contain::leaked() { Look::Over } else { self.control.look(now) }
    }
}

/// Writes down what the engine alone sees.
struct Traced<'a> {
    trace: &'a Trace,
    machines: &'a [String],
    /// The segments, if they are kept.
    segments: Option<RefCell<Vec<Segment>>>,
}

impl Traced<'_> {
    fn segments(self) -> Vec<Segment> {
        self.segments.map(RefCell::into_inner).unwrap_or_default()
    }
}

impl Observer for Traced<'_> {
    fn happened(&self, at: Duration, machine: MachineId, what: &str, detail: &[&[u8]]) {
        self.trace.note_at(at, &self.machines[machine.0], what, detail);
    }

    fn passes(&self, describe: &dyn Fn() -> Segment) {
        if let Some(segments) = &self.segments {
            segments.borrow_mut().push(describe());
        }
    }
}

/// Hands the gateway's events to its machine.
fn event_keeper(gateway: &GatewayMachine) -> impl Fn(gateway::eventlog::Entry) + use<> {
    let gateway = gateway.clone();
    move |entry| gateway.logs(entry)
}

/// Counts the points that the gateway reaches.
fn point_keeper(gateway: &GatewayMachine) -> impl Fn(Point) + use<> {
    let gateway = gateway.clone();
    move |point| gateway.reaches(point)
}

fn gateway_machine(plan: &Plan, gateway: &GatewayMachine) -> Machine {
    let gateway = gateway.clone();
    Machine {
        name: plan.gateway.name.to_string(),
        address: plan.gateway.address,
        software: Box::new(move |seat| Box::pin(gateway.clone().run(seat))),
    }
}

/// The machines beside the gateway's, in the order of the plan. What the servers take is written down in `taken`.
pub(crate) fn peers(scene: &Scene, taken: &[Taken]) -> Vec<Machine> {
    let plan = &scene.plan;
    let clients = plan.clients.iter().map(|client| client_machine(client, scene));
    let servers = plan.servers.iter().zip(taken).map(|(server, taken)| server_machine(server, taken, scene));
    let milters = plan.milters.iter().map(|milter| milter_machine(milter, scene));
    let name_server = plan.name_server.iter().map(|server| name_server_machine(server, scene));
    clients.chain(servers).chain(milters).chain(name_server).collect()
}

/// Each mail server of the plan, and what it has taken.
pub(crate) fn taken_by(plan: &Plan, taken: &[Taken]) -> Vec<(String, Vec<Item>)> {
    let servers = plan.servers.iter().zip(taken).map(|(server, taken)| {
        let taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        (server.name.to_string(), taken.iter().map(|(item, _)| item.clone()).collect())
    });
    servers.collect()
}

fn client_machine(client: &ClientPlan, scene: &Scene) -> Machine {
    let software = Arc::new(Client {
        machine: Arc::clone(&client.name),
        plan: client.clone(),
        gateway: (scene.plan.gateway.address, 25).into(),
        scene: scene.clone(),
    });
    Machine {
        name: client.name.to_string(),
        address: client.address,
        software: Box::new(move |seat| {
            let client = Arc::clone(&software);
            Box::pin(async move { client.run(&seat).await })
        }),
    }
}

fn server_machine(server: &ServerPlan, taken: &Taken, scene: &Scene) -> Machine {
    let software = Server::new(&server.name, taken, scene);
    Machine {
        name: server.name.to_string(),
        address: server.address,
        software: Box::new(move |seat| Box::pin(software.clone().run(seat))),
    }
}

fn milter_machine(milter: &MilterPlan, scene: &Scene) -> Machine {
    let software = Milter::new(milter, scene);
    Machine {
        name: milter.name.to_string(),
        address: milter.address,
        software: Box::new(move |seat| Box::pin(software.clone().run(seat))),
    }
}

fn name_server_machine(server: &NameServerPlan, scene: &Scene) -> Machine {
    let software = NameServer::new(scene);
    Machine {
        name: server.name.to_string(),
        address: server.address,
        software: Box::new(move |seat| Box::pin(software.clone().run(seat))),
    }
}
