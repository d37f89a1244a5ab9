//! What the engines cost, in CPU time, side by side in one run: `cargo bench -p sim --bench engines`.
//!
//! A *world* is a fresh simulation in which each client hands ten mails of about 1 KB to one server, seven round trips
//! each, and is torn down. The same conversation over `tokio::io::duplex`, with no network at all, is the lower bound.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sim::draw::Seed;
use sim::engine::{
    Action, Carriage, Classic, Conductor, Engine, Leap, Links, Look, Machine, MachineId, Observer, Seat,
    Software,
};
use sim::run::run;
use sim::scenario::Scenario;
use sim::trace::Keep;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// Turmoil with its default tick, which is the grain that leap has.
const FINE: Classic = Classic::ticking(Duration::from_millis(1));

const MAILS: usize = 10;
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn main() {
    println!("worlds of {MAILS} mails a client, per CPU-second, no gateway (median of 5)");
    println!("  machines   turmoil, 1 ms   turmoil, 50 ms      leap    duplex   leap / 1 ms");
    for machines in [2, 3, 10] {
        let fine = per_second(|| world(&FINE, machines));
        let coarse = per_second(|| world(&Classic::COARSE, machines));
        let leap = per_second(|| world(&Leap, machines));
        let duplex = per_second(|| bare(machines - 1));
        let faster = leap / fine;
        println!("{machines:>10} {fine:>15.0} {coarse:>16.0} {leap:>9.0} {duplex:>9.0} {faster:>12.1}x");
    }

    println!("\nidle machines, virtual seconds per CPU-second");
    println!("{:>10} {:>14} {:>14}", "machines", "turmoil, 50 ms", "leap");
    for machines in [3, 10, 50] {
        let hour = Duration::from_hours(1);
        let turmoil = hour.as_secs_f64() / cpu(|| idle(&Classic::COARSE, machines, hour));
        let days = Duration::from_hours(5 * 24);
        let leap = days.as_secs_f64() / cpu(|| idle(&Leap, machines, days));
        println!("{machines:>10} {turmoil:>14.0} {leap:>14.0}");
    }
    let cost = cpu(|| idle(&Leap, 50, Duration::from_hours(5 * 24)));
    println!("50 machines through 5 virtual days on leap: {cost:.3} CPU-seconds");

    println!("\nthe whole gateway, {MAILS} mails from one client, per CPU-second (median of 5)");
    let scenario = |text: &str| Scenario::parse("bench", "bench", text).expect("the scenario is sound");
    let mails = scenario(&mails(Duration::from_secs(10)));
    for (name, engine) in
        [("turmoil, 1 ms", &FINE as &dyn Engine), ("turmoil, 50 ms", &Classic::COARSE), ("leap", &Leap)]
    {
        println!("{name:>15} {:>10.1}", per_second(|| replay(&mails, engine)));
    }
    println!("\na 48-hour retry schedule against the same conversations within an hour, on leap");
    let [days, packed] = [("15m, 30m, 1h, 4h", "48h"), ("1m, 2m, 4m, 4m", "50m")].map(|(retry, expire)| {
        let scenario = scenario(&outage(retry, expire));
        cpu_median(|| replay(&scenario, &Leap))
    });
    println!("48 h: {:.1} ms, within 1 h: {:.1} ms, ratio {:.2}", days * 1e3, packed * 1e3, days / packed);
}

/// CPU time of this process, in seconds: runs may be on threads of their own.
fn cpu(work: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let before = now();
    work();
    now() - before
}

