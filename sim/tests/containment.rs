//! What a run can learn of the machine it runs on: nothing, or the run ends and says who asked.
//!
//! Thirteen ways to be different from run to run are planted in the software of a machine, one a run. The table in
//! `docs/determinism.md` is what this file holds to be true.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the probes do on purpose what the code under test must not"
)]

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use sim::contain::{self, Asked, Leak, run_on_fresh_thread};
use sim::draw::Seed;
use sim::engine::{
    Action, Carriage, Classic, Conductor, Engine, Leap, Links, Look, Machine, MachineId, Observer,
};

/// What becomes of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It sees the same in every run, and may.
    Contained,
    /// It sees the same in every run, and the run ends with its name.
    ContainedAndNamed(Asked),
    /// The run ends with its name.
    Named(Asked),
    /// Nobody notices, until a run in another process differs.
    LeftToTheAudit,
}

use Fate::{Contained, ContainedAndNamed, LeftToTheAudit, Named};

type Seen = Pin<Box<dyn Future<Output = String>>>;

struct Probe {
    name: &'static str,
    look: fn() -> Seen,
    fate: Fate,
    /// With turmoil alone, turmoil with mad-turmoil, and madsim: measured on the same probes.
    elsewhere: [&'static str; 3],
}

const LEAKS: [&str; 3] = ["leaks", "leaks", "leaks"];
const HELD: [&str; 3] = ["leaks", "ok", "ok"];

const PROBES: [Probe; 13] = [
    Probe { name: "HashMap order", look: hash_map_order, fate: Contained, elsewhere: HELD },
    Probe {
        name: "thread's generator",
        look: || now(rand::random::<u64>().to_string()),
        fate: ContainedAndNamed(Asked::Randomness),
        elsewhere: HELD,
    },
    Probe {
        name: "getrandom",
        look: || now(getrandom::u64().unwrap().to_string()),
        fate: ContainedAndNamed(Asked::Randomness),
        elsewhere: HELD,
    },
    Probe {
        name: "UUID v4",
        look: || now(uuid::Uuid::new_v4().to_string()),
        fate: ContainedAndNamed(Asked::Randomness),
        elsewhere: HELD,
    },
    Probe {
        name: "fastrand",
        look: || now(fastrand::u64(..).to_string()),
        fate: Named(Asked::Time),
        elsewhere: ["leaks", "by hand", "ok"],
    },
    Probe { name: "select!", look: select_bias, fate: Contained, elsewhere: HELD },
    Probe {
        name: "SystemTime",
        look: || now(format!("{:?}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap())),
        fate: ContainedAndNamed(Asked::Time),
        elsewhere: HELD,
    },
    Probe {
        name: "Instant",
        look: instant_over_a_sleep,
        fate: ContainedAndNamed(Asked::Time),
        elsewhere: HELD,
    },
    Probe {
        name: "second thread",
        look: threads,
        fate: Named(Asked::Thread),
        elsewhere: ["leaks", "leaks", "stops"],
    },
    Probe {
        name: "heap address",
        look: || now(format!("{:p}", Box::new(1_u64))),
        fate: LeftToTheAudit,
        elsewhere: LEAKS,
    },
    Probe {
        name: "process id",
        look: || now(std::process::id().to_string()),
        fate: ContainedAndNamed(Asked::ProcessId),
        elsewhere: LEAKS,
    },
    Probe { name: "/dev/urandom", look: random_device, fate: Named(Asked::File), elsewhere: LEAKS },
    Probe {
        name: "spawn_blocking",
        look: spawn_blocking,
        fate: Named(Asked::Thread),
        elsewhere: ["ok", "ok", "ok"],
    },
];

fn now(seen: String) -> Seen {
    Box::pin(async { seen })
}

fn hash_map_order() -> Seen {
    let map: HashMap<u32, ()> = (0..16).map(|key| (key, ())).collect();
    now(format!("{:?}", map.keys().collect::<Vec<_>>()))
}

fn select_bias() -> Seen {
    Box::pin(async {
        let mut seen = String::new();
        for _ in 0..64 {
            seen.push(
                tokio::select! { () = std::future::ready(()) => '0', () = std::future::ready(()) => '1' },
            );
        }
        seen
    })
}

fn instant_over_a_sleep() -> Seen {
    Box::pin(async {
        let before = Instant::now();
        tokio::time::sleep(Duration::from_millis(10)).await;
        format!("{:?}", before.elapsed())
    })
}

fn threads() -> Seen {
    let seen = Arc::new(Mutex::new(String::new()));
    let threads: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || (0..200).for_each(|_| seen.lock().unwrap().push_str(name)))
        })
        .into();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let seen = seen.lock().unwrap().clone();
    now(seen)
}

