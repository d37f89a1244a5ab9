//! Shrinking: what is left of a failing scenario, and that it is the same failure.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "the tests read the project's own scenarios")]

use std::path::Path;
use std::process::{Command, Output};

use gateway::release::Release;
use sim::draw::Seed;
use sim::engine::Leap;
use sim::explore::Signature;
use sim::oracle;
use sim::run::run;
use sim::scenario::{Library, Scenario, Source};
use sim::shrink::{MOST_RUNS, Shrink, Shrunk, findings};
use sim::trace::Keep;

fn library() -> Library {
    Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The first seeds of a profile in which something is found whose cause says this.
fn failures(profile: &str, release: Release, cause: &str, count: usize) -> Vec<(Scenario, Signature)> {
    let library = library();
    let Some(Source::Profile(profile)) = library.find(profile) else { panic!("no profile {profile}") };
    (0..)
        .filter_map(|seed| {
            let scenario = profile.scenario(Seed(seed), release);
            let (found, _) = findings(&scenario.plan(release, Seed(seed)), &Leap);
            let signature = found.into_keys().find(|signature| signature.cause.contains(cause))?;
            Some((scenario, signature))
        })
        .take(count)
        .collect()
}

fn shrink(scenario: &Scenario, release: Release, signature: &Signature) -> Shrunk {
    let seed = scenario.seed();
    Shrink { scenario, release, seed, signature, engine: &Leap, most_runs: MOST_RUNS }.shrink().unwrap()
}

/// A small scenario with what is wanted in it.
fn scenario(rest: &str) -> Scenario {
    let text = format!(
        r#"
        title = "A scenario of a test"
        starts = "1998-03-02T09:00:00Z"
        duration = "30m"
        seed = 5
        releases = ["5.5 RTM"]
        [gateway]
        name = "ims.contoso.test"
        address = "192.0.2.25"
        {rest}
        "#
    );
    Scenario::parse("planted", "planted.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn found(scenario: &Scenario, release: Release) -> Vec<Signature> {
    findings(&scenario.plan(release, scenario.seed()), &Leap).0.into_keys().collect()
}

#[test]
fn of_each_documented_crash_at_most_twelve_lines_are_left_whatever_the_seed() {
    for (release, cause) in [(Release::V50Rtm, "0x00402674"), (Release::V55Rtm, "0x00462f42")] {
        for (scenario, signature) in failures("mixed", release, cause, 10) {
            let shrunk = shrink(&scenario, release, &signature);
            let Shrunk { lines, runs, .. } = shrunk;
            assert!(lines <= 12 && runs <= 1_000, "{}: {lines} lines, {runs} runs", scenario.name);
            assert!(!shrunk.is_cut_short && shrunk.found.contains(&signature), "{}", scenario.name);
        }
    }
}

#[test]
fn without_any_line_that_is_left_the_failure_is_another_or_none() {
    let [(scenario, signature)] = &failures("mixed", Release::V55Rtm, "0x00462f42", 1)[..] else { panic!() };
    let shrunk = shrink(scenario, Release::V55Rtm, signature);
    assert_eq!(shrunk.needs.len(), shrunk.lines);
    for need in &shrunk.needs {
        assert!(!need.without.contains("in the same way"), "{need:?}");
    }
    let again = shrink(&shrunk.scenario, Release::V55Rtm, signature);
    assert!(again.is_irreducible() && again.scenario.to_toml() == shrunk.scenario.to_toml());
}

#[test]
fn two_bugs_in_one_run_are_shrunk_apart_and_neither_becomes_the_other() {
    let scenario = scenario(
        r#"
        [gateway.config]
        administrator = "administrator@contoso.test"
        accept = { require = "authentication", host = [{ network = "192.0.2.80", rule = "exempt" }] }
        submission = { homed_here_only = true }
        route = [{ domain = "contoso.test", to = "<inbound>" }]
        mailbox = [{ address = "administrator@contoso.test" }, { address = "bob@contoso.test" }]
        [service]
        restart_after = "1m"
        restarts = 5
        [[client]]
        name = "printserver.contoso.test"
        address = "192.0.2.80"
        [[client.message]]
        name = "m1"
        at = "30s"
        from = "erin@contoso.test"
        to = ["bob@contoso.test"]
        subject = "Scan"
        [[client.message]]
        name = "m2"
        at = "5m"
        from = "bob@contoso.test"
        to = ["bob@contoso.test"]
        subject = "A message that an extension never answers about"
        [[fault]]
        kind = "extension-hangs"
        message = "m2"
        "#,
    );
    let mut long = scenario.to_toml().replace("\"30m\"", "\"48h\"");
    long.push('\n');
    let scenario = Scenario::parse("planted", "planted.toml", &long).unwrap();
    let found = found(&scenario, Release::V55Rtm);
    let oracles: Vec<&str> = found.iter().map(|found| found.oracle.as_str()).collect();
    assert_eq!(oracles, ["liveness", "service"], "{found:?}");
    for signature in &found {
        let shrunk = shrink(&scenario, Release::V55Rtm, signature);
        assert_eq!(shrunk.found, std::slice::from_ref(signature));
        let text = shrunk.scenario.to_toml();
        assert_eq!(text.contains("extension-hangs"), signature.oracle == "liveness", "{text}");
    }
}

#[test]
fn a_fault_that_the_failure_needs_is_kept_and_made_round() {
    let scenario = scenario(
        r#"
        [gateway.config]
        route = [{ domain = "contoso.test", to = "<inbound>" }]
        mailbox = [{ address = "bob@contoso.test" }]
        [service]
        restart_after = "1m"
        restarts = 5
        [[client]]
        name = "a.contoso.test"
        address = "192.0.2.80"
        [[client.message]]
        name = "m7"
        at = "3m 17s"
        from = "erin@contoso.test"
        to = ["bob@contoso.test"]
        subject = "Scan"
        [[client]]
        name = "b.contoso.test"
        address = "192.0.2.81"
        [[client.message]]
        name = "m9"
        at = "4m"
        from = "erin@contoso.test"
        to = ["bob@contoso.test"]
        subject = "Scan"
        [[fault]]
        kind = "extension-panics"
        message = "m9"
        [[fault]]
        kind = "extension-hangs"
        message = "m7"
        "#,
    );
    let long = scenario.to_toml().replace("\"30m\"", "\"71h 3m\"");
    let scenario = Scenario::parse("planted", "planted.toml", &long).unwrap();
    let signature = found(&scenario, Release::V55Rtm).into_iter().find(|found| found.oracle == "liveness");
    let text = shrink(&scenario, Release::V55Rtm, &signature.unwrap()).scenario.to_toml();
    assert!(text.contains("kind = \"extension-hangs\"\nmessage = \"m1\""), "{text}");
    assert!(
        !text.contains("panics") && !text.contains("b.contoso.test") && text.contains("at = \"0s\""),
        "{text}"
    );
    assert!(text.contains("duration = \"12h\"") && text.contains("seed = 1"), "{text}");
}

#[test]
fn what_cannot_be_made_smaller_is_said_to_be_so() {
    let library = library();
    let Some(Source::Scenario(scenario)) = library.find("Q178091") else { panic!() };
    let release = Release::V55Rtm;
    let signature = &found(scenario, release)[0];
    let once = shrink(scenario, release, signature);
    assert!(!once.is_irreducible());
    assert!(once.to_toml(&Leap).starts_with("# Shrunk in"));
    let twice = shrink(&once.scenario, release, signature);
    assert!(twice.is_irreducible());
    assert!(twice.to_toml(&Leap).contains("none of which can be taken out"), "{}", twice.to_toml(&Leap));
}

#[test]
fn the_file_is_a_regression_test_as_it_stands() {
    for (release, cause) in [(Release::V50Rtm, "0x00402674"), (Release::V55Rtm, "0x00462f42")] {
        let [(scenario, signature)] = &failures("mixed", release, cause, 1)[..] else { panic!() };
        let text = shrink(scenario, release, signature).to_toml(&Leap);
        let read = Scenario::parse("regression", "regression.toml", &text).unwrap();
        assert_eq!(read.releases(), [release, Release::Current]);
        for release in read.releases() {
            let plan = read.plan(*release, read.seed());
            let record = run(&plan, &Leap, Keep::Digest).unwrap();
            let broken: Vec<_> = oracle::judge(&plan, &record).iter().map(|found| found.oracle).collect();
            assert_eq!(broken.is_empty(), *release == Release::Current, "{broken:?}");
            let unmet: Vec<String> =
                read.expectations(*release).flat_map(|e| e.unmet(&plan, &record)).collect();
            assert_eq!(unmet, [""; 0]);
            assert_eq!(read.expectations(*release).count(), 1);
        }
    }
}

#[test]
fn a_shrink_that_may_run_no_more_says_so_and_what_is_left_still_fails() {
    let [(scenario, signature)] = &failures("mixed", Release::V50Rtm, "0x00402674", 1)[..] else { panic!() };
    let seed = scenario.seed();
    let release = Release::V50Rtm;
    let shrink = Shrink { scenario, release, seed, signature, engine: &Leap, most_runs: 5 };
    let shrunk = shrink.shrink().unwrap();
    assert!(shrunk.is_cut_short && shrunk.runs == 5);
    assert!(found(&shrunk.scenario, release).contains(signature));
}

fn postmortem(args: &[&str]) -> (Option<i32>, String, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_postmortem"));
    let folder = env!("CARGO_MANIFEST_DIR");
    let Output { status, stdout, stderr } = program.args(args).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr).replace("\n  │ ", " "))
}

