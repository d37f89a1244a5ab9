//! Both engines through the `Engine` trait, with software of a few lines.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::env::{Connection, Stream};
use sim::draw::Seed;
use sim::engine::{
    Action, Carriage, Classic, Clock, Conductor, Engine, EngineError, Leap, Links, Look, Machine, MachineId,
    Observer, Seat, Software,
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

/// Every link takes the same time, but for what is written down of one way.
#[derive(Default)]
struct Weather(Vec<Spell>);

/// From a second to another, what is sent from one machine to another meets this.
struct Spell {
    seconds: Range<u64>,
    way: (MachineId, MachineId),
    carriage: Carriage,
}

impl Links for Weather {
    fn carry(&self, from: MachineId, to: MachineId, now: Duration) -> Carriage {
        let spell = self.0.iter().find(|it| it.way == (from, to) && it.seconds.contains(&now.as_secs()));
        spell.map_or(Carriage::Arrives(LATENCY), |spell| spell.carriage)
    }

    fn next_change(&self, now: Duration) -> Option<Duration> {
        let ends = self.0.iter().flat_map(|spell| [spell.seconds.start, spell.seconds.end]);
        ends.map(Duration::from_secs).filter(|at| *at > now).min()
    }
}

/// What the engine tells beside what the software says.
#[derive(Default)]
struct Witness(Mutex<Vec<String>>);

impl Observer for Witness {
    fn happened(&self, _: Duration, machine: MachineId, what: &str, detail: &[&[u8]]) {
        let detail: Vec<_> = detail.iter().map(|part| String::from_utf8_lossy(part)).collect();
        self.0.lock().unwrap().push(format!("machine{} {what}: {}", machine.0, detail.join(" ")));
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

    fn look(&mut self, now: Duration) -> Look {
        if now.as_secs() >= self.ends_at { Look::Over } else { Look::GoOn }
    }
}

/// A run of the script's actions on an engine.
struct Trial {
    engine: &'static dyn Engine,
    clock: Clock,
    machines: Vec<Machine>,
    weather: Weather,
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
        Trial {
            engine,
            clock: engine.clock(),
            machines: Vec::new(),
            weather: Weather::default(),
            log: Log::default(),
        }
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

    /// What is sent that way in these seconds meets this.
    fn weather(mut self, seconds: Range<u64>, way: (MachineId, MachineId), carriage: Carriage) -> Self {
        self.weather.0.push(Spell { seconds, way, carriage });
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
        let witness = Witness::default();
        self.engine.run(self.machines, &self.weather, &mut script, &witness, seed)?;
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        let seen = witness.0.into_inner().unwrap();
        Ok(Ran { engine: self.engine.name(), log, ended: script.ended, seen })
    }
}

#[derive(Debug, PartialEq)]
struct Ran {
    engine: &'static str,
    log: Vec<(Duration, String)>,
    ended: Vec<(MachineId, Duration)>,
    seen: Vec<String>,
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
        let Connection { mut stream, from, .. } = listener.accept().await.expect("the listener stays usable");
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
                let mut stream = listener.accept().await.unwrap().stream;
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

#[test]
fn a_connection_to_a_machine_without_power_is_tried_for_two_minutes() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(echo)
            .machine(|seat, notes| async move {
                sleep(Duration::from_secs(2)).await;
                notes.note("client connects");
                let connected = seat.net.connect(port_25(SERVER)).await;
                notes.note(connected.err().unwrap().kind().to_string());
            })
            .run_with(300, &[(1, Action::PowerOff(SERVER))]);
        assert_eq!(ran.between("client connects", "timed out").as_secs(), 127, "{}", ran.engine);
    }
}

#[test]
fn a_connection_is_made_at_the_next_try_once_the_machine_has_power() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(echo)
            .machine(a_client_that_says_helo)
            .run_with(60, &[(0, Action::PowerOff(SERVER)), (5, Action::Boot(SERVER))]);
        assert_eq!(ran.between("client connects", "client is connected").as_secs(), 7, "{}", ran.engine);
    }
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
        fn look(&mut self, _: Duration) -> Look {
            Look::GoOn
        }
    }
    let trial = Trial::on(&Leap).machine(no_software);
    let ran = Leap.run(trial.machines, &trial.weather, &mut Never, &Witness::default(), Seed(1));
    let error = ran.unwrap_err();
    assert_eq!(error.why, "nothing is left to happen, and the run is not over");
}

