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
use std::process::{Child, Command};
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
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = dir.path().join("gateway.toml");
        let text = format!(
            "host = \"ims.contoso.test\"\nlisten = \"{address}\"\nspool = \"spool\"\nstore = \"mail\"\n\
             route = [{{ domain = \"contoso.test\", to = \"<inbound>\" }}]\n\
             mailbox = [{{ address = \"bob@contoso.test\" }}]\n{configuration}\n"
        );
        fs::write(&config, text).unwrap();
        let output = File::create(dir.path().join("output")).unwrap();
        let found = output.metadata().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.args(["serve", "--config", "gateway.toml"]).current_dir(dir.path()).stdout(output);
        let inode = if journal { found.ino() } else { found.ino() + 1 };
        command.env("JOURNAL_STREAM", format!("{}:{inode}", found.dev()));
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
        let mut stream = BufReader::new(TcpStream::connect(self.address).unwrap());
        let said = [
            "",
            "EHLO client.example",
            "MAIL FROM:<eve@fabrikam.test>",
            "RCPT TO:<bob@contoso.test>",
            "DATA",
            "Subject: Chairs\r\n\r\nForty.\r\n.",
            "QUIT",
        ];
        for words in said {
            if !words.is_empty() {
                write!(stream.get_mut(), "{words}\r\n").unwrap();
            }
            let mut line = String::new();
            while line.is_empty() || line.as_bytes().get(3) == Some(&b'-') {
                line.clear();
                assert_ne!(stream.read_line(&mut line).unwrap(), 0);
            }
            assert!(line.starts_with(['2', '3']), "{line}");
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
        "Message {id} from <eve@fabrikam.test> was received from client.example with 1 recipient(s)."
    );
    assert_eq!(received["text"], text);
    assert_eq!(received["fields"]["from"], "<eve@fabrikam.test>");
    assert_eq!(received["fields"]["recipients"], 1);
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