#[test]
fn the_scenario_is_written_to_a_file_that_is_not_there_yet() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shrunk.toml");
    let file = file.to_str().unwrap();
    let args = ["shrink", "Q178091", "--release", "5.5", "-o", file];
    let (code, printed, said) = postmortem(&args);
    assert_eq!((code, printed.as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("8 lines of 14 are left"), "{said}");
    let written = std::fs::read_to_string(file).unwrap();
    assert_eq!(postmortem(&args).0, Some(2));
    assert_eq!(std::fs::read_to_string(file).unwrap(), written);
    let (code, printed, said) = postmortem(&["shrink", file]);
    assert!(code == Some(0) && said.contains("irreducible") && printed.contains("[[expect]]"), "{said}");
}

#[test]
fn what_does_not_fail_is_not_shrunk_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shrunk.toml");
    let (code, printed, said) =
        postmortem(&["shrink", "Q178091", "--release", "current", "-o", file.to_str().unwrap()]);
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    assert!(said.contains("no such failure is found") && !file.exists(), "{said}");
}

#[test]
fn what_cannot_be_shrunk_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.toml");
    let known = library().root().join("scenarios/kb/Q178091.toml");
    let text = std::fs::read_to_string(known).unwrap() + "\n[[fault]]\nkind = \"gremlins\"\n";
    std::fs::write(&bad, text).unwrap();
    for (args, says) in [
        (&["shrink", "mixed"][..], "say which: `--seed N`"),
        (&["shrink", "nothing"], "no scenario and no profile `nothing`"),
        (&["shrink", "nothing.toml"], "there is no file nothing.toml"),
        (&["shrink", bad.to_str().unwrap()], "gremlins"),
        (&["explain", bad.to_str().unwrap()], "gremlins"),
        (&["shrink", "Q178091", "-o", "/nowhere/at/all.toml"], "cannot be made"),
        (&["shrink", "Q178091", "--release", "5.0"], "not replayed on 5.0 RTM"),
    ] {
        let (code, _, said) = postmortem(args);
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
}
