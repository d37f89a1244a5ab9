//! The gateway beside filters that administrators run, on the real machine: OpenDKIM, and one written with pymilter. A
//! test whose filter is not installed is named as ignored.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test is a mail client and an administrator, on the real machine"
)]

mod host;

use std::fs;
use std::path::Path;
use std::process::Command;

use host::{Child, Host, free_port, holds, start, wait_for};
use libtest_mimic::{Arguments, Trial};

/// Debian's own Python: the one that `python3-milter` is for.
const PYTHON: &str = "/usr/bin/python3";

fn main() {
    let runs = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let pymilter = runs(PYTHON, &["-c", "import Milter"]);
    let opendkim = runs("opendkim", &["-V"]) && runs("openssl", &["version"]);
    let test = |name: &str, is_there: bool, test: fn()| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(!is_there)
    };
    let tests = vec![
        test("pymilter::changes_a_message", pymilter, changes_a_message),
        test("pymilter::decides_at_each_stage", pymilter, decides_at_each_stage),
        test("pymilter::sets_aside_and_throws_away", pymilter, sets_aside_and_throws_away),
        test("pymilter::is_missed_when_it_is_down", pymilter, is_missed_when_it_is_down),
        test("opendkim::signs_what_another_verifies", opendkim, signs_what_another_verifies),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

/// A filter that listens, and a gateway that asks it.
fn with_pymilter(on_failure: &str) -> (Child, Host) {
    let port = free_port();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real_milters/filter.py");
    let filter = start(Command::new(PYTHON).args([script, &port.to_string()]), port);
    let milter = format!("[[milter]]\naddress = \"inet:{port}@127.0.0.1\"\non_failure = \"{on_failure}\"");
    (filter, Host::start(&milter))
}

fn message(wishes: &[&str]) -> String {
    let wishes: String = wishes.iter().map(|wish| format!("X-Do: {wish}\r\n")).collect();
    format!("From: eve@fabrikam.test\r\nSubject: Forty chairs\r\n{wishes}\r\nPlease send them.\r\n")
}

fn changes_a_message() {
    let (_filter, host) = with_pymilter("tempfail");
    let mut client = host.client();
    assert!(client.say("AUTH PLAIN AGFsaWNlAHdpbnRlcg==").starts_with("235 "));
    let wishes = message(&["add", "insert", "change", "delete", "sender", "to bob", "progress"]);
    let id = client.send("eve@fabrikam.test", "alice@contoso.test", &wishes);
    let copies = [host.mailbox("alice"), host.mailbox("bob")];
    assert_eq!(copies[0], copies[1]);
    let (trace, rest) = copies[0].split_once("X-First:").unwrap();
    assert!(
        trace.starts_with("Return-Path: <carol@fabrikam.test>\r\nReceived: from client.example"),
        "{trace}"
    );
    assert!(trace.replace("\r\n ", " ").contains(&format!("id {id};")), "{trace}");
    let wishes = wishes.replacen("X-Do: add\r\n", "", 1).replace("Forty chairs", "changed");
    let facts = "ims.contoso.test 127.0.0.1 eve@fabrikam.test alice PLAIN alice@contoso.test";
    let added = format!("X-Facts: {facts} {id}\r\n\r\n");
    assert_eq!(
        rest,
        format!(" folded\r\n\tvalue\r\n{}", wishes.replace("\r\n\r\n", &format!("\r\n{added}")))
    );

    client.send("eve@fabrikam.test", "alice@contoso.test", &message(&["body", "to bob", "not to alice"]));
    let body = format!(
        "\r\n\r\na new\r\nbody {}\r\n{}",
        "x".repeat(70),
        format!("{}\r\n", "y".repeat(70)).repeat(2000)
    );
    wait_for("Bob's second message", || host.mailboxes("bob").iter().any(|copy| copy.ends_with(&body)));
    assert_eq!(host.mailboxes("alice").len(), 1);
    wait_for("an event on the recipient", || {
        host.events().iter().any(|event| {
            event.starts_with("4123 Message ")
                && event.contains(" to alice@contoso.test was dropped: the milter inet:")
        })
    });
}

fn decides_at_each_stage() {
    let (_filter, host) = with_pymilter("tempfail");
    let mut client = host.client();
    assert_eq!(client.say("EHLO busy.example"), "451 4.7.1 Service unavailable - try again later");
    assert!(client.say("EHLO client.example").starts_with("250 "));
    assert_eq!(client.say("MAIL FROM:<refused@x.test>"), "550 5.7.1 Command rejected");
    assert!(client.say("MAIL FROM:<eve@x.test>").starts_with("250 "));
    assert!(client.say("RSET").starts_with("250 "));
    assert!(client.say("MAIL FROM:<eve@x.test>").starts_with("250 "));
    assert_eq!(client.say("RCPT TO:<refused@contoso.test>"), "550 5.1.1 of that name: 100%");
    assert!(client.say("RCPT TO:<alice@contoso.test>").starts_with("250 "));
    assert!(client.say("DATA").starts_with("354 "));
    assert_eq!(client.say(&format!("{}.", message(&["reject"]))), "550 5.7.1 Command rejected");
    for (wish, reply) in
        [("tempfail", "451 4.7.1 Service unavailable - try again later"), ("accept", "250 2.6.0 OK")]
    {
        client.begin("eve@x.test", "alice@contoso.test");
        assert!(client.say(&format!("{}.", message(&[wish]))).starts_with(reply));
    }
    assert!(host.mailbox("alice").contains("X-Do: accept\r\n"));
}

fn sets_aside_and_throws_away() {
    let (_filter, host) = with_pymilter("tempfail");
    let mut client = host.client();
    let id = client.send("eve@x.test", "alice@contoso.test", &message(&["add", "quarantine"]));
    let kept = fs::read_to_string(host.path("spool/bad").join(&id)).unwrap();
    assert!(kept.contains("X-Facts: ") && kept.contains("Please send them."), "{kept}");
    assert!(host.mailbox("administrator").contains("it looks strange"));
    client.send("eve@x.test", "alice@contoso.test", &message(&["discard"]));
    client.send("eve@x.test", "nobody@contoso.test", &message(&[]));
    client.send("eve@x.test", "alice@contoso.test", &message(&["not to alice"]));
    let dropped = host.events().into_iter().filter(|event| event.starts_with("4123 ")).count();
    assert_eq!(dropped, 3, "{:?}", host.events());
    assert_eq!(host.mailboxes("alice"), Vec::<String>::new());
}

fn is_missed_when_it_is_down() {
    for (on_failure, reply) in [
        ("accept", "250 2.1.0 OK"),
        ("tempfail", "451 4.7.1 Service unavailable - try again later"),
        ("reject", "550 5.5.0 Service unavailable"),
    ] {
        let (filter, host) = with_pymilter(on_failure);
        let mut client = host.client();
        drop(filter);
        let said = client.say("MAIL FROM:<eve@x.test>");
        assert!(said.starts_with(reply), "{on_failure}: {said}");
        assert!(host.events().iter().any(|event| event.starts_with("3030 ")), "{:?}", host.events());
    }
}

/// An OpenDKIM with this in its configuration.
fn opendkim(dir: &Path, configuration: &str) -> (Child, String) {
    let port = free_port();
    let file = dir.join("opendkim.conf");
    let text = format!("Socket inet:{port}@127.0.0.1\nSyslog no\nRequireSafeKeys no\n{configuration}\n");
    fs::write(&file, text).unwrap();
    let filter = start(Command::new("opendkim").args(["-f", "-x"]).arg(&file), port);
    (filter, format!("[[milter]]\naddress = \"inet:{port}@127.0.0.1\""))
}

/// One gateway signs; what is in the mailbox there is handed to another, whose OpenDKIM finds the signature good.
fn signs_what_another_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key.pem");
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).arg(&key).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    openssl(&["genrsa", "-out"]);
    let public: String =
        openssl(&["rsa", "-pubout", "-in"]).lines().filter(|line| !line.starts_with('-')).collect();
    let keys = dir.path().join("keys");
    fs::write(&keys, format!("s1._domainkey.fabrikam.test v=DKIM1; k=rsa; p={public}\n")).unwrap();

    let signing = format!(
        "Mode s\nDomain fabrikam.test\nSelector s1\nKeyFile {}\nCanonicalization simple/simple\nInternalHosts 127.0.0.1",
        key.display()
    );
    let (_signer, milter) = opendkim(dir.path(), &signing);
    let first = Host::start(&milter);
    let folded = "From: eve@fabrikam.test\r\nTo:alice@contoso.test\r\nSubject:  Forty\r\n\tchairs\r\n\r\n.\r\nPlease.\r\n\r\n";
    first.client().send("eve@fabrikam.test", "alice@contoso.test", folded);
    let signed = first.mailbox("alice");
    assert!(
        signed.contains("\r\nDKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=fabrikam.test;"),
        "{signed}"
    );

    let other = tempfile::tempdir().unwrap();
    let (_verifier, milter) =
        opendkim(other.path(), &format!("Mode v\nTestPublicKeys {}\nAlwaysAddARHeader yes", keys.display()));
    let second = Host::start(&milter);
    let (return_path, content) = signed.split_once("\r\n").unwrap();
    assert!(return_path.starts_with("Return-Path: "));
    second.client().send("eve@fabrikam.test", "alice@contoso.test", content);
    let verified = second.mailbox("alice");
    assert!(holds(&verified, "dkim=pass"), "{verified}");
    // The same with another word in it is not good.
    second.client().send("eve@fabrikam.test", "bob@contoso.test", &content.replace("Please.", "Now."));
    assert!(holds(&second.mailbox("bob"), "dkim=fail"), "{}", second.mailbox("bob"));
}
