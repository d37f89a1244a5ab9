//! Programs that read bounces, and what they make of the gateway's: flufl.bounce (of Mailman), BounceParser (Perl), and
//! Python's `email`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use libtest_mimic::Trial;

use crate::gateway::Gateway;
use crate::installed::{python, python_has, runs, script};
use crate::machine::{free_port, run};
use crate::smtp_client::Client;
use crate::test;

pub(crate) fn tests() -> Vec<Trial> {
    let perl = runs("perl", &["-MMail::DeliveryStatus::BounceParser", "-e1"]);
    vec![
        test("flufl_bounce::finds_who_was_not_reached", python_has("flufl.bounce"), flufl_bounce),
        test("bounce_parser::finds_who_was_not_reached", perl, bounce_parser),
        test("python_email::reads_each_part", python_has("email"), python_email),
    ]
}

/// Two reports: of three mailboxes that are not there, and of a message that is late.
fn reports() -> (Gateway, PathBuf, PathBuf) {
    let gateway = Gateway::start(&format!(
        r#"
            [[route]]
            domain = "fabrikam.test"
            to = "127.0.0.1:{}"
            [delivery]
            retry = ["1s"]
            delay_notice = "1s"
        "#,
        free_port()
    ));
    let mut client = Client::connect(gateway.port());
    let message = "From: alice@contoso.test\r\nTo: many@contoso.test\r\nSubject: Vierzig St\u{fc}hle\r\n\r\n.\r\nBitte.\r\n";
    client.send("alice@contoso.test", &["nobody@contoso.test", "\"no one\"@contoso.test"], message);
    let failed = gateway.messages("alice", 1).remove(0);
    client.send("bob@contoso.test", &["eve@fabrikam.test"], message);
    crate::machine::wait_for("a delay notice", || gateway.mailbox("bob").len() == 1);
    let late = gateway.mailbox("bob").remove(0);
    let files = ["failed", "late"].map(|name| gateway.dir().join(name));
    for (file, report) in files.iter().zip([failed, late]) {
        fs::write(file, report.0).unwrap();
    }
    let [failed, late] = files;
    (gateway, failed, late)
}

fn flufl_bounce() {
    let (_gateway, failed, late) = reports();
    let said = run(Command::new(python()).arg(script("flufl_bounce.py")).args([failed, late]));
    assert!(said.success, "{}", said.text);
}

fn python_email() {
    let (_gateway, failed, late) = reports();
    let said = run(Command::new(python()).arg(script("python_email.py")).args([failed, late]));
    assert!(said.success, "{}", said.text);
}

fn bounce_parser() {
    let (_gateway, failed, late) = reports();
    let said = run(Command::new("perl").arg(script("bounce_parser.pl")).args([failed, late]));
    assert!(said.success, "{}", said.text);
}
