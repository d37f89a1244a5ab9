//! Both engines through the `Engine` trait, with software of a few lines.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::env::Stream;
use sim::draw::Seed;
use sim::engine::{
    Action, Classic, Clock, Conductor, Engine, EngineError, Leap, Links, Machine, MachineId, Seat, Software,
};
use sim::oracle;
use sim::run::run;
use sim::scenario::Library;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

const SERVER: MachineId = MachineId(0);
const CLIENT: MachineId = MachineId(1);

/// The finest step of the classic engine.
const TICK: Duration = Duration::from_millis(50);

const LATENCY: Duration = Duration::from_millis(30);

fn both() -> [&'static dyn Engine; 2] {
    [&Classic::COARSE, &Leap]
}

/// What a software's main task looks like here.
type Main = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// Every link takes the same time.
struct Everywhere(Duration);

impl Links for Everywhere {
    fn latency(&self, _: MachineId, _: MachineId) -> Duration {
        self.0
    }
}

/// Does what is written down, each at its second, and ends the run at a given one.
struct Script {
    actions: VecDeque<(u64, Action)>,
    ends_at: u64,
    ended: Vec<(MachineId, Duration)>,
}

impl Conductor for Script {
    fn act(&mut self, now: Duration) -> Vec<Action> {
        let mut due = Vec::new();
        while let Some((_, action)) = self.actions.pop_front_if(|(second, _)| *second <= now.as_secs()) {
            due.push(action);
        }
        due
    }

    fn next(&self) -> Option<Duration> {
        let second = self.actions.front().map_or(self.ends_at, |(second, _)| *second);
        Some(Duration::from_secs(second))
    }

    fn ended(&mut self, machine: MachineId, now: Duration) {
        self.ended.push((machine, now));
    }

    fn is_over(&mut self, now: Duration) -> bool {
        now.as_secs() >= self.ends_at
    }
}

/// A run of the script's actions on an engine.
struct Trial {
    engine: &'static dyn Engine,
    clock: Clock,
    machines: Vec<Machine>,
    log: Log,
}

/// What the software says, and when.
type Log = Arc<Mutex<Vec<(Duration, String)>>>;

/// What software is given beside its seat.
#[derive(Clone)]
struct Notes {
    clock: Clock,
    log: Log,
}

impl Notes {
    fn note(&self, text: impl Into<String>) {
        self.log.lock().unwrap().push(((self.clock)(), text.into()));
    }
}

impl Trial {
    fn on(engine: &'static dyn Engine) -> Self {
        Trial { engine, clock: engine.clock(), machines: Vec::new(), log: Log::default() }
    }

    fn machine<M: Future<Output = ()> + 'static>(
        mut self,
        main: impl Fn(Seat, Notes) -> M + 'static,
    ) -> Self {
        let notes = Notes { clock: Arc::clone(&self.clock), log: Arc::clone(&self.log) };
        let software: Software = Box::new(move |seat| Box::pin(main(seat, notes.clone())) as Main);
        let id = MachineId(self.machines.len());
        self.machines.push(Machine { name: format!("machine{}", id.0), address: address(id), software });
        self
    }

    /// Boots every machine at the start, and runs.
    fn run(self, seconds: u64) -> Ran {
        self.run_with(seconds, &[])
    }

    /// The same, and acts at the given seconds.
    fn run_with(self, seconds: u64, actions: &[(u64, Action)]) -> Ran {
        self.try_run(seconds, actions, Seed(1)).expect("the engine carries the run to its end")
    }

    fn try_run(self, seconds: u64, actions: &[(u64, Action)], seed: Seed) -> Result<Ran, EngineError> {
        let boots = (0..self.machines.len()).map(|machine| (0, Action::Boot(MachineId(machine))));
        let actions = boots.chain(actions.iter().copied()).collect();
        let mut script = Script { actions, ends_at: seconds, ended: Vec::new() };
        self.engine.run(self.machines, &Everywhere(LATENCY), &mut script, seed)?;
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        Ok(Ran { engine: self.engine.name(), log, ended: script.ended })
    }
}

