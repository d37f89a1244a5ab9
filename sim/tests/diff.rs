//! `postmortem diff`: two releases, two seeds, two scenarios, and what another commit has saved.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::Path;
use std::process::Command;

use gateway::release::{Defect, Release};
use sim::diff::{Diff, Line, Side, Topic, read};
use sim::draw::Seed;
use sim::engine::Leap;
use sim::render::json;
use sim::run::run;
use sim::scenario::Scenario;
use sim::trace::Keep;
use sim::verdict::Replay;

const Q178091: &str = include_str!("../../scenarios/kb/Q178091.toml");
const SAVED: &str = include_str!("records/Q178091@5.5-RTM.json");

/// A message past a milter that is down at first.
const FILTERED: &str = r#"
title = "One message past a milter"
starts = "2026-03-02T08:00:00Z"
duration = "12h"
seed = 1
releases = ["current"]

[gateway]
name = "ims.contoso.test"
address = "192.0.2.25"

[gateway.config]
administrator = "administrator@contoso.test"
relay = { networks = ["198.51.100.7"] }
route = [{ domain = "contoso.test", to = "<inbound>" }]
mailbox = [{ address = "administrator@contoso.test" }, { address = "carol@contoso.test" }]
milter = [{ address = "inet:8891@filter.contoso.test", on_failure = "tempfail" }]

[[client]]
name = "mail.fabrikam.test"
address = "198.51.100.7"

[[client.message]]
name = "m1"
at = "30s"
from = "alice@fabrikam.test"
to = ["dave@partner.test"]
subject = "Past a milter"
notify = ["failure"]
retry = ["40m"]

[[server]]
name = "mx.partner.test"
address = "203.0.113.1"
domains = ["partner.test", "fabrikam.test"]
offers = ["dsn"]

[[milter]]
name = "filter.contoso.test"
address = "192.0.2.61"
trusts = ["192.0.2.99"]
act = [
    { message = "m1", does = { adds-recipient = "carol@contoso.test" } },
    { message = "m1", does = "adds-field" },
]

[[fault]]
kind = "milter"
milter = "filter.contoso.test"
until = "30m"
does = "is-down"
"#;

fn side(text: &str, release: Release, seed: u64) -> Side {
    let scenario = Scenario::parse("Q178091", "Q178091.toml", text).unwrap();
    let plan = scenario.plan(release, Seed(seed));
    Side::of(&scenario, &plan, &run(&plan, &Leap, Keep::Digest).unwrap())
}

fn first(diff: &Diff) -> String {
    match diff.lines[diff.first().unwrap()] {
        Line::Left(row) | Line::Changed(row, _) | Line::MovedLeft(row) => diff.left.rows[row].text.clone(),
        Line::Right(row) | Line::MovedRight(row) => diff.right.rows[row].text.clone(),
        Line::Alike(..) => unreachable!("it is a difference"),
    }
}

#[test]
fn the_release_that_mends_a_defect_first_differs_where_the_defect_struck() {
    let diff = Diff::new(side(Q178091, Release::V55Rtm, 1), side(Q178091, Release::V55Sp1, 1));
    assert!(first(&diff).starts_with("event 4037 "), "{}", first(&diff));
    assert_eq!(diff.defects(), [(Defect::Q178091, Release::V55Rtm)]);
    let topics: Vec<Topic> = diff.causes().iter().map(|cause| cause.topic).collect();
    assert_eq!(topics, [Topic::Release]);
    // The build in the banner of the release is no difference.
    assert!(diff.lines.iter().any(|line| matches!(line, Line::Alike(l, r)
        if diff.left.rows[*l].text.contains("5.5.1960.3") && diff.right.rows[*r].text.contains("5.5.2232.9"))));
}

#[test]
fn other_latencies_alone_make_no_difference_but_are_named() {
    let diff = Diff::new(side(Q178091, Release::V55Rtm, 1), side(Q178091, Release::V55Rtm, 2));
    assert!(diff.is_same());
    assert!(!diff.shift().is_zero());
    assert!(diff.causes().iter().any(|cause| cause.topic == Topic::Latencies));
}

