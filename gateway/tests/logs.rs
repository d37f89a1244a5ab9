//! What the `gateway` program writes down: the events on its standard output, and who may read its files.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test is an administrator, on the real machine"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long the machine may take for what it does at once when it is not busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The `gateway` program, with its standard output in a file.
struct Program {
    dir: TempDir,
    child: Child,
    address: SocketAddr,
}

impl Program {
    /// Starts it with this in its configuration. `journal`: its standard output is said to be the journal's.
    fn serve(configuration: &str, journal: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Program::serve_in(dir, configuration, journal)
    }

    fn serve_in(dir: TempDir, configuration: &str, journal: bool) -> Self {
        let output = File::create(dir.path().join("output")).unwrap();
        Program::start(dir, configuration, journal, output.into())
    }

    fn start(dir: TempDir, configuration: &str, journal: bool, output: Stdio) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = dir.path().join("gateway.toml");
        let text = format!(
            "host = \"ims.contoso.test\"\nlisten = \"{address}\"\nspool = \"spool\"\nstore = \"mail\"\n\
             route = [{{ domain = \"contoso.test\", to = \"<inbound>\" }}]\n\
             mailbox = [{{ address = \"bob@contoso.test\" }}]\n{configuration}\n"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.args(["serve", "--config", "gateway.toml"]).current_dir(dir.path()).stdout(output);
        // Of another file, as a program has it that a service started and that writes elsewhere.
        let stream = dir.path().join(if journal { "output" } else { "gateway.toml" }).metadata().unwrap();
        command.env("JOURNAL_STREAM", format!("{}:{}", stream.dev(), stream.ino()));
        Program { child: command.spawn().unwrap(), dir, address }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    /// What it has written once this is in it.
    fn output_with(&self, awaited: &str) -> String {
        await_text(&self.path("output"), awaited)
    }

    /// Hands over a message for Bob.
    fn send(&self) {
        self.say(&[
            "EHLO client.example",
            "MAIL FROM:<eve@fabrikam.test>",
            "RCPT TO:<bob@contoso.test>",
            "DATA",
            "Subject: Chairs\r\n\r\nForty.\r\n.",
            "QUIT",
        ]);
    }

    /// Says something on a connection, and expects consent to each part of it.
    fn say(&self, dialogue: &[impl AsRef<str>]) {
        let mut stream = BufReader::new(TcpStream::connect(self.address).unwrap());
        stream.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        stream.get_ref().set_nodelay(true).unwrap();
        for words in [None].into_iter().chain(dialogue.iter().map(Some)) {
            if let Some(words) = words {
                stream.get_mut().write_all(format!("{}\r\n", words.as_ref()).as_bytes()).unwrap();
            }
            let mut line = String::new();
            while line.is_empty() || line.as_bytes().get(3) == Some(&b'-') {
                line.clear();
                assert_ne!(stream.read_line(&mut line).unwrap(), 0);
            }
            assert!(line.starts_with(['2', '3']), "{line}");
        }
    }

    /// Waits until Bob has so many messages.
    fn await_messages(&self, count: usize) {
        let new = self.path("mail/bob@contoso.test/new");
        let deadline = Instant::now() + PATIENCE;
        while fs::read_dir(&new).map_or(0, Iterator::count) < count {
            assert!(Instant::now() < deadline, "Bob has fewer than {count} messages");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn stop(&mut self) {
        let killed = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(killed.unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Only a test that failed leaves it running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of a file once this is in it.
fn await_text(path: &Path, awaited: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.contains(awaited) {
            return text;
        }
        assert!(Instant::now() < deadline, "{} has no {awaited:?}:\n{text}", path.display());
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn events_for_a_program_are_one_json_object_a_line_with_their_fields() {
    let mut program = Program::serve("[log]\nformat = \"json\"", true);
    program.output_with("\"id\":1000,");
    program.send();
    program.output_with("\"id\":2001,");
    program.stop();
    let output = program.output_with("\"id\":1001,");
    let events: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let received = events.iter().find(|event| event["id"] == 2002).unwrap();
    let id = received["fields"]["id"].as_str().unwrap();
    let text = format!(
        "Message {id} from <eve@fabrikam.test> was received from client.example [127.0.0.1] with 1 recipient(s)."
    );
    assert_eq!(received["text"], text);
    assert_eq!(received["fields"]["from"], "<eve@fabrikam.test>");
    assert_eq!(received["fields"]["recipients"], 1);
    assert_eq!(received["fields"]["address"], "127.0.0.1");
    assert_eq!(
        (&received["severity"], &received["category"]),
        (&"Information".into(), &"Message Transfer".into())
    );
    received["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let delivered = events.iter().find(|event| event["id"] == 2001).unwrap();
    assert_eq!(delivered["fields"]["id"], id);
    assert_eq!(events.last().unwrap()["fields"], serde_json::json!({}));
}

#[test]
fn events_for_the_journal_are_one_line_with_their_priority() {
    let mut program = Program::serve("", true);
    program.output_with(" The Internet Mail Service has started.");
    program.stop();
    let output = program.output_with("shut down");
    assert!(output.starts_with("<6>1000 Information, Initialization/Termination: The "), "{output}");
    assert!(output.lines().all(|line| line.starts_with("<6>")), "{output}");
}

#[test]
fn events_elsewhere_are_for_a_person_though_the_program_runs_below_a_service() {
    let mut program = Program::serve("", false);
    program.output_with("Z  1000  Information  MSExchangeIMC  Initialization/Termination\n    The Internet");
    program.stop();
}

#[test]
fn what_it_makes_is_for_its_user_alone_and_what_others_may_read_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("mail")).unwrap();
    fs::set_permissions(dir.path().join("mail"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut program = Program::serve_in(dir, "", true);
    program.output_with("1000 ");
    program.send();
    program.output_with("2001 ");
    program.stop();
    let output = program.output_with("1001 ");
    let warned: Vec<_> = output.lines().filter(|line| line.starts_with("<4>3070 Warning, ")).collect();
    assert_eq!(warned.len(), 1, "{output}");
    assert!(warned[0].contains("The directory mail ") && warned[0].contains("mode is 755"), "{output}");
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
    let new = program.path("mail/bob@contoso.test/new");
    let message = fs::read_dir(&new).unwrap().next().unwrap().unwrap().path();
    assert_eq!((mode(&program.path("spool")), mode(&new), mode(&message)), (0o700, 0o700, 0o600));
}

/// The lines of `/proc/PID/status` that say who a process is.
fn identity(pid: u32) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let is_of_it = |line: &&str| {
        ["Uid:", "Gid:", "Groups:", "CapEff:", "CapPrm:"].iter().any(|key| line.starts_with(key))
    };
    status
        .lines()
        .filter(is_of_it)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn root_binds_and_is_root_no_more() {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let nobody = users.lines().find_map(|line| line.strip_prefix("nobody:")).map(|line| line.split(':'));
    let Some(mut nobody) = nobody.filter(|_| is_root) else {
        eprintln!("skipped: only root can become nobody");
        return;
    };
    let (user, group) = (nobody.nth(1).unwrap(), nobody.next().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let ids = (user.parse().unwrap(), group.parse().unwrap());
    std::os::unix::fs::chown(dir.path(), Some(ids.0), Some(ids.1)).unwrap();
    let mut program = Program::serve_in(dir, "[process]\nuser = \"nobody\"", false);
    program.output_with("  1000  ");
    for thread in fs::read_dir(format!("/proc/{}/task", program.child.id())).unwrap() {
        let thread = thread.unwrap().file_name().into_string().unwrap().parse().unwrap();
        let expected = [
            format!("Uid: {user} {user} {user} {user}"),
            format!("Gid: {group} {group} {group} {group}"),
            format!("Groups: {group}"),
            "CapPrm: 0000000000000000".to_owned(),
            "CapEff: 0000000000000000".to_owned(),
        ];
        assert_eq!(identity(thread), expected);
    }
    program.send();
    program.output_with("  2001  ");
    assert_eq!(program.path("spool").metadata().unwrap().uid(), ids.0);
    program.stop();
}

#[test]
fn a_user_that_is_not_there_is_an_error_before_anything_is_made() {
    let mut program = Program::serve("[process]\nuser = \"nobody-of-this-name\"", false);
    assert_eq!(program.child.wait().unwrap().code(), Some(1));
    assert!(!program.path("spool").exists());
}

#[test]
fn mail_goes_its_way_though_nobody_reads_the_events_and_later_it_is_said_how_many_are_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = Program::start(
        dir,
        "policy.unknown_recipients = \"report\"\nlog.format = \"json\"",
        false,
        Stdio::piped(),
    );
    let mut output = BufReader::new(program.child.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap().contains("\"id\":1003,")));
    // Nobody is told of a report that cannot be made: each recipient of these is an event. Together they are more than the
    // pipe and the program have room for.
    let mut nobody = vec!["MAIL FROM:<>".to_owned()];
    nobody.extend((0..100).map(|number| format!("RCPT TO:<nobody{number}@contoso.test>")));
    nobody.extend(["DATA".to_owned(), "Subject: Chairs\r\n\r\nForty.\r\n.".to_owned()]);
    let dialogue: Vec<String> =
        ["HELO client.example".to_owned()].into_iter().chain((0..60).flat_map(|_| nobody.clone())).collect();
    program.say(&dialogue);
    program.send();
    program.await_messages(1);
    let read =
        thread::spawn(move || output.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect());
    // The first event after there is room again says how many are missing.
    thread::sleep(Duration::from_secs(1));
    program.send();
    program.await_messages(2);
    program.stop();
    let events: Vec<Value> = read.join().unwrap();
    let missing: u64 = events.iter().filter_map(|event| event["fields"]["count"].as_u64()).sum();
    let of = |id: u16| events.iter().filter(|event| event["id"] == id).count() as u64;
    assert!(missing > 0 && of(3071) > 0, "{} events", events.len());
    // 60 messages come and 6,000 recipients are dropped, Bob has two messages, and the service ends.
    assert_eq!(events.len() as u64 - of(3071) + missing, 60 + 6_000 + 2 * 2 + 1);
}