/// Sends a word each second, and says how it went.
async fn a_client_that_counts(seat: Seat, notes: Notes) {
    let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
    for number in 1.. {
        sleep(Duration::from_secs(1)).await;
        if let Err(error) = stream.write_all(format!("{number}.").as_bytes()).await {
            return notes.note(format!("client: {}", error.kind()));
        }
    }
}

/// Takes one connection, and says what it reads.
async fn a_server_that_reads(seat: Seat, notes: Notes) {
    let mut listener = seat.net.listen((Ipv4Addr::UNSPECIFIED, 25).into()).await.unwrap();
    let mut stream = listener.accept().await.unwrap().stream;
    loop {
        match word(&mut stream).await {
            Ok(Some(word)) => notes.note(word),
            end => return notes.note(format!("server: {}", how_it_ended(end))),
        }
    }
}

const TO_SERVER: (MachineId, MachineId) = (CLIENT, SERVER);
const TO_CLIENT: (MachineId, MachineId) = (SERVER, CLIENT);

#[test]
fn the_seed_decides_the_order_of_two_machines_whose_timers_are_due_at_one_instant() {
    let run = |engine, seed| {
        let alarm = |name: &'static str| {
            move |_, notes: Notes| async move {
                sleep(Duration::from_secs(1)).await;
                notes.note(name);
            }
        };
        let trial = Trial::on(engine).machine(alarm("one")).machine(alarm("two"));
        trial.try_run(2, &[], Seed(seed)).unwrap()
    };
    for engine in both() {
        let orders: BTreeSet<_> = (0..50).map(|seed| run(engine, seed).log[0].1.clone()).collect();
        assert_eq!(orders.len(), 2, "{}: {orders:?}", engine.name());
        assert!((0..50).all(|seed| run(engine, seed) == run(engine, seed)), "{}", engine.name());
    }
}

#[test]
fn a_lost_segment_arrives_when_it_is_sent_again() {
    let ran = Trial::on(&Leap)
        .machine(a_server_that_reads)
        .machine(a_client_that_counts)
        .weather(3..4, TO_SERVER, Carriage::Lost)
        .run(7);
    assert_eq!(ran.when("2."), Duration::from_secs(2) + 3 * LATENCY);
    assert_eq!(ran.when("3.4."), Duration::from_secs(4) + 3 * LATENCY);
    assert_eq!(ran.when("5."), Duration::from_secs(5) + 3 * LATENCY);
    let lost: Vec<_> = ran.seen.iter().filter(|seen| seen.contains("in vain")).collect();
    assert_eq!(lost, ["machine1 sends in vain: 10.0.0.2:49152 10.0.0.1:25 data 2"]);
}

#[test]
fn what_was_lost_on_a_link_arrives_in_order_once_the_link_is_whole() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(a_server_that_reads)
            .machine(a_client_that_counts)
            .weather(3..20, TO_SERVER, Carriage::Lost)
            .run(60);
        let numbers: Vec<u64> =
            ran.said().concat().split_terminator('.').map(|it| it.parse().unwrap()).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{}", ran.engine);
        assert!(numbers.len() > 50, "{}", ran.engine);
    }
}

#[test]
fn a_sender_gives_up_when_nothing_came_through_for_fifteen_minutes() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(a_server_that_reads)
            .machine(a_client_that_counts)
            .weather(3..1200, TO_SERVER, Carriage::Lost)
            .run(1300);
        let gave_up = ran.when("client: timed out").as_secs();
        assert!((924..=930).contains(&gave_up), "{}: {gave_up}", ran.engine);
    }
}

#[test]
fn who_cannot_be_heard_gives_up_though_it_hears() {
    // What the client says arrives, and no acknowledgement comes back.
    let ran = Trial::on(&Leap)
        .machine(a_server_that_reads)
        .machine(a_client_that_counts)
        .weather(3..5000, TO_CLIENT, Carriage::Lost)
        .run(6000);
    assert!(ran.said().contains(&"100."));
    // It hears of it when it writes again.
    let gave_up = ran.when("client: timed out").as_secs();
    assert!((927..=928).contains(&gave_up), "{gave_up}");
}

#[test]
fn an_answer_that_is_lost_on_its_way_back_comes_late() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(echo)
            .machine(a_client_that_says_helo)
            .weather(1..9, TO_CLIENT, Carriage::Lost)
            .run(60);
        assert!(ran.between("client writes", "server reads HELO") <= LATENCY + 2 * TICK, "{}", ran.engine);
        let answered = ran.between("client writes", "client has its answer").as_secs();
        assert!((7..=15).contains(&answered), "{}: {answered}", ran.engine);
    }
}

