//! Capsules: the kept ones still find what they found, and new ones are written, replayed and refused as documented.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "this judges the program from outside")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sim::capsule::{Capsule, LARGEST, Replayed};

fn postmortem(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_postmortem"));
    let Output { status, stdout, stderr } = program.args(args).current_dir(folder).output().unwrap();
    let said = String::from_utf8([stdout, stderr].concat()).unwrap();
    (status.code(), said.replace("\n  │ ", " "))
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The capsule of Q169681 among the kept ones.
fn kept() -> String {
    let file = files(&here().join("tests/capsules")).into_iter().find(|file| {
        file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("service-15e4fa28"))
    });
    fs::read_to_string(file.unwrap()).unwrap()
}

/// What `replay` says of a file with this text.
fn replayed(text: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("finding.toml"), text).unwrap();
    postmortem(folder.path(), &["replay", "finding.toml"])
}

#[test]
fn every_kept_capsule_still_hits_its_oracle() {
    let kept = files(&here().join("tests/capsules"));
    assert!(kept.len() >= 2);
    for file in kept {
        let name = file.display().to_string();
        let ready = Capsule::read(&name, &fs::read_to_string(&file).unwrap()).unwrap().ready(&name).unwrap();
        let again = ready.replay(ready.engine);
        assert!(
            !matches!(again, Replayed::NotAnyMore(..)),
            "{name}: {}: {again:?}",
            ready.capsule.signature()
        );
    }
}

#[test]
fn an_exploration_leaves_a_capsule_of_each_finding_that_needs_no_project() {
    let folder = tempfile::tempdir().unwrap();
    let findings = folder.path().join("new/findings");
    let explore = [
        "explore",
        "mixed",
        "--release",
        "5.0",
        "--seeds",
        "0..40",
        "--findings",
        findings.to_str().unwrap(),
    ];
    let (code, said) = postmortem(here(), &explore);
    assert_eq!(code, Some(1), "{said}");
    let written = files(&findings);
    assert!(!written.is_empty());
    for file in &written {
        assert!(fs::metadata(file).unwrap().len() < LARGEST as u64);
        assert!(said.contains(&file.display().to_string()), "{said}");
        let file = file.to_str().unwrap();
        let (code, said) = postmortem(folder.path(), &["replay", file, "--twice"]);
        assert!(code == Some(1) && said.contains("it reproduces, bit for bit"), "{said}");
        let (code, said) = postmortem(folder.path(), &["shrink", file]);
        assert!(code == Some(0) && said.contains("irreducible"), "{said}");
    }

    // Another exploration does not touch what is there.
    fs::write(&written[0], "somebody's own").unwrap();
    let (code, said) = postmortem(here(), &explore);
    assert!(code == Some(1) && said.contains("known already"), "{said}");
    assert_eq!(fs::read_to_string(&written[0]).unwrap(), "somebody's own");
    assert_eq!(files(&findings), written);
}

#[test]
fn where_nothing_is_found_no_folder_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let findings = folder.path().join("findings");
    let (code, said) =
        postmortem(here(), &["explore", "--seeds", "0..1", "--findings", findings.to_str().unwrap()]);
    assert!(code == Some(0) && !findings.exists(), "{said}");
}

#[test]
fn findings_that_cannot_be_written_are_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    fs::write(&file, "not a folder").unwrap();
    let (code, said) = postmortem(here(), &["explore", "--findings", file.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("findings cannot be written to") && !said.contains("seeds,"), "{said}");
}

/// A capsule as another build would have written it: with a checksum that fits.
fn sealed(text: &str) -> String {
    let capsule: toml::Table = toml::from_str(text).unwrap();
    let judged = ["oracle", "cause", "release", "digest", "plan"].map(|key| capsule[key].as_str().unwrap());
    let sum = xxhash_rust::xxh3::xxh3_64(judged.join("\n").as_bytes());
    text.replace(capsule["checksum"].as_str().unwrap(), &format!("{sum:016x}"))
}

#[test]
fn a_finding_of_changed_code_reproduces_as_another_run_or_not_any_more() {
    let text = kept();
    let start = text.find("\ndigest = \"").unwrap() + "\ndigest = \"".len();
    let mut other = text.clone();
    other.replace_range(start..start + 32, &"0".repeat(32));
    let (code, said) = replayed(&sealed(&other));
    assert!(code == Some(1) && said.contains("the code has changed since"), "{said}");
    let (code, said) = replayed(&sealed(&text.replace("5.0 RTM", "current")));
    assert!(code == Some(0) && said.contains("it does not reproduce any more"), "{said}");
}

