//! `postmortem` without a command: every scenario, one table.

use anstyle::{AnsiColor, Style};
use gateway::release::Release;
use indicatif::{ProgressBar, ProgressStyle};
use sim::record::{Outcome, Service, What};
use sim::scenario::{Library, Scenario};
use sim::trace::Keep;
use sim::verdict::Replay;

use super::EngineArg;
use super::replay::print_verdict;

const GOOD: Style = AnsiColor::Green.on_default();
const DIM: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Replays everything and prints the table. True if all is as it should be.
pub(super) fn run(library: &Library, engine: EngineArg) -> bool {
    let wanted = wanted(library);
    let width = wanted.iter().map(|(scenario, _)| scenario.name.len()).max().unwrap_or_default();
    let progress = ProgressBar::new(wanted.len() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").expect("the template is sound"),
    );
    let mut bad = Vec::new();
    let mut rows = Vec::new();
    for (scenario, release) in &wanted {
        progress.set_message(format!("{} on {release}", scenario.name));
        let replay = Replay::new(
            scenario,
            *release,
            scenario.seed(),
            engine.engine(),
            Keep::Digest,
            &library.snapshots(),
        );
        let (what, good) = match &replay {
            Ok(replay) => {
                let digest = replay.record.digest.to_string();
                (format!("{}  {DIM}{}{DIM:#}", what_happened(replay), &digest[..8]), replay.is_good())
            }
            Err(error) => (error.to_string(), false),
        };
        let (style, mark) = if good { (GOOD, "as expected") } else { (BAD, "NOT AS EXPECTED") };
        rows.push(format!(
            "{:width$}  {:7}  {style}{mark:15}{style:#}  {what}",
            scenario.name,
            release.name()
        ));
        if !good {
            bad.push((*scenario, *release, replay));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();

    anstream::println!("{:width$}  {:7}  {:15}  what happened", "scenario", "release", "verdict");
    rows.iter().for_each(|row| anstream::println!("{row}"));
    for (scenario, release, replay) in &bad {
        anstream::println!("\n{BAD}{} on {release}{BAD:#}", scenario.name);
        if let Ok(replay) = replay {
            print_verdict(replay);
        }
        let release = super::typed(*release);
        let engine = if engine.name() == sim::snapshot::ENGINE {
            String::new()
        } else {
            format!(" --engine {}", engine.name())
        };
        anstream::println!(
            "reproduce: cargo run --release -- replay {} --release {release}{engine}",
            scenario.name
        );
    }
    let good = wanted.len() - bad.len();
    anstream::println!("\n{good} of {} replays as expected", wanted.len());
    bad.is_empty()
}

/// Every scenario on every release that it names.
pub(super) fn wanted(library: &Library) -> Vec<(&Scenario, Release)> {
    let on_each = |scenario| move |release: &Release| (scenario, *release);
    let scenarios = library.scenarios().iter();
    scenarios.flat_map(|scenario| scenario.releases().iter().map(on_each(scenario))).collect()
}

/// A replay in a few words.
fn what_happened(replay: &Replay) -> String {
    let entries = || replay.record.entries.iter().map(|entry| &entry.what);
    let deaths = entries().filter(|what| matches!(what, What::Service(Service::Died(_)))).count();
    let refused = entries()
        .filter(|what| matches!(what, What::Client(attempt) if matches!(attempt.outcome, Outcome::Refused { .. })))
        .count();
    let end = &replay.record.end;
    let delivered: usize = end.mailboxes.iter().chain(&end.servers).map(|(_, items)| items.len()).sum();
    let mut words = vec![match deaths {
        0 => "service stays up".to_owned(),
        1 => "service dies once".to_owned(),
        deaths if end.service_up => format!("service dies {deaths} times, up at the end"),
        deaths => format!("service dies {deaths} times and stays down"),
    }];
    words.push(format!("{delivered} delivered"));
    if refused > 0 {
        words.push(format!("{refused} refused"));
    }
    for (folder, files) in
        end.spool.iter().filter(|(folder, _)| folder == "in" || folder == "out" || folder == "bad")
    {
        words.push(format!("{} in {folder}/", files.len()));
    }
    words.join(", ")
}
