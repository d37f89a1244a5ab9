//! The `gateway` program, with mailboxes for Alice, Bob and the administrator of `contoso.test`.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use gateway::secret::{Secret, salted};
use tempfile::TempDir;

use crate::machine::{Program, free_port, wait_until};

/// What the tests send.
pub(crate) const MESSAGE: &str = "From: alice@contoso.test\r\nSubject: Forty chairs\r\n\r\nPlease send them.\r\n.\r\n.. and two tables.\r\n";

pub(crate) struct Gateway {
    dir: TempDir,
    port: u16,
    _program: Program,
}

impl Gateway {
    /// A gateway that relays for this machine.
    pub(crate) fn start(more: &str) -> Self {
        Self::with("relay.networks = [\"127.0.0.1\"]", more)
    }

    /// A gateway with keys that stand at the top of the configuration, and tables at its end.
    pub(crate) fn with(keys: &str, tables: &str) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        // Most tests that ask for a report ask for one of somebody who is unknown.
        let is_said = tables.contains("[policy]");
        let unknown = if is_said { "" } else { "policy.unknown_recipients = \"report\"" };
        let text = format!(
            r#"
                host = "ims.contoso.test"
                administrator = "administrator@contoso.test"
                listen = "{address}"
                spool = "{spool}"
                store = "{store}"
                tls.auth_in_clear = true
                {unknown}
                mailbox = [
                    {{ address = "administrator@contoso.test" }},
                    {{ address = "alice@contoso.test", account = "alice", secret = "{winter}" }},
                    {{ address = "bob@contoso.test" }},
                ]
                {keys}
                [[route]]
                domain = "contoso.test"
                to = "<inbound>"
                {tables}
            "#,
            spool = dir.path().join("spool").display(),
            store = dir.path().join("mail").display(),
            winter = Secret::of(&salted("winter", b"salt", 4096), b"salt", 4096).text(),
        );
        let config = dir.path().join("gateway.toml");
        fs::write(&config, text).unwrap();
        let mut serve = Command::new(env!("CARGO_BIN_EXE_gateway"));
        serve.args(["serve", "--config"]).arg(config);
        serve.stdout(File::create(dir.path().join("events")).unwrap());
        let program = Program::listening(&mut serve, address);
        Gateway { dir, port, _program: program }
    }

    /// Where it listens, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The directory of the test.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The event log so far.
    pub(crate) fn events(&self) -> String {
        fs::read_to_string(self.dir.path().join("events")).unwrap()
    }

    /// The messages in a mailbox.
    pub(crate) fn mailbox(&self, name: &str) -> Vec<Stored> {
        let folder = self.dir.path().join("mail").join(format!("{name}@contoso.test")).join("new");
        files(&folder).iter().map(|file| Stored(fs::read(file).unwrap())).collect()
    }

    /// The messages in a mailbox once there are so many, and no message is underway.
    pub(crate) fn messages(&self, name: &str, count: usize) -> Vec<Stored> {
        let has_all = || self.mailbox(name).len() >= count;
        wait_until(has_all, || format!("{name} has not {count} messages:\n{}", self.events()));
        self.settles();
        let messages = self.mailbox(name);
        assert_eq!(messages.len(), count, "{messages:#?}\n{}", self.events());
        messages
    }

    /// Waits until no message is underway.
    pub(crate) fn settles(&self) {
        let is_settled = || self.underway().is_empty();
        wait_until(is_settled, || format!("the spool is not empty:\n{}", self.events()));
    }

    /// The files of messages that are underway.
    pub(crate) fn underway(&self) -> Vec<PathBuf> {
        ["in", "out"].iter().flat_map(|folder| files(&self.dir.path().join("spool").join(folder))).collect()
    }
}

/// The files of a folder, by name.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// A message in a mailbox.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stored(pub(crate) Vec<u8>);

impl Stored {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The message as it was sent: without the lines that the gateway put before it.
    pub(crate) fn content(&self) -> &[u8] {
        let content = after_line(&self.0);
        assert!(self.0.starts_with(b"Return-Path: "), "{self:?}");
        without_trace(content)
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

/// A message without the `Received` line of the gateway.
pub(crate) fn without_trace(message: &[u8]) -> &[u8] {
    assert!(message.starts_with(b"Received: from "), "{}", String::from_utf8_lossy(message));
    let mut content = after_line(message);
    while content.starts_with(b" ") || content.starts_with(b"\t") {
        content = after_line(content);
    }
    content
}

fn after_line(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|octet| *octet == b'\n').unwrap();
    &text[end + 1..]
}
