//! The machine that a gateway under test runs on: a network in memory, a directory of the real disk, a clock that
//! follows the paused one. The gateway's process can be killed and started again.
#![expect(
    clippy::disallowed_methods,
    reason = "the test starts tasks and looks at the disk beside the gateway"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::config::Config;
use gateway::env::{BoxFuture, Env, Spawn, WallClock, host};
use gateway::eventlog::{Entry, EventLogLayer};
use gateway::extension::Registry;
use gateway::reach::{Point, ReachLayer};
use gateway::secret::{self, Secret};
use gateway::service::{Gateway, StartError};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

use crate::disk::{Trouble, TroubledDisk};
use crate::extension;
use crate::network::{Client, Network};

/// The address of a client with no rights of its own.
pub(crate) const CLIENT: &str = "192.0.2.7";
/// The address of a client that may have mail passed on.
pub(crate) const RELAY_CLIENT: &str = "192.0.2.99";

/// A machine with a gateway.
pub(crate) struct Machine {
    dir: TempDir,
    pub(crate) network: Network,
    disk: Arc<TroubledDisk>,
    clock: Arc<Clock>,
    process: Arc<Process>,
    stop: Arc<Notify>,
    stopped: Arc<Notify>,
    events: Arc<Mutex<Vec<Entry>>>,
    points: Arc<Mutex<BTreeSet<Point>>>,
    _log: DefaultGuard,
}

impl Machine {
    /// A machine whose gateway is not started yet.
    pub(crate) fn new() -> Self {
        let events: Arc<Mutex<Vec<Entry>>> = Arc::default();
        let kept = Arc::clone(&events);
        let log = EventLogLayer::new(move |entry| kept.lock().unwrap().push(entry));
        let points: Arc<Mutex<BTreeSet<Point>>> = Arc::default();
        let counted = Arc::clone(&points);
        let reach = ReachLayer::new(move |point| {
            counted.lock().unwrap().insert(point);
        });
        Machine {
            dir: tempfile::tempdir().unwrap(),
            network: Network::default(),
            disk: Arc::default(),
            clock: Arc::new(Clock { start: Instant::now(), set: Mutex::default() }),
            process: Arc::default(),
            stop: Arc::default(),
            stopped: Arc::default(),
            events,
            points,
            _log: tracing::subscriber::set_default(tracing_subscriber::registry().with(log).with(reach)),
        }
    }

    /// A machine whose gateway is started, with this in its configuration beside its mailboxes and its route.
    pub(crate) async fn with(configuration: &str) -> Self {
        let machine = Machine::new();
        machine.start(configuration).await;
        machine
    }

    /// Starts the gateway.
    pub(crate) async fn start(&self, configuration: &str) {
        self.try_to_start(configuration).await.unwrap();
    }

    /// Starts the gateway, with a route more.
    pub(crate) async fn start_with_route(&self, route: &str, configuration: &str) {
        self.launch(route, configuration).await.unwrap();
    }

    /// Starts the gateway if it can.
    pub(crate) async fn try_to_start(&self, configuration: &str) -> Result<(), StartError> {
        self.launch("", configuration).await
    }

    async fn launch(&self, route: &str, configuration: &str) -> Result<(), StartError> {
        // Most tests of reports ask for one of somebody who is unknown.
        let is_said = configuration.contains("unknown_recipients");
        let unknown = if is_said { "" } else { "policy.unknown_recipients = \"report\"" };
        let text = format!(
            r#"
                host = "ims.contoso.test"
                administrator = "administrator@contoso.test"
                spool = "{spool}"
                store = "{store}"
                relay.networks = ["{RELAY_CLIENT}"]
                tls.auth_in_clear = true
                {unknown}
                route = [{{ domain = "contoso.test", to = "<inbound>" }}, {route}]
                mailbox = [
                    {{ address = "administrator@contoso.test" }},
                    {{ address = "alice@contoso.test", account = "alice", secret = "{winter}" }},
                    {{ address = "bob@contoso.test", account = "bob", secret = "{summer}", server = "IMS2" }},
                    {{ address = "jürgen@contoso.test", aliases = ["juergen@contoso.test"] }},
                ]
                {configuration}
            "#,
            spool = self.path("spool").display(),
            store = self.path("mail").display(),
            winter = secret("winter"),
            summer = secret("summer"),
        );
        let config = Config::parse(&text, "gateway.toml").unwrap();
        let env = Env {
            net: Arc::new(self.network.clone()),
            disk: Arc::clone(&self.disk) as Arc<_>,
            clock: Arc::clone(&self.clock) as Arc<_>,
            spawn: Arc::clone(&self.process) as Arc<_>,
            ..host::env()
        };
        let names = Arc::new(self.network.clone());
        let mut extensions = Registry::builtin();
        extensions.add("scripted", extension::scripted());
        let gateway = Gateway::start(config, env, names, &extensions).await?;
        let (stop, stopped) = (Arc::clone(&self.stop), Arc::clone(&self.stopped));
        let service = async move {
            gateway.run(stop.notified()).await;
            stopped.notify_one();
        };
        self.process.spawn("service", Box::pin(service));
        Ok(())
    }

