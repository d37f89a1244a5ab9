//! What is offered and refused, and what is offered and not made use of.

use gateway::release::Release;
use sim::plan::Plan;
use sim::record::{Entry, Record, Speaker, What};

use crate::world::*;

/// Asserts what is found where the gateway says something else.
#[track_caller]
fn instead(world: fn() -> (Plan, Record), begins: &str, said: &str, instead: &str, cause: &str) {
    let (plan, mut record) = world();
    assert!(found(&plan, &record).is_empty());
    say_instead(&mut record, Speaker::Server, begins, said, instead);
    finds_too(&plan, &record, cause);
}

#[test]
fn a_command_as_it_should_be_that_is_refused() {
    for (begins, refusal, cause) in [
        ("250 2.1.0 OK - mail from", "555 5.5.4", "protocol: MAIL was refused with 555, for no reason"),
        ("250 2.1.0 OK - mail from", "501 5.5.4", "protocol: MAIL was refused with 501, for no reason"),
        ("250 2.1.5 OK", "501 5.5.4", "protocol: RCPT was refused with 501, for no reason"),
        ("354 ", "554 5.5.1", "protocol: DATA was refused with 554, for no reason"),
        ("221 2.0.0", "500 5.5.1", "protocol: QUIT was refused with 500, for no reason"),
    ] {
        let word = begins.split(' ').next().unwrap();
        let from = if word == "354" { "354" } else { &begins[..9] };
        instead(ran, begins, from, refusal, cause);
    }
}

fn encrypted() -> (Plan, Record) {
    replayed("mail-that-needs-tls-never-goes-in-clear", Release::Current)
}

fn asking() -> (Plan, Record) {
    replayed("who-exists-is-told-to-clients-with-an-account", Release::Current)
}

fn in_chunks() -> (Plan, Record) {
    replayed("a-message-in-chunks-and-commands-together", Release::Current)
}

fn injected() -> (Plan, Record) {
    replayed("what-was-said-in-clear-is-forgotten-under-tls", Release::Current)
}

#[test]
fn an_extension_that_is_offered_and_refused() {
    let cause = "protocol: STARTTLS was refused with 454, for no reason";
    instead(injected, "220 2.0.0 Ready to start TLS", "220 2.0.0", "454 4.7.0", cause);
    let cause = "protocol: BDAT was refused with 554, for no reason";
    instead(
        in_chunks,
        "250 2.6.0 ",
        "250 2.6.0",
        "554 5.5.1",
        "policy: a message was refused that the rules admit",
    );
    let (_, record) = in_chunks();
    let chunk = record.entries.iter().map(|entry| entry.what.to_string());
    assert!(chunk.into_iter().any(|line| line.contains("octets received")));
    instead(in_chunks, "250 2.0.0 ", "250 2.0.0", "554 5.5.1", cause);
}

#[test]
fn mechanisms_that_are_not_offered_or_refused() {
    let all = "AUTH SCRAM-SHA-256 PLAIN LOGIN";
    let cause = "protocol: EHLO was answered with another AUTH than there is";
    instead(ran, "250-AUTH", all, "AUTH PLAIN LOGIN", cause);
    instead(
        ran,
        "250-SIZE",
        "SIZE 10485760",
        "SIZE 10",
        "protocol: EHLO was answered with another SIZE than there is",
    );
    instead(ran, "235 ", "235 2.7.0", "504 5.5.4", "protocol: AUTH was refused with 504, for no reason");
    instead(ran, "235 ", "235 2.7.0", "454 4.7.0", "policy: the right password was refused");
    instead(ran, "235 ", "235 2.7.0", "503 5.5.1", "protocol: AUTH in its order was refused");
}

#[test]
fn mail_that_may_be_asked_for_and_is_not_started() {
    for reply in ["458 4.5.0 not now", "500 5.5.1 what", "530 5.7.0 who"] {
        let (mut plan, mut record) = ran();
        plan.gateway.holds.push(("branch.test".to_owned(), "until-etrn".to_owned()));
        let at = record.ended;
        ask_for_mail(&mut record, "198.51.100.7", at, reply);
        finds_too(&plan, &record, "policy: a client was refused mail that it may ask for");
    }
}

#[test]
fn who_exists_and_is_not_told() {
    let cause = "policy: a client was not told of who exists as the policy has it";
    let (_, record) = asking();
    let told = record
        .entries
        .iter()
        .map(|entry| entry.what.to_string())
        .find(|line| line.contains("S: 250 2.1.5 <"));
    assert!(told.is_some());
    instead(asking, "250 2.1.5 <", "250 2.1.5", "252 2.0.0", cause);
}

/// Asserts what is found where the gateway, as a client, does not say something.
#[track_caller]
fn without(world: fn() -> (Plan, Record), begins: &str, said: &str, cause: &str) {
    let (plan, mut record) = world();
    assert!(found(&plan, &record).is_empty());
    say_instead(&mut record, Speaker::Client, begins, said, "");
    finds_too(&plan, &record, cause);
}

#[test]
fn an_extension_that_a_host_offers_and_that_is_not_made_use_of() {
    let (plan, mut record) = ran();
    for entry in &mut record.entries {
        if let What::Smtp { line, .. } = &mut entry.what
            && let Some((mail, _)) = line.split_once(" SIZE=")
        {
            *line = mail.to_owned();
        }
    }
    finds_too(&plan, &record, "protocol: SIZE was offered and not made use of");
    without(encrypted, "STARTTLS", "STARTTLS", "protocol: STARTTLS was offered and not made use of");
}

#[test]
fn octets_past_ascii_that_are_not_declared() {
    let world = || replayed("what-a-message-may-hold-is-passed-on-and-too-much-is-refused", Release::Current);
    without(world, "MAIL", " BODY=8BITMIME", "protocol: 8BITMIME was offered and not made use of");
}

#[test]
fn commands_that_wait_for_each_other_where_they_need_not() {
    let (plan, mut record) = replayed("a-message-in-chunks-and-commands-together", Release::Current);
    assert!(found(&plan, &record).is_empty());
    let opened = line(&record, Speaker::Network, "connected to 203.0.113.25");
    let after = |begins: &str| {
        let is_it =
            |entry: &Entry| matches!(&entry.what, What::Smtp { line, .. } if line.starts_with(begins));
        opened + record.entries[opened..].iter().position(is_it).unwrap()
    };
    let (rcpt, reply) = (after("RCPT"), after("250 OK"));
    assert!(rcpt < reply);
    let reply = record.entries.remove(reply);
    record.entries.insert(rcpt, reply);
    finds_too(&plan, &record, "protocol: PIPELINING was offered and not made use of");
}

#[test]
fn a_connection_beside_one_that_is_kept() {
    let (plan, mut record) = replayed("messages-for-one-host-go-over-one-connection", Release::Current);
    assert!(found(&plan, &record).is_empty());
    // Between two messages that go over the first connection.
    let between = line(&record, Speaker::Client, "(content of 261 octets: m2)");
    let Entry { at, machine, .. } = record.entries[between].clone();
    let says = |speaker, line: &str| {
        let what = What::Smtp { connection: 99, speaker, line: line.to_owned() };
        Entry { at, machine: machine.clone(), what }
    };
    let said = [
        says(Speaker::Network, "connected to 203.0.113.25:25"),
        says(Speaker::Server, "220 mail.partner.test ESMTP"),
        says(Speaker::Client, "QUIT"),
        says(Speaker::Server, "221 bye"),
        says(Speaker::Network, "the gateway closes"),
    ];
    record.entries.splice(between..between, said);
    finds_too(&plan, &record, "protocol: a connection was opened to a host with which one was kept");
}
