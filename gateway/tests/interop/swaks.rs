//! swaks, the administrator's client: one phase at a time, commands together, passwords.

use std::process::Command;

use libtest_mimic::Trial;

use crate::gateway::{Gateway, MESSAGE};
use crate::installed::runs;
use crate::machine::{Said, run};
use crate::test;

pub(crate) fn tests() -> Vec<Trial> {
    let swaks = runs("swaks", &["--version"]);
    vec![
        test("swaks::may_leave_after_each_phase", swaks, may_leave_after_each_phase),
        test("swaks::pipelines", swaks, pipelines),
        test("swaks::authenticates", swaks, authenticates),
    ]
}

fn swaks(gateway: &Gateway, arguments: &[&str]) -> Said {
    let mut swaks = Command::new("swaks");
    swaks.args(["--server", &gateway.address(), "--helo", "client.example", "--suppress-data"]);
    run(swaks.args(["--from", "alice@contoso.test"]).args(arguments))
}

fn may_leave_after_each_phase() {
    let gateway = Gateway::start("");
    for how in ["--quit-after", "--drop-after", "--drop-after-send"] {
        for phase in ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"] {
            // A client says QUIT before there is data, and can send nothing before the server has spoken.
            if (how, phase) == ("--quit-after", "DATA") || (how, phase) == ("--drop-after-send", "CONNECT") {
                continue;
            }
            let said = swaks(&gateway, &["--to", "bob@contoso.test", how, phase]);
            assert!(said.success, "{how} {phase}: {said:?}");
        }
    }
    let said = swaks(&gateway, &["--to", "bob@contoso.test,administrator@contoso.test", "--data", MESSAGE]);
    assert!(said.success && said.text.contains("<-  250 2.6.0 OK "), "{said:?}");
    gateway.messages("bob", 1);
    gateway.messages("administrator", 1);
}

fn pipelines() {
    let gateway = Gateway::start("");
    let to = "bob@contoso.test,nobody@contoso.test,alice@contoso.test";
    let said = swaks(&gateway, &["--pipeline", "--to", to, "--data", MESSAGE]);
    assert!(said.success, "{said:?}");
    let (bob, alice) = (gateway.messages("bob", 1), gateway.messages("alice", 2));
    assert!(alice.iter().any(|copy| copy.0 == bob[0].0));
}

fn authenticates() {
    let gateway = Gateway::with("accept.require = \"authentication\"", "");
    let refused = swaks(&gateway, &["--to", "bob@contoso.test"]);
    assert!(!refused.success && refused.text.contains("<** 530 5.7.0 "), "{refused:?}");
    for mechanism in ["PLAIN", "LOGIN"] {
        let login = ["--to", "bob@contoso.test", "--auth", mechanism, "--auth-user", "alice"];
        let said = swaks(&gateway, &[&login[..], &["--auth-password", "winter"]].concat());
        assert!(said.success && said.text.contains("<-  235 2.7.0 "), "{mechanism}: {said:?}");
        let said = swaks(&gateway, &[&login[..], &["--auth-password", "summer"]].concat());
        assert!(!said.success && said.text.contains("<** 535 5.7.8 "), "{mechanism}: {said:?}");
    }
    gateway.messages("bob", 2);
}
