//! TLS in a run: the same octets each time, nothing in clear on the wire, and oracles that would notice.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use gateway::config::Requirement;
use gateway::release::Release;
use sim::draw::Seed;
use sim::engine::{Classic, Engine, Leap};
use sim::oracle::judge;
use sim::plan::Plan;
use sim::record::{Entry, Record, Speaker, What};
use sim::run::run;
use sim::scenario::{Library, Scenario};
use sim::trace::Keep;

const SERVER: &str = "what-was-said-in-clear-is-forgotten-under-tls";
const CLIENT: &str = "mail-that-needs-tls-never-goes-in-clear";

fn plan(name: &str, seed: Option<u64>) -> Plan {
    let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let scenario = library.scenarios().iter().find(|scenario| scenario.name == name).unwrap();
    scenario.plan(Release::Current, seed.map_or(scenario.seed(), Seed))
}

fn ran(name: &str) -> (Plan, Record) {
    let plan = plan(name, None);
    let record = run(&plan, &Leap, Keep::Digest).unwrap();
    assert_eq!(judge(&plan, &record), []);
    (plan, record)
}

/// Asserts that one oracle alone finds something, for this cause alone.
#[track_caller]
fn finds(plan: &Plan, record: &Record, oracle: &str, cause: &str) {
    let findings = judge(plan, record);
    let found: BTreeSet<(&str, &str)> =
        findings.iter().map(|finding| (finding.oracle, finding.cause.as_str())).collect();
    assert_eq!(found, BTreeSet::from([(oracle, cause)]), "{findings:#?}");
}

/// The lines of the dialogues, with their connections.
fn lines(record: &mut Record) -> impl Iterator<Item = (u32, Speaker, &mut String)> {
    record.entries.iter_mut().filter_map(|entry| match &mut entry.what {
        What::Smtp { connection, speaker, line } => Some((*connection, *speaker, line)),
        _ => None,
    })
}

#[test]
fn a_handshake_is_the_same_octets_each_time_and_others_with_another_seed() {
    for engine in [&Leap as &dyn Engine, &Classic::COARSE] {
        let digest = |seed| run(&plan(SERVER, seed), engine, Keep::Digest).unwrap().digest;
        assert_eq!(digest(Some(1)), digest(Some(1)), "{}", engine.name());
        assert_ne!(digest(Some(1)), digest(Some(2)), "{}", engine.name());
    }
}

#[test]
fn what_needs_tls_is_nowhere_on_the_wire_in_clear() {
    let plan = plan(CLIENT, None);
    let record = run(&plan, &Leap, Keep::Capture).unwrap();
    let bank: IpAddr = plan.servers.iter().find(|server| &*server.name == "mail.bank.test").unwrap().address;
    let capture = record.capture.unwrap();
    let segments =
        capture.segments.iter().filter(|segment| [segment.from.ip(), segment.to.ip()].contains(&bank));
    let wire: Vec<u8> = segments.flat_map(|segment| segment.octets.clone()).collect();
    let has = |words: &[u8]| wire.windows(words.len()).any(|octets| octets == words);
    assert!(has(b"STARTTLS") && !has(b"dave@bank.test") && !has(b"MAIL FROM"));
    // And it was handed over all the same.
    let is_taken = |entry: &Entry| matches!(&entry.what, What::Accepted { message, .. } if message == "m1");
    assert!(record.entries.iter().any(is_taken));
}

#[test]
fn mail_that_needs_tls_and_went_in_clear_is_found() {
    let (mut plan, record) = ran(CLIENT);
    for (domain, certified) in &mut plan.gateway.certified {
        *certified |= domain == "loose.test";
    }
    finds(&plan, &record, "policy", "mail that needs TLS was handed over in clear");
}

#[test]
fn mail_that_needs_tls_and_went_on_in_clear_behind_a_handshake_is_found() {
    let (plan, mut record) = ran(CLIENT);
    let begins = |entry: &Entry| matches!(&entry.what, What::Smtp { line, .. } if line == "TLS begins");
    let place = record.entries.iter().position(begins).unwrap();
    let What::Smtp { connection, .. } = record.entries[place].what else { unreachable!() };
    for (speaker, line) in [(Speaker::Client, "RCPT TO:<dave@bank.test>"), (Speaker::Network, "TLS ends")] {
        let what = What::Smtp { connection, speaker, line: line.to_owned() };
        record.entries.insert(place + 1, Entry { what, ..record.entries[place].clone() });
    }
    let findings = judge(&plan, &record);
    let cause = "mail that needs TLS was handed over in clear";
    assert!(findings.iter().any(|finding| finding.cause == cause), "{findings:#?}");
}

