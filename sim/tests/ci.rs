//! `postmortem ci` and `postmortem merge` as a job meets them, in a copy of the project.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "this judges the program from outside")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quick_junit::{Report, TestCaseStatus};
use tempfile::TempDir;

struct Project(TempDir);

struct Run {
    code: Option<i32>,
    printed: String,
    /// Standard error without its frames and line breaks.
    complaint: String,
}

impl Project {
    fn new() -> Self {
        let project = Project(tempfile::tempdir().unwrap());
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for folder in ["scenarios/kb", "scenarios/perturbation", "snapshots"] {
            fs::create_dir_all(project.path(folder)).unwrap();
            let entries = fs::read_dir(original.join(folder)).unwrap().map(|entry| entry.unwrap());
            for entry in entries.filter(|entry| entry.path().is_file()) {
                fs::copy(entry.path(), project.path(folder).join(entry.file_name())).unwrap();
            }
        }
        project
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// Puts other words into a file.
    fn edit(&self, file: &str, words: &str, others: &str) {
        assert!(self.read(file).contains(words), "{file} does not say {words}");
        fs::write(self.path(file), self.read(file).replacen(words, others, 1)).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postmortem"));
        command.args(line.split(' ')).current_dir(self.0.path());
        command.env("NO_COLOR", "1").env_remove("GITHUB_ACTIONS");
        command
    }

    fn run(&self, line: &str) -> Run {
        run(&mut self.command(line))
    }

    /// Three shards of six seeds, in `1`, `2` and `3`.
    fn shards(&self) {
        for number in 1..=3 {
            let shard = self.run(&format!("ci --seeds 0..6 --shard {number}/3 --json {number}"));
            assert_eq!(shard.code, Some(0), "{}{}", shard.printed, shard.complaint);
        }
    }
}

fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap().replace(['│', '×'], " ");
    Run {
        code: output.status.code(),
        printed: String::from_utf8(output.stdout).unwrap(),
        complaint: complaint.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// The files in a folder, with what is in them.
fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut files: Vec<_> =
        entries.map(|entry| (name(&entry), fs::read_to_string(entry.path()).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_green_run_has_replays_canaries_fresh_seeds_and_an_audit() {
    let project = Project::new();
    let run = project.run("ci --seeds 0..2 --twice --junit ci.xml --summary ci.md");
    assert_eq!(run.code, Some(0), "{}{}", run.printed, run.complaint);
    let junit = Report::deserialize_from_str(&project.read("ci.xml")).unwrap();
    let suites: Vec<&str> = junit.test_suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!(suites, ["replays", "canaries", "exploration", "determinism"]);
    assert_eq!((junit.failures, junit.errors, junit.skipped), (0, 0, 0));
    assert!(project.read("ci.md").starts_with("## Postmortem: all good\n\nOf seeds 0..2.\n"));
    assert!(run.printed.ends_with(&format!("\n{} checks, all good\n", junit.tests)), "{}", run.printed);
}

#[test]
fn a_changed_snapshot_is_red_everywhere_with_the_command_that_shows_it() {
    let project = Project::new();
    project.edit("snapshots/Q169681@5.0-RTM.snap", "Address: 0x00402674", "Address: 0x00000000");
    let line = "ci --seeds 0..1 --junit ci.xml --summary ci.md";
    let red = run(project.command(line).env("GITHUB_ACTIONS", "true"));
    assert_eq!(red.code, Some(1), "{}{}", red.printed, red.complaint);
    let annotation =
        "\n::error file=snapshots/Q169681@5.0-RTM.snap,title=replays%3A Q169681 on 5.0 RTM::the event";
    assert!(red.printed.contains(annotation), "{}", red.printed);

    let junit = Report::deserialize_from_str(&project.read("ci.xml")).unwrap();
    let cases = &junit.test_suites[0].test_cases;
    let case = cases.iter().find(|case| case.name.as_str() == "Q169681 on 5.0 RTM").unwrap();
    let TestCaseStatus::NonSuccess { description, .. } = &case.status else { panic!("{case:?}") };
    let description = description.as_ref().unwrap();
    assert!(description.contains("Address: 0x00402674") && junit.failures == 1, "{description:?}");
    let (_, command) = description.split_once("reproduce: cargo run --release -- ").unwrap();
    assert!(project.read("ci.md").contains(command), "{}", project.read("ci.md"));
    assert_eq!(project.run(command).code, Some(1), "{command}");
}

#[test]
fn a_canary_that_is_silent_is_a_failure() {
    let project = Project::new();
    let profile = "scenarios/perturbation/localhost-route.toml";
    project.edit(profile, "localhost_route = 90", "localhost_route = 0");
    project.edit(profile, "extension = 25", "extension = 0");
    let run = project.run("ci --seeds 0..1");
    assert_eq!(run.code, Some(1), "{}{}", run.printed, run.complaint);
    for words in [
        "canaries: 1 of 2 found\n",
        "\ncanaries: localhost-route on 5.0 RTM dies at 0x00402674\n    event 4037 at 0x00402674 was not found in 200",
        "explore localhost-route --release 5.0-rtm --seeds 0..200\n",
    ] {
        assert!(run.printed.contains(words), "{words}: {}", run.printed);
    }
}

#[test]
fn the_shards_together_are_the_whole_to_the_byte() {
    let project = Project::new();
    let whole = project.run("ci --seeds 0..6 --json whole --summary whole.md");
    assert_eq!(whole.code, Some(0), "{}{}", whole.printed, whole.complaint);
    project.shards();
    let merged = project.run("merge 2 3 1 --json merged --summary merged.md");
    assert_eq!(merged.code, Some(0), "{}{}", merged.printed, merged.complaint);
    assert_eq!(files(&project.path("merged")), files(&project.path("whole")));
    assert_eq!(project.read("merged.md"), project.read("whole.md"));
}

#[test]
fn shards_that_are_missing_double_or_of_another_run_are_said_before_anything_is_merged() {
    let project = Project::new();
    project.shards();
    fs::create_dir(project.path("none")).unwrap();
    let other = project.run("ci --seeds 0..9 --shard 2/3 --json other");
    assert_eq!(other.code, Some(0), "{}", other.printed);
    fs::remove_file(project.path("3/explore-mixed.3-of-3.json")).unwrap();
    for (line, says) in [
        ("merge 1 3", "missing: shard 2/3 missing: shard 3/3 of mixed help"),
        ("merge 1 1 2", "double: shard 1/3 missing: shard 3/3 help"),
        ("merge --partial 1 other", "checks.2-of-3.json is of another run"),
        ("merge none", "there are no results in none"),
        ("merge nowhere", "nowhere cannot be read"),
        ("merge", "<DIR|FILE>"),
    ] {
        let refused = project.run(line);
        assert_eq!(refused.code, Some(2), "{line}: {}", refused.complaint);
        assert!(refused.complaint.contains(says), "{line}: {}", refused.complaint);
        assert_eq!(refused.printed, "", "{line}");
    }
    let partial = project.run("merge --partial 1 2 2 --summary partial.md");
    assert_eq!(partial.code, Some(0), "{}", partial.complaint);
    let summary = project.read("partial.md");
    assert!(summary.contains("- **double: shard 2/3**\n- **missing: shard 3/3**\n"), "{summary}");
}

#[test]
fn a_finding_of_one_shard_and_its_capsule_are_in_what_is_merged() {
    let project = Project::new();
    project.shards();
    let finding = "\"findings\": [{ \"oracle\": \"custody\", \"cause\": \"a message is lost\", \"seeds\": 1, \
                   \"smallest\": 3, \"what\": \"m1 | gone\" }]";
    project.edit("2/explore-mixed.2-of-3.json", "\"findings\": []", finding);
    fs::create_dir(project.path("findings")).unwrap();
    let capsule =
        "profile = \"mixed\"\nrelease = \"current\"\noracle = \"custody\"\ncause = \"a message is lost\"\n";
    fs::write(project.path("findings/lost.toml"), capsule).unwrap();
    let merged = project.run("merge 1 2 3 --summary merged.md");
    assert_eq!(merged.code, Some(1), "{}{}", merged.printed, merged.complaint);
    for words in [
        "### exploration: mixed: custody: a message is lost\n",
        "replay mixed --seed 3",
        "findings/lost.toml",
    ] {
        assert!(project.read("merged.md").contains(words), "{words}: {}", project.read("merged.md"));
    }
}

#[test]
fn ctrl_c_ends_with_what_was_checked_and_the_shard_is_not_done() {
    let project = Project::new();
    let mut command = project.command("ci --for 10m --jobs 1 --json results --summary ci.md");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // Long enough to have begun, on any machine; if not, it ends by the signal and the test fails.
    std::thread::sleep(std::time::Duration::from_secs(5));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(project.read("ci.md").contains("interrupted"), "{}", project.read("ci.md"));
    assert!(!project.path("results/checks.1-of-1.json").exists());
}

/// Runs a command that would take all night, and presses Ctrl-C as in a terminal: all processes of the job hear it.
fn interrupted(project: &Project, line: &str) -> (Option<i32>, String) {
    let mut command = project.command(line);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // Long enough to have begun, on any machine; if not, it ends by the signal and the test fails.
    std::thread::sleep(std::time::Duration::from_secs(5));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process_group(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn an_exploration_that_is_interrupted_is_not_taken_for_the_whole() {
    let project = Project::new();
    let (code, printed) = interrupted(&project, "explore --for 10h --jobs 1 --json cut.json --no-findings");
    assert_eq!(code, Some(130), "{printed}");
    assert!(printed.ends_with("interrupted: what was found until then is above\n"), "{printed}");
    let refused = project.run("merge cut.json");
    assert_eq!(refused.code, Some(2), "{}", refused.complaint);
    assert!(refused.complaint.contains("interrupted: cut.json, after "), "{}", refused.complaint);
    let partial = project.run("merge --partial cut.json");
    assert_eq!(partial.code, Some(0), "{}{}", partial.printed, partial.complaint);
    assert!(partial.printed.contains("\ninterrupted: cut.json, after "), "{}", partial.printed);
}

#[test]
fn an_audit_and_parity_end_at_ctrl_c_with_what_they_made() {
    let project = Project::new();
    for line in ["audit exempt-host --seeds 0..100000", "parity exempt-host --seeds 0..100000"] {
        let (code, printed) = interrupted(&project, line);
        assert_eq!(code, Some(130), "{line}: {printed}");
        assert!(printed.contains("0 differ\n") && printed.contains("\ninterrupted: "), "{line}: {printed}");
    }
}

#[test]
fn the_reports_of_explorations_are_merged_into_that_of_all_their_seeds() {
    let project = Project::new();
    fs::create_dir(project.path("some")).unwrap();
    for (seeds, file) in
        [("0..2", "some/a.json"), ("2..4", "some/b.json"), ("4..6", "c.json"), ("0..6", "whole.json")]
    {
        let run = project.run(&format!("explore --seeds {seeds} --json {file}"));
        assert_eq!(run.code, Some(0), "{}{}", run.printed, run.complaint);
    }
    fs::write(project.path("some/else.json"), "[1]").unwrap();
    fs::create_dir(project.path("mix")).unwrap();
    fs::write(project.path("mix/checks.1-of-1.json"), r#"{ "of": "seeds 0..2", "cases": [] }"#).unwrap();
    let merged = project.run("merge some c.json --json merged");
    assert_eq!(merged.code, Some(0), "{}{}", merged.printed, merged.complaint);
    assert_eq!(
        files(&project.path("merged")),
        [("explore-mixed.json".to_owned(), project.read("whole.json"))]
    );
    // What was merged can be merged again.
    assert_eq!(project.run("merge merged").code, Some(0));
    for (line, says) in [
        ("merge some whole.json", "double: whole.json has seeds that are in another file"),
        ("merge some/a.json c.json", "missing: seeds 2..4 of mixed"),
        ("merge some mix", "mix/checks.1-of-1.json is of `ci`, and some/a.json is of `explore`"),
        ("merge snapshots/Q169681@current.snap", "damaged: snapshots/Q169681@current.snap"),
    ] {
        let refused = project.run(line);
        assert!(refused.code == Some(2) && refused.complaint.contains(says), "{line}: {}", refused.complaint);
    }
}

#[test]
fn a_file_that_was_cut_short_is_named_and_the_rest_is_merged_if_that_is_wanted() {
    let project = Project::new();
    project.shards();
    let file = "2/explore-mixed.2-of-3.json";
    let text = project.read(file);
    fs::write(project.path(file), &text[..text.len() / 2]).unwrap();
    let refused = project.run("merge 1 2 3");
    assert_eq!(refused.code, Some(2), "{}", refused.printed);
    for words in ["damaged: 2/explore-mixed.2-of-3.json: EOF", "missing: shard 2/3 of mixed"] {
        assert!(refused.complaint.contains(words), "{words}: {}", refused.complaint);
    }
    let partial = project.run("merge --partial 1 2 3 --summary partial.md");
    assert_eq!(partial.code, Some(0), "{}{}", partial.printed, partial.complaint);
    assert!(partial.printed.contains("mixed on current: 4 seeds, nothing found"), "{}", partial.printed);
    assert!(project.read("partial.md").contains("- **damaged: 2/explore-mixed.2-of-3.json"));
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_runs() {
    let project = Project::new();
    fs::write(project.path("file"), "").unwrap();
    for (line, says) in [
        ("ci --shard 5/4", "write I/N with I from 1 to N"),
        ("ci --shard 0/4", "write I/N with I from 1 to N"),
        ("ci --seeds 0..2 --shard 1/4", "no seed in this shard"),
        ("ci --seeds 9..3", "write 3..9"),
        ("ci --seeds 0..2 --for 1s", "cannot be used with"),
        ("ci --seeds 0..2 --night 2026-11-26", "cannot be used with"),
        ("ci --night tonight", "write a date"),
        ("ci --for -1s", "cannot be negative"),
        ("ci --junit file/ci.xml", "cannot be written"),
        ("ci --summary snapshots", "cannot be written"),
        ("ci --json file/results", "cannot be written"),
        ("ci --findings file/findings", "findings cannot be written"),
    ] {
        let refused = project.run(line);
        assert_eq!(refused.code, Some(2), "{line}: {}", refused.complaint);
        assert!(refused.complaint.contains(says), "{line}: {}", refused.complaint);
        assert_eq!(refused.printed, "", "{line}");
    }
    fs::remove_file(project.path("scenarios/perturbation/exempt-host.toml")).unwrap();
    assert!(project.run("ci --seeds 0..1").complaint.contains("no profile `exempt-host`"));
}