#[derive(Debug, PartialEq)]
struct Ran {
    engine: &'static str,
    log: Vec<(Duration, String)>,
    ended: Vec<(MachineId, Duration)>,
}

impl Ran {
    fn said(&self) -> Vec<&str> {
        self.log.iter().map(|(_, text)| text.as_str()).collect()
    }

    fn when(&self, said: &str) -> Duration {
        let entry = self.log.iter().find(|(_, text)| text == said);
        entry.unwrap_or_else(|| panic!("on {}, nobody said {said:?}: {:?}", self.engine, self.log)).0
    }

    /// How long after that this was said.
    fn between(&self, that: &str, this: &str) -> Duration {
        self.when(this).checked_sub(self.when(that)).expect("this comes after that")
    }
}

fn address(machine: MachineId) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, 1 + machine.0 as u8).into()
}

fn port_25(machine: MachineId) -> SocketAddr {
    (address(machine), 25).into()
}

/// Takes connections on port 25 and says back whatever it reads, noting it.
async fn echo(seat: Seat, notes: Notes) {
    let mut listener = seat.net.listen((Ipv4Addr::UNSPECIFIED, 25).into()).await.expect("the port is free");
    loop {
        let (mut stream, from) = listener.accept().await.expect("the listener stays usable");
        notes.note(format!("connection from {}", from.ip()));
        let notes = notes.clone();
        let session = async move {
            while let Ok(Some(word)) = word(&mut stream).await {
                notes.note(format!("server reads {word}"));
                if stream.write_all(word.as_bytes()).await.is_err() {
                    break;
                }
            }
        };
        seat.spawn.spawn("session", Box::pin(session));
    }
}

/// Runs nothing, but has its sockets.
async fn no_software(_: Seat, _: Notes) {
    std::future::pending().await
}

/// What is read at once; None at the end of the stream.
async fn word(stream: &mut Box<dyn Stream>) -> io::Result<Option<String>> {
    let mut buffer = [0; 64];
    let read = stream.read(&mut buffer).await?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&buffer[..read]).into_owned()))
}

/// How a connection ended for the one who reads from it.
fn how_it_ended(read: io::Result<Option<String>>) -> String {
    match read {
        Ok(Some(word)) => format!("reads {word}"),
        Ok(None) => "end of stream".to_owned(),
        Err(error) => error.kind().to_string(),
    }
}

#[test]
fn two_machines_talk() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(echo)
            .machine(|seat, notes| async move {
                let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
                stream.write_all(b"HELO").await.unwrap();
                notes.note(format!("client reads {}", word(&mut stream).await.unwrap().unwrap()));
            })
            .run(5);
        assert_eq!(
            ran.said(),
            ["connection from 10.0.0.2", "server reads HELO", "client reads HELO"],
            "{}",
            ran.engine
        );
    }
}

/// Connects, waits, and has one word said back.
async fn a_client_that_says_helo(seat: Seat, notes: Notes) {
    notes.note("client connects");
    let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
    notes.note("client is connected");
    sleep(Duration::from_secs(1)).await;
    notes.note("client writes");
    stream.write_all(b"HELO").await.unwrap();
    word(&mut stream).await.unwrap();
    notes.note("client has its answer");
}

#[test]
fn a_message_takes_the_latency_of_its_link() {
    let ran = Trial::on(&Leap).machine(echo).machine(a_client_that_says_helo).run(5);
    assert_eq!(ran.between("client connects", "client is connected"), 2 * LATENCY);
    assert_eq!(ran.between("client writes", "server reads HELO"), LATENCY);
    assert_eq!(ran.between("server reads HELO", "client has its answer"), LATENCY);
}

#[test]
fn on_the_classic_engine_a_message_takes_the_latency_in_whole_ticks() {
    let ran = Trial::on(&Classic::COARSE).machine(echo).machine(a_client_that_says_helo).run(5);
    assert_eq!(ran.between("client writes", "server reads HELO"), TICK);
    assert_eq!(ran.between("server reads HELO", "client has its answer"), TICK);
}

