//! What replays cost, in CPU time: other work on the same machine does not count. Before the measured ones a few
//! single figures are printed: whether memory grows, and what idle machines and long waits cost.
#![expect(clippy::unwrap_used, reason = "the scenarios are the project's own or stand below")]
#![expect(clippy::disallowed_methods, reason = "resident memory is read from the real machine")]

use std::path::Path;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, SamplingMode};
use gateway::release::Release;
use rustix::time::{ClockId, clock_gettime};
use sim::engine::{Classic, Engine, Leap};
use sim::plan::Plan;
use sim::record::Record;
use sim::run::run;
use sim::scenario::{Library, Scenario};
use sim::trace::Keep;

/// The CPU time of this process, all its threads together.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
    }

    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

const ENGINES: [&dyn Engine; 2] = [&Leap, &Classic::COARSE];

/// Ten machines of which none has anything to do, until the administrator looks in at the end of the hour.
const IDLE: &str = r#"
    title = "Ten idle machines"
    starts = "1998-03-02T09:00:00Z"
    duration = "2h"
    seed = 1
    releases = ["current"]
    [gateway]
    name = "ims.contoso.test"
    address = "192.0.2.25"
    [gateway.config]
    [[administrator]]
    at = "1h"
    do = "start"
"#;

/// One message that is tried for two days, by the default schedule, and then reported.
const UNDELIVERABLE: &str = r#"
    title = "A message to a host that is not there"
    starts = "1998-03-02T09:00:00Z"
    duration = "60h"
    seed = 1
    releases = ["current"]
    [gateway]
    name = "ims.contoso.test"
    address = "192.0.2.25"
    [gateway.config]
    route = [{ domain = "contoso.test", to = "<inbound>" }, { domain = "partner.test", to = "203.0.113.99" }]
    relay = { networks = ["198.51.100.7"] }
    mailbox = [{ address = "alice@contoso.test" }]
    [[client]]
    name = "pc.contoso.test"
    address = "198.51.100.7"
    [[client.message]]
    name = "m1"
    at = "30s"
    from = "alice@contoso.test"
    to = ["bob@partner.test"]
    subject = "Is anybody there?"
"#;

fn main() {
    let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let find = |name: &str| library.scenarios().iter().find(|scenario| scenario.name == name).unwrap();
    let crash = find("Q169681").plan(Release::V50Rtm, find("Q169681").seed());
    let kb: Vec<Plan> = library.scenarios().iter().flat_map(plans).collect();

    // `cargo bench` says that it measures; `cargo test --benches` only wants to see it run.
    if std::env::args().any(|argument| argument == "--bench") {
        // First, while the memory is still fresh.
        ENGINES.into_iter().for_each(|engine| print_memory(&crash, engine));
        ENGINES.into_iter().for_each(print_long_waits);
    }

    let mut criterion = Criterion::default()
        .with_measurement(CpuTime)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
        .without_plots()
        .configure_from_args();
    let mut group = criterion.benchmark_group("replay");
    group.sampling_mode(SamplingMode::Flat);
    for engine in ENGINES {
        let name = engine.name();
        group.bench_function(format!("Q169681 on 5.0 RTM, {name}"), |bench| {
            bench.iter(|| replay(&crash, engine));
        });
        group.sample_size(10).bench_function(format!("all {} of scenarios/, {name}", kb.len()), |bench| {
            bench.iter(|| kb.iter().map(|plan| replay(plan, engine).entries.len()).sum::<usize>());
        });
    }
    group.finish();
    criterion.final_summary();
}

/// The plans of a scenario, one a release.
fn plans(scenario: &Scenario) -> Vec<Plan> {
    scenario.releases().iter().map(|release| scenario.plan(*release, scenario.seed())).collect()
}

fn replay(plan: &Plan, engine: &dyn Engine) -> Record {
    run(plan, engine, Keep::Digest).unwrap()
}

/// A run and the CPU time it took.
fn cost(text: &str, engine: &dyn Engine) -> (Record, Duration) {
    let scenario = Scenario::parse("bench", "benches/replay.rs", text).unwrap();
    let plan = plans(&scenario).remove(0);
    let start = CpuTime.start();
    let record = replay(&plan, engine);
    (record, CpuTime.end(start))
}

fn print_long_waits(engine: &dyn Engine) {
    let servers = (1..10).map(|number| {
        format!("[[server]]\nname = \"mx{number}.partner.test\"\naddress = \"203.0.113.{number}\"\n")
    });
    let idle = servers.fold(IDLE.to_owned(), |text, server| text + &server);
    let (_, hour) = cost(&idle, engine);
    println!("{}: ten idle machines for an hour: {hour:.2?}; for a day: {:.2?}", engine.name(), hour * 24);

    let (record, whole) = cost(UNDELIVERABLE, engine);
    let last = record.entries.last().unwrap().at.as_secs_f64() / 3600.0;
    assert_eq!(record.end.mailboxes.len(), 1, "the sender has the report");
    println!("{}: a message tried and reported within {last:.1} hours: {whole:.2?}", engine.name());
}

fn print_memory(plan: &Plan, engine: &dyn Engine) {
    let resident_after = |replays: usize| {
        (0..replays).for_each(|_| drop(replay(plan, engine)));
        resident_kib()
    };
    match (resident_after(10), resident_after(990)) {
        (Some(few), Some(many)) => println!(
            "{}: resident after 10 replays {few} KiB, after 1000 {many} KiB: {} KiB more",
            engine.name(),
            many - few
        ),
        _ => println!("{}: resident memory is not known on this system", engine.name()),
    }
}

/// The resident memory of this process, where Linux tells it.
fn resident_kib() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
