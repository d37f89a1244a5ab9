//! What a shrink costs and what it leaves: for each documented crash, ten seeds of `mixed` that find it.
#![expect(clippy::unwrap_used, reason = "the profile is the project's own")]
#![expect(clippy::disallowed_methods, reason = "a benchmark takes real time")]

use std::path::Path;
use std::time::Instant;

use gateway::release::Release;
use sim::draw::Seed;
use sim::engine::Leap;
use sim::scenario::{Library, Source};
use sim::shrink::{MOST_RUNS, Shrink, findings};

/// The defect, the release that has it, and what its cause says.
const DEFECTS: [(&str, Release, &str); 2] =
    [("Q169681", Release::V50Rtm, "0x00402674"), ("Q178091", Release::V55Rtm, "0x00462f42")];

/// The seeds begin here: no test looks at them.
const FIRST: u64 = 1_000_000;

fn main() {
    let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let Some(Source::Profile(profile)) = library.find("mixed") else { panic!("there is no profile `mixed`") };
    println!(
        "{:8}  {:>8}  {:>6}  {:>5}  {:>4}  {:>7}",
        "defect", "seed", "before", "after", "runs", "seconds"
    );
    for (defect, release, cause) in DEFECTS {
        let failing = (FIRST..).filter_map(|seed| {
            let scenario = profile.scenario(Seed(seed), release);
            let (found, _) = findings(&scenario.plan(release, Seed(seed)), &Leap);
            Some((scenario, found.into_keys().find(|signature| signature.cause.contains(cause))?))
        });
        let (mut most_lines, mut most_runs, mut longest) = (0, 0, 0.0_f64);
        for (scenario, signature) in failing.take(10) {
            let start = Instant::now();
            let seed = scenario.seed();
            let shrink = Shrink {
                scenario: &scenario,
                release,
                seed,
                signature: &signature,
                engine: &Leap,
                most_runs: MOST_RUNS,
            };
            let shrunk = shrink.shrink().unwrap();
            let seconds = start.elapsed().as_secs_f64();
            let (before, after, runs) = (shrunk.lines_before, shrunk.lines, shrunk.runs);
            println!("{defect:8}  {:>8}  {before:>6}  {after:>5}  {runs:>4}  {seconds:>7.2}", seed.0);
            (most_lines, most_runs) = (most_lines.max(after), most_runs.max(runs));
            longest = longest.max(seconds);
        }
        println!(
            "{defect:8}  {:>8}  {:>6}  {most_lines:>5}  {most_runs:>4}  {longest:>7.2}\n",
            "at most", ""
        );
    }
}
