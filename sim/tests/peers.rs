//! Peers that misbehave: each does what the plan says, and the gateway bears it.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeSet;

use gateway::release::Release;
use sim::engine::Leap;
use sim::fault::Family;
use sim::oracle;
use sim::record::{Outcome, Record, What};
use sim::run::run;
use sim::scenario::Scenario;
use sim::trace::Keep;

/// One message to a mailbox here and to a partner whose mail server is also that of the sender.
const PLAIN: &str = r#"
title = "One message to two hosts"
starts = "2026-03-02T08:00:00Z"
duration = "12h"
seed = 1
releases = ["current"]
service = { restart_after = "1m", restarts = 5 }

[gateway]
name = "ims.contoso.test"
address = "192.0.2.25"

[gateway.config]
administrator = "administrator@contoso.test"
relay = { networks = ["198.51.100.7", "203.0.113.1"] }
route = [{ domain = "contoso.test", to = "<inbound>" }]
mailbox = [
    { address = "administrator@contoso.test" },
    { address = "bob@contoso.test", account = "user1", password = "secret" },
]
delivery = { retry = ["2m"], expire = "3h" }
limits = { hops = 5 }

[[client]]
name = "mail.fabrikam.test"
address = "198.51.100.7"

[[client.message]]
name = "m1"
at = "30s"
from = "alice@fabrikam.test"
to = ["bob@contoso.test", "dave@partner.test"]
subject = "To two hosts"
retry = ["10m", "10m"]

[[server]]
name = "mx.partner.test"
address = "203.0.113.1"
domains = ["partner.test", "fabrikam.test"]
"#;

/// What came of the message with one fault, of which kind it was, and that no oracle minds.
fn with(fault: &str) -> (Record, &'static str) {
    let text = format!("{PLAIN}\n[[fault]]\n{fault}\n");
    let scenario =
        Scenario::parse("peers", "peers.toml", &text).unwrap_or_else(|error| panic!("{error}\n{fault}"));
    let plan = scenario.plan(Release::Current, scenario.seed());
    let record = run(&plan, &Leap, Keep::Digest).unwrap();
    assert_eq!(oracle::judge(&plan, &record), [], "{fault}");
    assert!(record.bites[0].times > 0, "it changed nothing: {fault}");
    assert!(record.end.service_up, "{fault}");
    (record, plan.faults[0].kind())
}

/// What a mail server or a mailbox has at the end, sorted.
fn has(places: &[(String, Vec<sim::mailbag::Item>)], place: &str) -> Vec<String> {
    let items =
        places.iter().find(|(name, _)| name == place).map(|(_, items)| &items[..]).unwrap_or_default();
    let mut kinds: Vec<String> = items.iter().map(|item| item.kind.to_string()).collect();
    kinds.sort();
    kinds
}

fn partner(record: &Record) -> Vec<String> {
    has(&record.end.servers, "mx.partner.test")
}

fn answers(record: &Record) -> Vec<String> {
    let outcomes = record.entries.iter().filter_map(|entry| match &entry.what {
        What::Client(attempt) => Some(attempt.outcome.to_string()),
        _ => None,
    });
    outcomes.collect()
}

const DELIVERED: &[&str] = &["m1"];
const REPORTED: &[&str] = &["report on m1"];