    /// Tells the gateway to stop.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.notify_one();
    }

    /// Waits until the gateway has stopped.
    pub(crate) async fn stopped(&self) {
        self.stopped.notified().await;
    }

    /// Ends the gateway's process where it is.
    pub(crate) async fn kill(&self) {
        self.process.0.lock().unwrap().drain(..).for_each(|task| task.abort());
        // What the disk is doing it does to the end.
        pass(Duration::from_millis(1)).await;
    }

    /// From now on the process halts where it would put a report into the spool, or no longer.
    pub(crate) fn halt_at_reports(&self, halt: bool) {
        let is_report =
            |what: &str, path: &Path| what == "file" && path.extension().is_some_and(|end| end == "made");
        self.trouble(move |what, path| (halt && is_report(what, path)).then_some(Trouble::Halt));
    }

    /// From now on the disk makes this trouble, and no other.
    pub(crate) fn trouble(&self, trouble: impl Fn(&str, &Path) -> Option<Trouble> + Send + 'static) {
        *self.disk.trouble.lock().unwrap() = Box::new(trouble);
    }

    /// From now on the disk makes no trouble.
    pub(crate) fn heal(&self) {
        self.trouble(|_, _| None);
    }

    /// Sets the clock.
    pub(crate) fn set_clock(&self, by: SignedDuration) {
        *self.clock.set.lock().unwrap() += by;
    }

    /// From now on the drive has room for so many octets.
    pub(crate) fn leave_free(&self, octets: u64) {
        *self.disk.free.lock().unwrap() = octets;
    }

    /// A client that has connected, before the banner.
    pub(crate) fn dial(&self) -> Client {
        self.network.dial(CLIENT)
    }

    /// A client that has connected and said EHLO.
    pub(crate) async fn greeted(&self) -> Client {
        let mut client = self.dial();
        client.play("S: 220 ims.contoso.test\n C: EHLO client.example\n S: 250 HELP").await;
        client
    }

    /// Plays a script from the banner on.
    pub(crate) async fn play(&self, script: &str) {
        self.dial().play(script).await;
    }

    /// A message from a client that may have mail passed on. Gives what becomes of it at once time to become.
    pub(crate) async fn send(&self, from: &str, to: &[&str]) {
        let mut client = self.network.dial(RELAY_CLIENT);
        client
            .play(&format!("S: 220\n C: HELO client.example\n S: 250\n C: MAIL FROM:<{from}>\n S: 250"))
            .await;
        for recipient in to {
            client.play(&format!("C: RCPT TO:<{recipient}>\n S: 250")).await;
        }
        client.play("C: DATA\n S: 354\n C: Subject: Forty chairs\n C:\n C: Please.\n C: .\n S: 250").await;
        pass(Duration::from_secs(1)).await;
    }

    /// The descriptions of the events with this number, so far.
    pub(crate) fn events(&self, id: u16) -> Vec<String> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.id == id).map(|event| event.description.clone()).collect()
    }

    /// Whether the gateway was ever at this point.
    pub(crate) fn reached(&self, point: Point) -> bool {
        self.points.lock().unwrap().contains(&point)
    }

    /// The messages in the mailbox of this name.
    pub(crate) fn mailbox(&self, name: &str) -> Vec<String> {
        let new = self.path(&format!("mail/{name}@contoso.test/new"));
        let files = list(&new).into_iter().map(|file| fs::read_to_string(new.join(file)).unwrap());
        files.collect()
    }

    /// The names of the files in a folder of the spool.
    pub(crate) fn spool(&self, folder: &str) -> Vec<String> {
        list(&self.path("spool").join(folder))
    }

    /// The names of the journals in `queue/`.
    pub(crate) fn journals(&self) -> Vec<String> {
        let mut names = self.spool("queue");
        names.retain(|name| name != "hands");
        names
    }

    /// What of `in/` is marked as being processed, as the next process will find it.
    pub(crate) fn in_hand(&self) -> BTreeSet<String> {
        let marks = std::fs::read_to_string(self.path("spool/queue/hands")).unwrap_or_default();
        let mut marked = BTreeSet::new();
        for mark in marks.lines() {
            match mark.split_at_checked(1) {
                Some(("+", id)) => drop(marked.insert(id.to_owned())),
                Some(("-" | "=", id)) => drop(marked.remove(id)),
                _ => {}
            }
        }
        let arrivals = self.spool("in");
        marked.retain(|id| arrivals.contains(id));
        marked
    }

    /// A path below the directory of the gateway, which has `spool` and `mail`.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }
}

/// What is stored of a password.
fn secret(password: &str) -> String {
    let (salt, iterations) = (b"salt", *secret::ITERATIONS.start());
    Secret::of(&secret::salted(password, salt, iterations), salt, iterations).text()
}

fn list(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Lets time pass.
pub(crate) async fn pass(time: Duration) {
    sleep(time).await;
}

/// The time of day, which goes with the paused clock, and how far it was set from it.
struct Clock {
    start: Instant,
    set: Mutex<SignedDuration>,
}

impl WallClock for Clock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "1998-03-02T09:00:00Z".parse().unwrap();
        start + SignedDuration::try_from(self.start.elapsed()).unwrap() + *self.set.lock().unwrap()
    }
}

/// The tasks of the gateway's process.
#[derive(Default)]
struct Process(Mutex<Vec<AbortHandle>>);

impl Spawn for Process {
    fn spawn(&self, _: &'static str, task: BoxFuture<'static, ()>) {
        self.0.lock().unwrap().push(tokio::spawn(task).abort_handle());
    }
}