#[test]
fn a_held_link_releases_in_order_what_was_sent_over_it() {
    let until = Duration::from_secs(10);
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(a_server_that_reads)
            .machine(a_client_that_counts)
            .weather(3..10, TO_SERVER, Carriage::Held { until, latency: LATENCY })
            .run(12);
        assert!(ran.said().concat().starts_with("1.2.3.4.5.6.7.8.9.10."), "{}: {:?}", ran.engine, ran.log);
        let held = ran.log.iter().find(|(_, said)| said.contains("3.")).unwrap().0;
        assert!(held >= until && held <= until + LATENCY + 2 * TICK, "{}: {held:?}", ran.engine);
    }
}

#[test]
fn what_is_sent_over_a_link_that_became_faster_does_not_overtake() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(a_server_that_reads)
            .machine(a_client_that_counts)
            .weather(2..3, TO_SERVER, Carriage::Arrives(Duration::from_secs(5)))
            .run(12);
        assert!(ran.said().concat().starts_with("1.2.3.4.5.6."), "{}: {:?}", ran.engine, ran.log);
    }
}

#[test]
fn a_reader_that_stalls_slows_its_writer_down_until_it_reads_on() {
    const OCTETS: usize = 1_000_000;
    let ran = Trial::on(&Leap)
        .machine(|seat, notes| async move {
            let mut listener = seat.net.listen((Ipv4Addr::UNSPECIFIED, 25).into()).await.unwrap();
            let mut stream = listener.accept().await.unwrap().stream;
            sleep(Duration::from_secs(1800)).await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            notes.note(format!("{} octets", all.len()));
        })
        .machine(|seat, notes| async move {
            let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
            let mut left = OCTETS;
            while left > 0 {
                left -= stream.write(&vec![b'x'; left]).await.unwrap();
                notes.note(format!("{left} to go"));
            }
        })
        .run(3600);
    assert_eq!(ran.when("934464 to go").as_secs(), 0);
    assert!(ran.when("0 to go").as_secs() >= 1800);
    assert_eq!(ran.between("0 to go", "1000000 octets"), LATENCY);
}

#[test]
fn a_writer_whose_stalled_reader_lost_its_power_gives_up() {
    let ran = Trial::on(&Leap)
        .machine(|seat, _| async move {
            let mut listener = seat.net.listen((Ipv4Addr::UNSPECIFIED, 25).into()).await.unwrap();
            let _stream = listener.accept().await.unwrap();
            std::future::pending::<()>().await;
        })
        .machine(|seat, notes| async move {
            let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
            let written = stream.write_all(&vec![b'x'; 1_000_000]).await;
            notes.note(written.unwrap_err().kind().to_string());
        })
        .run_with(3600, &[(600, Action::PowerOff(SERVER))]);
    let gave_up = ran.when("timed out").as_secs();
    assert!((1440..=1600).contains(&gave_up), "{gave_up}");
}

#[test]
fn data_for_a_socket_that_its_process_has_closed_is_answered_with_a_reset() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(|seat, _| async move {
                let mut listener = seat.net.listen((Ipv4Addr::UNSPECIFIED, 25).into()).await.unwrap();
                drop(listener.accept().await.unwrap());
                std::future::pending::<()>().await;
            })
            .machine(|seat, notes| async move {
                let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
                notes.note(format!("client: {}", how_it_ended(word(&mut stream).await)));
                stream.write_all(b"HELO").await.unwrap();
                sleep(Duration::from_secs(1)).await;
                notes.note(format!("client: {}", stream.write_all(b"HELO").await.unwrap_err().kind()));
            })
            .run(5);
        assert_eq!(ran.said(), ["client: end of stream", "client: broken pipe"], "{}", ran.engine);
    }
}

#[test]
fn a_socket_that_is_closed_with_something_unread_resets_its_connection() {
    let ran = Trial::on(&Leap)
        .machine(|seat, _| async move {
            let mut listener = seat.net.listen((Ipv4Addr::UNSPECIFIED, 25).into()).await.unwrap();
            let _stream = listener.accept().await.unwrap();
            sleep(Duration::from_secs(1)).await;
        })
        .machine(|seat, notes| async move {
            let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
            stream.write_all(b"HELO").await.unwrap();
            notes.note(how_it_ended(word(&mut stream).await));
        })
        .run(5);
    assert_eq!(ran.said(), ["connection reset"]);
}

