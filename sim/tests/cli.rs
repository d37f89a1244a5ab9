//! The `postmortem` program in a project of its own: two scenarios of the Knowledge Base and their snapshots.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "the test sets up a project on the real disk")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A copy of a part of this project.
struct Project(TempDir);

/// What the program did.
struct Run {
    code: Option<i32>,
    /// Standard output.
    printed: String,
    /// Standard error without its frames and line breaks.
    complaint: String,
}

impl Project {
    fn new() -> Self {
        let project = Project(tempfile::tempdir().unwrap());
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        fs::create_dir_all(project.path("scenarios/kb")).unwrap();
        fs::create_dir(project.path("snapshots")).unwrap();
        for name in ["Q169681", "Q178091"] {
            let file = format!("scenarios/kb/{name}.toml");
            fs::copy(original.join(&file), project.path(&file)).unwrap();
        }
        for entry in fs::read_dir(original.join("snapshots")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), project.path("snapshots").join(entry.file_name())).unwrap();
        }
        project
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Puts other words into a file, once, and says in which line.
    fn edit(&self, file: &str, words: &str, others: &str) -> usize {
        let text = fs::read_to_string(self.path(file)).unwrap();
        let (before, _) = text.split_once(words).unwrap_or_else(|| panic!("{file} does not say {words}"));
        fs::write(self.path(file), text.replacen(words, others, 1)).unwrap();
        before.matches('\n').count() + 1
    }

    fn run(&self, args: &[&str]) -> Run {
        run(self.0.path(), args)
    }
}

