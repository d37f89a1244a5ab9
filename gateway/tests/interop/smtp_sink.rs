//! `smtp-sink`, the next hop of Postfix' own tests, with its faults: whatever it does, each message comes to one end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Trial;

use crate::gateway::{Gateway, MESSAGE, files};
use crate::installed::is_root;
use crate::machine::{Program, free_port, wait_for};
use crate::smtp_client::Client;
use crate::test;

/// It has no option that only says that it is there.
pub(crate) fn tests() -> Vec<Trial> {
    let smtp_sink = Command::new("smtp-sink").output().is_ok();
    vec![
        test("smtp_sink::has_each_message_once", smtp_sink, has_each_message_once),
        test(
            "smtp_sink::is_tried_again_after_a_soft_refusal",
            smtp_sink,
            is_tried_again_after_a_soft_refusal,
        ),
        test("smtp_sink::is_tried_again_when_it_hangs_up", smtp_sink, is_tried_again_when_it_hangs_up),
        test("smtp_sink::has_a_hard_refusal_reported", smtp_sink, has_a_hard_refusal_reported),
    ]
}

/// A sink that keeps what it is given in a folder, and what it hears in a file beside it.
fn sink(port: u16, folder: &Path, arguments: &[&str]) -> Program {
    let mut sink = Command::new("smtp-sink");
    if is_root() {
        sink.args(["-u", "root"]);
    }
    sink.arg("-v").arg("-d").arg(folder.join("mail/")).args(arguments);
    sink.arg(format!("127.0.0.1:{port}")).arg("50");
    let heard = File::create(folder.join("heard")).unwrap();
    Program::listening(sink.stdout(Stdio::null()).stderr(heard), ([127, 0, 0, 1], port))
}

/// A gateway that hands the mail for `fabrikam.test` to this port, and is quick to try again.
fn gateway(port: u16) -> Gateway {
    Gateway::start(&format!(
        r#"
            [[route]]
            domain = "fabrikam.test"
            to = "127.0.0.1:{port}"
            [delivery]
            retry = ["1s"]
        "#
    ))
}

fn send(gateway: &Gateway) {
    Client::connect(gateway.port()).send("alice@contoso.test", &["eve@fabrikam.test"], MESSAGE);
}

/// The messages that a sink kept. It leaves a file for each MAIL, also where no message followed; what it writes has
/// fields of its own before the message, and lines that end in LF.
fn kept(folder: &Path) -> Vec<PathBuf> {
    let body = MESSAGE.rsplit_once("\r\n\r\n").unwrap().1.replace("\r\n", "\n");
    let holds = |file: &PathBuf| fs::read_to_string(file).unwrap().contains(&body);
    files(&folder.join("mail")).into_iter().filter(holds).collect()
}

fn has_each_message_once() {
    for arguments in [&[][..], &["-p"], &["-e"], &["-N", "-8", "-E"], &["-P"], &["-w", "1"], &["-f", "EHLO"]]
    {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let _sink = sink(port, folder.path(), arguments);
        let gateway = gateway(port);
        for _ in 0..3 {
            send(&gateway);
        }
        gateway.settles();
        wait_for(&format!("the messages with {arguments:?}"), || kept(folder.path()).len() == 3);
        assert!(gateway.mailbox("alice").is_empty(), "{}", gateway.events());
    }
}

fn is_tried_again_after_a_soft_refusal() {
    for arguments in [
        ["-r", "MAIL"],
        ["-r", "RCPT"],
        ["-r", "DATA"],
        ["-r", "."],
        ["-r", "CONNECT"],
        ["-Q", "CONNECT"],
        ["-Q", "RCPT"],
        ["-Q", "."],
    ] {
        comes_later(&arguments);
    }
}

fn is_tried_again_when_it_hangs_up() {
    for command in ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"] {
        comes_later(&["-q", command]);
    }
}

/// A message comes once to a sink that had a fault at first.
fn comes_later(arguments: &[&str]) {
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let faulty = sink(port, folder.path(), arguments);
    let gateway = gateway(port);
    send(&gateway);
    // The first connection asked whether it listens, and with the third a try has failed.
    let heard = || fs::read_to_string(folder.path().join("heard")).unwrap();
    wait_for(&format!("a try with {arguments:?}"), || heard().matches(": connect (").count() > 2);
    assert!(!gateway.underway().is_empty(), "{arguments:?}: {}", gateway.events());
    drop(faulty);
    let folder = tempfile::tempdir().unwrap();
    let _sink = sink(port, folder.path(), &[]);
    gateway.settles();
    wait_for(&format!("the message after {arguments:?}"), || kept(folder.path()).len() == 1);
    assert!(gateway.mailbox("alice").is_empty(), "{arguments:?}: {}", gateway.events());
}

fn has_a_hard_refusal_reported() {
    for command in ["MAIL", "RCPT", "DATA", "."] {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let _sink = sink(port, folder.path(), &["-f", command, "-B", "550 5.7.99 not today"]);
        let gateway = gateway(port);
        send(&gateway);
        let report = gateway.messages("alice", 1).remove(0).text();
        for line in ["Final-Recipient: rfc822; eve@fabrikam.test", "Status: 5.7.99"] {
            assert!(report.contains(&format!("\r\n{line}\r\n")), "{command}: no {line} in\n{report}");
        }
        assert!(report.contains("Diagnostic-Code: smtp; 550 5.7.99 not today"), "{command}:\n{report}");
    }
}
