//! Postfix, at both ends. As a next hop it is the trusting one: Debian's takes four wrong ends of data, so that whatever is not
//! clean in what the gateway sends becomes a second message there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use libtest_mimic::Trial;

use crate::gateway::{Gateway, MESSAGE, files};
use crate::installed::{is_root, runs};
use crate::machine::{free_port, run, wait_for};
use crate::smtp_client::Client;
use crate::test;
use tempfile::TempDir;

pub(crate) fn tests() -> Vec<Trial> {
    let postfix = runs("postconf", &["-d", "mail_version"]) && is_root();
    vec![
        test("postfix::is_given_one_message_for_one", postfix, is_given_one_message_for_one),
        test("postfix::relays_to_the_gateway_and_reports_what_it_refuses", postfix, relays_to_the_gateway),
    ]
}

/// A Postfix with files of its own, that takes mail on a port.
struct Postfix {
    dir: TempDir,
    port: u16,
}

impl Postfix {
    /// It keeps the mail for `fabrikam.test`, and hands all other to the gateway.
    fn start(gateway: u16) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let path = dir.path();
        // Its processes are of other users.
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        for folder in ["queue", "data", "mail", "etc"] {
            fs::create_dir(path.join(folder)).unwrap();
        }
        let chown = |owner: &str, folder: &str| {
            assert!(run(Command::new("chown").arg(owner).arg(path.join(folder))).success)
        };
        chown("postfix", "data");
        chown("nobody", "mail");
        let main = format!(
            "compatibility_level = 3.6
             queue_directory = {dir}/queue
             data_directory = {dir}/data
             maillog_file = {dir}/log
             maillog_file_prefixes = /
             inet_interfaces = 127.0.0.1
             inet_protocols = ipv4
             myhostname = mx.fabrikam.test
             mydestination =
             mynetworks = 127.0.0.0/8
             alias_maps =
             alias_database =
             virtual_mailbox_domains = fabrikam.test
             virtual_mailbox_maps = static:box/
             virtual_mailbox_base = {dir}/mail
             virtual_uid_maps = static:65534
             virtual_gid_maps = static:65534
             relayhost = [127.0.0.1]:{gateway}
             disable_dns_lookups = yes
             local_header_rewrite_clients =
             smtp_tls_security_level = none
            ",
            dir = path.display(),
        );
        let main: String = main.lines().map(|line| line.trim_start().to_owned() + "\n").collect();
        fs::write(path.join("etc/main.cf"), main).unwrap();
        let services = fs::read_to_string("/usr/share/postfix/master.cf.dist")
            .or_else(|_| fs::read_to_string("/etc/postfix/master.cf.proto"))
            .unwrap();
        fs::write(path.join("etc/master.cf"), master(&services, port)).unwrap();
        let postfix = Postfix { dir, port };
        let said = postfix.command("start");
        assert!(said.success, "{said:?}");
        wait_for("postfix", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        postfix
    }

    fn command(&self, word: &str) -> crate::machine::Said {
        run(Command::new("postfix").arg("-c").arg(self.dir.path().join("etc")).arg(word).stdin(Stdio::null()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The messages that it has for `fabrikam.test`.
    fn mailbox(&self) -> Vec<String> {
        let folder = self.dir.path().join("mail/box/new");
        files(&folder)
            .iter()
            .map(|file| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned())
            .collect()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.command("stop");
    }
}

/// The services that Postfix comes with, none of them in a cage, and with the port that it takes mail on.
fn master(services: &str, port: u16) -> String {
    let service = |line: &str| {
        let mut words: Vec<_> = line.split_whitespace().collect();
        if line.starts_with(['#', ' ', '\t']) || words.len() < 8 {
            return line.to_owned();
        }
        let place = format!("127.0.0.1:{port}");
        if words[..2] == ["smtp", "inet"] {
            words[0] = &place;
        }
        words[4] = "n";
        words.join(" ")
    };
    services.lines().map(|line| service(line) + "\n").collect()
}

fn is_given_one_message_for_one() {
    let gateway_port = free_port();
    let postfix = Postfix::start(gateway_port);
    let gateway = Gateway::start(&format!(
        "[[route]]\ndomain = \"fabrikam.test\"\nto = \"127.0.0.1:{}\"",
        postfix.port
    ));
    let smuggled =
        "MAIL FROM:<mallory@contoso.test>\r\nRCPT TO:<box@fabrikam.test>\r\nDATA\r\nsmuggled\r\n.\r\n";
    let mut taken = Vec::new();
    let ends = [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r\n.\r\r\n",
        "\r.\r\n",
        "\n.\r",
        "\r.\n",
        "\r\n.\r",
        "\r\n\0.\r\n",
        "\r\r\n.\r\n",
        "\r\n..\r\n",
        "\r\n.\r\n",
        "\r\n. \r\n",
        "\r\n.\t\r\n",
        "\r\n.x\r\n",
        "\r\n\r\n.\r\n\r\n",
    ];
    for end in ends {
        for by_chunks in [false, true] {
            let mark = format!("mark-{}", taken.len());
            let content = format!("X-Mark: {mark}\r\nSubject: Forty chairs\r\n\r\nPlease.{end}{smuggled}");
            let mut client = Client::connect(gateway.port());
            client.begin("alice@contoso.test", &["box@fabrikam.test"]);
            let reply = if by_chunks {
                client.write(format!("BDAT {} LAST\r\n{content}", content.len()).as_bytes())
            } else {
                assert!(client.say("DATA").starts_with("354 "));
                client.write(format!("{}.\r\n", content.replace("\r\n.", "\r\n..")).as_bytes())
            };
            let bare = content.replace("\r\n", "").contains(['\r', '\n']);
            assert_eq!(reply.starts_with("250 2.6.0 OK "), !bare, "{end:?}: {reply}");
            if !bare {
                taken.push((mark, content));
            }
        }
    }
    gateway.settles();
    wait_for("the messages", || postfix.mailbox().len() >= taken.len());
    wait_for("the end of them", || postfix.log().matches(": removed\n").count() >= taken.len());
    let log = postfix.log();
    assert_eq!(log.matches("(queue active)").count(), taken.len(), "{log}");
    let stored = postfix.mailbox();
    for (mark, content) in &taken {
        let copy = stored.iter().find(|copy| copy.contains(&format!("\nX-Mark: {mark}\n"))).unwrap();
        assert!(copy.ends_with(&content.replace("\r\n", "\n")), "{copy}");
    }
    assert!(gateway.mailbox("alice").is_empty(), "{}", gateway.events());
}

fn relays_to_the_gateway() {
    let gateway = Gateway::with("", "[policy]\nvrfy = \"vague\"");
    let postfix = Postfix::start(gateway.port());
    let mut client = Client::connect(postfix.port);
    let to = ["bob@contoso.test", "alice@contoso.test", "eve@elsewhere.test"];
    client.begin("alice@contoso.test", &to);
    assert!(client.say("DATA").starts_with("354 "));
    assert!(client.say(&format!("{}.", MESSAGE.replace("\n.", "\n.."))).starts_with("250 "));
    let bob = gateway.messages("bob", 1).remove(0);
    assert!(bob.content().ends_with(MESSAGE.as_bytes()), "{bob:?}");
    let alice = gateway.messages("alice", 2);
    let report =
        alice.iter().find(|message| message.text().starts_with("Return-Path: <>\r\n")).unwrap().text();
    assert!(report.contains("\r\nReporting-MTA: dns; mx.fabrikam.test\r\n"), "{report}");
    assert!(report.contains("550 5.7.1 relaying prohibited"), "{report}");
}
