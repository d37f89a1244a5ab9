//! Milters beside the gateway: what they say becomes of mail, what becomes of it when they fail, and that the oracles
//! notice a gateway that does otherwise.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use gateway::release::Release;
use sim::engine::{Classic, Engine, Leap};
use sim::filter::MilterDoes;
use sim::oracle;
use sim::plan::Plan;
use sim::record::{Record, What};
use sim::run::run;
use sim::scenario::Scenario;
use sim::trace::Keep;

/// One message to a mailbox here and to a partner, and a milter.
fn text(on_failure: &str, milter: &str, faults: &str) -> String {
    format!(
        r#"
title = "One message past a milter"
starts = "2026-03-02T08:00:00Z"
duration = "12h"
seed = 1
releases = ["current"]
service = {{ restart_after = "1m", restarts = 5 }}

[gateway]
name = "ims.contoso.test"
address = "192.0.2.25"

[gateway.config]
administrator = "administrator@contoso.test"
relay = {{ networks = ["198.51.100.7"] }}
route = [{{ domain = "contoso.test", to = "<inbound>" }}]
mailbox = [
    {{ address = "administrator@contoso.test" }},
    {{ address = "bob@contoso.test" }},
    {{ address = "carol@contoso.test" }},
]
milter = [{{ address = "inet:8891@filter.contoso.test", on_failure = "{on_failure}" }}]

[[client]]
name = "mail.fabrikam.test"
address = "198.51.100.7"

[[client.message]]
name = "m1"
at = "30s"
from = "alice@fabrikam.test"
to = ["bob@contoso.test", "dave@partner.test"]
subject = "Past a milter"
retry = ["40m"]

[[server]]
name = "mx.partner.test"
address = "203.0.113.1"
domains = ["partner.test", "fabrikam.test"]

[[milter]]
name = "filter.contoso.test"
address = "192.0.2.61"
{milter}
{faults}
"#
    )
}

