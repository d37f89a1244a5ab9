//! A milter that answers anything.

use gateway::config::MilterConfig;
use gateway::milter::{Client, Mail, Milters, OnFailure, Outcome};
use gateway::smtp::data::LineCheck;

use super::machine::{Machine, NoNames, OneConnection, Scripted, run};

const CONTENT: &[u8] =
    b"Received: from client.example by ims.contoso.test; Thu, 1 Jan 1970 00:00:00 +0000\r\n\
    From: eve@fabrikam.test\r\nSubject: Forty\r\n chairs\r\n\r\nPlease.\r\n";

/// Whatever a milter makes of a message, a client could have sent it: its lines are lines, and none is too long.
pub fn milter(octets: &[u8]) {
    let config =
        MilterConfig { address: "inet:8891@192.0.2.5".parse().unwrap(), on_failure: OnFailure::Accept };
    let client = Client {
        address: [192, 0, 2, 7].into(),
        host: "ims.contoso.test".to_owned(),
        software: "gateway".to_owned(),
        account: None,
    };
    let machine = Machine::new(OneConnection::new(Scripted::new(octets)));
    let recipient = "bob@contoso.test".parse().unwrap();
    let reverse_path = "eve@fabrikam.test".parse().unwrap();
    let mut mail = Mail::new(gateway::address::ReversePath::Mailbox(reverse_path), vec![recipient], CONTENT);
    let outcome = run(async {
        let mut milters = Milters::new(&[config], client);
        milters.connect(&*machine.network, &NoNames).await;
        milters.helo("client.example").await;
        milters.mail(&mail.reverse_path, None, false).await;
        milters.rcpt(&mail.recipients[0], true).await;
        milters.data("WKA6D6YM").await;
        milters.message("WKA6D6YM", &mut mail, 4_000).await
    });
    if let Outcome::Taken { .. } = outcome {
        let content = mail.content();
        let mut check = LineCheck::default();
        check.see(&content);
        let flaws = check.finish();
        assert!(!flaws.bare_cr && !flaws.bare_lf && !flaws.long_line, "{}", content.escape_ascii());
        assert!(content.starts_with(b"Received: from client.example "), "{}", content.escape_ascii());
    }
}
