//! aiosmtpd as a next hop that answers for each recipient as its name asks, and keeps what it is given.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Trial;

use crate::gateway::{Gateway, MESSAGE, files, without_trace};
use crate::installed::{python, python_has, script};
use crate::machine::{Program, free_port, wait_for};
use crate::smtp_client::Client;
use crate::test;

pub(crate) fn tests() -> Vec<Trial> {
    vec![test("aiosmtpd::has_its_way_with_each_recipient", is_installed(), has_its_way_with_each_recipient)]
}

pub(crate) fn is_installed() -> bool {
    python_has("aiosmtpd.controller")
}

/// A server that keeps each message in a file of the folder: its envelope, one line for each party, an empty line and the
/// content.
pub(crate) struct NextHop {
    pub(crate) port: u16,
    folder: PathBuf,
    _program: Program,
}

impl NextHop {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, free_port(), folder)
    }

    pub(crate) fn at(address: Ipv4Addr, port: u16, folder: &Path) -> Self {
        let mut server = Command::new(python());
        server.arg(script("next_hop.py")).args([address.to_string(), port.to_string()]).arg(folder);
        let _program = Program::listening(&mut server, SocketAddr::from((address, port)));
        NextHop { port, folder: folder.to_owned(), _program }
    }

    /// The messages so far, by the order in which they came: who they are for, and their content.
    pub(crate) fn messages(&self) -> Vec<(String, Vec<u8>)> {
        let read = |file: &PathBuf| {
            let whole = std::fs::read(file).unwrap();
            let end = whole.windows(2).position(|window| window == b"\n\n").unwrap();
            (String::from_utf8_lossy(&whole[..end]).into_owned(), whole[end + 2..].to_vec())
        };
        let is_whole = |file: &PathBuf| file.extension().is_none();
        files(&self.folder).iter().filter(|file| is_whole(file)).map(read).collect()
    }
}

fn has_its_way_with_each_recipient() {
    let folder = tempfile::tempdir().unwrap();
    let next_hop = NextHop::start(folder.path());
    let gateway = Gateway::start(&format!(
        r#"
            [[route]]
            domain = "fabrikam.test"
            to = "127.0.0.1:{}"
            [delivery]
            retry = ["1s"]
        "#,
        next_hop.port
    ));
    let to = ["eve@fabrikam.test", "later@fabrikam.test", "never@fabrikam.test", "frank@fabrikam.test"];
    Client::connect(gateway.port()).send("alice@contoso.test", &to, MESSAGE);
    gateway.settles();
    wait_for("both messages", || next_hop.messages().len() == 2);
    let messages = next_hop.messages();
    assert_eq!(messages[0].0, "alice@contoso.test\neve@fabrikam.test\nfrank@fabrikam.test");
    assert_eq!(messages[1].0, "alice@contoso.test\nlater@fabrikam.test");
    for (_, content) in &messages {
        assert_eq!(without_trace(content), MESSAGE.as_bytes());
    }
    let report = gateway.messages("alice", 1).remove(0).text();
    assert_eq!(report.matches("Final-Recipient: ").count(), 1, "{report}");
    assert!(report.contains("Final-Recipient: rfc822; never@fabrikam.test\r\n"), "{report}");
    assert!(report.contains("Diagnostic-Code: smtp; 550 5.1.1 no such person"), "{report}");
}