#[test]
fn a_setting_that_differs_is_named_with_both_values() {
    let other = Q178091.replace("homed_here_only = true", "homed_here_only = false");
    let diff = Diff::new(side(Q178091, Release::V55Rtm, 1), side(&other, Release::V55Rtm, 1));
    assert!(!diff.is_same());
    let [cause] = &diff.causes()[..] else { panic!("{:?}", diff.causes()) };
    assert_eq!((cause.topic, cause.of.as_str()), (Topic::Configuration, "submission.homed_here_only"));
    assert_eq!((&cause.left[..], &cause.right[..]), (&["true".to_owned()][..], &["false".to_owned()][..]));
}

#[test]
fn what_a_peer_does_otherwise_is_named() {
    for (of, from, to, left, right) in [
        (
            "m1",
            "notify = [\"failure\"]",
            "notify = []",
            "wants to hear of failure",
            "wants to hear of nothing",
        ),
        ("m1", "retry =", "chunks = 2\nretry =", "", "in 2 chunks"),
        ("m1", "retry =", "pipeline = true\nretry =", "", "says its commands together"),
        ("m1", "retry =", "ret = \"headers\"\nretry =", "", "wants returned: headers"),
        ("m1", "retry =", "envid = \"QQ1\"\nretry =", "", "envelope id QQ1"),
        (
            "mx.partner.test",
            "offers = [\"dsn\"]",
            "offers = [\"pipelining\"]",
            "offers dsn",
            "offers pipelining",
        ),
        ("filter.contoso.test", "trusts = [\"192.0.2.99\"]", "", "trusts 192.0.2.99", ""),
        ("filter.contoso.test", "trusts =", "refuses = [\"eve@x.test\"]\ntrusts =", "", "refuses eve@x.test"),
        ("filter.contoso.test", "trusts =", "terse = true\ntrusts =", "", "is terse"),
        (
            "filter.contoso.test",
            "\"adds-field\"",
            "\"inserts-field\"",
            "does to m1: { adds-recipient = carol@contoso.test }, adds-field",
            "does to m1: { adds-recipient = carol@contoso.test }, inserts-field",
        ),
    ] {
        let other = FILTERED.replacen(from, to, 1);
        let diff = Diff::new(side(FILTERED, Release::Current, 1), side(&other, Release::Current, 1));
        let [cause] = &diff.causes()[..] else { panic!("{to}: {:?}", diff.causes()) };
        assert_eq!((cause.topic, cause.of.as_str()), (Topic::Peers, of), "{to}");
        assert_eq!((cause.left.join("; "), cause.right.join("; ")), (left.to_owned(), right.to_owned()));
    }
}

#[test]
fn a_name_server_that_one_of_the_two_has_is_named() {
    let without = format!("names = \"map\"\n{FILTERED}");
    let diff = Diff::new(side(FILTERED, Release::Current, 1), side(&without, Release::Current, 1));
    let causes = diff.causes();
    let machine = causes.iter().find(|cause| cause.topic == Topic::Machines).unwrap();
    assert_eq!((machine.of.as_str(), machine.right.len()), ("ns.test", 0));
    assert!(machine.left[0].starts_with("name-server, "), "{machine:?}");
}

#[test]
fn a_fault_more_is_named_and_the_messages_that_are_the_same_are_aligned() {
    let kill = "\n[[fault]]\nkind = \"kill\"\nwhen = { at = \"30400ms\" }\nrestart_after = \"1s\"\n";
    let diff =
        Diff::new(side(Q178091, Release::V55Sp1, 1), side(&format!("{Q178091}{kill}"), Release::V55Sp1, 1));
    let [cause] = &diff.causes()[..] else { panic!("{:?}", diff.causes()) };
    assert!(cause.topic == Topic::Faults && cause.of == "kill" && cause.left.is_empty());
    assert!(first(&diff).contains("the process is killed"), "{}", first(&diff));
}

