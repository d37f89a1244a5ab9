//! nodemailer, what programs written for Node.js send their mail with: a pool of connections, and DSN parameters.

use std::process::Command;

use libtest_mimic::Trial;

use crate::gateway::Gateway;
use crate::installed::{place, runs, script};
use crate::machine::run;
use crate::test;

const MODULE: &str = "node_packages/node_modules/nodemailer";

pub(crate) fn tests() -> Vec<Trial> {
    let nodemailer = runs("node", &["--version"]) && place(MODULE).is_dir();
    vec![test("nodemailer::sends_through_a_pool_and_asks_for_reports", nodemailer, sends_through_a_pool)]
}

fn sends_through_a_pool() {
    let gateway = Gateway::start("");
    let mut client = Command::new("node");
    client.arg(script("nodemailer_client.mjs")).arg(place(MODULE)).arg(gateway.port().to_string());
    let said = run(&mut client);
    assert!(said.success, "{}", said.text);
    gateway.messages("bob", 21);
    let reports = gateway.messages("alice", 1);
    let report = reports[0].text();
    for line in [
        "Original-Envelope-Id: forty=chairs",
        "Action: delivered",
        "Original-Recipient: rfc822; alice@contoso.test",
    ] {
        assert!(report.contains(&format!("\r\n{line}\r\n")), "no {line}:\n{report}");
    }
    assert!(report.contains("\r\nContent-Type: text/rfc822-headers"), "{report}");
}