fn random_device() -> Seen {
    use std::io::Read;
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    now(format!("{bytes:?}"))
}

fn spawn_blocking() -> Seen {
    Box::pin(async {
        let before = tokio::time::Instant::now();
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(20))).await.unwrap();
        format!("{:?}", before.elapsed())
    })
}

/// One machine, booted at the start and at work until its software ends.
struct UntilItEnds {
    booted: bool,
    ended: bool,
}

impl Conductor for UntilItEnds {
    fn act(&mut self, _: Duration) -> Vec<Action> {
        if std::mem::replace(&mut self.booted, true) { vec![] } else { vec![Action::Boot(MachineId(0))] }
    }

    fn next(&self) -> Option<Duration> {
        None
    }

    fn ended(&mut self, _: MachineId, _: Duration) {
        self.ended = true;
    }

    fn look(&mut self, _: Duration) -> Look {
        if self.ended { Look::Over } else { Look::GoOn }
    }
}

struct NoLinks;

impl Links for NoLinks {
    fn carry(&self, _: MachineId, _: MachineId, _: Duration) -> Carriage {
        Carriage::Arrives(Duration::ZERO)
    }

    fn next_change(&self, _: Duration) -> Option<Duration> {
        None
    }
}

/// Nobody looks.
struct NoObserver;

impl Observer for NoObserver {
    fn happened(&self, _: Duration, _: MachineId, _: &str, _: &[&[u8]]) {}
}

const ENGINES: [&dyn Engine; 2] = [&Leap, &Classic::COARSE];

/// Has a machine of the default engine look, and tells what it saw and what the run said to it.
fn look(seed: u64, look: fn() -> Seen) -> (String, Option<Leak>) {
    look_on(&Leap, seed, look)
}

fn look_on(engine: &dyn Engine, seed: u64, look: fn() -> Seen) -> (String, Option<Leak>) {
    let seen = Arc::new(Mutex::new(String::new()));
    let starts = Timestamp::from_second(888_831_000).unwrap();
    let run = run_on_fresh_thread(Seed(seed), starts, &engine.contained_clock(), || {
        let seen = Arc::clone(&seen);
        let software = Box::new(move |_| {
            let seen = Arc::clone(&seen);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(5)).await;
                let saw = look().await;
                *seen.lock().unwrap() = saw;
            }) as Pin<Box<dyn Future<Output = ()>>>
        });
        let address = IpAddr::from(Ipv4Addr::new(10, 0, 0, 1));
        let machine = Machine { name: "probe".to_owned(), address, software };
        let mut conductor = UntilItEnds { booted: false, ended: false };
        engine.run(vec![machine], &NoLinks, &mut conductor, &NoObserver, Seed(seed)).unwrap();
    });
    let seen = seen.lock().unwrap().clone();
    (seen, run.err())
}

/// What every probe sees in another process.
fn in_another_process() -> BTreeMap<String, String> {
    let this = std::env::current_exe().unwrap();
    let another =
        Command::new(this).args(["--exact", "as_another_process", "--ignored", "--nocapture"]).output();
    let text = String::from_utf8(another.unwrap().stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("probe ")?.split_once('\t'));
    lines.map(|(name, seen)| (name.to_owned(), seen.to_owned())).collect()
}

#[test]
#[ignore = "the other process of the test below"]
fn as_another_process() {
    println!();
    for engine in ENGINES {
        for probe in &PROBES {
            println!("probe {} {}\t{}", engine.name(), probe.name, look_on(engine, 7, probe.look).0);
        }
    }
}