#[test]
fn a_large_message_arrives_whole_at_a_reader_that_takes_its_time() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(|seat, notes| async move {
                let mut listener = seat.net.listen((Ipv4Addr::UNSPECIFIED, 25).into()).await.unwrap();
                let (mut stream, _) = listener.accept().await.unwrap();
                sleep(Duration::from_secs(1)).await;
                let (mut octets, mut buffer) = (0, [0; 1000]);
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    octets += read;
                }
                notes.note(format!("{octets} octets"));
            })
            .machine(|seat, _| async move {
                let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
                stream.write_all(&vec![b'x'; 300_000]).await.unwrap();
            })
            .run(60);
        assert_eq!(ran.said(), ["300000 octets"], "{}", ran.engine);
    }
}

/// Talks once, waits, and says how the connection ended. Then tries a new one.
async fn a_client_that_holds_its_connection(seat: Seat, notes: Notes) {
    let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
    stream.write_all(b"first").await.unwrap();
    word(&mut stream).await.unwrap();
    sleep(Duration::from_secs(20)).await;
    let _ = stream.write_all(b"second").await;
    notes.note(how_it_ended(word(&mut stream).await));
    let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
    stream.write_all(b"third").await.unwrap();
    notes.note(how_it_ended(word(&mut stream).await));
}

#[test]
fn a_machine_restarts_on_its_port_while_a_client_holds_an_old_connection() {
    for engine in both() {
        for stop in [Action::Kill(SERVER), Action::PowerOff(SERVER)] {
            let ran = Trial::on(engine)
                .machine(echo)
                .machine(a_client_that_holds_its_connection)
                .run_with(60, &[(10, stop), (10, Action::Boot(SERVER))]);
            let said = ran.said();
            assert!(!said.contains(&"server reads second"), "{}, {stop:?}: {said:?}", ran.engine);
            assert!(
                said.contains(&"end of stream") || said.contains(&"connection reset"),
                "{}, {stop:?}: {said:?}",
                ran.engine
            );
            assert_eq!(said.last(), Some(&"reads third"), "{}, {stop:?}: {said:?}", ran.engine);
        }
    }
}

#[test]
fn a_machine_restarts_on_its_port_though_a_client_gave_up_on_connecting() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(echo)
            .machine(|seat, notes| async move {
                let hasty = tokio::time::timeout(LATENCY / 2, seat.net.connect(port_25(SERVER))).await;
                notes.note(if hasty.is_err() { "gives up" } else { "is answered" });
                tokio::time::sleep(Duration::from_secs(20)).await;
                let patient = seat.net.connect(port_25(SERVER)).await;
                notes.note(if patient.is_ok() { "connects" } else { "is refused" });
            })
            .run_with(60, &[(10, Action::Kill(SERVER)), (10, Action::Boot(SERVER))]);
        let said = ran.said();
        assert!(said.contains(&"gives up") && said.contains(&"connects"), "{}: {said:?}", ran.engine);
    }
}

#[test]
fn a_client_that_lost_its_power_connects_again_though_the_server_keeps_its_old_connection() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(echo)
            .machine(|seat, notes| async move {
                let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
                stream.write_all(b"HELO").await.unwrap();
                notes.note(how_it_ended(word(&mut stream).await));
                std::future::pending::<()>().await;
            })
            .run_with(60, &[(10, Action::PowerOff(CLIENT)), (20, Action::Boot(CLIENT))]);
        let answers = ran.said().into_iter().filter(|said| *said == "reads HELO").count();
        assert_eq!(answers, 2, "{}: {:?}", ran.engine, ran.log);
    }
}

/// Waits for what the server does to its connection.
async fn a_client_that_listens(seat: Seat, notes: Notes) {
    let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
    match timeout(Duration::from_secs(30), word(&mut stream)).await {
        Ok(read) => notes.note(how_it_ended(read)),
        Err(_) => {
            notes.note("waits no longer");
            sleep(Duration::from_secs(60)).await;
            let _ = stream.write_all(b"HELO").await;
            notes.note(how_it_ended(word(&mut stream).await));
        }
    }
}

