//! `postmortem matrix`: what happens in a scenario on each release, and the pages that show it.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "the pages are on the real disk")]

use std::fs;
use std::path::Path;
use std::process::Command;

use gateway::release::Release;
use sim::engine::Leap;
use sim::matrix::{Cell, Happened, Matrix, Part};
use sim::run::RunError;
use sim::scenario::{Scenario, Source};
use sim::trace::Keep;

const Q169681: &str = include_str!("../../scenarios/kb/Q169681.toml");
const Q178091: &str = include_str!("../../scenarios/kb/Q178091.toml");

fn matrix(name: &str, text: &str) -> Matrix {
    let scenario = Scenario::parse(name, name, text).unwrap();
    Matrix::new::<RunError>(&[Source::Scenario(&scenario)], &Leap, Keep::Digest, |_, _| Ok(())).unwrap()
}

fn cell(matrix: &Matrix, release: Release) -> &Cell {
    matrix.rows[0].cells.iter().find(|cell| cell.release == release).unwrap()
}

#[test]
fn a_crash_is_on_the_release_that_has_the_defect_and_a_refusal_on_the_others() {
    let matrix = matrix("Q178091", Q178091);
    assert_eq!(matrix.rows[0].cells.len(), Release::ALL.len());
    for release in Release::ALL {
        let happened: Vec<Happened> = cell(&matrix, release).happened.iter().map(|(what, _)| *what).collect();
        let wanted = match release {
            Release::V55Rtm => [Happened::Crash, Happened::GivenUp],
            _ => [Happened::Refused, Happened::Notified],
        };
        assert_eq!(happened, wanted, "{release}");
    }
}

#[test]
fn a_service_that_dies_at_every_start_is_in_a_crash_loop() {
    let matrix = matrix("Q169681", Q169681);
    let looping = Release::ALL.into_iter().filter(|it| cell(&matrix, *it).worst() == Happened::CrashLoop);
    assert_eq!(looping.collect::<Vec<_>>(), [Release::V50Rtm, Release::V50Sp1]);
}

#[test]
fn a_release_that_the_scenario_does_not_name_is_run_and_marked() {
    let matrix = matrix("Q178091", Q178091);
    let parts = [Release::V50Rtm, Release::V55Rtm, Release::V55Sp2].map(|it| cell(&matrix, it).part);
    assert_eq!(parts, [Part::NotNamed, Part::AsExpected, Part::NotNamed]);
    let text = anstream::adapter::strip_str(&matrix.text()).to_string();
    assert!(text.contains("✗2 ?") && text.contains("(⊘ i)") && text.contains("⊘ refused"), "{text}");
}

#[test]
fn what_is_not_as_expected_is_marked() {
    let matrix = matrix("Q178091", &Q178091.replace("deaths = 2", "deaths = 1"));
    assert_eq!(cell(&matrix, Release::V55Rtm).part, Part::NotAsExpected);
    assert!(matrix.text().contains('≠'));
}

#[test]
fn a_configuration_that_a_release_refuses_is_not_run_there() {
    let text =
        Q178091.replace("route = [{ domain = \"contoso.test\"", "route = [{ domain = \"#contoso.test\"");
    assert_ne!(text, Q178091);
    let matrix = matrix("routes", &text);
    let refused = cell(&matrix, Release::V50Sp1);
    assert_eq!(refused.worst(), Happened::Impossible);
    assert!(refused.why.as_ref().unwrap().contains("5.0 SP1 knows no `#` entries"));
    assert_ne!(cell(&matrix, Release::V50Sp2).worst(), Happened::Impossible);
}

#[test]
fn each_cell_leads_to_the_page_on_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let (html, pages) = (folder.path().join("matrix.html"), folder.path().join("pages/of the runs"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut program = Command::new(env!("CARGO_BIN_EXE_postmortem"));
    program.current_dir(root).args(["matrix", "Q178091", "--html"]).arg(&html).arg("--pages").arg(&pages);
    assert!(program.output().unwrap().status.success());
    let html = fs::read_to_string(html).unwrap();
    let links: Vec<&str> =
        html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links.len(), Release::ALL.len());
    for link in links {
        let page = fs::read_to_string(folder.path().join(link.replace("%20", " "))).unwrap();
        assert!(page.contains("erin@contoso.test"), "{link}");
    }
    assert!(html.contains("✗\u{a0}crash\u{a0}×\u{a0}2"));
}
