//! Peers that misbehave: each does what the plan says, and the gateway bears it.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeSet;

use gateway::release::Release;
use sim::engine::{Classic, Engine, Leap};
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
tls.auth_in_clear = true
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
    let (record, kind) = told(PLAIN, &[fault], &Leap);
    assert!(record.bites[0].times > 0, "it changed nothing: {fault}");
    (record, kind)
}

/// What came of a scenario with these faults, and of which kind the first is. No oracle minds, and the service is up.
fn told(scenario: &str, faults: &[&str], engine: &dyn Engine) -> (Record, &'static str) {
    let lines: String = faults.iter().map(|fault| format!("\n[[fault]]\n{fault}\n")).collect();
    let text = format!("{scenario}{lines}");
    let scenario =
        Scenario::parse("peers", "peers.toml", &text).unwrap_or_else(|error| panic!("{error}\n{lines}"));
    let plan = scenario.plan(Release::Current, scenario.seed());
    let record = run(&plan, engine, Keep::Digest).unwrap();
    assert_eq!(oracle::judge(&plan, &record), [], "{lines}");
    assert!(record.end.service_up, "{lines}");
    (record, plan.faults.first().map_or("none", |fault| fault.kind()))
}

fn bites(record: &Record) -> Vec<bool> {
    record.bites.iter().map(|bite| bite.times > 0).collect()
}

/// The stages of a conversation, and what a client waits for that leaves at each; at the last nothing that matters.
const STAGES: &[(&str, &str)] = &[
    ("connection", "the connection"),
    ("ehlo", "EHLO"),
    ("mail", "MAIL"),
    ("rcpt", "RCPT"),
    ("data", "DATA"),
    ("content", "the message"),
    ("final-dot", "the final dot"),
    ("quit", ""),
];

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
fn a_mail_server_can_fail_at_every_stage() {
    for (stage, _) in STAGES {
        let mut lapses = vec![
            format!("{{ drops = \"{stage}\" }}"),
            format!("{{ replies = {{ to = \"{stage}\", reply = \"450 4.2.0 later\" }} }}"),
            format!("{{ garbles = \"{stage}\" }}"),
            format!("{{ replies-forever = \"{stage}\" }}"),
            format!("{{ replies-too-long = \"{stage}\" }}"),
        ];
        // In the middle of a message no reply is due.
        if *stage != "content" {
            lapses.push(format!("{{ replies-twice = \"{stage}\" }}"));
        }
        for does in lapses {
            let (record, _) = with(&server(&does));
            assert!(partner(&record).contains(&"m1".to_owned()), "{does}");
        }
    }
}