#[test]
fn the_peer_of_a_killed_process_hears_of_it_at_once() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(echo)
            .machine(a_client_that_listens)
            .run_with(20, &[(10, Action::Kill(SERVER))]);
        let (when, said) = ran.log.last().unwrap();
        assert!(["end of stream", "connection reset"].contains(&said.as_str()), "{}: {said}", ran.engine);
        assert!(*when <= Duration::from_secs(10) + LATENCY + 2 * TICK, "{}: {when:?}", ran.engine);
    }
}

#[test]
fn the_peer_of_a_machine_without_power_hears_nothing_until_it_is_back() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(echo)
            .machine(a_client_that_listens)
            .run_with(120, &[(10, Action::PowerOff(SERVER)), (50, Action::Boot(SERVER))]);
        assert_eq!(ran.said()[1..], ["waits no longer", "connection reset"], "{}", ran.engine);
        assert_eq!(ran.when("waits no longer").as_secs(), 30, "{}", ran.engine);
    }
}

#[test]
fn a_machine_that_loses_its_power_says_nothing_though_it_left_something_unread() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(|seat, _| async move {
                let mut listener = seat.net.listen((Ipv4Addr::UNSPECIFIED, 25).into()).await.unwrap();
                let _stream = listener.accept().await.unwrap();
                std::future::pending::<()>().await;
            })
            .machine(|seat, notes| async move {
                let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
                stream.write_all(b"HELO").await.unwrap();
                let read = timeout(Duration::from_secs(60), word(&mut stream)).await;
                notes.note(read.map_or("hears nothing".to_owned(), how_it_ended));
            })
            .run_with(120, &[(10, Action::PowerOff(SERVER))]);
        assert_eq!(ran.said(), ["hears nothing"], "{}", ran.engine);
    }
}

#[test]
fn a_connection_to_a_port_without_listener_is_refused() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(no_software)
            .machine(|seat, notes| async move {
                notes.note("client connects");
                let refused = seat.net.connect(port_25(SERVER)).await.err().unwrap();
                notes.note(refused.kind().to_string());
            })
            .run(5);
        let waited = ran.between("client connects", "connection refused");
        assert!(waited <= 2 * LATENCY, "{}: {waited:?}", ran.engine);
    }
}

/// What comes of a connection to a machine that loses its power before it.
fn connect_without_power(engine: &'static dyn Engine) -> Ran {
    Trial::on(engine)
        .machine(echo)
        .machine(|seat, notes| async move {
            sleep(Duration::from_secs(2)).await;
            match timeout(Duration::from_secs(60), seat.net.connect(port_25(SERVER))).await {
                Ok(connected) => notes.note(connected.err().unwrap().kind().to_string()),
                Err(_) => notes.note("no answer"),
            }
        })
        .run_with(120, &[(1, Action::PowerOff(SERVER))])
}

#[test]
fn a_connection_to_a_machine_without_power_is_not_answered() {
    assert_eq!(connect_without_power(&Leap).said(), ["no answer"]);
}

#[test]
fn on_the_classic_engine_a_connection_to_a_machine_without_power_is_refused() {
    assert_eq!(connect_without_power(&Classic::COARSE).said(), ["connection refused"]);
}

#[test]
fn a_process_that_ends_of_itself_is_reported_once_and_takes_its_tasks_along() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(|seat, notes| async move {
                let ticking = async move {
                    loop {
                        sleep(Duration::from_secs(1)).await;
                        notes.note("tick");
                    }
                };
                seat.spawn.spawn("ticking", Box::pin(ticking));
                sleep(Duration::from_millis(3500)).await;
            })
            .run(10);
        assert_eq!(ran.said(), ["tick", "tick", "tick"], "{}", ran.engine);
        let ended: Vec<_> = ran.ended.iter().map(|(machine, at)| (*machine, at.as_secs())).collect();
        assert_eq!(ended, [(SERVER, 3)], "{}", ran.engine);
    }
}

#[test]
fn a_killed_process_is_not_reported_as_ended() {
    for engine in both() {
        let ran = Trial::on(engine).machine(echo).run_with(20, &[(10, Action::Kill(SERVER))]);
        assert_eq!(ran.ended, [], "{}", ran.engine);
    }
}

