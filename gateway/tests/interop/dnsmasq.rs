//! dnsmasq as the name server: where mail for a domain goes is what it says.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use libtest_mimic::Trial;

use crate::aiosmtpd::{self, NextHop};
use crate::gateway::{Gateway, MESSAGE};
use crate::installed::runs;
use crate::machine::{Program, free_port, wait_for};
use crate::smtp_client::Client;
use crate::test;

pub(crate) fn tests() -> Vec<Trial> {
    let dnsmasq = runs("dnsmasq", &["--version"]) && aiosmtpd::is_installed();
    vec![test("dnsmasq::says_where_mail_goes", dnsmasq, says_where_mail_goes)]
}

fn dnsmasq(records: &[&str]) -> (Program, u16) {
    let port = free_port();
    let mut server = Command::new("dnsmasq");
    server.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--local=/test/"]);
    server.args(["--listen-address=127.0.0.1", "--bind-interfaces", &format!("--port={port}")]).args(records);
    // It answers over TCP on the same port.
    (Program::listening(server.stderr(Stdio::null()), ([127, 0, 0, 1], port)), port)
}

fn says_where_mail_goes() {
    let (_names, names) = dnsmasq(&[
        "--mx-host=two.test,mx2.two.test,20",
        "--mx-host=two.test,mx1.two.test,10",
        "--host-record=mx1.two.test,127.0.0.2",
        "--host-record=mx2.two.test,127.0.0.3",
        "--mx-host=down.test,mx.down.test,10",
        "--mx-host=down.test,mx2.two.test,20",
        "--host-record=mx.down.test,127.0.0.4",
        "--host-record=bare.test,127.0.0.2",
        "--cname=alias.test,bare.test",
        "--mx-host=null.test,.,0",
        "--mx-host=lost.test,nowhere.lost.test,10",
    ]);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = NextHop::at(Ipv4Addr::new(127, 0, 0, 2), free_port(), folders[0].path());
    let second = NextHop::at(Ipv4Addr::new(127, 0, 0, 3), first.port, folders[1].path());
    let gateway = Gateway::start(&format!(
        "[dns]\nservers = [\"127.0.0.1:{names}\"]\n[delivery]\nretry = [\"1s\"]\nport = {}",
        first.port
    ));
    let mut client = Client::connect(gateway.port());
    for domain in ["two", "down", "bare", "alias", "null", "absent", "lost"] {
        client.send("alice@contoso.test", &[&format!("eve@{domain}.test")], MESSAGE);
    }
    let reports = gateway.messages("alice", 3).iter().map(|report| report.text()).collect::<String>();
    for (domain, status) in [("null", "5.1.10"), ("absent", "5.1.2"), ("lost", "5.1.2")] {
        let said = format!(
            "\r\nFinal-Recipient: rfc822; eve@{domain}.test\r\nAction: failed\r\nStatus: {status}\r\n"
        );
        assert!(reports.contains(&said), "no {said} in\n{reports}");
    }
    wait_for("the messages", || first.messages().len() == 3 && second.messages().len() == 1);
    let mut parties: Vec<_> = first.messages().into_iter().map(|(parties, _)| parties).collect();
    parties.sort();
    assert_eq!(
        parties,
        ["alias", "bare", "two"].map(|domain| format!("alice@contoso.test\neve@{domain}.test"))
    );
    assert_eq!(second.messages()[0].0, "alice@contoso.test\neve@down.test");
}