#[test]
fn a_record_that_another_commit_saved_is_compared_row_by_row() {
    let saved = read("saved.json", SAVED).unwrap();
    assert!(Diff::new(saved.clone(), saved.clone()).is_same());
    let otherwise = read("other.json", &SAVED.replacen("mail from", "from", 1)).unwrap();
    let diff = Diff::new(saved.clone(), otherwise);
    assert_eq!((diff.counts().changed, diff.counts().left, diff.counts().right), (1, 0, 0));
    assert!(first(&diff).contains("250 OK - mail from"));
    // An entry of a kind that this build does not know is passed over.
    let later = read("later.json", &SAVED.replacen("\"kind\":\"try\"", "\"kind\":\"later\"", 1)).unwrap();
    assert_eq!(later.rows.len(), saved.rows.len() - 1);
    // It does not hold all of its plan, which is said.
    let diff = Diff::new(saved, side(Q178091, Release::V55Rtm, 178_091));
    assert!(diff.counts().alike > 20, "{:?}", diff.counts());
    assert!(diff.unknown().contains(&Topic::Configuration));
    assert!(diff.text(120).contains("says nothing of: service, configuration"));
}

#[test]
fn a_run_that_is_written_and_read_again_is_the_same() {
    let kill = "\n[[fault]]\nkind = \"kill\"\nwhen = { at = \"1m\" }\nrestart_after = \"1s\"\n";
    for (text, release) in [(Q178091, Release::V55Sp1), (FILTERED, Release::Current)] {
        let scenario = Scenario::parse("it", "it.toml", &format!("{text}{kill}")).unwrap().apart();
        let replay = Replay::new(&scenario, release, Seed(1), &Leap, Keep::Digest, Path::new("")).unwrap();
        let mut saved = Vec::new();
        json::write(&replay, &mut saved).unwrap();
        let saved = read("saved.json", &String::from_utf8(saved).unwrap()).unwrap();
        let diff = Diff::new(saved, Side::of(&scenario, &replay.plan, &replay.record));
        let answers = diff.left.rows.iter().filter(|row| row.text.starts_with("asked at "));
        assert_eq!(answers.count() > 0, text == FILTERED);
        // In the same order, and nothing more or less.
        assert!(
            diff.lines.iter().enumerate().all(|(n, line)| *line == Line::Alike(n, n)),
            "{}",
            diff.text(120)
        );
        assert!(diff.left.digest == diff.right.digest && diff.shift().is_zero());
        assert_eq!(diff.causes(), []);
        assert_eq!(diff.unknown(), [Topic::Service, Topic::Configuration, Topic::Peers, Topic::Latencies]);
    }
}

#[test]
fn a_file_that_is_no_record_is_refused_with_what_is_wrong() {
    let why = |text: &str| read("saved.json", text).unwrap_err().to_string();
    assert!(why("{").contains("saved.json is no Record that can be read: EOF"), "{}", why("{"));
    assert!(why("{\"version\":2}").contains("it is of version 2"));
    assert!(why("{\"version\":1}").contains("missing field"));
}

#[test]
fn the_text_and_the_page_show_both_sides_within_their_width() {
    let diff = Diff::new(side(Q178091, Release::V55Rtm, 1), side(Q178091, Release::V55Sp1, 1));
    for width in [80, 120, 200] {
        let text = anstream::adapter::strip_str(&diff.text(width)).to_string();
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width, "{widest} > {width}: {text}");
        assert!(text.contains("rows alike …"), "{text}");
    }
    let html = diff.html();
    assert!(
        html.contains("<td class=\"sign\">&lt;</td>") && html.contains("defect Q178091, in 5.5 RTM alone")
    );
    // Nothing is fetched, and what came over the wire is text.
    assert!(!html.contains("src=") && !html.contains("href="));
    assert!(html.contains("MAIL FROM:&lt;erin@contoso.test&gt;"));
}

#[test]
fn the_program_says_by_its_exit_code_whether_two_runs_differ() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("diff.html");
    let diff = |a: &str, b: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_postmortem"));
        program.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).args(["diff", a, b, "--html"]);
        let output = program.arg(&page).env("NO_COLOR", "1").output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = diff("Q178091@5.5-rtm", "scenarios/kb/Q178091.toml@5.5-sp1");
    assert_eq!(code, Some(1));
    assert!(text.contains("THE FIRST DIFFERENCE") && page.is_file(), "{text}");
    assert_eq!(diff("Q178091@5.5-rtm#1", "Q178091@5.5-rtm#2").0, Some(0));
    assert_eq!(diff("mixed#3", "mixed#4").0, Some(1));
    for nothing in ["Q000000", "Q178091@6.0", "Q178091#x", "no/such/file.toml"] {
        assert_eq!(diff(nothing, "Q178091").0, Some(2), "{nothing}");
    }
}