#[test]
fn a_refusal_of_ehlo_is_one_of_helo_too_but_from_a_server_that_knows_no_ehlo() {
    let (refused, _) = with(&server(r#"{ replies = { to = "ehlo", reply = "550 not you" } }"#));
    assert_eq!(partner(&refused), [""; 0]);
    let (greeted, _) = with(&server("\"knows-no-ehlo\""));
    assert_eq!(partner(&greeted), ["m1"]);
    assert_eq!(greeted.reached["a server that knows no EHLO was greeted with HELO"], 1);
}

#[test]
fn of_two_lapses_at_one_stage_the_first_in_the_plan_has_its_way() {
    let first_time = |does| server(does).replace("until", "connection = 1\nuntil");
    let kept = first_time("{ resets-after-final-dot = { kept = true } }");
    let refused = first_time(r#"{ replies = { to = "final-dot", reply = "550 no" } }"#);
    let twice = first_time(r#"{ replies-twice = "final-dot" }"#);
    for (lines, expected) in [
        ([&kept, &refused], &["m1", "m1"][..]),
        ([&refused, &kept], &["report on m1"]),
        ([&twice, &refused], &["m1"]),
    ] {
        let (record, _) = told(PLAIN, &lines.map(String::as_str), &Leap);
        assert_eq!(partner(&record), expected, "{lines:?}");
        assert_eq!(bites(&record), [true, false], "{lines:?}");
    }
}

#[test]
fn two_lapses_at_two_stages_both_have_their_way() {
    let lines = [server("\"drips\""), server(r#"{ drops = "quit" }"#)];
    let (record, _) = told(PLAIN, &lines.each_ref().map(String::as_str), &Leap);
    assert_eq!((partner(&record), bites(&record)), (vec!["m1".to_owned()], vec![true, true]));
}

#[test]
fn a_mail_server_that_was_killed_goes_on_counting_its_connections_and_has_its_mail() {
    let lines = [
        server(r#"{ resets-after-final-dot = { kept = true } }"#).replace("until", "connection = 1\nuntil"),
        "kind = \"kill\"\nmachine = \"mx.partner.test\"\nwhen = { at = \"1m\" }\nrestart_after = \"10s\""
            .to_owned(),
        server(r#"{ replies = { to = "mail", reply = "450 later" } }"#)
            .replace("until", "connection = 1\nat = \"70s\"\nuntil"),
        server(r#"{ replies = { to = "mail", reply = "450 later" } }"#)
            .replace("until", "connection = 2\nuntil"),
    ];
    let (record, _) = told(PLAIN, &lines.each_ref().map(String::as_str), &Leap);
    assert_eq!(partner(&record), ["m1", "m1"]);
    assert_eq!(bites(&record), [true, true, false, true]);
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
fn other_commands_between_chunks_are_refused_and_the_message_is_taken() {
    let text = PLAIN.replacen("\nsubject =", "\nchunks = 3\nsubject =", 1);
    let fault = client("\"interrupts-chunks\"");
    let text = format!("{text}\n[[fault]]\n{fault}\n");
    let scenario = Scenario::parse("peers", "peers.toml", &text).unwrap();
    let record = run(&scenario.plan(Release::Current, scenario.seed()), &Leap, Keep::Digest).unwrap();
    assert!(answers(&record)[0].starts_with("250"), "{:#?}", answers(&record));
    for point in [
        "a client said other commands between the chunks of a message",
        "took the last chunk of a message",
        "skipped a chunk that it could not take",
    ] {
        assert!(record.reached.contains_key(point), "{point}");
    }
}

#[test]
fn a_client_that_breaks_off_says_truly_how_far_it_had_come() {
    for (stage, awaits) in STAGES {
        for does in ["drops", "resets"] {
            let (record, _) = with(&client(&format!("{{ {does} = \"{stage}\" }}")));
            let got = answers(&record);
            let lost = format!("connection lost, no reply to {awaits}");
            let expected = if awaits.is_empty() { vec!["250"] } else { vec![lost.as_str(), "250"] };
            let as_expected = got.len() == expected.len()
                && got.iter().zip(&expected).all(|(got, expected)| got.starts_with(expected));
            assert!(as_expected, "{does} at {stage}: {got:#?}");
        }
    }
}

#[test]
fn a_client_that_resets_its_connection_leaves_a_reply_unread() {
    for (stage, _) in STAGES {
        let (record, _) = with(&client(&format!("{{ resets = \"{stage}\" }}")));
        assert_eq!(record.reached["a client closed its connection with a reply unread"], 1, "{stage}");
    }
}

#[test]
fn a_client_may_fall_silent_for_a_while_at_every_stage() {
    for (stage, _) in STAGES {
        let (record, _) = with(&client(&format!("{{ stalls = {{ at = \"{stage}\", by = \"30s\" }} }}")));
        assert!(matches!(&answers(&record)[..], [only] if only.starts_with("250")), "{stage}");
    }
}

#[test]
fn a_client_misbehaves_at_the_try_that_is_named_alone() {
    let second = client(r#"{ drops = "mail" }"#).replace("does", "attempt = 2\ndoes");
    let (record, _) = told(PLAIN, &[&client(r#"{ drops = "data" }"#), &second], &Leap);
    let got = answers(&record);
    assert!(got[0].contains("no reply to DATA") && got[1].contains("no reply to MAIL"), "{got:#?}");
    assert!(got[2].starts_with("250") && got.len() == 3, "{got:#?}");
    let (record, _) = told(PLAIN, &[&second], &Leap);
    assert_eq!(bites(&record), [false], "there was no second try");
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

/// What only packets can show.
const PACKETS: &[(&str, &str, &[&str])] = &[
    ("partner.test", "lame", DELIVERED),
    ("partner.test", "truncated", DELIVERED),
    ("mx.partner.test", "wrong-id", DELIVERED),
    ("partner.test", "wrong-question", DELIVERED),
    ("mx.partner.test", "malformed", DELIVERED),
    ("partner.test", "spoofed", DELIVERED),
    ("mx.partner.test", "slow", DELIVERED),
];

fn names(name: &str, answer: &str) -> String {
    format!("kind = \"dns\"\nname = \"{name}\"\nanswer = \"{answer}\"\nuntil = \"30m\"")
}

#[test]
fn a_name_server_that_lies_for_a_while_delays_mail_or_has_it_reported() {
    for (name, answer, expected) in NAMES.iter().chain(PACKETS) {
        let (record, _) = with(&names(name, answer));
        assert_eq!(partner(&record), *expected, "{name} {answer}");
    }
}

#[test]
fn a_lie_means_the_same_without_a_name_server() {
    let text = PLAIN.replacen("releases", "names = \"map\"\nreleases", 1);
    for (name, answer, expected) in NAMES {
        let (record, _) = told(&text, &[&names(name, answer)], &Leap);
        assert_eq!(
            (partner(&record), bites(&record)),
            (expected.iter().map(ToString::to_string).collect(), vec![true]),
            "{name} {answer}"
        );
    }
}

#[test]
fn a_lie_that_answers_no_question_is_none() {
    for (name, answer) in [
        ("partner.test", "refusing-addresses"),
        ("mx.partner.test", "null-mx"),
        ("mx.partner.test", "mx-to-itself"),
        ("elsewhere.test", "nxdomain"),
    ] {
        let (record, _) = told(PLAIN, &[&names(name, answer)], &Leap);
        assert_eq!(
            (partner(&record), bites(&record)),
            (vec!["m1".to_owned()], vec![false]),
            "{name} {answer}"
        );
    }
}

#[test]
fn a_name_is_meant_without_case_and_the_first_line_that_has_an_answer_is_heard() {
    let lines = [names("partner.test", "refusing-addresses"), names("PARTNER.test", "servfail")];
    let (record, _) = told(PLAIN, &lines.each_ref().map(String::as_str), &Leap);
    assert_eq!((partner(&record), bites(&record)), (vec!["m1".to_owned()], vec![false, true]));
}

/// What a message is like, and where it is in the end: a message that has passed too many hosts is sent back.
const SHAPES: &[(&str, &[&str])] = &[
    ("plain", DELIVERED),
    ("eight-bit", DELIVERED),
    ("long-lines", DELIVERED),
    ("dots", DELIVERED),
    ("nested", DELIVERED),
    ("far-travelled", REPORTED),
    ("empty", DELIVERED),
    ("large", DELIVERED),
];

#[test]
fn a_message_of_any_shape_arrives_as_it_was_sent_unless_it_has_come_too_far() {
    for (shape, expected) in SHAPES {
        for keys in ["octets = 0", "octets = 20000", "body = \"It has no end\"", "body = \"\""] {
            let shaped = format!("\nshape = \"{shape}\"\n{keys}\nsubject =");
            let (record, _) = told(&PLAIN.replacen("\nsubject =", &shaped, 1), &[], &Leap);
            assert!(matches!(&answers(&record)[..], [only] if only.starts_with("250")), "{shape}, {keys}");
            assert_eq!(partner(&record), *expected, "{shape}, {keys}");
        }
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

/// What a server does to TLS for half an hour, and the points that it is seen by. It has the message all the same: nothing
/// says that the mail for it needs TLS.
const SERVERS_TLS: &[(&str, &[&str])] = &[
    ("{ refuses-start-tls = { offered = true } }", &["went on in clear with a host that declined STARTTLS"]),
    ("{ refuses-start-tls = { offered = false } }", &[]),
    (r#"{ breaks-handshake = "garbage" }"#, FELL_BACK),
    (r#"{ breaks-handshake = "silence" }"#, FELL_BACK),
    (r#"{ breaks-handshake = "hangs-up" }"#, FELL_BACK),
    (
        r#""wrong-certificate""#,
        &["a server encrypted a connection", "encrypted a connection with another host"],
    ),
    (
        r#""unknown-authority""#,
        &["a server encrypted a connection", "encrypted a connection with another host"],
    ),
    (
        r#""expired-certificate""#,
        &["a server encrypted a connection", "encrypted a connection with another host"],
    ),
];

const FELL_BACK: &[&str] = &["went back in clear to a host with which no handshake came about"];

/// What a client does to TLS at its first try, what it hears, and the points that it is seen by.
const CLIENTS_TLS: &[(&str, &[&str], &str)] = &[
    (
        r#""injects-before-tls""#,
        &["554 5.5.0 "],
        "a client that went on in clear behind STARTTLS was parted from",
    ),
    (
        r#"{ breaks-handshake = "garbage" }"#,
        &["connection lost", "250 "],
        "failed at a handshake with a client",
    ),
    (
        r#"{ breaks-handshake = "silence" }"#,
        &["connection lost", "250 "],
        "gave a handshake with a client up for its length",
    ),
    (
        r#"{ breaks-handshake = "hangs-up" }"#,
        &["connection lost", "250 "],
        "failed at a handshake with a client",
    ),
];

#[test]
fn tls_that_is_attacked_lets_nothing_in_and_keeps_nothing_out() {
    let world = PLAIN
        .replace("tls.auth_in_clear = true", "tls = { certificate = \"/tls/c.pem\", key = \"/tls/k.pem\" }")
        .replace("address = \"198.51.100.7\"", "address = \"198.51.100.7\"\ntls = \"starttls\"")
        .replace("\"fabrikam.test\"]", "\"fabrikam.test\"]\noffers = [\"starttls\"]");
    for (does, points) in SERVERS_TLS {
        let (record, _) = told(&world, &[&server(does)], &Leap);
        assert_eq!((partner(&record), bites(&record)), (vec!["m1".to_owned()], vec![true]), "{does}");
        assert!(
            points.iter().all(|point| record.reached.contains_key(point)),
            "{does}: {:?}",
            record.reached
        );
    }
    for (does, hears, point) in CLIENTS_TLS {
        let (record, _) = told(&world, &[&client(does)], &Leap);
        let heard = answers(&record);
        let is_so = |(heard, wanted): (&String, &&str)| heard.starts_with(wanted);
        assert!(heard.len() == hears.len() && heard.iter().zip(*hears).all(is_so), "{does}: {heard:?}");
        assert!(record.reached.contains_key(point), "{does}: {:?}", record.reached);
    }
}

#[test]
fn the_other_engine_tells_the_same_stories() {
    let soon = PLAIN.replace("duration = \"12h\"", "duration = \"4m\"").replace("[\"2m\"]", "[\"1m\"]");
    for (line, answer) in [
        (server(r#"{ resets-after-final-dot = { kept = false } }"#).replace("30m", "1m"), "250"),
        (server("\"knows-no-ehlo\""), "250"),
        (client(r#"{ smuggles = "lf-dot-crlf" }"#), "554"),
        (client("\"pipelines\""), "250"),
        (names("partner.test", "timeout").replace("30m", "1m"), "250"),
    ] {
        let [leap, classic] =
            [&Leap as &dyn Engine, &Classic::COARSE].map(|engine| told(&soon, &[&line], engine).0);
        assert!(answers(&classic)[0].starts_with(answer), "{line}");
        assert_eq!((partner(&leap), bites(&leap)), (partner(&classic), bites(&classic)), "{line}");
    }
}

#[test]
fn every_point_of_the_peers_is_reached_by_one_of_these_stories() {
    for (line, points) in [
        (server("\"says-nothing\""), &["a silent server was given up"][..]),
        (server(r#"{ replies-forever = "mail" }"#), &["a reply without an end was cut off"]),
        (
            server(r#"{ stalls = { by = "90s" } }"#),
            &["a server went on after a stall and had the whole message"],
        ),
        (server("\"knows-no-ehlo\""), &["a server that knows no EHLO was greeted with HELO"]),
        (server("\"hands-back\""), &["a server handed a message back"]),
        (
            server("\"grants-data\""),
            &["a server granted DATA without a recipient", "was granted DATA without a recipient"],
        ),
        (
            server(r#"{ resets-after-final-dot = { kept = true } }"#)
                .replace("until", "connection = 1\nuntil"),
            &["a server kept a message and the answer was lost"],
        ),
        (
            client(r#"{ resets = "final-dot" }"#),
            &[
                "a client lost the answer to its final dot",
                "a client tried again and was answered",
                "a client closed its connection with a reply unread",
            ],
        ),
        (client(r#"{ smuggles = "cr-dot-cr" }"#), &["a message with another hidden in it was refused"]),
        (client("\"guesses-passwords\""), &["a client that guessed passwords was thrown out"]),
        (client("\"pipelines\""), &["a message sent in one go with its commands was taken"]),
        (names("partner.test", "cname-chain"), &["a chain of names was followed to its end"]),
        (names("partner.test", "timeout"), &["a name server that gave no proper answer was asked again"]),
        (names("partner.test", "truncated"), &["a truncated answer was asked for again over TCP"]),
        (names("partner.test", "spoofed"), &["a forged answer came before the right one"]),
        (names("mx.partner.test", "slow"), &["a name server answered late"]),
    ] {
        let (record, _) = with(&line);
        for point in points {
            assert!(record.reached.contains_key(point), "{line}: {point}, but {:?}", record.reached);
        }
    }
}

/// What a server does to a connection that is kept for another message.
const KEEPERS: &[&str] = &[
    "{ limits-messages = { to = 1 } }",
    r#"{ closes-between-messages = { after = "0s" } }"#,
    r#"{ closes-between-messages = { after = "1s" } }"#,
];

#[test]
fn a_second_message_goes_over_the_same_connection_or_at_once_over_another() {
    let second = "[[client.message]]\nname = \"m2\"\nat = \"32s\"\nfrom = \"alice@fabrikam.test\"\n\
                  to = [\"erin@partner.test\"]\nsubject = \"Another\"\n\n[[server]]";
    let two = PLAIN.replacen("[[server]]", second, 1);
    let connections = |record: &Record| {
        let opened =
            |entry: &&sim::record::Entry| entry.what.to_string().contains("connected to 203.0.113.1:25");
        record.entries.iter().filter(opened).count()
    };
    let (record, _) = told(&two, &[], &Leap);
    assert_eq!((connections(&record), partner(&record)), (1, vec!["m1".to_owned(), "m2".to_owned()]));
    assert!(record.reached["a server was given more than one message over a connection"] > 0);
    for does in KEEPERS {
        let (record, _) = told(&two, &[&server(does)], &Leap);
        assert_eq!((connections(&record), bites(&record)), (2, vec![true]), "{does}");
        assert_eq!(partner(&record), ["m1", "m2"], "{does}");
        assert!(
            record.ended < std::time::Duration::from_mins(2),
            "{does}: no message waited for another try"
        );
    }
}

#[test]
fn a_client_that_asks_for_mail_that_is_not_its_own_is_thrown_out() {
    let (record, _) = with(&client("\"asks-for-mail\""));
    assert_eq!((answers(&record).len(), partner(&record)), (2, vec!["m1".to_owned()]));
}

#[test]
fn an_address_past_ascii_is_kept_from_those_who_do_not_take_it() {
    let world = PLAIN.replace("dave@", "d\u{e2}ve@") + "offers = [\"smtputf8\"]\n";
    // The report goes the same way to a sender in ASCII, whoever takes what.
    for (fault, answer, got) in [
        (server("\"refuses-utf8\""), "250", ["report on m1"]),
        (server("\"withdraws-utf8\""), "250", ["report on m1"]),
        (client("\"hides-utf8\""), "250", [""]),
    ] {
        let (record, _) = told(&world, &[&fault], &Leap);
        assert_eq!(bites(&record), [true], "{fault}");
        assert!(answers(&record)[0].starts_with(answer), "{fault}");
        let got: Vec<&str> = got.into_iter().filter(|what| !what.is_empty()).collect();
        assert_eq!(partner(&record), got, "{fault}");
    }
    assert_eq!(partner(&told(&world, &[], &Leap).0), ["m1"]);
}

#[test]
fn every_kind_of_these_families_is_exercised_here() {
    let lines = SERVERS
        .iter()
        .map(|(does, _)| server(does))
        .chain([client("\"interrupts-chunks\""), client("\"asks-for-mail\"")])
        .chain(KEEPERS.iter().map(|does| server(does)))
        .chain([
            server("\"grants-data\""),
            server("\"hands-back\""),
            server("\"refuses-utf8\""),
            server("\"withdraws-utf8\""),
            client("\"hides-utf8\""),
            // Their stories are in `admission.rs`.
            client("\"floods\""),
            client("\"harvests\""),
            // And these are in `exchangers.rs`.
            names("partner.test", "cname-loop"),
            names("partner.test", "old-host"),
            server("{ resets-after-final-dot = { kept = true } }"),
        ])
        .chain(CLIENTS.iter().map(|(does, _)| client(does)))
        .chain(SERVERS_TLS.iter().map(|(does, _)| server(does)))
        .chain(CLIENTS_TLS.iter().map(|(does, _, _)| client(does)))
        .chain(NAMES.iter().chain(PACKETS).map(|(name, answer, _)| names(name, answer)))
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
