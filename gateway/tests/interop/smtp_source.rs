//! `smtp-source`, the load generator of Postfix: many sessions, each message arrives once.

use std::process::Command;

use libtest_mimic::Trial;

use crate::gateway::Gateway;
use crate::machine::run;
use crate::test;

/// It has no option that only says that it is there.
pub(crate) fn tests() -> Vec<Trial> {
    let smtp_source = Command::new("smtp-source").output().is_ok();
    vec![test("smtp_source::sends_in_many_sessions_at_once", smtp_source, sends_in_many_sessions_at_once)]
}

fn sends_in_many_sessions_at_once() {
    let gateway = Gateway::start("");
    let load = ["-s", "8", "-m", "40", "-l", "4096", "-f", "alice@contoso.test", "-t", "bob@contoso.test"];
    for more in [&["-d"][..], &[], &["-d", "-r", "1", "-M", "client.example"]] {
        let mut source = Command::new("smtp-source");
        let said = run(source.args(load).args(more).arg(format!("inet:127.0.0.1:{}", gateway.port())));
        assert!(said.success && said.text.is_empty(), "{said:?}");
    }
    let messages = gateway.messages("bob", 120);
    assert!(messages.iter().all(|message| message.content().len() > 4096));
}
