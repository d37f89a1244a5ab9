//! The gateway on the real machine, from a client's socket to the files it leaves: first within this process, then
//! the `gateway` program itself.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test is a mail client and an administrator, on the real machine"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gateway::address::Domain;
use gateway::config::Config;
use gateway::dns::{DnsError, MailExchanger, Resolver};
use gateway::env::{BoxFuture, host};
use gateway::extension::Registry;
use gateway::service::{Exit, Gateway};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[path = "serve/operating.rs"]
mod operating;

/// How long the machine may take for what it does at once when it is not busy.
const PATIENCE: Duration = Duration::from_secs(60);

const CONTENT: &str = "Subject: Forty chairs\r\n\r\nPlease send them.\r\n.\r\n.. and two tables.\r\n";

/// A configuration with mailboxes for Alice and Bob, everything below `dir`.
fn configuration(dir: &Path, listen: SocketAddr) -> String {
    format!(
        r#"
            host = "ims.contoso.test"
            listen = "{listen}"
            spool = "{spool}"
            store = "{store}"
            policy.unknown_recipients = "report"
            [[route]]
            domain = "contoso.test"
            to = "<inbound>"
            [[mailbox]]
            address = "alice@contoso.test"
            [[mailbox]]
            address = "bob@contoso.test"
        "#,
        spool = dir.join("spool").display(),
        store = dir.join("mail").display(),
    )
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

/// A gateway within this process.
struct Service {
    runtime: Runtime,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    exit: JoinHandle<Exit>,
}

impl Service {
    fn start(dir: &Path) -> Self {
        let text = configuration(dir, SocketAddr::from(([127, 0, 0, 1], 0)));
        let config = Config::parse(&text, "gateway.toml").unwrap();
        let runtime = Runtime::new().unwrap();
        let extensions = Registry::builtin();
        let start = Gateway::start(config, host::env(), Arc::new(NoNames), &extensions);
        let gateway = runtime.block_on(start).unwrap();
        let address = gateway.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let exit = runtime.spawn(gateway.run(async { stopped.await.unwrap() }));
        Service { runtime, address, stop, exit }
    }

    fn stop(self) {
        self.stop.send(()).unwrap();
        assert_eq!(self.runtime.block_on(self.exit).unwrap(), Exit::Stopped);
    }
}

/// A mail client.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client(BufReader::new(stream));
        assert!(client.reply().starts_with("220 ims.contoso.test "));
        client
    }

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

    fn say(&mut self, words: &str) -> String {
        write!(self.0.get_mut(), "{words}\r\n").unwrap();
        self.reply()
    }

    /// Hands a message over and gives its name in the spool.
    fn send(mut self, from: &str, to: &str) -> String {
        self.say("EHLO client.example");
        assert_eq!(self.say(&format!("MAIL FROM:<{from}>")), format!("250 2.1.0 OK - mail from <{from}>"));
        assert_eq!(self.say(&format!("RCPT TO:<{to}>")), format!("250 2.1.5 OK - Recipient <{to}>"));
        assert!(self.say("DATA").starts_with("354 "));
        let taken = self.say(&format!("{}.", CONTENT.replace("\n.", "\n..")));
        assert!(self.say("QUIT").starts_with("221 "));
        taken
            .strip_prefix("250 2.6.0 OK ")
            .unwrap_or_else(|| panic!("the message was refused: {taken}"))
            .to_owned()
    }
}

/// The files of a folder that are there once there are `count` of them.
fn files(folder: &Path, count: usize) -> Vec<PathBuf> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < deadline, "{} has {found:?} and not {count} files", folder.display());
        thread::sleep(Duration::from_millis(10));
    }
}

/// The one message in the mailbox of Alice, Bob or the administrator below `store`.
fn message(store: &Path, name: &str) -> String {
    let new = files(&store.join(format!("{name}@contoso.test/new")), 1);
    assert_eq!(new.len(), 1, "{new:?}");
    fs::read_to_string(&new[0]).unwrap()
}

#[test]
fn a_message_from_a_socket_is_a_file_in_the_maildir_before_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path());
    let id = Client::connect(service.address).send("alice@contoso.test", "bob@contoso.test");
    let stored = message(&dir.path().join("mail"), "bob");
    let rest = stored.strip_prefix("Return-Path: <alice@contoso.test>\r\n").unwrap();
    let received = rest.strip_suffix(CONTENT).expect("the content is kept byte for byte");
    let unfolded = received.replace("\r\n ", " ").replace("\r\n\t", " ");
    assert!(
        unfolded.starts_with("Received: from client.example ([127.0.0.1]) by ims.contoso.test with ESMTP ")
    );
    assert!(unfolded.contains(&format!(" id {id}; ")) && unfolded.lines().count() == 1, "{received}");
    service.stop();

    let service = Service::start(dir.path());
    Client::connect(service.address).send("alice@contoso.test", "bob@contoso.test");
    files(&dir.path().join("mail/bob@contoso.test/new"), 2);
    service.stop();
}