#[test]
fn each_probe_is_contained_or_named_or_left_to_the_audit() {
    if !contain::HERE {
        return;
    }
    let others = [in_another_process(), in_another_process()];
    println!("{:28} {:10} {:10} {:10} here", "probe", "turmoil", "mad", "madsim");
    for (engine, probe) in ENGINES.iter().flat_map(|engine| PROBES.iter().map(move |probe| (*engine, probe)))
    {
        let [(seen, leak), (again, _)] = [1, 2].map(|_| look_on(engine, 7, probe.look));
        let name = format!("{} {}", engine.name(), probe.name);
        let everywhere = others.iter().map(|other| &other[&name]).chain([&again]).all(|other| *other == seen);
        let [turmoil, mad, madsim] = probe.elsewhere;
        println!("{name:28} {turmoil:10} {mad:10} {madsim:10} {:?}", probe.fate);
        let asked = leak.as_ref().map(|leak| leak.asked);
        match probe.fate {
            Contained => assert_eq!((everywhere, asked), (true, None), "{}: {seen} {leak:?}", name),
            ContainedAndNamed(what) => {
                assert_eq!((everywhere, asked), (true, Some(what)), "{}: {seen}", name)
            }
            Named(what) => assert_eq!(asked, Some(what), "{}: {seen}", name),
            LeftToTheAudit => assert_eq!(asked, None, "{}: {seen} {leak:?}", name),
        }
        if let Some(leak) = leak {
            assert!(leak.culprit.contains("sim/tests/containment"), "{}: {}", name, leak.culprit);
            println!("{:28} {}", "", leak.culprit);
        }
    }
}

#[test]
fn another_seed_gives_other_randomness() {
    if contain::HERE {
        let random: fn() -> Seen = || now(getrandom::u64().unwrap().to_string());
        assert_ne!(look(7, random).0, look(8, random).0);
    }
}

#[test]
fn every_getrandom_crate_answers_from_the_seed() {
    // 0.2 goes past the C library's function to the kernel, 0.3 and 0.4 ask the dynamic linker for it.
    let by_syscall: fn() -> Seen = || {
        let mut bytes = [0; 16];
        getrandom_02::getrandom(&mut bytes).unwrap();
        now(format!("{bytes:?}"))
    };
    let by_symbol: fn() -> Seen = || {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).unwrap();
        now(format!("{bytes:?}"))
    };
    if contain::HERE {
        assert_eq!(look(7, by_syscall).0, look(7, by_symbol).0);
        assert!(look(7, by_syscall).1.is_some_and(|leak| leak.asked == Asked::Randomness));
    }
}

#[test]
fn the_machines_clocks_show_the_virtual_time() {
    let times: fn() -> Seen = || {
        Box::pin(async {
            let before = Instant::now();
            tokio::time::sleep(Duration::from_secs(3600)).await;
            let since_the_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            format!("{:?} {}", before.elapsed(), since_the_epoch.as_secs())
        })
    };
    if contain::HERE {
        assert_eq!(look(7, times).0, format!("3600s {}", 888_831_000 + 5 + 3600));
    }
}

#[test]
fn runs_side_by_side_do_not_share_their_randomness() {
    let alone: Vec<_> = (0..8).map(|seed| look(seed, hash_map_order).0).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|seed| scope.spawn(move || look(seed, hash_map_order).0)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    if contain::HERE {
        assert_eq!(alone, together);
        assert_ne!(alone[0], alone[1]);
    }
}

#[test]
fn outside_a_run_the_machine_answers() {
    let before = SystemTime::now();
    assert_ne!(getrandom::u64().unwrap(), getrandom::u64().unwrap());
    assert!(before > UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    assert_ne!(std::process::id(), contain::PROCESS_ID.cast_unsigned());
}

#[test]
fn the_same_line_is_named_in_every_run_that_meets_it() {
    let random: fn() -> Seen = || now(getrandom::u64().unwrap().to_string());
    if contain::HERE {
        let [first, second] = [look(7, random), look(8, random)].map(|(_, leak)| leak.unwrap().culprit);
        assert_eq!(first, second);
    }
}

#[test]
fn a_panic_may_print_its_backtrace() {
    let panics: fn() -> Seen = || {
        let caught = std::panic::catch_unwind(|| {
            let backtrace = std::backtrace::Backtrace::force_capture();
            assert!(backtrace.to_string().is_empty(), "a backtrace has lines");
        });
        now(caught.is_err().to_string())
    };
    let (panicked, leak) = look(7, panics);
    assert_eq!((panicked.as_str(), leak.map(|leak| leak.to_string())), ("true", None));
}
