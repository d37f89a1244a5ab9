//! A failure that was reported and is none.

use std::time::Duration;

use gateway::release::Release;
use sim::mailbag::{Item, Kind};
use sim::plan::Plan;
use sim::record::{Record, Speaker};

use crate::world::*;

const NO_CAUSE: &str = "reports: a failure was reported that was none, or for another cause";

/// The run in which a host refuses a recipient for good, with its report.
fn refused() -> (Plan, Record) {
    let fault = r#"
        [[fault]]
        kind = "server"
        server = "mail.partner.test"
        until = "2h"
        does = { replies = { to = "rcpt", reply = "550 5.1.1 no such user" } }
    "#;
    ran_with(fault)
}

#[test]
fn a_report_with_a_status_for_which_there_is_no_cause() {
    let all = [
        "5.1.2",
        "5.1.10",
        "5.4.6",
        "4.4.7",
        "4.7.4",
        "5.6.7",
        "5.3.0",
        "5.1.1 from mail.partner.test",
        "9.9.9",
    ];
    for status in all {
        let (plan, mut record) = ran();
        server(&mut record, "mx.fabrikam.test")[0].statuses = vec![status.to_owned()];
        finds_too(&plan, &record, NO_CAUSE);
    }
}

#[test]
fn a_report_on_mail_that_was_never_tried() {
    let (plan, mut record) = ran();
    // All that the server got is gone, and the dialogues with it are about nothing.
    let report = server(&mut record, "mx.fabrikam.test")[0].clone();
    server(&mut record, "mail.partner.test").clear();
    for status in ["5.1.1", "5.1.2", "4.4.7", "5.0.0 from mail.partner.test"] {
        let mut record = record.clone();
        server(&mut record, "mx.fabrikam.test").push(Item {
            kind: Kind::Report("m2".to_owned()),
            reported: vec!["dave@partner.test".to_owned()],
            statuses: vec![status.to_owned()],
            diagnostics: vec!["550 no".to_owned()],
            fingerprint: 1,
            ..report.clone()
        });
        finds_too(&plan, &record, NO_CAUSE);
    }
}

#[test]
fn a_refusal_that_the_host_did_not_say() {
    let (plan, record) = refused();
    let mut later = record.clone();
    say_instead(&mut later, Speaker::Server, "550 5.1.1 no such user", "550 5.1.1", "450 4.1.1");
    finds_too(&plan, &later, NO_CAUSE);
    let mut other = record.clone();
    say_instead(&mut other, Speaker::Server, "550 5.1.1 no such user", "5.1.1", "5.2.1");
    finds_too(&plan, &other, NO_CAUSE);
    let mut another = record;
    say_instead(&mut another, Speaker::Client, "RCPT TO:<dave@", "dave@", "erin@");
    finds_too(&plan, &another, NO_CAUSE);
}

/// Mail that goes to a host that is there and takes nothing, until it has grown too old.
#[test]
fn mail_that_expired_too_soon_and_mail_that_could_have_gone() {
    let (mut plan, record) = replayed("a-message-expires-after-a-day-and-is-reported", Release::Current);
    let has_expired = |item: &&mut Item| item.statuses.iter().any(|status| status == "4.4.7");
    let all = |record: &mut Record| -> usize {
        let servers = record.end.servers.iter_mut().flat_map(|(_, items)| items);
        let mailboxes = record.end.mailboxes.iter_mut().flat_map(|(_, items)| items);
        let expired = servers.chain(mailboxes).filter(has_expired);
        expired.map(|item| item.written = item.written.map(|written| written - 7200)).count()
    };
    let mut soon = record.clone();
    assert!(all(&mut soon) > 0);
    finds_too(&plan, &soon, NO_CAUSE);
    plan.gateway.config.delivery.expire += Duration::from_hours(500);
    let mut later = record;
    assert!(all(&mut later) > 0);
    finds_too(&plan, &later, NO_CAUSE);
}
