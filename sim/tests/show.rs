//! `postmortem show` writes a run down for other programs.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "the program writes to the real disk")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn show(args: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_postmortem"));
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    program.arg("show").args(args).current_dir(project).env("NO_COLOR", "1").output().unwrap()
}

/// The digest that the Record on standard output has.
fn digest(shown: &Output) -> String {
    let document: Value = serde_json::from_slice(&shown.stdout).unwrap();
    document["digest"].as_str().unwrap().to_owned()
}

#[test]
fn every_file_is_of_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (pcap, perfetto) = (file("run.pcapng"), file("run.trace.json"));
    let shown = show(&["mixed", "--seed", "7", "--pcap", &pcap, "--perfetto", &perfetto, "--json", "-"]);
    assert_eq!(shown.status.code(), Some(0));
    let digest = digest(&shown);
    for file in [pcap, perfetto] {
        assert!(String::from_utf8_lossy(&fs::read(&file).unwrap()).contains(&digest), "{file}");
    }
}

#[test]
fn a_scenario_its_file_and_a_finding_are_shown() {
    let by_name = digest(&show(&["Q178091", "--json", "-"]));
    assert_eq!(digest(&show(&["scenarios/kb/Q178091.toml", "--json", "-"])), by_name);
    let finding = "sim/tests/capsules/service-b7d6344f-5.5-rtm-mixed-2.toml";
    let shown: Value = serde_json::from_slice(&show(&[finding, "--json", "-"]).stdout).unwrap();
    assert_eq!(shown["release"], "5.5 RTM");
    assert_eq!(shown["verdict"]["findings"][0]["oracle"], "service");
}

#[test]
fn what_cannot_be_shown_is_said_before_a_file_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.pcapng").display().to_string();
    let cases: [(&[&str], &str); 4] = [
        (&["Q178091"], "--pcap <FILE>"),
        (&["Q178091", "--engine", "turmoil", "--pcap", &file], "turmoil shows no segments"),
        (&["Q178091", "--release", "5.0", "--pcap", &file], "is not replayed on 5.0"),
        (&["omen", "--pcap", &file], "no scenario and no profile `omen`"),
    ];
    for (args, complaint) in cases {
        let shown = show(args);
        let said = String::from_utf8(shown.stderr).unwrap();
        assert_eq!(shown.status.code(), Some(2), "{said}");
        assert!(said.contains(complaint), "{said}");
        assert!(!Path::new(&file).exists());
    }
}

#[test]
fn a_page_says_how_to_write_it_again() {
    let shown = show(&["q178091", "--release", "5.5", "--html", "-"]);
    let page = String::from_utf8(shown.stdout).unwrap();
    let again = "postmortem show q178091 --release 5.5-rtm --seed 178091 --html FILE";
    assert!(page.contains(&format!("\"command\":\"{again}\"")), "the page does not say {again}");
    let finding = "sim/tests/capsules/service-b7d6344f-5.5-rtm-mixed-2.toml";
    let page = String::from_utf8(show(&[finding, "--html", "-"]).stdout).unwrap();
    assert!(page.contains("\"good\":false") && page.contains("\"oracle\":\"service\""));
}