#[test]
fn what_this_build_cannot_judge_is_told_from_what_is_damaged() {
    let text = kept();
    let plan = |words, others| text.replacen(words, others, 1);
    for (changed, says) in [
        (plan("format = 1", "format = 2"), "is of format 2, and this build reads format 1 alone"),
        (plan("oracle = \"service\"", "oracle = \"harmony\""), "this build has no oracle `harmony`"),
        (plan("release = \"5.0 RTM\"", "release = \"6.0\""), "this build has no release `6.0`"),
        (plan("engine = \"leap\"", "engine = \"hop\""), "this build has no engine `hop`"),
        (plan("\nduration = ", "\nlasts = "), "its plan cannot be read any more"),
    ] {
        let (code, said) = replayed(&sealed(&changed));
        assert_eq!(code, Some(125), "{says}: {said}");
        assert!(said.contains(says), "{says}: {said}");
    }
    for (changed, says) in [
        (plan("seed = ", "seeds = "), "is damaged: unknown field `seeds`"),
        (plan("cause = ", "caused = "), "is damaged"),
        (plan("0x00402674", "0x00462f42"), "is damaged: its checksum does not fit"),
        (plan("Imcroute.cfg", "other.cfg"), "is damaged: its checksum does not fit"),
        (plan("format = 1", "format = 1\nmood = \"blue\""), "is damaged: unknown field `mood`"),
    ] {
        let (code, said) = replayed(&changed);
        assert!(code == Some(2) && said.contains(says), "{says}: {said}");
    }
}

#[test]
fn a_capsule_that_was_cut_short_anywhere_is_refused() {
    let text = kept();
    for part in 1..12 {
        let (code, said) = replayed(&text[..text.len() * part / 12]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("is damaged") || said.contains("finding.toml"), "{said}");
    }
}

#[test]
fn a_finding_is_replayed_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("finding.toml"), kept()).unwrap();
    let (code, said) = postmortem(folder.path(), &["replay", "finding.toml", "--seed", "7"]);
    assert!(code == Some(2) && said.contains("a seed of its own"), "{said}");
    let (code, said) = postmortem(folder.path(), &["replay", "nothing.toml"]);
    assert!(code == Some(2) && said.contains("there is no file nothing.toml"), "{said}");
}

#[test]
fn a_finding_is_replayed_twice_and_on_another_engine_and_then_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("finding.toml"), kept()).unwrap();
    let (code, said) = postmortem(folder.path(), &["replay", "finding.toml", "--twice"]);
    assert_eq!(code, Some(1), "{said}");
    for words in [
        "\ntwice: identical, digest ",
        "postmortem explain finding.toml\n",
        "postmortem shrink finding.toml -o ",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (code, said) =
        postmortem(folder.path(), &["replay", "finding.toml", "--engine", "turmoil", "--twice"]);
    assert_eq!(code, Some(1), "{said}");
    for words in
        ["it reproduces on turmoil too\n", ", which is turmoil's; on leap it was ", "\ntwice: identical"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (code, said) = postmortem(folder.path(), &["explain", "finding.toml", "--engine", "turmoil"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_story_of_mail_that_never_leaves_is_marked_at_its_end_and_says_what_becomes_of_the_mail_otherwise() {
    let kept = files(&here().join("tests/capsules"));
    let file = kept.iter().find(|file| file.display().to_string().contains("/liveness-")).unwrap();
    let (code, story) = postmortem(here(), &["explain", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{story}");
    let story = story.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        ">> 12:00:00.000 the run ends: the service is up, in/ has m1 What is wrong",
        "It is so: m1 is in in/, 719 minutes after all had healed",
        "without the message m1: nothing is found: the service stays up; no message is handed over",
        "without the fault `extension-hangs`: nothing is found: the service stays up; m1 is taken, and goes to nobody; \
         a message to alice@fabrikam.test was dropped: it could not be delivered",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
}

#[test]
fn the_story_of_a_finding_is_one_page() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("finding.toml"), kept()).unwrap();
    let (code, story) = postmortem(folder.path(), &["explain", "finding.toml"]);
    assert_eq!(code, Some(0), "{story}");
    assert!(story.lines().count() < 90 && story.lines().all(|line| line.chars().count() <= 100), "{story}");
    for part in [
        "service: event 4037: 0xc0000005 at 0x00402674, again at each start\n",
        "found with seed 4 of mixed, at ",
        "hands over m1 at 0s, from alice@fabrikam.test to",
        "C: RCPT TO:<",
        ">> 00:00:00.",
        "  - without the message m1: nothing is found",
        "`shop.contoso.test localhost`: nothing is found",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
}
