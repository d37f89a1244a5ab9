//! dnsmasq and unbound as the name server: where mail for a domain goes is what they say.

use std::fs;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::aiosmtpd::{self, NextHop};
use crate::gateway::{Gateway, MESSAGE};
use crate::installed::runs;
use crate::machine::{Program, free_port, wait_for};
use crate::smtp_client::Client;
use crate::test;

pub(crate) fn tests() -> Vec<Trial> {
    let python = aiosmtpd::is_installed();
    let dnsmasq = runs("dnsmasq", &["--version"]) && python;
    let unbound = runs("unbound", &["-V"]) && python;
    vec![
        test("dnsmasq::says_where_mail_goes", dnsmasq, dnsmasq_says_where_mail_goes),
        test("unbound::says_where_mail_goes", unbound, unbound_says_where_mail_goes),
    ]
}

/// Domains, their exchangers and how much each is preferred.
const EXCHANGERS: [(&str, &str, u16); 6] = [
    ("two.test", "mx2.two.test", 20),
    ("two.test", "mx1.two.test", 10),
    ("down.test", "mx.down.test", 10),
    ("down.test", "mx2.two.test", 20),
    ("null.test", "", 0),
    ("lost.test", "nowhere.lost.test", 10),
];

/// Names and their addresses.
const ADDRESSES: [(&str, &str); 4] = [
    ("mx1.two.test", "127.0.0.2"),
    ("mx2.two.test", "127.0.0.3"),
    ("mx.down.test", "127.0.0.4"),
    ("bare.test", "127.0.0.2"),
];

/// Another name for `bare.test`.
const ALIAS: &str = "alias.test";

fn dnsmasq_says_where_mail_goes() {
    let port = free_port();
    let mut server = Command::new("dnsmasq");
    server.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--local=/test/"]);
    server.args(["--listen-address=127.0.0.1", "--bind-interfaces", &format!("--port={port}")]);
    for (domain, host, preference) in EXCHANGERS {
        let host = if host.is_empty() { "." } else { host };
        server.arg(format!("--mx-host={domain},{host},{preference}"));
    }
    server.args(ADDRESSES.map(|(name, address)| format!("--host-record={name},{address}")));
    server.arg(format!("--cname={ALIAS},bare.test"));
    // It answers over TCP on the same port.
    let _names = Program::listening(server.stderr(Stdio::null()), ([127, 0, 0, 1], port));
    says_where_mail_goes(port);
}

fn unbound_says_where_mail_goes() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let _names = unbound(&dir, port);
    says_where_mail_goes(port);
}

fn unbound(dir: &TempDir, port: u16) -> Program {
    let mut zone = String::new();
    for (domain, host, preference) in EXCHANGERS {
        zone += &format!("local-data: \"{domain}. 60 IN MX {preference} {host}.\"\n");
    }
    for (name, address) in ADDRESSES {
        zone += &format!("local-data: \"{name}. 60 IN A {address}\"\n");
    }
    let config = format!(
        "server:\ninterface: 127.0.0.1\nport: {port}\ndo-daemonize: no\nusername: \"\"\nchroot: \"\"\n\
         directory: \"{dir}\"\npidfile: \"\"\nuse-syslog: no\nmodule-config: \"iterator\"\n\
         local-zone: \"test.\" static\n{zone}local-data: \"{ALIAS}. 60 IN CNAME bare.test.\"\n\
         remote-control:\ncontrol-enable: no\n",
        dir = dir.path().display(),
    );
    let file = dir.path().join("unbound.conf");
    fs::write(&file, config).unwrap();
    let mut server = Command::new("unbound");
    server.arg("-d").arg("-c").arg(file);
    Program::listening(server.stderr(Stdio::null()), ([127, 0, 0, 1], port))
}

fn says_where_mail_goes(names: u16) {
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
