//! The world that is judged: mail of every sort, and how a Record is made to show something else.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use gateway::release::Release;
use sim::engine::Leap;
use sim::mailbag::Item;
use sim::oracle::judge;
use sim::plan::Plan;
use sim::record::{Entry, Record, Speaker, What};
use sim::run::run;
use sim::scenario::{Library, Scenario};
use sim::trace::Keep;

/// Mail of every sort: into a mailbox, to another host, to both, by a client that authenticates, and for nobody.
pub(crate) const WORLD: &str = r##"
    title = "Mail of every sort"
    starts = "2026-03-02T08:00:00Z"
    duration = "2h"
    seed = 7
    releases = ["current"]

    [gateway]
    name = "gw.contoso.test"
    address = "192.0.2.25"

    [gateway.config]
    administrator = "administrator@contoso.test"
    tls.auth_in_clear = true
    policy.unknown_recipients = "report"
    route = [{ domain = "contoso.test", to = "<inbound>" }, { domain = "#sales.test", to = "mail.partner.test" }]
    relay = { networks = ["198.51.100.0/24"] }
    mailbox = [
        { address = "administrator@contoso.test" },
        { address = "bob@contoso.test", aliases = ["b@contoso.test"] },
        { address = "carol@contoso.test", account = "carol", password = "secret" },
    ]

    [[client]]
    name = "mail.fabrikam.test"
    address = "198.51.100.7"
    message = [
        { name = "m1", at = "30s", from = "alice@fabrikam.test", to = ["bob@contoso.test"], subject = "One" },
        { name = "m2", at = "30s", from = "alice@fabrikam.test", to = ["b@contoso.test", "dave@partner.test"], subject = "Two" },
        { name = "m3", at = "40s", from = "alice@fabrikam.test", to = ["nobody@contoso.test"], subject = "Three" },
    ]

    [[client]]
    name = "pc1.contoso.test"
    address = "192.0.2.101"
    account = { name = "carol", password = "secret" }
    message = [
        { name = "m4", at = "50s", from = "carol@contoso.test", to = ["erin@sales.test", "postmaster@contoso.test"], subject = "Four" },
    ]

    [[server]]
    name = "mail.partner.test"
    address = "203.0.113.25"
    domains = ["partner.test"]

    [[server]]
    name = "mx.fabrikam.test"
    address = "198.51.100.25"
    domains = ["fabrikam.test"]
"##;

pub(crate) fn ran() -> (Plan, Record) {
    let scenario = Scenario::parse("world", "world.toml", WORLD).unwrap();
    let plan = scenario.plan(Release::Current, scenario.seed());
    let record = run(&plan, &Leap, Keep::Digest).unwrap();
    (plan, record)
}

pub(crate) fn replayed(name: &str, release: Release) -> (Plan, Record) {
    let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let scenario = library.scenarios().iter().find(|scenario| scenario.name == name).unwrap();
    let plan = scenario.plan(release, scenario.seed());
    let record = run(&plan, &Leap, Keep::Digest).unwrap();
    (plan, record)
}

/// Asserts that one oracle alone finds something, for this cause alone.
#[track_caller]
pub(crate) fn finds(plan: &Plan, record: &Record, oracle: &str, cause: &str) {
    let findings = judge(plan, record);
    let found: BTreeSet<(&str, &str)> =
        findings.iter().map(|finding| (finding.oracle, finding.cause.as_str())).collect();
    assert_eq!(found, BTreeSet::from([(oracle, cause)]), "{findings:#?}");
}

pub(crate) fn mailbox<'a>(record: &'a mut Record, name: &str) -> &'a mut Vec<Item> {
    &mut record.end.mailboxes.iter_mut().find(|(mailbox, _)| mailbox == name).unwrap().1
}

pub(crate) fn server<'a>(record: &'a mut Record, name: &str) -> &'a mut Vec<Item> {
    &mut record.end.servers.iter_mut().find(|(server, _)| server == name).unwrap().1
}

