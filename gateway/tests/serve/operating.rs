//! A running gateway in the hands of its administrator: the program, asked by the program.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Client, PATIENCE, Program, configuration, files, free_port, message};

/// A gateway that hands all mail for elsewhere to one host, and the directory that it lives in.
struct Site {
    dir: TempDir,
    smtp: SocketAddr,
    admin: SocketAddr,
    next_hop: SocketAddr,
}

impl Site {
    fn new() -> Self {
        let site = Site {
            dir: tempfile::tempdir().unwrap(),
            smtp: free_port(),
            admin: free_port(),
            next_hop: free_port(),
        };
        site.configure("");
        site
    }

    /// Writes its configuration, with more tables.
    fn configure(&self, more: &str) {
        let text = format!(
            "{more}\n[admin]\nlisten = \"{}\"\n[relay]\nnetworks = [\"127.0.0.1\"]\n[delivery]\n\
             smart_host = \"{}\"\nretry = [\"1h\"]\n",
            self.admin, self.next_hop
        );
        fs::write(self.config(), configuration(self.dir.path(), self.smtp) + &text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("gateway.toml")
    }

    fn serve(&self) -> Program {
        let mut program = Program::serve(&self.config(), self.dir.path());
        program.event(1000);
        // The administrative listener is there before; its token may be a moment later.
        let deadline = Instant::now() + PATIENCE;
        while !self.ask(&["stats"]).status.success() {
            assert!(Instant::now() < deadline, "{}", said(&self.ask(&["stats"])));
            thread::sleep(Duration::from_millis(20));
        }
        program
    }

    /// What `gateway` says to these words.
    fn ask(&self, words: &[&str]) -> Output {
        run(words, &self.config())
    }

    /// The same, which must succeed.
    fn done(&self, words: &[&str]) -> String {
        let output = self.ask(words);
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn queue(&self) -> Vec<serde_json::Value> {
        serde_json::from_str(&self.done(&["queue", "list", "--json"])).unwrap()
    }

    /// The queue, once its one entry is so.
    fn entry(&self, state: &str) -> serde_json::Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let queue = self.queue();
            if let [entry] = &queue[..]
                && entry["state"] == state
            {
                return entry.clone();
            }
            assert!(Instant::now() < deadline, "no entry is {state} in {queue:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Answers a request without a token, as far as it is answered.
    fn http(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{request}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str) -> String {
        self.http(&format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n"))
    }

    fn metric(&self, name: &str) -> String {
        let metrics = self.get("/metrics");
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}"))[name.len() + 1..].to_owned()
    }
}

fn run(words: &[&str], config: &Path) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_gateway"));
    program.args(words).arg("--config").arg(config).env("USER", "carol").env_remove("SUDO_USER");
    program.output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn hang_up(program: &Program) {
    let told = Command::new("kill").arg("-HUP").arg(program.child.id().to_string()).status();
    assert!(told.unwrap().success());
}

#[test]
fn a_spool_has_one_process_and_a_second_is_told_which() {
    let site = Site::new();
    let mut first = site.serve();
    let pid = first.child.id();
    let second = site.ask(&["serve"]);
    let words = said(&second);
    assert_eq!(second.status.code(), Some(1), "{words}");
    assert!(words.contains(&format!("in use by the process {pid}")), "{words}");
    // A process that is killed gives it up.
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    site.serve().terminate();
}

#[test]
fn a_configuration_is_checked_with_what_it_names_and_nothing_is_made() {
    let site = Site::new();
    let checked = site.ask(&["check"]);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    assert!(!site.dir.path().join("spool").exists());

    site.configure("[[extension]]\nname = \"imcext\"\nroutes = \"nowhere.cfg\"\n");
    let checked = site.ask(&["check"]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(said(&checked).contains("nowhere.cfg"), "{}", said(&checked));

    site.configure("[limits]\nhops = 0\n");
    let checked = site.ask(&["check"]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(said(&checked).contains("gateway.toml:15:"), "{}", said(&checked));

    site.configure("");
    fs::write(site.dir.path().join("spool"), "no directory").unwrap();
    let checked = site.ask(&["check"]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(said(&checked).contains("`spool`") && said(&checked).contains("is no directory"));
}

#[test]
fn monitors_are_answered_and_administrators_need_the_token() {
    let site = Site::new();
    let program = site.serve();
    assert!(site.get("/healthz").starts_with("HTTP/1.1 200 "), "{}", site.get("/healthz"));
    Client::connect(site.smtp).send("alice@contoso.test", "bob@contoso.test");
    message(&site.dir.path().join("mail"), "bob");
    assert_eq!(site.metric("gateway_messages_total{way=\"inbound\"}"), "1");
    assert_eq!(site.metric("gateway_connections_inbound_total"), "1");
    assert_eq!(site.metric("gateway_messages_queued{folder=\"out\"}"), "0");
    assert!(site.done(&["stats"]).contains("gateway_messages_total{way=\"local\"}"));

    for path in ["/queue", "/stats", "/queue/WKA6D6YM"] {
        assert!(site.get(path).starts_with("HTTP/1.1 401 "), "{path}");
    }
    let order =
        "POST /reload HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer no\r\nContent-Length: 0\r\n\r\n";
    assert!(site.http(order).starts_with("HTTP/1.1 401 "));
    assert!(site.get("/reload").starts_with("HTTP/1.1 405 ") && site.get("/").starts_with("HTTP/1.1 404 "));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let token = fs::metadata(site.dir.path().join("spool/admin-token")).unwrap();
        assert_eq!(token.permissions().mode() & 0o777, 0o600);
    }
    program.terminate();
}

#[test]
fn a_gateway_that_takes_no_mail_says_so() {
    let site = Site::new();
    site.configure("[limits]\ndisk_low_water = 9000000000000000000\n");
    let program = site.serve();
    assert!(site.get("/healthz").starts_with("HTTP/1.1 503 "));
    assert_eq!(site.metric("gateway_flush_mode"), "1");
    program.terminate();

    site.configure("");
    let program = site.serve();
    let mut client = Client::connect(site.smtp);
    client.say("EHLO client.example");
    client.say("MAIL FROM:<alice@contoso.test>");
    let pid = program.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let deadline = Instant::now() + PATIENCE;
    while !site.get("/healthz").contains("being stopped") {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    client.say("RSET");
    program.terminate();
}

#[test]
fn held_mail_stays_through_a_restart_and_past_its_time_and_goes_when_it_is_released() {
    let (site, other) = (Site::new(), Site::new());
    // The next hop does not run yet: the message is deferred.
    let site = Site { next_hop: other.smtp, ..site };
    site.configure("");
    let mut program = site.serve();
    let id = Client::connect(site.smtp).send("alice@contoso.test", "bob@elsewhere.test");
    let entry = site.entry("deferred");
    assert_eq!(entry["id"], format!("{id}.1"));
    assert_eq!((&entry["tries"], &entry["recipients"][0]), (&1.into(), &"bob@elsewhere.test".into()));
    assert!(entry["why"].as_str().unwrap().contains("refused"), "{entry}");

    assert!(site.done(&["queue", "hold", &id]).contains("is held"));
    let event = program.event(2011);
    assert!(event.contains("held by carol at 127.0.0.1") && event.contains("alice@contoso.test"), "{event}");
    assert_eq!(site.metric("gateway_messages_held"), "1");
    let refused = site.ask(&["queue", "retry", "--all"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("it is held"), "{}", said(&refused));
    program.terminate();

    // Without a service the spool is read.
    assert_eq!(site.entry("held")["id"], format!("{id}.1"));
    let shown = site.done(&["queue", "show", &id]);
    assert!(
        shown.contains("an administrator holds it") && shown.contains("Subject: Forty chairs"),
        "{shown}"
    );

    let text = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), text.replace("[delivery]", "[delivery]\nexpire = \"1s\"")).unwrap();
    thread::sleep(Duration::from_secs(1));
    let program = site.serve();
    site.entry("held");
    assert_eq!(site.metric("gateway_messages_held"), "1", "the gateway knows of it after the restart");

    let mut receiver = other.config();
    receiver.set_file_name("receiver.toml");
    let elsewhere =
        configuration(other.dir.path(), other.smtp).replace("contoso.test\"\n", "elsewhere.test\"\n");
    fs::write(&receiver, elsewhere.replace("ims.elsewhere", "ims.contoso")).unwrap();
    let mut next_hop = Program::serve(&receiver, other.dir.path());
    next_hop.event(1000);
    assert!(site.done(&["queue", "release", &id]).contains("tried at once"));
    files(&other.dir.path().join("mail/bob@elsewhere.test/new"), 1);
    let deadline = Instant::now() + PATIENCE;
    while !site.queue().is_empty() {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    assert!(site.done(&["queue", "list"]).contains("The queue is empty."));
    assert_eq!(site.metric("gateway_messages_total{way=\"outbound\"}"), "1");
    program.terminate();
    next_hop.terminate();
}

#[test]
fn mail_is_tried_at_once_and_deleted_as_an_administrator_wants() {
    let site = Site::new();
    let mut program = site.serve();
    let id = Client::connect(site.smtp).send("alice@contoso.test", "bob@elsewhere.test");
    site.entry("deferred");
    assert!(site.done(&["queue", "retry", "--domain", "elsewhere.test"]).contains("is tried at once"));
    let deadline = Instant::now() + PATIENCE;
    while site.entry("deferred")["tries"] != 2 {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    assert!(program.event(2011).contains("Of the queue, 1 in all: tried at once by carol"));
    let nobody = site.done(&["queue", "retry", "--domain", "contoso.test"]);
    assert!(nobody.contains("There is no such entry"), "{nobody}");

    assert!(site.done(&["queue", "hold", "--all"]).contains("is held"));
    assert!(site.done(&["queue", "delete", &format!("{id}.1")]).contains("is deleted"));
    let held = program.event(2011);
    assert!(held.contains("held by carol"), "{held}");
    let event = program.event(2011);
    assert!(event.contains(&format!("Entry {id}.1")) && event.contains("deleted by carol"), "{event}");
    assert!(site.queue().is_empty() && !site.dir.path().join(format!("spool/queue/{id}.1")).exists());
    assert_eq!(site.metric("gateway_messages_held"), "0");
    let again = site.ask(&["queue", "delete", &id]);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("there is no such entry"), "{}", said(&again));
    program.terminate();
}

#[test]
fn a_configuration_is_read_anew_and_no_session_notices() {
    let site = Site::new();
    let mut program = site.serve();
    let mut early = Client::connect(site.smtp);
    early.say("EHLO client.example");

    let fabrikam = "[[route]]\ndomain = \"fabrikam.test\"\nto = \"<inbound>\"\n[[mailbox]]\n\
                    address = \"erin@fabrikam.test\"\n[limits]\nmessage_size = 1000\ninbound_connections = 7\n";
    site.configure(fabrikam);
    let reloaded = site.done(&["reload"]);
    assert!(reloaded.contains("limits.inbound_connections"), "{reloaded}");
    assert!(program.event(1002).contains("but for limits.inbound_connections"));

    // The limit is for those who come now.
    assert!(early.say("MAIL FROM:<a@b.example> SIZE=2000").starts_with("250 "));
    let mut late = Client::connect(site.smtp);
    late.say("EHLO client.example");
    assert!(late.say("MAIL FROM:<a@b.example> SIZE=2000").starts_with("552 "));
    Client::connect(site.smtp).send("alice@contoso.test", "erin@fabrikam.test");
    files(&site.dir.path().join("mail/erin@fabrikam.test/new"), 1);

    // One that is wrong changes nothing, whoever asks for it.
    site.configure("listen = 3\n");
    let refused = site.ask(&["reload"]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    hang_up(&program);
    let event = program.event(4010);
    assert!(event.contains("gateway.toml:14:") && event.contains("the old one still counts"), "{event}");
    assert!(late.say("MAIL FROM:<a@b.example> SIZE=2000").starts_with("552 "));

    site.configure("");
    hang_up(&program);
    program.event(1002);
    let mut last = Client::connect(site.smtp);
    last.say("EHLO client.example");
    assert!(last.say("MAIL FROM:<a@b.example> SIZE=2000").starts_with("250 "));
    drop((early, late, last));
    program.terminate();
}

#[test]
fn mail_that_is_being_sent_is_deleted_when_that_try_is_over() {
    let site = Site::new();
    // A host that takes a connection and says nothing.
    let silent = TcpListener::bind(site.next_hop).unwrap();
    let mut program = site.serve();
    let id = Client::connect(site.smtp).send("alice@contoso.test", "bob@elsewhere.test");
    let (connection, _) = silent.accept().unwrap();
    assert_eq!(site.metric("gateway_connections_outbound"), "1");
    assert!(site.done(&["queue", "delete", &id]).contains("is being sent"));
    assert!(site.done(&["queue", "retry", &id]).contains("is tried at once"));
    assert_eq!(site.entry("due")["id"], format!("{id}.1"), "the file is there while it is being sent");
    drop((connection, silent));
    program.event(2011);
    assert!(program.event(2011).contains("deleted by carol"));
    assert!(site.queue().is_empty());
    program.terminate();
}

#[test]
fn mail_that_is_released_while_its_try_ends_is_tried_again() {
    let site = Site::new();
    let silent = TcpListener::bind(site.next_hop).unwrap();
    let program = site.serve();
    let id = Client::connect(site.smtp).send("alice@contoso.test", "bob@elsewhere.test");
    let (first, _) = silent.accept().unwrap();
    site.done(&["queue", "hold", &id]);
    site.done(&["queue", "release", &id]);
    drop(first);
    // Not in an hour, as `retry` says.
    drop(silent.accept().unwrap());
    site.done(&["queue", "delete", &id]);
    program.terminate();
}