/// What the server does for half an hour, and what it has in the end.
const SERVERS: &[(&str, &[&str])] = &[
    (r#""says-nothing""#, DELIVERED),
    (r#"{ drops = "connection" }"#, DELIVERED),
    (r#"{ drops = "ehlo" }"#, DELIVERED),
    (r#"{ drops = "content" }"#, DELIVERED),
    (r#"{ drops = "final-dot" }"#, DELIVERED),
    (r#"{ drops = "quit" }"#, DELIVERED),
    (r#"{ replies = { to = "connection", reply = "421 not now" } }"#, DELIVERED),
    (r#"{ replies = { to = "rcpt", reply = "450 4.2.1 busy" } }"#, DELIVERED),
    (r#"{ replies = { to = "final-dot", reply = "452-no\n452 room" } }"#, DELIVERED),
    // Nor does the report get through.
    (r#"{ replies = { to = "mail", reply = "550 5.7.1 never" } }"#, &[]),
    (r#"{ refuses-one = { reply = "450 4.2.1 busy" } }"#, DELIVERED),
    (r#"{ garbles = "data" }"#, DELIVERED),
    (r#"{ replies-forever = "ehlo" }"#, DELIVERED),
    (r#"{ replies-too-long = "mail" }"#, DELIVERED),
    (r#""percent-replies""#, DELIVERED),
    (r#"{ replies-twice = "mail" }"#, DELIVERED),
    (r#"{ resets-after-final-dot = { kept = false } }"#, DELIVERED),
    (r#"{ stalls = { by = "90s" } }"#, DELIVERED),
    (r#""drips""#, DELIVERED),
    (r#""knows-no-ehlo""#, DELIVERED),
];

fn server(does: &str) -> String {
    format!("kind = \"server\"\nserver = \"mx.partner.test\"\nuntil = \"30m\"\ndoes = {does}")
}

#[test]
fn a_mail_server_that_misbehaves_for_a_while_has_the_message_or_the_report_in_the_end() {
    for (does, expected) in SERVERS {
        let (record, _) = with(&server(does));
        let got: BTreeSet<String> = partner(&record).into_iter().collect();
        let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(got, expected, "{does}: {:#?}", answers(&record));
    }
}

#[test]
fn a_message_kept_without_an_answer_comes_twice_and_that_is_nobodys_fault() {
    let fault =
        server(r#"{ resets-after-final-dot = { kept = true } }"#).replace("until", "connection = 1\nuntil");
    assert_eq!(partner(&with(&fault).0), ["m1", "m1"]);
}

#[test]
fn a_message_that_a_server_hands_back_goes_round_until_it_has_passed_too_many_hosts() {
    let (record, _) = with(&server("\"hands-back\""));
    let rounds = partner(&record).iter().filter(|item| *item == "m1").count();
    assert!((2..=6).contains(&rounds), "{rounds}");
    assert!(partner(&record).contains(&"report on m1".to_owned()));
}

/// What the client does at its first try, and what it gets.
const CLIENTS: &[(&str, &[&str])] = &[
    (r#"{ drops = "connection" }"#, &["connection lost", "250"]),
    (r#"{ drops = "rcpt" }"#, &["connection lost", "250"]),
    (r#"{ drops = "content" }"#, &["connection lost", "250"]),
    (r#"{ drops = "final-dot" }"#, &["connection lost", "250"]),
    (r#"{ drops = "quit" }"#, &["250"]),
    (r#"{ resets = "mail" }"#, &["connection lost", "250"]),
    (r#"{ stalls = { at = "data", by = "6m" } }"#, &["421", "250"]),
    (r#"{ stalls = { at = "content", by = "2m" } }"#, &["250"]),
    (r#""drips""#, &["250"]),
    (r#""pipelines""#, &["250"]),
    (r#""long-command""#, &["250"]),
    (r#""long-line""#, &["552"]),
    (r#""percent""#, &["250"]),
    (r#""bare-lf""#, &["500"]),
    (r#""misorders""#, &["250"]),
    (r#""guesses-passwords""#, &["connection lost", "250"]),
    (r#""dawdles""#, &["connection lost", "250"]),
    (r#""chatters""#, &["421", "250"]),
    (r#""says-helo""#, &["250"]),
    (r#"{ smuggles = "lf-dot-lf" }"#, &["554"]),
    (r#"{ smuggles = "lf-dot-crlf" }"#, &["554"]),
    (r#"{ smuggles = "crlf-dot-lf" }"#, &["554"]),
    (r#"{ smuggles = "cr-dot-cr" }"#, &["554"]),
    (r#"{ smuggles = "crlf-dot-cr" }"#, &["554"]),
    (r#"{ smuggles = "cr-dot-crlf" }"#, &["554"]),
];

fn client(does: &str) -> String {
    format!("kind = \"client\"\nmessage = \"m1\"\ndoes = {does}")
}

#[test]
fn a_client_that_misbehaves_gets_what_it_deserves_and_its_next_try_is_taken() {
    for (does, expected) in CLIENTS {
        let (record, _) = with(&client(does));
        let got = answers(&record);
        let as_expected = got.len() == expected.len()
            && got.iter().zip(*expected).all(|(got, expected)| got.starts_with(expected));
        assert!(as_expected, "{does}: {got:#?}");
    }
}

#[test]
fn what_a_client_smuggles_is_nowhere() {
    for (does, _) in CLIENTS.iter().filter(|(does, _)| does.contains("smuggles")) {
        let (record, _) = with(&client(does));
        assert_eq!(has(&record.end.mailboxes, "bob@contoso.test"), [""; 0], "{does}");
        assert_eq!(partner(&record), [""; 0], "{does}");
    }
}

/// What the gateway hears of a name for half an hour, and what the partner has in the end.
const NAMES: &[(&str, &str, &[&str])] = &[
    ("partner.test", "timeout", DELIVERED),
    ("partner.test", "servfail", DELIVERED),
    ("mx.partner.test", "servfail", DELIVERED),
    ("partner.test", "nxdomain", REPORTED),
    ("partner.test", "mx-to-itself", REPORTED),
    ("partner.test", "no-mx", REPORTED),
    ("partner.test", "null-mx", REPORTED),
    ("partner.test", "cname-chain", DELIVERED),
    ("mx.partner.test", "refusing-addresses", DELIVERED),
];

fn names(name: &str, answer: &str) -> String {
    format!("kind = \"dns\"\nname = \"{name}\"\nanswer = \"{answer}\"\nuntil = \"30m\"")
}

#[test]
fn a_name_server_that_lies_for_a_while_delays_mail_or_has_it_reported() {
    for (name, answer, expected) in NAMES {
        let (record, _) = with(&names(name, answer));
        assert_eq!(partner(&record), *expected, "{name} {answer}");
    }
}

/// What the extension does, and what is in the mailbox in the end.
const EXTENSION: &[(&str, &[&str])] = &[
    ("panics", &[]),
    ("kills", &[]),
    ("delays\"\nby = \"30s", DELIVERED),
    ("hangs", &[]),
    ("drops", &[]),
    ("rewrites", DELIVERED),
    ("reroutes", DELIVERED),
];

fn extension(does: &str) -> String {
    format!("kind = \"extension-{does}\"\nmessage = \"m1\"")
}

#[test]
fn an_extension_that_misbehaves_stops_its_message_at_most() {
    for (does, expected) in EXTENSION {
        let (record, _) = with(&extension(does));
        assert_eq!(has(&record.end.mailboxes, "bob@contoso.test"), *expected, "{does}");
        assert!(matches!(answers(&record)[..], [ref answer] if answer.starts_with("250")), "{does}");
    }
}

#[test]
fn every_kind_of_these_families_is_exercised_here() {
    let lines = SERVERS
        .iter()
        .map(|(does, _)| server(does))
        .chain([server("\"hands-back\""), server("{ resets-after-final-dot = { kept = true } }")])
        .chain(CLIENTS.iter().map(|(does, _)| client(does)))
        .chain(NAMES.iter().map(|(name, answer, _)| names(name, answer)))
        .chain(EXTENSION.iter().map(|(does, _)| extension(does)));
    let exercised: BTreeSet<&str> = lines
        .map(|line| {
            let text = format!("{PLAIN}\n[[fault]]\n{line}\n");
            let scenario = Scenario::parse("peers", "peers.toml", &text).unwrap();
            scenario.plan(Release::Current, scenario.seed()).faults[0].kind()
        })
        .collect();
    let families = [Family::Servers, Family::Clients, Family::Dns, Family::Extension];
    let listed: BTreeSet<&str> = families.iter().flat_map(|family| family.kinds()).copied().collect();
    assert_eq!(exercised, listed);
}

#[test]
fn a_message_with_octets_past_ascii_is_declared_where_the_server_offers_it() {
    let text = PLAIN.replacen("\nsubject =", "\nshape = \"eight-bit\"\nsubject =", 1);
    let scenario = Scenario::parse("peers", "peers.toml", &text).unwrap();
    let plan = scenario.plan(Release::Current, scenario.seed());
    let record = run(&plan, &Leap, Keep::Digest).unwrap();
    let declared = record
        .entries
        .iter()
        .filter(|entry| matches!(&entry.what, What::Smtp { line, .. } if line.ends_with("BODY=8BITMIME")));
    assert_eq!(declared.count(), 2, "by the client to the gateway, and by the gateway to the partner");
    assert!(matches!(
        &record.entries.iter().find_map(|entry| match &entry.what {
            What::Client(attempt) => Some(&attempt.outcome),
            _ => None,
        }),
        Some(Outcome::Accepted { .. })
    ));
}