/// Two clients write to one server at the same instant over links of the same latency. Who is read first?
fn race(seed: u64) -> Ran {
    let client = |word: &'static str| {
        move |seat: Seat, _| async move {
            let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
            sleep(Duration::from_secs(1)).await;
            stream.write_all(word.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        }
    };
    let trial = Trial::on(&Leap).machine(echo).machine(client("one")).machine(client("two"));
    trial.try_run(5, &[], Seed(seed)).expect("the engine carries the run to its end")
}

#[test]
fn segments_of_the_same_instant_arrive_in_an_order_that_the_seed_decides() {
    let first_read =
        |ran: &Ran| ran.said().into_iter().find(|said| said.starts_with("server reads")).map(str::to_owned);
    let firsts: BTreeSet<_> = (0..50).map(|seed| first_read(&race(seed))).collect();
    assert_eq!(firsts, [Some("server reads one".to_owned()), Some("server reads two".to_owned())].into());
    assert!((0..50).all(|seed| race(seed) == race(seed)));
}

#[test]
fn the_same_seed_gives_the_same_run_on_every_thread() {
    let runs: Vec<Vec<Ran>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..20).map(race).collect())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(runs.iter().all(|run| *run == runs[0]));
}

#[test]
fn a_task_that_never_waits_ends_the_run_with_its_name_and_leaves_nothing_behind() {
    let trial = Trial::on(&Leap).machine(|seat, _| async move {
        let spinning = async {
            sleep(Duration::from_secs(2)).await;
            loop {
                tokio::task::yield_now().await;
            }
        };
        seat.spawn.spawn("spinning", Box::pin(spinning));
        std::future::pending().await
    });
    let clock = Arc::clone(&trial.clock);
    let error = trial.try_run(5, &[], Seed(1)).unwrap_err();
    assert_eq!(error.at, Duration::from_secs(2));
    assert!(error.why.contains("on machine0, the task `spinning`"), "{}", error.why);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| clock())).expect_err("no run has a time now");
    two_machines_talk();
}

#[test]
fn a_task_that_panics_ends_the_run_with_its_name() {
    let trial = Trial::on(&Leap).machine(|_, _| async { panic!("no disk") });
    let error = trial.try_run(5, &[], Seed(1)).unwrap_err();
    assert_eq!(error.why, "on machine0, the task `main` panicked: no disk");
}

#[test]
fn a_run_in_which_nothing_is_left_to_happen_ends() {
    struct Never;
    impl Conductor for Never {
        fn act(&mut self, _: Duration) -> Vec<Action> {
            vec![Action::Boot(SERVER)]
        }
        fn next(&self) -> Option<Duration> {
            None
        }
        fn ended(&mut self, _: MachineId, _: Duration) {}
        fn is_over(&mut self, _: Duration) -> bool {
            false
        }
    }
    let trial = Trial::on(&Leap).machine(no_software);
    let error = Leap.run(trial.machines, &Everywhere(LATENCY), &mut Never, Seed(1)).unwrap_err();
    assert_eq!(error.why, "nothing is left to happen, and the run is not over");
}

#[test]
fn every_scenario_ends_as_expected_on_the_leaping_engine() {
    let library = Library::open(std::path::Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut replays = 0;
    for scenario in library.scenarios() {
        for release in scenario.releases() {
            let plan = scenario.plan(*release, scenario.seed());
            let record = run(&plan, &Leap, sim::trace::Keep::Digest).unwrap();
            let unmet: Vec<_> =
                scenario.expectations(*release).flat_map(|expected| expected.unmet(&record)).collect();
            assert_eq!(unmet, Vec::<String>::new(), "{} on {release}", scenario.name);
            let broken: Vec<&String> = scenario
                .expectations(*release)
                .flat_map(|expected| expected.broken())
                .map(AsRef::as_ref)
                .collect();
            let mut findings = oracle::judge(&plan, &record);
            findings.retain(|finding| broken.iter().all(|oracle| *oracle != finding.oracle));
            assert!(findings.is_empty(), "{} on {release}: {:?}", scenario.name, findings[0].what);
            replays += 1;
        }
    }
    assert!(replays > 0);
}