#[test]
fn who_has_shut_down_its_writing_still_reads() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(|seat, _| async move {
                let mut listener = seat.net.listen((Ipv4Addr::UNSPECIFIED, 25).into()).await.unwrap();
                let mut stream = listener.accept().await.unwrap().stream;
                while let Ok(Some(_)) = word(&mut stream).await {}
                stream.write_all(b"that was all").await.unwrap();
            })
            .machine(|seat, notes| async move {
                let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
                stream.write_all(b"HELO").await.unwrap();
                stream.shutdown().await.unwrap();
                notes.note(how_it_ended(word(&mut stream).await));
                notes.note(how_it_ended(word(&mut stream).await));
            })
            .run(5);
        assert_eq!(ran.said(), ["reads that was all", "end of stream"], "{}", ran.engine);
    }
}

#[test]
fn a_connection_that_the_network_resets_is_broken_at_both_ends() {
    for engine in both() {
        let ran = Trial::on(engine)
            .machine(a_server_that_reads)
            .machine(|seat, notes| async move {
                let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
                notes.note(format!("client: {}", how_it_ended(word(&mut stream).await)));
            })
            .run_with(20, &[(10, Action::Reset(SERVER, CLIENT))]);
        let said: BTreeSet<_> = ran.said().into_iter().collect();
        assert_eq!(said, ["client: connection reset", "server: connection reset"].into(), "{}", ran.engine);
        assert_eq!(ran.when("client: connection reset").as_secs(), 10, "{}", ran.engine);
    }
}

#[test]
fn a_conductor_that_looks_and_wants_to_act_does_so_at_that_very_instant() {
    /// Cuts the power as soon as something was said.
    struct OnTheWord(bool, Log);
    impl Conductor for OnTheWord {
        fn act(&mut self, _: Duration) -> Vec<Action> {
            let booted = std::mem::replace(&mut self.0, true);
            vec![if booted { Action::PowerOff(SERVER) } else { Action::Boot(SERVER) }]
        }
        fn next(&self) -> Option<Duration> {
            Some(Duration::from_secs(10))
        }
        fn ended(&mut self, _: MachineId, _: Duration) {}
        fn look(&mut self, now: Duration) -> Look {
            let said = self.1.lock().unwrap().len();
            match said {
                _ if now.as_secs() >= 10 => Look::Over,
                1 if self.0 => {
                    self.1.lock().unwrap().push((now, "power is cut".to_owned()));
                    Look::Act
                }
                _ => Look::GoOn,
            }
        }
    }
    for engine in both() {
        let trial = Trial::on(engine).machine(|_, notes| async move {
            sleep(Duration::from_secs(1)).await;
            notes.note("the word");
            sleep(Duration::from_millis(100)).await;
            notes.note("another word");
        });
        let mut conductor = OnTheWord(false, Arc::clone(&trial.log));
        let witness = Witness::default();
        engine.run(trial.machines, &trial.weather, &mut conductor, &witness, Seed(1)).unwrap();
        let log = trial.log.lock().unwrap();
        let said: Vec<_> = log.iter().map(|(_, said)| said.as_str()).collect();
        assert_eq!(said, ["the word", "power is cut"], "{}", engine.name());
        let tick = if engine.name() == "leap" { Duration::ZERO } else { TICK };
        assert!(log[1].0 - log[0].0 <= tick, "{}: {log:?}", engine.name());
    }
}

#[test]
fn a_power_cut_during_a_transfer_ends_it_once_the_machine_is_back() {
    let ran = Trial::on(&Leap)
        .machine(a_server_that_reads)
        .machine(a_client_that_counts)
        .run_with(60, &[(10, Action::PowerOff(SERVER)), (30, Action::Boot(SERVER))]);
    // Sent again 1, 3, 7, 15 and 31 seconds after the cut.
    assert_eq!(ran.when("client: connection reset").as_secs(), 42);
}

#[test]
fn ten_thousand_connections_one_after_another_are_all_served() {
    let ran = Trial::on(&Leap)
        .machine(echo)
        .machine(|seat, notes| async move {
            for _ in 0..10_000 {
                let mut stream = seat.net.connect(port_25(SERVER)).await.unwrap();
                stream.write_all(b"HELO").await.unwrap();
                word(&mut stream).await.unwrap();
            }
            notes.note("all were served");
        })
        .run(10_000);
    assert_eq!(ran.log.last().unwrap().1, "all were served");
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
                scenario.expectations(*release).flat_map(|expected| expected.unmet(&plan, &record)).collect();
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
