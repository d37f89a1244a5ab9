//! What an exploration costs, in CPU time, beside the least that the same mail could cost: the same messages through
//! the same gateway over `tokio::io::duplex`, with no network, no faults, no oracles and no digest.
#![expect(clippy::unwrap_used, reason = "profiles are the project's own")]
#![expect(clippy::disallowed_methods, reason = "CPU time and resident memory are the real machine's")]

mod duplex;

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use gateway::release::Release;
use rustix::time::{ClockId, clock_gettime};
use sim::draw::Seed;
use sim::engine::{Classic, Engine, Leap};
use sim::explore::Exploration;
use sim::plan::Plan;
use sim::profile::Profile;
use sim::run::run;
use sim::scenario::{Library, Scenario};
use sim::trace::Keep;

fn main() {
    // `cargo test --benches` only wants to see it run.
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (many, few) = if measures { (1_000, 100) } else { (4, 1) };
    let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let profiles = library.profiles();
    let mixed = profiles.iter().find(|profile| profile.name == "mixed").unwrap();

    println!("resident memory");
    let mut at = 0;
    for seeds in [many, if measures { 20_000 } else { many + 1 }] {
        explore_range(mixed, &Leap, at..seeds);
        at = seeds;
        println!("  after {seeds:6} seeds: {} KiB", resident());
    }

    println!("\nseeds per CPU-second, with all oracles and the digest");
    for profile in profiles {
        println!("  {:16} {:7.0}", profile.name, per_second(many, || explore(profile, &Leap, many)));
    }
    println!("  mixed on turmoil {:7.0}", per_second(few, || explore(mixed, &Classic::COARSE, few)));

    println!("\nthe same seeds of mixed");
    let plans: Vec<Plan> = (0..many).map(|seed| plan(mixed, seed)).collect();
    let whole = cpu_time(|| explore(mixed, &Leap, many));
    let calm: Vec<Plan> = plans.iter().map(without_faults).collect();
    let faultless = cpu_time(|| calm.iter().for_each(|plan| drop(run(plan, &Leap, Keep::Digest).unwrap())));
    let least = cpu_time(|| calm.iter().for_each(duplex::carry));
    let row = |what: &str, time: Duration| {
        let (rate, times) = (many as f64 / time.as_secs_f64(), time.as_secs_f64() / least.as_secs_f64());
        println!("  {what:56} {rate:7.0} a CPU-second, {times:4.1} times the least");
    };
    row("drawn, run with faults, judged by every oracle", whole);
    row("run without faults and oracles, with the digest", faultless);
    row("the least: the gateway over duplex", least);

    println!("\nthe same runs, for who looks at them");
    let kept = |keep| cpu_time(|| plans.iter().for_each(|plan| drop(run(plan, &Leap, keep).unwrap())));
    let (digest, captured) = (kept(Keep::Digest), kept(Keep::Capture));
    println!("  with the digest alone, as an exploration makes them: {:7.1} ms", ms(digest));
    println!("  captured: {:4.2} times as long", captured.as_secs_f64() / digest.as_secs_f64());

    println!("\none client, so many messages");
    for messages in [10, 100, 1_000] {
        let plan = messages_in_a_row(messages, Duration::from_secs(10));
        let time = cpu_time(|| drop(run(&plan, &Leap, Keep::Digest).unwrap()));
        println!("  {messages:5}: {:6.2} ms, {:.3} ms each", ms(time), ms(time) / messages as f64);
    }
    println!("\na hundred messages, so long apart");
    for apart in [1, 60, 3_600] {
        let plan = messages_in_a_row(100, Duration::from_secs(apart));
        let time = cpu_time(|| drop(run(&plan, &Leap, Keep::Digest).unwrap()));
        println!("  {apart:5} s: {:6.2} ms", ms(time));
    }
}

fn plan(profile: &Profile, seed: u64) -> Plan {
    profile.scenario(Seed(seed), Release::Current).plan(Release::Current, Seed(seed))
}

fn explore(profile: &Profile, engine: &dyn Engine, seeds: u64) {
    explore_range(profile, engine, 0..seeds);
}

fn explore_range(profile: &Profile, engine: &dyn Engine, seeds: std::ops::Range<u64>) {
    let jobs = NonZeroUsize::MIN;
    Exploration { profile, release: Release::Current, seeds, engine, jobs, twice: false }.explore(|_| false);
}

fn without_faults(plan: &Plan) -> Plan {
    let mut calm = plan.clone();
    calm.faults.clear();
    // Over duplex there is no milter to ask.
    calm.milters.clear();
    calm.gateway.config.milters.clear();
    calm.gateway.config.extensions.retain(|extension| extension.name != "faulty");
    calm
}

/// A client that hands over one small message after another.
fn messages_in_a_row(messages: u64, apart: Duration) -> Plan {
    let mut text = r#"
        title = "One message after another"
        starts = "2026-03-02T08:00:00Z"
        duration = "2000h"
        seed = 1
        releases = ["current"]
        [gateway]
        name = "ims.contoso.test"
        address = "192.0.2.25"
        [gateway.config]
        route = [{ domain = "contoso.test", to = "<inbound>" }]
        mailbox = [{ address = "bob@contoso.test" }]
        [[client]]
        name = "mail.fabrikam.test"
        address = "198.51.100.7"
    "#
    .to_owned();
    for number in 0..messages {
        text.push_str(&format!(
            "[[client.message]]\nname = \"m{number}\"\nat = \"{}s\"\nfrom = \"alice@fabrikam.test\"\n\
             to = [\"bob@contoso.test\"]\nsubject = \"Number {number}\"\n",
            number * apart.as_secs()
        ));
    }
    Scenario::parse("row", "row.toml", &text).unwrap().plan(Release::Current, Seed(1))
}

fn per_second(seeds: u64, work: impl FnOnce()) -> f64 {
    seeds as f64 / cpu_time(work).as_secs_f64()
}

/// The CPU time of this process, all its threads together.
fn cpu_time(work: impl FnOnce()) -> Duration {
    let now = || -> Duration { clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap() };
    let start = now();
    work();
    now() - start
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// In KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
