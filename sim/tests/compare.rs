//! `postmortem compare`, and `replay` with a "what if", as their users meet them.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "this judges the program from outside")]

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use gateway::release::Release;
use sim::compare::{Compared, Comparison, Difference, Variation, Verdict, csv, grid, page, sentences};
use sim::engine::Leap;
use sim::scenario::Library;

fn compare(profile: &str, vary: &str, seeds: Range<u64>, jobs: usize) -> Compared {
    let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let comparison = Comparison {
        profile: library.profiles().iter().find(|known| known.name == profile).unwrap(),
        release: Release::Current,
        variants: grid(&[Variation::parse(vary).unwrap()]).unwrap(),
        seeds,
        engine: &Leap,
        jobs: NonZeroUsize::new(jobs).unwrap(),
    };
    comparison.check().unwrap();
    comparison.compare(|_| false)
}

/// The difference of the second variant from the first.
fn difference<'a>(compared: &'a Compared, measure: &str) -> &'a Difference {
    &compared.rows.iter().find(|row| row.measure.name == measure).unwrap().differences[1]
}

fn program(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postmortem"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).output().unwrap()
}

/// What was said, in one line.
fn said(output: &Output) -> String {
    let text =
        String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).replace(['│', '×'], " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_comes_out_does_not_depend_on_how_many_run_side_by_side() {
    let [one, two] =
        [1, 2].map(|jobs| compare("mixed", "extension.on_failure=quarantine,bypass", 0..24, jobs));
    assert_eq!(csv(&one), csv(&two));
    assert_eq!(page(&one), page(&two));
}

#[test]
fn a_longer_wait_between_tries_empties_the_queue_later_and_takes_fewer_tries() {
    let compared = compare("long-outage", "delivery.retry=15m,4h", 0..120, 2);
    let later = difference(&compared, "queue drained 95 %");
    assert_eq!(later.verdict, Verdict::More);
    assert!(later.by.unwrap().low > 600.0, "by more than ten minutes: {later:?}");
    let shift = difference(&compared, "held-up mail shift");
    assert_eq!(shift.verdict, Verdict::More, "{shift:?}");
    assert_eq!(difference(&compared, "tries per message").verdict, Verdict::Less);
    assert_eq!(difference(&compared, "findings").verdict, Verdict::Never);
    let [sentence] = &sentences(&compared)[..] else { panic!("one variant, one sentence") };
    assert!(
        sentence.starts_with("With 120 seeds, delivery.retry=4h instead of delivery.retry=15m: "),
        "{sentence}"
    );
    assert!(sentence.contains("the queue is empty") && sentence.contains("fewer tries"), "{sentence}");
}

#[test]
fn a_variant_beside_itself_differs_by_exactly_nothing() {
    let compared = compare("mixed", "delivery.expire=6h,6h", 0..24, 2);
    for row in &compared.rows {
        let Difference { by, seeds, verdict } = &row.differences[1];
        assert!(matches!(verdict, Verdict::Same | Verdict::Never), "{}: {verdict:?}", row.measure.name);
        assert_eq!(*seeds, 0);
        assert!(by.is_none_or(|by| (by.value, by.low, by.high) == (0.0, 0.0, 0.0)), "{by:?}");
    }
    assert!(sentences(&compared)[0].contains("beside itself: no difference that the numbers support"));
}

#[test]
fn a_seed_in_which_the_gateway_does_not_take_a_variant_is_left_out_of_all() {
    let compared = compare("mixed", "submission.homed_here_only=false,true", 0..40, 2);
    let (refused, why) = &compared.refused;
    assert!((1..40).contains(refused) && compared.compared + refused == 40, "{refused}");
    assert!(why.as_ref().unwrap().contains("needs clients to authenticate"), "{why:?}");
}

#[test]
fn the_page_and_the_numbers_are_written_and_the_page_asks_nothing_of_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let [html, csv] = ["a.html", "a.csv"].map(|name| folder.path().join(name));
    let files = ["--html", html.to_str().unwrap(), "--csv", csv.to_str().unwrap()];
    let args = ["compare", "mixed", "--vary", "delivery.retry=5m,15m+30m", "--seeds", "0..12"];
    let output = program(&[&args[..], &files].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let page = std::fs::read_to_string(html).unwrap();
    assert!(page.contains("<svg") && page.contains("delivery.retry=15m+30m"));
    assert!(!["http:", "https:", "<script", "url(", "<link"].iter().any(|call| page.contains(call)));
    let numbers = std::fs::read_to_string(csv).unwrap();
    assert!(
        numbers.lines().count() > 20 && numbers.lines().all(|line| line.split(',').count() == 12),
        "{numbers}"
    );
}

#[test]
fn what_cannot_be_compared_is_refused_with_the_nearest_before_anything_runs() {
    for (args, says, helps) in [
        (
            &["nothing", "--vary", "delivery.expire=1h,2h"][..],
            "there is no profile `nothing`",
            "the profiles are",
        ),
        (&["mixed"], "--vary", "required"),
        (
            &["mixed", "--vary", "retry.waits=15m,1h"],
            "no key `retry.waits`",
            "did you mean `delivery.retry`?",
        ),
        (
            &["mixed", "--vary", "extension.on_failure=bypass,reprot"],
            "cannot be `reprot`",
            "did you mean `report`?",
        ),
        (&["mixed", "--vary", "delivery.expire=1h,soon"], "`soon` is not a span of time", "such as"),
        (&["mixed", "--vary", "delivery.expire=1h"], "nothing to compare it with", "two values or more"),
        (&["mixed", "--vary", "host=a.test,b.test"], "`host` is the same in every scenario", "--release"),
        (
            &["mixed", "--vary", "limits.hops=9,10", "--html", "/nowhere/at/all"],
            "cannot be written",
            "No such file",
        ),
    ] {
        let output = program(&[&["compare"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        let text = said(&output);
        assert!(text.contains(says) && text.contains(helps), "{args:?}: {text}");
    }
}

#[test]
fn ctrl_c_ends_a_comparison_with_what_there_is() {
    let child = Command::new(env!("CARGO_BIN_EXE_postmortem"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["compare", "mixed", "--vary", "limits.hops=20,30", "--seeds", "0..1000000", "--jobs", "1"])
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
    assert!(
        text.contains("limits.hops=30 instead of limits.hops=20") && text.contains("interrupted"),
        "{text}"
    );
}

#[test]
fn a_replay_that_is_otherwise_says_what_differs_and_judges_no_expectation() {
    let name = "one-bad-message-among-good-ones";
    let output =
        program(&["replay", name, "--set", "extension.on_failure=report", "--without", "message:m5"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("what if: extension.on_failure=report, without message:m5"), "{text}");
    assert!(text.contains("report on m3 on mx.fabrikam.test instead of nowhere"), "{text}");
    assert!(!text.contains("not as expected") && !text.contains("snapshot"), "{text}");
    let output = program(&["replay", "mixed", "--seed", "17", "--set", "limits.recipients=101"]);
    assert!(said(&output).ends_with("the outcome is that of the plain replay"), "{}", said(&output));
    for (args, helps) in [
        (["--without", "message:m6"], "did you mean `message:m"),
        (["--without", "fault:9"], "did you mean `fault:1`?"),
        (["--without", "faults"], "write `fault:` and its number"),
        (["--set", "delivery.expires=1h"], "did you mean `delivery.expire`?"),
        (["--set", "accept.host.rule=exempt"], "this configuration has none"),
    ] {
        let output = program(&[&["replay", name], &args[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(helps), "{args:?}: {}", said(&output));
    }
}