fn run(folder: &Path, args: &[&str]) -> Run {
    let mut program = Command::new(env!("CARGO_BIN_EXE_postmortem"));
    let output = program.args(args).current_dir(folder).env("NO_COLOR", "1").output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap().replace(['│', '×'], " ");
    Run {
        code: output.status.code(),
        printed: String::from_utf8(output.stdout).unwrap(),
        complaint: complaint.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

const Q169681: &str = "scenarios/kb/Q169681.toml";
const Q178091: &str = "scenarios/kb/Q178091.toml";

#[test]
fn without_a_command_every_scenario_is_replayed_on_its_releases_and_shown_in_a_table() {
    let run = Project::new().run(&[]);
    assert_eq!(run.code, Some(0), "{}{}", run.printed, run.complaint);
    let row =
        |text: &str| run.printed.lines().find(|line| line.starts_with(text)).unwrap_or_default().to_owned();
    assert!(
        row("Q169681  5.0 RTM").contains("as expected      service dies 4 times and stays down"),
        "{}",
        run.printed
    );
    assert!(
        row("Q169681  current").contains("as expected      service stays up, 1 delivered"),
        "{}",
        run.printed
    );
    assert!(row("Q178091  5.5 RTM").contains("service dies 2 times, up at the end"), "{}", run.printed);
    assert!(run.printed.ends_with("\n7 of 7 replays as expected\n"), "{}", run.printed);
}

#[test]
fn a_changed_snapshot_is_shown_as_a_difference_and_how_to_reproduce_it() {
    let project = Project::new();
    project.edit("snapshots/Q169681@5.0-RTM.snap", "Address: 0x00402674", "Address: 0x00000000");
    let run = project.run(&[]);
    assert_eq!(run.code, Some(1), "{}", run.printed);
    assert!(run.printed.contains("\n-") && run.printed.contains("Address: 0x00000000"), "{}", run.printed);
    assert!(run.printed.contains("reproduce: cargo run --release -- replay Q169681 --release 5.0-rtm\n"));
    assert!(run.printed.ends_with("\n6 of 7 replays as expected\n"), "{}", run.printed);
    assert_eq!(project.run(&["replay", "Q169681", "--release", "5.0-rtm"]).code, Some(1));
}

#[test]
fn an_expectation_that_is_not_met_is_said() {
    let project = Project::new();
    project.edit(Q169681, "deaths = 4", "deaths = 5");
    let run = project.run(&["replay", "q169681"]);
    assert_eq!(run.code, Some(1), "{}", run.printed);
    assert!(
        run.printed.contains("not as expected: deaths of the service: expected 5, found 4\n"),
        "{}",
        run.printed
    );
    assert_eq!(project.run(&[]).code, Some(1));
}

#[test]
fn a_missing_snapshot_is_no_success() {
    let project = Project::new();
    fs::remove_file(project.path("snapshots/Q178091@current.snap")).unwrap();
    let run = project.run(&[]);
    assert_eq!(run.code, Some(1), "{}", run.printed);
    assert!(run.printed.contains("cargo test -p scenarios"), "{}", run.printed);
}

#[test]
fn a_scenario_that_makes_no_sense_is_refused_with_its_line_and_the_remedy_before_anything_runs() {
    for (file, words, others, what, remedy) in [
        (Q169681, "seed = ", "sede = ", "unknown field `sede`", "docs/scenario-files.md"),
        (Q169681, "\"5.0 SP2\", ", "\"5.0 SP9\", ", "`5.0 SP9` is not a release", "`5.0 SP2`"),
        (
            Q169681,
            "releases = [\"5.0 RTM\", \"5.0 SP2\", \"5.5 RTM\", \"current\"]",
            "releases = []",
            "on no release",
            "name at least one",
        ),
        (
            Q169681,
            "answers = [{ message = \"m1\"",
            "answers = [{ message = \"m9\"",
            "no message sent by a client is named `m9`",
            "there are these: m1",
        ),
        (
            Q169681,
            "releases = [\"5.0 RTM\"]",
            "releases = [\"5.5 SP3\"]",
            "nothing is replayed on 5.5 SP3",
            "add the release",
        ),
        (
            Q169681,
            "mailboxes = { \"orders@",
            "mailboxes = { \"order@",
            "no mailbox is named `order@shop.contoso.test`",
            "administrator@contoso.test",
        ),
        (
            Q169681,
            "spool = { in =",
            "spool = { inn =",
            "no folder of the spool is named `inn`",
            "archive, bad, in",
        ),
        (
            Q169681,
            "\"/imcdata/Imcroute.cfg\"",
            "\"Imcroute.cfg\"",
            "`Imcroute.cfg` is not the path of a file",
            "from the root",
        ),
        (
            Q169681,
            "name = \"mail.fabrikam.test\"",
            "name = \"ims1.contoso.test\"",
            "another machine named `ims1.contoso.test`",
            "a name of its own",
        ),
        (
            Q169681,
            "address = \"198.51.100.7\"",
            "address = \"192.0.2.25\"",
            "another machine at 192.0.2.25",
            "an address of its own",
        ),
        (
            Q178091,
            "homed_here_only = true",
            "homed_here_only = 1",
            "on 5.5 RTM, the gateway refuses its configuration: invalid type",
            "true or false",
        ),
        (
            Q178091,
            "address = \"erin@contoso.test\"",
            "address = \"bob@contoso.test\"",
            "`bob@contoso.test` is already an address",
            "addresses of its own",
        ),
    ] {
        let project = Project::new();
        let line = project.edit(file, words, others);
        let refused = project.run(&[]);
        assert_eq!(refused.code, Some(2), "{others}: {}", refused.complaint);
        let said = &refused.complaint;
        assert!(said.starts_with(&format!("{file}:{line}: ")), "{others}, line {line}: {said}");
        assert!(said.contains(what) && said.contains(remedy), "{others}: {said}");
        assert_eq!(refused.printed, "", "{others}: something was run");
    }
}

/// A fault that makes sense, before the one that does not.
const GOOD_FAULT: &str = "[[fault]]\nkind = \"hold\"\nbetween = [\"ims1.contoso.test\", \"mail.fabrikam.test\"]\n\
    at = \"1s\"\nuntil = \"2s\"\n\n";

#[test]
fn a_bad_fault_is_pointed_at_and_not_the_one_before_it() {
    let cut = "kind = \"partition\"\nbetween = [\"ims1.contoso.test\", \"mail.fabrikam.test\"]\n";
    let stop = "kind = \"kill\"\nrestart_after = \"1s\"\n";
    for (fault, row, what, remedy) in [
        (
            "kind = \"partion\"\nat = \"1s\"".to_owned(),
            1,
            "no kind of fault is named `partion`",
            "did you mean `partition`?",
        ),
        (
            "kind = \"client-floods\"\nclient = \"mail.fabrikam.test\"".to_owned(),
            1,
            "no kind of fault is named `client-floods`",
            "what a client does is written `kind = \"client\"`, `does = \"floods\"`",
        ),
        (
            format!("{cut}at = \"1s\"\nuntil = \"2s\"\nuntill = \"3s\""),
            5,
            "unknown field `untill`",
            "did you mean `until`?",
        ),
        (
            format!("{cut}at = \"soon\"\nuntil = \"2s\""),
            3,
            "`soon` is no span of time, such as 90s",
            "docs/reference/faults.md",
        ),
        (
            format!("{cut}at = \"1s\"\nuntil = 2"),
            4,
            "invalid type: integer `2`, expected a string",
            "docs/reference/faults.md",
        ),
        (format!("{cut}at = \"1s\""), 0, "missing field `until`", "docs/reference/faults.md"),
        (format!("{cut}at = \"2s\"\nuntil = \"1s\""), 0, "it ends before it begins", "later than"),
        (
            format!("{stop}when = {{ disk = {{ op = \"synch\", folder = \"work\", nth = 1 }} }}"),
            3,
            "unknown variant `synch`",
            "did you mean `sync`?",
        ),
        (
            format!("{stop}when = {{ event = {{ id = 2022, nth = 1 }} }}"),
            0,
            "logs no event 2022",
            "docs/reference/events.md",
        ),
        ("at = \"1s\"".to_owned(), 0, "missing field `kind`", "docs/reference/faults.md"),
    ] {
        let project = Project::new();
        let line =
            project.edit(Q169681, "[[expect]]", &format!("{GOOD_FAULT}[[fault]]\n{fault}\n\n[[expect]]")) + 6;
        let refused = project.run(&["replay", "Q169681"]);
        assert_eq!(refused.code, Some(2), "{fault}: {}", refused.complaint);
        let said = &refused.complaint;
        assert!(
            said.starts_with(&format!("{Q169681}:{}: ", line + row)),
            "{fault}, line {line}+{row}: {said}"
        );
        assert!(said.contains(what) && said.contains(remedy), "{fault}: {said}");
        assert!(!said.contains("friendly"), "{fault}: {said}");
    }
}

#[test]
fn what_could_never_be_is_refused() {
    let server = "[[server]]\nname = \"mx\"\naddress = \"192.0.2.99\"\n\n[[fault]]\nkind = \"server\"\nserver = \"mx\"\n\
        until = \"1h\"\n";
    let refuses =
        |reply: &str| format!("{server}does = {{ refuses-one = {{ reply = \"{reply}\" }} }}\n\n[[expect]]");
    for (words, others, what) in [
        ("duration = \"30m\"", "duration = \"0s\"".to_owned(), "nothing happens in no time"),
        ("{ id = 4037,", "{ id = 4038,".to_owned(), "the gateway logs no event 4038"),
        ("[[expect]]", refuses("busy"), "this is no reply"),
        ("[[expect]]", refuses("99 busy"), "this is no reply"),
        ("[[expect]]", refuses("450-busy\\nstill"), "this is no reply"),
        ("[[expect]]", refuses(""), "this is no reply"),
    ] {
        let project = Project::new();
        project.edit(Q169681, words, &others);
        let refused = project.run(&["list"]);
        assert!(
            refused.code == Some(2) && refused.complaint.contains(what),
            "{others}: {}",
            refused.complaint
        );
    }
}

#[test]
fn a_profile_with_a_range_that_is_none_is_refused_in_its_place() {
    let project = Project::new();
    let profile = "scenarios/perturbation/mixed.toml";
    fs::create_dir(project.path("scenarios/perturbation")).unwrap();
    for (words, others, what) in [
        ("octets = [0, 20000]", "octets = [900, 20]", "`load.octets` is no range"),
        ("messages = [1, 60]", "messages = [0, 60]", "`load.messages` is no range"),
        ("begins = [\"0s\", \"1h\"]", "begins = [\"1h\", \"0s\"]", "`faults.begins` is no range"),
        ("servers = [1, 7]", "severs = [1, 7]", "did you mean `servers`?"),
    ] {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(profile), project.path(profile))
            .unwrap();
        let line = project.edit(profile, words, others);
        let refused = project.run(&["explore", "--seeds", "0..1"]);
        assert_eq!(refused.code, Some(2), "{others}: {}", refused.complaint);
        let said = &refused.complaint;
        assert!(said.starts_with(&format!("{profile}:{line}: ")) && said.contains(what), "{others}: {said}");
    }
}

#[test]
fn a_bad_file_stops_what_is_about_all_and_not_what_is_about_another() {
    let project = Project::new();
    let line = project.edit(Q178091, "seed = ", "sede = ");
    let warning = format!("warning: left out: {Q178091}:{line}: unknown field `sede`");
    for args in
        [&["replay", "Q169681"][..], &["audit", "Q169681"], &["parity", "Q169681"], &["shrink", "Q169681"]]
    {
        let run = project.run(args);
        assert_eq!(run.code, Some(0), "{args:?}: {}", run.complaint);
        assert!(run.complaint.contains(&warning), "{args:?}: {}", run.complaint);
    }
    for args in [&[][..], &["list"], &["audit"], &["ci", "--seeds", "0..1"], &["replay", "Q178091"]] {
        let refused = project.run(args);
        assert_eq!(refused.code, Some(2), "{args:?}: {}", refused.printed);
        assert!(
            refused.complaint.starts_with(&format!("{Q178091}:{line}: ")),
            "{args:?}: {}",
            refused.complaint
        );
    }
}

#[test]
fn what_is_mistyped_is_answered_with_what_was_meant() {
    let project = Project::new();
    for (line, says) in [
        ("replay Q168961", "did you mean `Q169681`?"),
        ("replay Q169681 --release 5.0-sp5", "did you mean `5.0 SP1`? `5.0-sp5` is not a release"),
        ("replay Q169681 --seed -1", "a seed is a whole number from 0 to"),
        ("audit --seeds 10..5", "the smaller number comes first: write 5..10"),
        ("explore --for 0s", "nothing is done in no time"),
        ("ci --for soon", "`soon` is no span of time, such as 90s"),
    ] {
        let refused = project.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(refused.code, Some(2), "{line}: {}", refused.complaint);
        assert!(refused.complaint.contains(says), "{line}: {}", refused.complaint);
    }
}

#[test]
fn outside_a_project_there_is_nothing_to_replay() {
    let nowhere = tempfile::tempdir().unwrap();
    let refused = run(nowhere.path(), &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.complaint);
    assert!(refused.complaint.contains("no folder `scenarios`"), "{}", refused.complaint);
    assert!(refused.complaint.contains("from within a checkout"), "{}", refused.complaint);
}

#[test]
fn two_files_of_one_name_are_refused_with_both() {
    let project = Project::new();
    fs::create_dir(project.path("scenarios/regression")).unwrap();
    fs::copy(project.path(Q178091), project.path("scenarios/regression/Q178091.toml")).unwrap();
    let refused = project.run(&["list"]);
    assert_eq!(refused.code, Some(2), "{}", refused.printed);
    let both = "`Q178091`: scenarios/kb/Q178091.toml and scenarios/regression/Q178091.toml";
    // A long line is broken at a slash.
    assert!(refused.complaint.replace("/ ", "/").contains(both), "{}", refused.complaint);
}

#[test]
fn the_list_shows_each_scenario_with_its_releases_and_its_title() {
    let project = Project::new();
    let listed = run(&project.path("scenarios/kb"), &["list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.complaint);
    assert!(
        listed
            .printed
            .starts_with("Q169681  [5.0 RTM, 5.0 SP2, 5.5 RTM, current]\n    A message for a domain"),
        "{}",
        listed.printed
    );
    assert_eq!(listed.printed.lines().count(), 4, "{}", listed.printed);
}

#[test]
fn a_replay_made_twice_is_identical_and_another_seed_is_another_run() {
    let project = Project::new();
    let twice = project.run(&["replay", "Q169681", "--release", "5.0", "--twice"]);
    assert_eq!(twice.code, Some(0), "{}", twice.printed);
    assert!(twice.printed.contains("\ntwice: identical, "), "{}", twice.printed);
    let other = project.run(&["replay", "Q169681", "--release", "5.0", "--seed", "7", "--twice"]);
    assert_eq!(other.code, Some(0), "{}", other.printed);
    assert_ne!(twice.printed, other.printed);
}

#[test]
fn an_unknown_name_or_release_is_answered_with_the_known_ones() {
    let project = Project::new();
    for (args, known) in [
        (
            ["replay", "Q100000", "--release", "5.0"],
            "`postmortem list` shows the scenarios; the profiles are:",
        ),
        (["replay", "Q169681", "--release", "5.5-sp3"], "only on 5.0 RTM, 5.0 SP2, 5.5 RTM, current"),
        (["replay", "Q169681", "--release", "6.0"], "`6.0` is not a release; the releases are `5.0 RTM`"),
    ] {
        let refused = project.run(&args);
        assert_eq!(refused.code, Some(2), "{args:?}: {}", refused.complaint);
        assert!(refused.complaint.contains(known), "{args:?}: {}", refused.complaint);
        assert_eq!(refused.printed, "", "{args:?}");
    }
}

#[test]
fn an_audit_makes_each_run_in_another_process_and_finds_no_difference() {
    let run = Project::new().run(&["audit", "--seeds", "0..3"]);
    assert_eq!(run.code, Some(0), "{}", run.complaint);
    assert!(run.printed.contains("21 runs made twice, in two processes: 0 differ"), "{}", run.printed);
}

#[test]
fn an_audit_shows_where_the_other_process_made_another_run() {
    let project = Project::new();
    // It makes no run at all: it answers with a digest and one entry of its own.
    let other = "#!/bin/sh\necho 0x1\nwhile read request; do case $request in\n\
        digest*) echo 0123 ;;\nentries*) echo 1; echo 'a heap address was read' ;;\nesac; done\n";
    fs::write(project.path("other"), other).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(project.path("other"), executable).unwrap();

    let run = project.run(&["audit", "Q178091", "--release", "5.5", "--with", "other"]);

    assert_eq!(run.code, Some(1));
    for words in ["Q178091 on 5.5 RTM, seed 178091: THE RUNS DIFFER", "entry 1 is the first that differs"] {
        assert!(run.printed.contains(words), "{}", run.printed);
    }
    assert!(
        run.printed.contains("\n- ") && run.printed.contains("\n+ a heap address was read\n"),
        "{}",
        run.printed
    );
    assert!(run.printed.contains("1 run made twice, in two processes: 1 differ"), "{}", run.printed);
}

#[test]
fn both_engines_agree_on_every_scenario() {
    let run = Project::new().run(&["parity"]);
    assert_eq!(run.code, Some(0), "{}", run.complaint);
    assert!(run.printed.contains("7 plans on both engines: 0 differ"), "{}", run.printed);
}