#[test]
fn mail_that_needs_a_certificate_and_went_to_an_impostor_is_found() {
    let (plan, mut record) = ran(CLIENT);
    for (_, _, line) in lines(&mut record).filter(|(_, _, line)| *line == "250-mail.bank.test") {
        "250-another.test".clone_into(line);
    }
    finds(&plan, &record, "policy", "mail that needs TLS was handed to a host without its certificate");
}

/// Two domains of one host, which shows another's certificate: mail that may go anywhere is handed over, and over the same
/// connection, kept for the next message, mail that needs the certificate is not.
#[test]
fn mail_that_needs_a_certificate_does_not_go_over_a_kept_connection_to_an_impostor() {
    let text = r#"
        title = "Two domains of an impostor"
        starts = "2026-03-02T08:00:00Z"
        duration = "1h"
        seed = 1
        releases = ["current"]
        [gateway]
        name = "gw.contoso.test"
        address = "192.0.2.25"
        [gateway.config]
        relay = { networks = ["198.51.100.7"] }
        delivery = { retry = ["1h"], connections_per_host = 1 }
        tls = { trust = "/tls/authorities.pem" }
        route = [
            { domain = "bank.test", to = "mail.bank.test", tls = "required" },
            { domain = "loose.test", to = "mail.bank.test" },
        ]
        [[client]]
        name = "mail.fabrikam.test"
        address = "198.51.100.7"
        message = [
            { name = "m1", at = "10s", from = "alice@fabrikam.test", to = ["erin@loose.test"], subject = "To anybody" },
            { name = "m2", at = "12s", from = "alice@fabrikam.test", to = ["dave@bank.test"], subject = "To the bank" },
        ]
        [[server]]
        name = "mail.bank.test"
        address = "203.0.113.25"
        domains = ["bank.test", "loose.test"]
        offers = ["starttls"]
        [[fault]]
        kind = "server"
        server = "mail.bank.test"
        until = "1h"
        does = "wrong-certificate"
    "#;
    let scenario = Scenario::parse("impostor", "impostor.toml", text).unwrap();
    let plan = scenario.plan(Release::Current, scenario.seed());
    let record = run(&plan, &Leap, Keep::Digest).unwrap();
    let taken: Vec<&str> = record
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Accepted { message, .. } => Some(message.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(taken, ["m1"]);
    assert_eq!(judge(&plan, &record), []);
}

/// A host whose certificate is wrong, and mail that needs one; the gateway is told of that or not.
fn to_an_impostor(does: &str, needs_tls: bool) -> Plan {
    let tls = if needs_tls { ", tls = \"required\"" } else { "" };
    let text = format!(
        r#"
        title = "A host whose certificate is wrong"
        starts = "2026-03-02T08:00:00Z"
        duration = "3h"
        seed = 1
        releases = ["current"]
        [gateway]
        name = "gw.contoso.test"
        address = "192.0.2.25"
        [gateway.config]
        relay = {{ networks = ["198.51.100.7"] }}
        delivery = {{ retry = ["10m"], expire = "1h" }}
        tls = {{ trust = "/tls/authorities.pem" }}
        route = [{{ domain = "bank.test", to = "mail.bank.test"{tls} }}]
        [[client]]
        name = "mail.fabrikam.test"
        address = "198.51.100.7"
        message = [{{ name = "m1", at = "10s", from = "alice@fabrikam.test", to = ["dave@bank.test"], subject = "To the bank" }}]
        [[server]]
        name = "mail.bank.test"
        address = "203.0.113.25"
        offers = ["starttls"]
        [[fault]]
        kind = "server"
        server = "mail.bank.test"
        until = "3h"
        does = "{does}"
        "#
    );
    let scenario = Scenario::parse("impostor", "impostor.toml", &text).unwrap();
    scenario.plan(Release::Current, scenario.seed())
}

#[test]
fn a_gateway_that_does_not_look_at_certificates_is_found_out() {
    for does in ["wrong-certificate", "unknown-authority", "expired-certificate"] {
        let plan = to_an_impostor(does, true);
        let taken = |record: &Record| record.end.servers.iter().map(|(_, items)| items.len()).sum::<usize>();
        let checked = run(&plan, &Leap, Keep::Digest).unwrap();
        assert_eq!((taken(&checked), judge(&plan, &checked)), (0, vec![]), "{does}");
        assert!(checked.bites[0].times > 0, "{does}");
        // The same but for that: it encrypts, with whomever.
        let unchecked = run(&to_an_impostor(does, false), &Leap, Keep::Digest).unwrap();
        assert_eq!(taken(&unchecked), 1, "{does}");
        finds(
            &plan,
            &unchecked,
            "policy",
            "mail that needs TLS was handed to a host without its certificate",
        );
    }
}

#[test]
fn a_command_that_was_injected_and_obeyed_is_found() {
    let (plan, mut record) = ran(SERVER);
    let refused = lines(&mut record).find(|(_, _, line)| line.starts_with("554 5.5.0")).unwrap();
    let connection = refused.0;
    "220 2.0.0 Ready to start TLS".clone_into(refused.2);
    let is_it = |entry: &Entry| matches!(&entry.what, What::Smtp { connection: of, line, .. } if *of == connection && line.starts_with("220 2.0.0"));
    let place = record.entries.iter().position(is_it).unwrap();
    let said = [
        (Speaker::Network, "TLS begins"),
        (Speaker::Server, "250-gw.contoso.test Hello [evil.test]"),
        (Speaker::Server, "250-SIZE 10485760"),
        (Speaker::Server, "250-8BITMIME"),
        (Speaker::Server, "250-PIPELINING"),
        (Speaker::Server, "250-ENHANCEDSTATUSCODES"),
        (Speaker::Server, "250-CHUNKING"),
        (Speaker::Server, "250-DSN"),
        (Speaker::Server, "250-SMTPUTF8"),
        (Speaker::Server, "250-ETRN"),
        (Speaker::Server, "250-AUTH SCRAM-SHA-256 PLAIN LOGIN"),
        (Speaker::Server, "250 HELP"),
    ];
    for (speaker, line) in said.into_iter().rev() {
        let what = What::Smtp { connection, speaker, line: line.to_owned() };
        record.entries.insert(place + 1, Entry { what, ..record.entries[place].clone() });
    }
    finds(&plan, &record, "protocol", "what was said in clear was answered under TLS");
}

#[test]
fn what_was_said_in_clear_and_is_believed_under_tls_is_found() {
    let (plan, mut record) = ran(SERVER);
    // Somebody exempt, who needs no password: the only one whose MAIL could follow at once.
    let mut encrypted = BTreeSet::new();
    record.entries.retain(|entry| {
        let What::Smtp { connection: connection @ 1, line, speaker } = &entry.what else { return true };
        if line == "TLS begins" {
            encrypted.insert(*connection);
        }
        let is_hello = match speaker {
            Speaker::Client => line.starts_with("EHLO") || line.starts_with("AUTH"),
            Speaker::Server => line.starts_with("250-") || line == "250 HELP" || line.starts_with("235"),
            Speaker::Network => false,
        };
        !(is_hello && encrypted.contains(connection))
    });
    let findings = judge(&plan, &record);
    let causes: BTreeSet<&str> = findings.iter().map(|finding| finding.cause.as_str()).collect();
    let expected =
        ["MAIL was granted before EHLO", "mail was begun without authentication where it is required"];
    assert_eq!(causes, BTreeSet::from(expected), "{findings:#?}");
}

#[test]
fn a_password_in_clear_is_found() {
    let (plan, mut record) = ran(SERVER);
    for (_, _, line) in lines(&mut record).filter(|(_, _, line)| line.starts_with("538 ")) {
        "235 2.7.0 authentication successful".clone_into(line);
    }
    finds(&plan, &record, "policy", "a password was asked for in clear");
}

#[test]
fn mail_in_clear_where_it_must_be_encrypted_is_found() {
    let (mut plan, mut record) = ran(SERVER);
    plan.gateway.config.accept.require = Requirement::Encryption;
    for (_, _, line) in lines(&mut record).filter(|(_, _, line)| line.starts_with("530 ")) {
        "250 2.1.0 OK".clone_into(line);
    }
    finds(&plan, &record, "policy", "mail was begun in clear where it must be encrypted");
}

#[test]
fn an_offer_that_is_not_to_be_made_is_found() {
    let (mut plan, record) = ran(SERVER);
    plan.gateway.config.tls.identity = None;
    finds(&plan, &record, "protocol", "EHLO was answered with STARTTLS, which is not to be offered there");
}