fn cpu_median(work: impl Fn()) -> f64 {
    let mut times: Vec<f64> = (0..9).map(|_| cpu(&work)).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// How often `work` can be done in a second of CPU: the median of five measurements of at least a fifth of a second.
fn per_second(work: impl Fn()) -> f64 {
    let mut rates: Vec<f64> = (0..5)
        .map(|_| {
            let (mut times, mut spent) = (0.0, 0.0);
            while spent < 0.2 {
                spent += cpu(&work);
                times += 1.0;
            }
            times / spent
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[2]
}

fn replay(scenario: &Scenario, engine: &dyn Engine) {
    let plan = scenario.plan(scenario.releases()[0], scenario.seed());
    run(&plan, engine, Keep::Digest).expect("the engine carries the run");
}

struct FixedLatency;

impl Links for FixedLatency {
    fn carry(&self, _: MachineId, _: MachineId, _: Duration) -> Carriage {
        Carriage::Arrives(Duration::from_millis(5))
    }

    fn next_change(&self, _: Duration) -> Option<Duration> {
        None
    }
}

struct Blind;

impl Observer for Blind {
    fn happened(&self, _: Duration, _: MachineId, _: &str, _: &[&[u8]]) {}
}

/// Boots everything at the start; the run is over when so many have ended, or at a time.
struct Simple {
    machines: usize,
    booted: bool,
    waiting_for: usize,
    until: Option<Duration>,
}

impl Conductor for Simple {
    fn act(&mut self, _: Duration) -> Vec<Action> {
        let booting = if self.booted { 0 } else { self.machines };
        self.booted = true;
        (0..booting).map(|machine| Action::Boot(MachineId(machine))).collect()
    }

    fn next(&self) -> Option<Duration> {
        self.until
    }

    fn ended(&mut self, _: MachineId, _: Duration) {
        self.waiting_for -= 1;
    }

    fn look(&mut self, now: Duration) -> Look {
        let is_over = self.until.map_or(self.waiting_for == 0, |until| now >= until);
        if is_over { Look::Over } else { Look::GoOn }
    }
}

fn world(engine: &dyn Engine, machines: usize) {
    let clients = machines - 1;
    let mut all = vec![machine(0, |seat| Box::pin(serve(seat)))];
    all.extend((1..machines).map(|client| machine(client, |seat| Box::pin(send_from(seat)))));
    let mut conductor = Simple { machines, booted: false, waiting_for: clients, until: None };
    engine.run(all, &FixedLatency, &mut conductor, &Blind, Seed(1)).expect("the engine carries the world");
}

fn idle(engine: &dyn Engine, machines: usize, until: Duration) {
    let all = (0..machines).map(|number| {
        machine(number, move |seat| {
            Box::pin(async move {
                // Each listens, and no two wake at the same instant.
                let _listener = seat.net.listen((Ipv4Addr::UNSPECIFIED, 25).into()).await;
                tokio::time::sleep(Duration::from_millis(7 * number as u64)).await;
                loop {
                    tokio::time::sleep(Duration::from_mins(1)).await;
                }
            })
        })
    });
    let mut conductor = Simple { machines, booted: false, waiting_for: 0, until: Some(until) };
    engine
        .run(all.collect(), &FixedLatency, &mut conductor, &Blind, Seed(1))
        .expect("the engine carries the world");
}

fn machine(
    number: usize,
    software: impl Fn(Seat) -> std::pin::Pin<Box<dyn Future<Output = ()>>> + 'static,
) -> Machine {
    let last = u8::try_from(number + 1).expect("a world is small");
    Machine {
        name: format!("m{number}"),
        address: Ipv4Addr::new(192, 0, 2, last).into(),
        software: Box::new(software) as Software,
    }
}

async fn serve(seat: Seat) {
    let on = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 25));
    let mut listener = seat.net.listen(on).await.expect("the port is free");
    loop {
        let stream = listener.accept().await.expect("the listener stays").stream;
        seat.spawn.spawn(
            "session",
            Box::pin(async move {
                let _ = answer(stream).await;
            }),
        );
    }
}

async fn send_from(seat: Seat) {
    for _ in 0..MAILS {
        let stream = seat.net.connect((SERVER, 25).into()).await.expect("the server listens");
        send(stream).await.expect("the server answers");
    }
}

/// The same conversations with no network.
fn bare(clients: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime can be made");
    let tasks = tokio::task::LocalSet::new();
    let left = Rc::new(Cell::new(clients));
    for _ in 0..clients {
        let left = Rc::clone(&left);
        tasks.spawn_local(async move {
            for _ in 0..MAILS {
                let (here, there) = tokio::io::duplex(1 << 16);
                let server = tokio::task::LocalSet::new();
                let session = server.run_until(async { answer(there).await });
                let (sent, _) = tokio::join!(send(here), session);
                sent.expect("the server answers");
            }
            left.set(left.get() - 1);
        });
    }
    runtime.block_on(tasks);
    assert_eq!(left.get(), 0);
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 ready\r\n").await?;
    let (mut line, mut data) = (String::new(), false);
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let reply: &[u8] = match line.as_str() {
            ".\r\n" if data => {
                data = false;
                b"250 taken\r\n"
            }
            _ if data => continue,
            "DATA\r\n" => {
                data = true;
                b"354 go\r\n"
            }
            "QUIT\r\n" => return stream.write_all(b"221 bye\r\n").await,
            _ => b"250 ok\r\n",
        };
        stream.write_all(reply).await?;
    }
}

async fn send(stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let content = "a line of sixty-four octets, which is about what a mail has, yes\r\n".repeat(16) + ".\r\n";
    for said in ["EHLO c\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<c@d>\r\n", "DATA\r\n", &content, "QUIT\r\n"] {
        stream.write_all(said.as_bytes()).await?;
        line.clear();
        stream.read_line(&mut line).await?;
    }
    stream.read_to_string(&mut line).await.map(|_| ())
}

const GATEWAY: &str = r#"
    title = "A benchmark"
    starts = "2026-01-01T00:00:00Z"
    seed = 1
    releases = ["current"]
    [gateway]
    name = "gw.a.test"
    address = "192.0.2.25"
    [gateway.config]
    route = [{ domain = "a.test", to = "<inbound>" }]
    relay = { networks = ["198.51.100.0/24"] }
    mailbox = [{ address = "bob@a.test" }, { address = "alice@a.test" }]
"#;

fn mails(apart: Duration) -> String {
    let mut text = format!(
        "duration = \"1h\"\n{GATEWAY}\n[[client]]\nname = \"c.b.test\"\naddress = \"198.51.100.7\"\n"
    );
    for number in 0..MAILS {
        text += &format!(
            "[[client.message]]\nname = \"m{number}\"\nat = \"{}s\"\nfrom = \"carol@b.test\"\n\
             to = [\"bob@a.test\"]\nsubject = \"Number {number}\"\n",
            apart.as_secs() * number as u64
        );
    }
    text
}

/// One message for a host that refuses every connection, tried until it expires.
fn outage(retry: &str, expire: &str) -> String {
    let retry: Vec<String> = retry.split(", ").map(|wait| format!("\"{wait}\"")).collect();
    let delivery = format!(
        "delivery = {{ retry = [{}], expire = \"{expire}\", smart_host = \"198.51.100.8\" }}",
        retry.join(", ")
    );
    format!(
        "duration = \"60h\"\n{GATEWAY}\n{delivery}\n[[client]]\nname = \"mail.b.test\"\naddress = \"198.51.100.7\"\n\
         [[client.message]]\nname = \"m1\"\nat = \"1s\"\nfrom = \"alice@a.test\"\nto = [\"x@dark.test\"]\n\
         subject = \"Into the dark\"\n[[client]]\nname = \"deaf.test\"\naddress = \"198.51.100.8\"\n"
    )
}
