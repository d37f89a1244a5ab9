//! `postmortem explore` as its users meet it.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "this judges the program from outside")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use sim::explore::Report;

fn explore(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postmortem"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["explore", "--no-findings"])
        .args(args)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// The report of an exploration, as the text of its file.
fn report(folder: &Path, name: &str, args: &[&str]) -> String {
    let file = folder.join(name);
    let output = explore(&[args, &["--json", file.to_str().unwrap()]].concat());
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", said(&output));
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn the_report_does_not_depend_on_how_many_run_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let with = |jobs| report(folder.path(), jobs, &["--seeds", "0..24", "--jobs", jobs]);
    assert_eq!(with("1"), with("7"));
}

#[test]
fn the_union_of_shards_is_the_whole_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let whole = report(folder.path(), "whole", &["--seeds", "5..27"]);
    let shards = ["2/3", "3/3", "1/3"].map(|shard| {
        let name = shard.replace('/', " of ");
        let text = report(folder.path(), &name, &["--seeds", "5..27", "--shard", shard]);
        serde_json::from_str::<Report>(&text).unwrap()
    });
    let [mut union, second, third] = shards;
    union.add(&second);
    union.add(&third);
    assert_eq!(format!("{}\n", serde_json::to_string_pretty(&union).unwrap()), whole);
}

#[test]
fn the_crash_of_each_article_is_found_on_the_release_that_has_it_and_shown_with_how_to_reproduce_it() {
    for (profile, release, cause) in [
        ("localhost-route", "5.0", "0x00402674"),
        ("exempt-host", "5.5", "0x00462f42"),
        ("mixed", "5.0", "0x00402674"),
        ("mixed", "5.5", "0x00462f42"),
    ] {
        let output = explore(&[profile, "--release", release, "--seeds", "0..200"]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let place = text
            .find(&format!("service: event 4037: 0xc0000005 at {cause}"))
            .unwrap_or_else(|| panic!("{text}"));
        let command = text[place..].lines().find_map(|line| line.trim().strip_prefix("postmortem ")).unwrap();
        let replay = Command::new(env!("CARGO_BIN_EXE_postmortem"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(command.split(' '))
            .output()
            .unwrap();
        assert_eq!(replay.status.code(), Some(1));
        assert!(said(&replay).contains(&format!("Address: {cause}")), "{}", said(&replay));
    }
}

#[test]
fn seeds_are_run_twice_when_asked_and_are_the_same() {
    let output = explore(&["mixed", "--seeds", "0..20", "--twice"]);
    assert!(!said(&output).contains("differs from itself"), "{}", said(&output));
}

#[test]
fn ctrl_c_ends_an_exploration_with_what_was_found() {
    let child = Command::new(env!("CARGO_BIN_EXE_postmortem"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "explore",
            "localhost-route",
            "--release",
            "5.0",
            "--for",
            "10m",
            "--jobs",
            "1",
            "--no-findings",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Long enough to have begun, on any machine; if not, it ends by the signal and the test fails.
    std::thread::sleep(std::time::Duration::from_secs(5));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("0x00402674") && text.contains("interrupted"), "{text}");
}

#[test]
fn what_cannot_be_explored_is_refused_before_anything_runs() {
    for (args, says) in [
        (&["nothing"][..], "there is no profile `nothing`"),
        (&["--seeds", "9..3"], "write 3..9"),
        (&["--shard", "5/4"], "write I/N"),
        (&["--seeds", "0..2", "--shard", "1/4"], "no seed in this shard"),
        (&["--seeds", "0..2", "--for", "1s"], "cannot be used with"),
        (&["--for", "0s"], "nothing is done in no time"),
        (&["--jobs", "0"], "invalid value"),
        (&["--release", "6.0"], "not a release"),
        (&["--json", "/nowhere/at/all.json"], "cannot be written"),
    ] {
        let output = explore(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        assert!(said(&output).replace('\n', " ").contains(says), "{args:?}: {}", said(&output));
    }
}

#[test]
fn the_file_that_a_seed_draws_is_the_same_run_to_the_digest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drawn.toml");
    let program = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postmortem"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).output().unwrap()
    };
    std::fs::write(&file, program(&["plan", "mixed", "--seed", "17"]).stdout).unwrap();
    let digest = |output: &Output| {
        let text = said(output);
        text.lines()
            .find_map(|line| line.strip_prefix("digest "))
            .unwrap_or_else(|| panic!("{text}"))
            .to_owned()
    };
    let drawn = program(&["replay", "mixed", "--seed", "17"]);
    assert_eq!(digest(&drawn), digest(&program(&["replay", file.to_str().unwrap()])));
}