fn ran(text: &str, engine: &dyn Engine) -> (Plan, Record) {
    let scenario =
        Scenario::parse("milters", "milters.toml", text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    let plan = scenario.plan(Release::Current, scenario.seed());
    let record = run(&plan, engine, Keep::Digest).unwrap();
    (plan, record)
}

/// What the client got, and who has the message in the end, in the order of names. No oracle minds.
fn told(text: &str) -> (Vec<String>, Vec<String>) {
    let (plan, record) = ran(text, &Leap);
    assert_eq!(oracle::judge(&plan, &record), [], "{text}");
    assert!(record.bites.iter().all(|bite| bite.times > 0), "it changed nothing: {text}");
    let answers = record.entries.iter().filter_map(|entry| match &entry.what {
        What::Client(attempt) => Some(attempt.outcome.to_string().chars().take(9).collect()),
        _ => None,
    });
    let places = record.end.mailboxes.iter().chain(&record.end.servers);
    let has = |items: &[sim::mailbag::Item]| items.iter().any(|item| item.kind.to_string() == "m1");
    let mut where_it_is: Vec<String> =
        places.filter(|(_, items)| has(items)).map(|(name, _)| name.clone()).collect();
    let bad = record.end.spool.iter().filter(|(folder, _)| folder == "bad");
    where_it_is.extend(bad.map(|(folder, _)| folder.clone()));
    (answers.collect(), where_it_is)
}

const BOB: &str = "bob@contoso.test";
const CAROL: &str = "carol@contoso.test";
const DAVE: &str = "mx.partner.test";

fn act(does: &str) -> String {
    format!("act = [{{ message = \"m1\", does = {does} }}]")
}

#[test]
fn what_a_milter_says_becomes_of_a_message() {
    let cases: [(&str, &[&str], &[&str]); 14] = [
        (r#""adds-field""#, &["250 2.6.0"], &[BOB, DAVE]),
        (r#""inserts-field""#, &["250 2.6.0"], &[BOB, DAVE]),
        (r#""changes-subject""#, &["250 2.6.0"], &[BOB, DAVE]),
        (r#""deletes-subject""#, &["250 2.6.0"], &[BOB, DAVE]),
        (r#""replaces-body""#, &["250 2.6.0"], &[BOB, DAVE]),
        (r#"{ adds-recipient = "carol@contoso.test" }"#, &["250 2.6.0"], &[BOB, CAROL, DAVE]),
        (r#"{ adds-unasked = "carol@contoso.test" }"#, &["250 2.6.0"], &[BOB, DAVE]),
        (r#"{ takes-off = "dave@partner.test" }"#, &["250 2.6.0"], &[BOB]),
        (r#""quarantines""#, &["250 2.6.0"], &["bad"]),
        (r#""accepts""#, &["250 2.6.0"], &[BOB, DAVE]),
        (r#""discards""#, &["250 2.6.0"], &[]),
        (r#""rejects""#, &["550 5.7.1"], &[]),
        (r#""puts-off""#, &["451 4.7.1", "451 4.7.1"], &[]),
        (r#"{ replies = "554 5.7.9 no spam" }"#, &["554 5.7.9"], &[]),
    ];
    for (does, answers, places) in cases {
        for terse in ["", "terse = true\n"] {
            let (got, found) = told(&text("tempfail", &format!("{terse}{}", act(does)), ""));
            let begins = got.iter().zip(answers).all(|(got, answer)| got.starts_with(answer));
            assert!(begins && got.len() == answers.len(), "{does}: {got:?}");
            assert_eq!(found, places, "{does}");
        }
    }
}

#[test]
fn a_milter_is_heard_at_the_stage_that_it_speaks_at() {
    for (milter, answer, places) in [
        (r#"refuses = ["198.51.100.7"]"#, "554 5.7.1", &[][..]),
        (r#"refuses = ["mail.fabrikam.test"]"#, "550 5.7.1", &[]),
        (r#"refuses = ["alice@fabrikam.test"]"#, "550 5.7.1", &[]),
        (r#"refuses = ["dave@partner.test"]"#, "250 2.6.0", &[BOB]),
        (
            "trusts = [\"198.51.100.7\"]\nact = [{ message = \"m1\", does = \"rejects\" }]",
            "250 2.6.0",
            &[BOB, DAVE],
        ),
        (
            "trusts = [\"mail.fabrikam.test\"]\nact = [{ message = \"m1\", does = \"rejects\" }]",
            "250 2.6.0",
            &[BOB, DAVE],
        ),
    ] {
        let (got, found) = told(&text("tempfail", milter, ""));
        assert!(got.len() == 1 && got[0].starts_with(answer), "{milter}: {got:?}");
        assert_eq!(found, places, "{milter}");
    }
}

/// What a milter does amiss for half an hour, once for each stage where it may.
fn lapses() -> Vec<String> {
    let stages = ["connection", "ehlo", "mail", "rcpt", "data", "content", "final-dot"];
    let of_stage = ["says-nothing", "drops", "garbles", "answers-amiss"];
    let mut lapses: Vec<String> = of_stage
        .iter()
        .flat_map(|does| stages.iter().map(move |stage| format!("{{ {does} = \"{stage}\" }}")))
        .collect();
    lapses.extend(["\"is-down\"", "\"wrong-version\""].map(str::to_owned));
    // What is said twice at the end of a message is never read: nothing comes after it.
    lapses.extend(stages[..6].iter().map(|stage| format!("{{ answers-twice = \"{stage}\" }}")));
    lapses
}

fn fault(does: &str) -> String {
    format!(
        "[[fault]]\nkind = \"milter\"\nmilter = \"filter.contoso.test\"\nuntil = \"30m\"\ndoes = {does}\n"
    )
}

#[test]
fn while_a_milter_fails_mail_has_the_answer_that_is_configured() {
    for does in lapses() {
        for (on_failure, answers, places) in [
            ("tempfail", &["451 4.7.1", "250 2.6.0"][..], &[BOB, DAVE][..]),
            ("reject", &["550 5.5.0"], &[]),
            ("accept", &["250 2.6.0"], &[BOB, DAVE]),
        ] {
            // One that is terse is told of no DATA.
            let terse = if does.contains("data") { "" } else { "terse = true\n" };
            let milter = format!("{terse}{}", act("\"adds-field\""));
            told(&text(on_failure, &milter, &fault(&does)));
            let (got, found) = told(&text(on_failure, &act("\"adds-field\""), &fault(&does)));
            let begins = got.iter().zip(answers).all(|(got, answer)| got.starts_with(answer));
            assert!(begins && got.len() == answers.len(), "{does}, {on_failure}: {got:?}");
            assert_eq!(found, places, "{does}, {on_failure}");
        }
    }
}

#[test]
fn a_milter_that_takes_its_time_is_waited_for() {
    for stage in ["connection", "ehlo", "mail", "rcpt", "data", "content", "final-dot"] {
        let does = format!("{{ lingers = {{ at = \"{stage}\", by = \"3m\" }} }}");
        let (got, found) = told(&text("reject", &act("\"adds-field\""), &fault(&does)));
        assert!(got.len() == 1 && got[0].starts_with("250 2.6.0"), "{stage}: {got:?}");
        assert_eq!(found, [BOB, DAVE], "{stage}");
    }
}

#[test]
fn a_process_that_dies_with_a_message_set_aside_has_it_there() {
    for (op, folder) in [("create", "work"), ("rename", "bad"), ("sync-dir", "bad"), ("rename", "in")] {
        let mut bites = 0;
        for kind in ["kill", "power-cut"] {
            for nth in 1..=3 {
                let when =
                    format!("when = {{ disk = {{ op = \"{op}\", folder = \"{folder}\", nth = {nth} }} }}");
                let fault = format!("[[fault]]\nkind = \"{kind}\"\n{when}\nrestart_after = \"1m\"\n");
                let (plan, record) = ran(&text("tempfail", &act("\"quarantines\""), &fault), &Leap);
                assert_eq!(oracle::judge(&plan, &record), [], "{fault}");
                bites += record.bites[0].times;
            }
        }
        assert!(bites > 0, "nothing happens at {op} in {folder}");
    }
}

#[test]
fn both_engines_carry_milters() {
    for does in ["\"adds-field\"", "\"quarantines\"", "\"discards\""] {
        let text = text("tempfail", &act(does), "");
        let [(plan, leap), (_, classic)] = [ran(&text, &Leap), ran(&text, &Classic::COARSE)];
        assert_eq!(oracle::judge(&plan, &classic), [], "{does}");
        assert_eq!(leap.end.mailboxes, classic.end.mailboxes, "{does}");
    }
}

/// The causes of what the oracles find in a record that has been tampered with.
fn found(does: &str, tamper: impl Fn(&mut Record)) -> Vec<(&'static str, String)> {
    let (plan, mut record) = ran(&text("tempfail", &act(does), ""), &Leap);
    assert_eq!(oracle::judge(&plan, &record), []);
    tamper(&mut record);
    oracle::judge(&plan, &record).into_iter().map(|finding| (finding.oracle, finding.cause)).collect()
}

/// The milter has said something else of the message.
fn had_said(does: &[MilterDoes]) -> impl Fn(&mut Record) {
    move |record| {
        for entry in &mut record.entries {
            if let What::Milter(said) = &mut entry.what {
                said.does = does.to_vec();
            }
        }
    }
}

#[test]
fn a_gateway_that_does_otherwise_than_its_milter_says_is_found() {
    let policy = |cause: &str| ("policy", cause.to_owned());
    assert_eq!(
        found("\"adds-field\"", had_said(&[MilterDoes::Rejects])),
        [
            policy("a message was taken that a milter refused"),
            ("integrity", "a message was changed on its way".to_owned())
        ]
        .into_iter()
        .flat_map(|(oracle, cause)| {
            // Two copies of it are there.
            let times = if oracle == "integrity" { 2 } else { 1 };
            std::iter::repeat_n((oracle, cause), times)
        })
        .collect::<Vec<_>>()
    );
    let unasked = |record: &mut Record| record.entries.retain(|entry| !matches!(entry.what, What::Milter(_)));
    assert!(
        found("\"adds-field\"", unasked)
            .contains(&policy("a message was taken that a milter was not asked about"))
    );
    let unchanged = found("\"changes-subject\"", had_said(&[]));
    assert!(
        unchanged.iter().all(|(oracle, _)| *oracle == "integrity") && unchanged.len() == 2,
        "{unchanged:?}"
    );
    let carol = "carol@contoso.test".parse().unwrap();
    let added = found("\"adds-field\"", had_said(&[MilterDoes::AddsField, MilterDoes::AddsRecipient(carol)]));
    assert_eq!(added, [policy("whom a milter added has nothing")]);
    let gone = found("\"quarantines\"", |record| record.end.spool.retain(|(folder, _)| folder != "bad"));
    assert!(gone.contains(&policy("what a milter had set aside is not in bad")), "{gone:?}");
    let silent = |id: u16| {
        move |record: &mut Record| {
            record.entries.retain(|entry| !matches!(&entry.what, What::Event(event) if event.id == id));
        }
    };
    assert!(found("\"discards\"", silent(4123)).iter().all(|(oracle, _)| *oracle == "custody"));
    assert!(!found("\"discards\"", silent(4123)).is_empty());
    let unasked = found(r#"{ adds-unasked = "carol@contoso.test" }"#, silent(3031));
    assert_eq!(unasked, [policy("a change that was not allowed is not in the event log")]);
    let blamed = found("\"rejects\"", had_said(&[]));
    assert_eq!(blamed, [policy("a refusal is laid at the door of a milter that did not refuse")]);
}

#[test]
fn a_message_that_a_milter_keeps_back_is_with_nobody() {
    let (plan, mut record) = ran(&text("tempfail", &act("\"discards\""), ""), &Leap);
    let (_, delivered) = ran(&text("tempfail", "", ""), &Leap);
    record.end.mailboxes = delivered.end.mailboxes;
    let causes: Vec<String> =
        oracle::judge(&plan, &record).into_iter().map(|finding| finding.cause).collect();
    assert_eq!(causes, ["a message is somewhere that a milter keeps back"]);
}
