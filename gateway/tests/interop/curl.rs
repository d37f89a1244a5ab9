//! curl's SMTP client: a message to two recipients, and the commands that ask.

use std::fs;
use std::process::Command;

use libtest_mimic::Trial;

use crate::gateway::{Gateway, MESSAGE};
use crate::installed::runs;
use crate::machine::{Said, run};
use crate::test;

pub(crate) fn tests() -> Vec<Trial> {
    let curl = runs("curl", &["--version"]);
    vec![
        test("curl::hands_over_a_message_as_it_is", curl, hands_over_a_message_as_it_is),
        test("curl::may_go_on_when_a_recipient_is_refused", curl, may_go_on_when_a_recipient_is_refused),
        test("curl::asks", curl, asks),
    ]
}

fn curl(gateway: &Gateway, arguments: &[&str]) -> Said {
    let url = format!("smtp://{}/client.example", gateway.address());
    run(Command::new("curl").args(["--silent", "--show-error", "--verbose", &url]).args(arguments))
}

fn hands_over_a_message_as_it_is() {
    let gateway = Gateway::with("accept.require = \"authentication\"", "");
    let file = gateway.dir().join("message");
    fs::write(&file, MESSAGE).unwrap();
    let letter = ["--mail-from", "alice@contoso.test", "--mail-rcpt", "bob@contoso.test"];
    let more = ["--mail-rcpt", "alice@contoso.test", "--upload-file", file.to_str().unwrap()];
    let said = curl(&gateway, &[&letter[..], &more, &["--user", "alice:winter"]].concat());
    assert!(said.success, "{said:?}");
    for name in ["alice", "bob"] {
        assert_eq!(gateway.messages(name, 1)[0].content(), MESSAGE.as_bytes());
    }
    // 67 is curl's word for a login that was denied.
    let said = curl(&gateway, &[&letter[..], &more, &["--user", "alice:summer"]].concat());
    assert_eq!(said.code, Some(67), "{said:?}");
}

fn may_go_on_when_a_recipient_is_refused() {
    let gateway = Gateway::with("", "");
    let file = gateway.dir().join("message");
    fs::write(&file, MESSAGE).unwrap();
    let letter = ["--mail-from", "alice@contoso.test", "--mail-rcpt", "eve@fabrikam.test"];
    let more = ["--mail-rcpt", "bob@contoso.test", "--upload-file", file.to_str().unwrap()];
    let said = curl(&gateway, &[&letter[..], &more].concat());
    assert!(!said.success && said.text.contains("550 5.7.1 "), "{said:?}");
    let said = curl(&gateway, &[&letter[..], &more, &["--mail-rcpt-allowfails"]].concat());
    assert!(said.success, "{said:?}");
    gateway.messages("bob", 1);
}

fn asks() {
    let gateway = Gateway::start("[policy]\nvrfy = \"authenticated\"");
    let vague = curl(&gateway, &["--mail-rcpt", "bob@contoso.test"]);
    assert!(vague.success && vague.text.contains("< 252 2.0.0 "), "{vague:?}");
    let known = curl(&gateway, &["--user", "alice:winter", "--mail-rcpt", "bob@contoso.test"]);
    assert!(known.success && known.text.contains("< 250 2.1.5 "), "{known:?}");
    let unknown = curl(&gateway, &["--user", "alice:winter", "--mail-rcpt", "nobody@contoso.test"]);
    assert!(!unknown.success && unknown.text.contains("550 5.1.1 "), "{unknown:?}");
    let help = curl(&gateway, &["--request", "HELP"]);
    assert!(help.success && help.text.contains("< 214 2.0.0 "), "{help:?}");
}
