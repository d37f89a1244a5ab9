//! The machine that the tests run on: a gateway within this process, programs beside it, and a mail client.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use gateway::address::Domain;
use gateway::config::Config;
use gateway::dns::{DnsError, MailExchanger, Resolver};
use gateway::env::{BoxFuture, host};
use gateway::eventlog::{Entry, EventLogLayer};
use gateway::extension::Registry;
use gateway::secret::{Secret, salted};
use gateway::service::Gateway;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tracing_subscriber::layer::SubscriberExt;

/// How long the machine may take for what it does at once when it is not busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
pub(crate) fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Whether a field of a message says this, folded or not.
pub(crate) fn holds(message: &str, words: &str) -> bool {
    message.split_whitespace().any(|word| word.starts_with(words))
}

/// A program that ends with the test.
pub(crate) struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program and waits until it listens.
pub(crate) fn start(command: &mut Command, port: u16) -> Child {
    let child = Child(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait_for("the filter", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    child
}

/// Knows no name: no mail leaves this machine.
struct NoNames;

impl Resolver for NoNames {
    fn mail_exchangers<'a>(&'a self, _: &'a Domain) -> BoxFuture<'a, Result<Vec<MailExchanger>, DnsError>> {
        Box::pin(async { Err(DnsError::NoSuchName) })
    }

    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        Box::pin(async { Err(DnsError::NoSuchName) })
    }
}

/// A gateway on a thread of its own, with mailboxes for Alice, Bob and the administrator.
pub(crate) struct Host {
    dir: TempDir,
    address: SocketAddr,
    events: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Host {
    pub(crate) fn start(milters: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            r#"
                host = "ims.contoso.test"
                administrator = "administrator@contoso.test"
                listen = "127.0.0.1:0"
                spool = "{spool}"
                store = "{store}"
                route = [{{ domain = "contoso.test", to = "<inbound>" }}]
                tls.auth_in_clear = true
                policy.unknown_recipients = "report"
                mailbox = [
                    {{ address = "administrator@contoso.test" }},
                    {{ address = "alice@contoso.test", account = "alice", secret = "{winter}" }},
                    {{ address = "bob@contoso.test" }},
                ]
                {milters}
            "#,
            spool = dir.path().join("spool").display(),
            store = dir.path().join("mail").display(),
            winter = Secret::of(&salted("winter", b"salt", 4096), b"salt", 4096).text(),
        );
        let config = Config::parse(&text, "gateway.toml").unwrap();
        let events: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&events);
        let log = EventLogLayer::new(move |entry: Entry| {
            kept.lock().unwrap().push(format!("{} {}", entry.id, entry.description));
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let (started, address) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(log));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let extensions = Registry::builtin();
                let gateway =
                    Gateway::start(config, host::env(), Arc::new(NoNames), &extensions).await.unwrap();
                started.send(gateway.local_addr().unwrap()).unwrap();
                gateway.run(async { stopped.await.unwrap_or_default() }).await;
            });
        });
        let address = address.recv().unwrap();
        Host { dir, address, events, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The events so far, each its number and its description.
    pub(crate) fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    /// The messages in a mailbox.
    pub(crate) fn mailboxes(&self, name: &str) -> Vec<String> {
        let folder = self.path("mail").join(format!("{name}@contoso.test")).join("new");
        let files = fs::read_dir(folder).into_iter().flatten();
        files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }

    /// The one message in a mailbox, when it is there.
    pub(crate) fn mailbox(&self, name: &str) -> String {
        wait_for(name, || !self.mailboxes(name).is_empty());
        let mut messages = self.mailboxes(name);
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    /// A client that has said EHLO.
    pub(crate) fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client(BufReader::new(stream));
        assert!(client.reply().starts_with("220 "));
        assert!(client.say("EHLO client.example").starts_with("250 "));
        client
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.take().into_iter().for_each(|stop| stop.send(()).unwrap_or_default());
        self.thread.take().into_iter().for_each(|thread| drop(thread.join()));
    }
}

/// A mail client.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    /// The last line of the next reply.
    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    pub(crate) fn say(&mut self, words: &str) -> String {
        write!(self.0.get_mut(), "{words}\r\n").unwrap();
        self.reply()
    }

    /// Comes to the point where a message is awaited.
    pub(crate) fn begin(&mut self, from: &str, to: &str) {
        for (command, code) in [
            (format!("MAIL FROM:<{from}>"), "250"),
            (format!("RCPT TO:<{to}>"), "250"),
            ("DATA".to_owned(), "354"),
        ] {
            let reply = self.say(&command);
            assert!(reply.starts_with(code), "{reply}");
        }
    }

    /// Hands a message over and gives its name in the spool.
    pub(crate) fn send(&mut self, from: &str, to: &str, content: &str) -> String {
        self.begin(from, to);
        let taken = self.say(&format!("{}.", content.replace("\n.", "\n..")));
        taken
            .strip_prefix("250 2.6.0 OK ")
            .unwrap_or_else(|| panic!("the message was refused: {taken}"))
            .to_owned()
    }
}