#[test]
fn a_message_to_an_unknown_recipient_is_reported_to_its_sender() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path());
    Client::connect(service.address).send("alice@contoso.test", "nobody@contoso.test");
    let report = message(&dir.path().join("mail"), "alice");
    assert!(report.starts_with("Return-Path: <>\r\n"), "{report}");
    assert!(report.contains("Final-Recipient: rfc822; nobody@contoso.test\r\n"), "{report}");
    assert!(report.contains("Status: 5.1.1\r\n") && report.contains("Subject: Forty chairs\r\n"), "{report}");
    service.stop();
}

/// The `gateway` program.
struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn serve(config: &Path, folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gateway"))
            .args(["serve", "--config"])
            .arg(config)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Program { child, output }
    }

    /// Reads the event log up to an event, and gives its description.
    fn event(&mut self, id: u16) -> String {
        let mut log = String::new();
        loop {
            let before = log.len();
            assert_ne!(self.output.read_line(&mut log).unwrap(), 0, "no event {id} in:\n{log}");
            if log[before..].contains(&format!("  {id}  ")) {
                let mut description = String::new();
                self.output.read_line(&mut description).unwrap();
                return description.trim().to_owned();
            }
        }
    }

    /// Stops it as an administrator does: the rest of its event log.
    fn terminate(mut self) -> String {
        let killed = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(killed.unwrap().success());
        let mut log = String::new();
        self.output.read_to_string(&mut log).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{log}");
        log
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Only a test that failed leaves it running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on.
fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// What the program says to a configuration that it cannot serve.
fn refusal(config: &str) -> (Output, String) {
    let refused = Command::new(env!("CARGO_BIN_EXE_gateway")).args(["serve", "--config", config]).output();
    let refused = refused.unwrap();
    let said = String::from_utf8(refused.stderr.clone()).unwrap();
    (refused, said)
}

#[test]
fn a_wrong_configuration_is_refused_with_its_line_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("wrong.toml");
    fs::write(
        &config,
        "host = \"ims.contoso.test\"\nspool = \"s\"\nstore = \"m\"\nlisten = \"everywhere\"\n",
    )
    .unwrap();
    let (refused, said) = refusal(config.to_str().unwrap());
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("wrong.toml:4: ") && said.contains("such as \"0.0.0.0:25\""), "{said}");
    assert!(refused.stdout.is_empty() && !dir.path().join("s").exists(), "nothing was started");
}

#[test]
fn a_missing_configuration_is_refused_with_its_name_and_the_remedy() {
    let (refused, said) = refusal("no/such/gateway.toml");
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("no/such/gateway.toml cannot be read") && said.contains("--config"), "{said}");
}

#[test]
fn a_truncated_spool_file_is_set_aside_and_the_service_still_serves() {
    let dir = tempfile::tempdir().unwrap();
    let (config, address) = (dir.path().join("gateway.toml"), free_port());
    fs::write(&config, configuration(dir.path(), address)).unwrap();
    let truncated = "ImCr 1\n{\"reverse_path\":{\"mailbox\":\"alice@contoso.test\"},\"recip";
    fs::create_dir_all(dir.path().join("spool/in")).unwrap();
    fs::write(dir.path().join("spool/in/WKA6D6YM"), truncated).unwrap();

    let mut program = Program::serve(&config, dir.path());
    let aside = program.event(4117);
    assert!(aside.contains("WKA6D6YM") && aside.contains("truncated"), "{aside}");
    assert_eq!(fs::read_to_string(dir.path().join("spool/bad/WKA6D6YM")).unwrap(), truncated);
    program.event(1000);
    Client::connect(address).send("alice@contoso.test", "bob@contoso.test");
    assert!(message(&dir.path().join("mail"), "bob").ends_with(CONTENT));
    program.terminate();
}

#[test]
fn the_example_configuration_starts_takes_a_message_and_stops_when_it_is_told_to() {
    let address: SocketAddr = "127.0.0.1:2525".parse().unwrap();
    if TcpListener::bind(address).is_err() {
        eprintln!("skipped: another program listens on {address}, the address of docs/examples/gateway.toml");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/gateway.toml");
    let mut program = Program::serve(&example, dir.path());
    program.event(1000);
    Client::connect(address).send("eve@fabrikam.test", "admin@contoso.test");
    assert!(message(&dir.path().join("var/mail"), "administrator").ends_with(CONTENT));
    assert!(program.terminate().contains("The Internet Mail Service was shut down."));
}