/// The place of the first line of a dialogue that begins so.
pub(crate) fn line(record: &Record, by: Speaker, begins: &str) -> usize {
    let is_it = |entry: &Entry| matches!(&entry.what, What::Smtp { speaker, line, .. } if *speaker == by && line.starts_with(begins));
    record.entries.iter().position(is_it).unwrap()
}

/// Has something said in the same dialogue, right after the line at this place.
pub(crate) fn say_after(record: &mut Record, place: usize, by: Speaker, text: &str) {
    let mut entry = record.entries[place].clone();
    if let What::Smtp { speaker, line, .. } = &mut entry.what {
        (*speaker, *line) = (by, text.to_owned());
    }
    record.entries.insert(place + 1, entry);
}

/// Has a client of the gateway ask for mail, on a connection of its own.
pub(crate) fn ask_for_mail(record: &mut Record, from: &str, at: Duration, reply: &str) {
    let opening = format!("connection from {from}");
    let dialogue = [
        (Speaker::Network, opening.as_str()),
        (Speaker::Server, "220 gw.contoso.test"),
        (Speaker::Client, "EHLO mail.branch.test"),
        (Speaker::Server, "250-gw.contoso.test"),
        (Speaker::Server, "250-SIZE 10485760"),
        (Speaker::Server, "250-8BITMIME"),
        (Speaker::Server, "250-PIPELINING"),
        (Speaker::Server, "250-ENHANCEDSTATUSCODES"),
        (Speaker::Server, "250-CHUNKING"),
        (Speaker::Server, "250-DSN"),
        (Speaker::Server, "250-SMTPUTF8"),
        (Speaker::Server, "250-ETRN"),
        (Speaker::Server, "250 AUTH SCRAM-SHA-256 PLAIN LOGIN"),
        (Speaker::Client, "ETRN branch.test"),
        (Speaker::Server, reply),
        (Speaker::Network, "the other side closes"),
    ];
    record.entries.extend(dialogue.map(|(speaker, line)| Entry {
        at,
        machine: "gw.contoso.test".into(),
        what: What::Smtp { connection: 99, speaker, line: line.to_owned() },
    }));
}

/// Has lines of a dialogue say something else where they say this.
pub(crate) fn say_instead(record: &mut Record, by: Speaker, begins: &str, said: &str, instead: &str) {
    for entry in &mut record.entries {
        if let What::Smtp { speaker, line, .. } = &mut entry.what
            && *speaker == by
            && line.starts_with(begins)
        {
            *line = line.replace(said, instead);
        }
    }
}

/// The world with more in its file, run: nothing is found in it.
pub(crate) fn ran_with(more: &str) -> (Plan, Record) {
    let scenario = Scenario::parse("world", "world.toml", &format!("{WORLD}{more}")).unwrap();
    let plan = scenario.plan(Release::Current, scenario.seed());
    let record = run(&plan, &Leap, Keep::Digest).unwrap();
    assert_eq!(judge(&plan, &record), []);
    (plan, record)
}

/// What is found, as `oracle: cause`.
pub(crate) fn found(plan: &Plan, record: &Record) -> BTreeSet<String> {
    let findings = judge(plan, record).into_iter();
    findings.map(|finding| format!("{}: {}", finding.oracle, finding.cause)).collect()
}

/// Asserts that this is found, whatever else is.
#[track_caller]
pub(crate) fn finds_too(plan: &Plan, record: &Record, what: &str) {
    let found = found(plan, record);
    assert!(found.contains(what), "{found:#?}");
}

/// Has the gateway log an event at the end.
pub(crate) fn log(record: &mut Record, id: u16, description: &str) {
    let description = description.to_owned();
    let event = gateway::eventlog::Entry { id, description, ..Default::default() };
    let at = record.ended;
    record.entries.push(Entry { at, machine: "gw.contoso.test".into(), what: What::Event(event) });
}
