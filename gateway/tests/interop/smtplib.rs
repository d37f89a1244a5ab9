//! Python's `smtplib`: what a library makes of the replies.

use std::process::Command;

use libtest_mimic::Trial;

use crate::gateway::Gateway;
use crate::installed::{python, python_has, script};
use crate::machine::run;
use crate::test;

pub(crate) fn tests() -> Vec<Trial> {
    vec![test("smtplib::understands_each_reply", python_has("smtplib"), understands_each_reply)]
}

fn understands_each_reply() {
    let gateway = Gateway::with("limits.message_size = 2000", "");
    let said = run(Command::new(python()).arg(script("smtplib_client.py")).arg(gateway.port().to_string()));
    assert!(said.success, "{}", said.text);
    let messages = gateway.messages("bob", 3);
    let text = messages.iter().map(|message| message.text()).collect::<String>();
    assert!(text.contains("\r\nSubject: Vierzig Stühle\r\n"), "{text}");
    assert!(text.contains("\r\n.one dot\r\n..\r\n\r\n.\r\n"), "{text}");
}
