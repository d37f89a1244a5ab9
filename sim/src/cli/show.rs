//! `postmortem show`: a run as something to look at.

use std::path::{Path, PathBuf};

use clap::Args;
use gateway::release::Release;
use miette::IntoDiagnostic;
use sim::render::timeline::{Shown, timeline};
use sim::trace::Keep;
use sim::verdict::Replay;

use super::EngineArg;
use super::explore::write;
use super::source::{Chosen, Named};

/// What to show, and as what.
#[derive(Args)]
pub(crate) struct ShowArgs {
    /// A scenario's or a profile's name, as `list` shows it; or a file, a finding or a scenario.
    run: String,
    /// The release of the gateway; the first of the scenario if none is given, `current` for a profile.
    #[arg(long, short)]
    release: Option<Release>,
    /// The seed that draws from the profile; of a scenario another than its own.
    #[arg(long, short)]
    seed: Option<u64>,
    /// Write the timeline to this file: one page for a browser, which needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: PathBuf,
    #[command(flatten)]
    engine: EngineArg,
}

/// Makes the run, and writes what is asked for. True if that could be done: what was found in the run is not judged.
///
/// # Errors
/// There is no such run, or the file cannot be written.
pub(super) fn run(here: &Path, args: &ShowArgs) -> miette::Result<bool> {
    let named = Named::find(here, &args.run)?;
    let engine = match &named {
        Named::Finding(ready) => ready.engine,
        _ => args.engine.engine(),
    };
    let Chosen { scenario, release, seed, snapshots } = named.choose(&args.run, args.release, args.seed)?;
    let replay =
        Replay::new(&scenario, release, seed, engine, Keep::Capture, &snapshots).into_diagnostic()?;
    let command = args.command(release, seed.0, engine.name());
    let shown = Shown { replay: &replay, title: scenario.title(), engine: engine.name(), command: &command };
    let page = timeline(&shown);
    write(&args.html, &page)?;
    anstream::println!("{} ({} kB)", args.html.display(), page.len().div_ceil(1000));
    Ok(true)
}

impl ShowArgs {
    /// The command that shows the same run again, wherever it is typed in the project.
    fn command(&self, release: Release, seed: u64, engine: &str) -> String {
        let engine =
            if engine == EngineArg::default().name() { String::new() } else { format!(" --engine {engine}") };
        format!(
            "postmortem show {} --release {} --seed {seed}{engine} --html {}",
            quoted(&self.run),
            super::typed(release),
            quoted(&self.html.display().to_string())
        )
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./+:@%,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
