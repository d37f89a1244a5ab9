//! `postmortem shrink`: the smallest scenario that fails in the same way.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use gateway::release::Release;
use indicatif::ProgressBar;
use miette::{IntoDiagnostic, WrapErr, miette};
use sim::count::count;
use sim::draw::Seed;
use sim::engine::Engine;
use sim::explore::Signature;
use sim::scenario::{Scenario, Source};
use sim::shrink::{MOST_RUNS, Shrink, Shrunk, findings};

use super::EngineArg;
use super::source::{Chosen, Named};

/// Which failure is meant.
#[derive(Args)]
pub(crate) struct FailureArgs {
    /// A finding (the capsule's file), a scenario's name or file, or a profile's name.
    failure: String,
    /// The seed that draws from the profile; of a scenario another than its own.
    #[arg(long, short, value_parser = super::seeds::seed, allow_hyphen_values = true)]
    seed: Option<u64>,
    /// The release of the gateway; the first of the scenario if none is given, `current` for a profile.
    #[arg(long, short, value_parser = super::wanted::release)]
    release: Option<Release>,
    /// The oracle that finds the failure, where several things are found.
    #[arg(long)]
    oracle: Option<String>,
    /// What the cause has in it, where several things are found.
    #[arg(long)]
    cause: Option<String>,
    #[command(flatten)]
    engine: EngineArg,
}

/// What to shrink.
#[derive(Args)]
pub(crate) struct ShrinkArgs {
    #[command(flatten)]
    failure: FailureArgs,
    /// Write the scenario to this file, which must not be there yet; to standard output if none is given.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How many runs it may take.
    #[arg(long, value_name = "RUNS", default_value_t = MOST_RUNS)]
    most_runs: usize,
}

/// A failure: a scenario, and how it fails.
pub(super) struct Failure {
    pub(super) scenario: Scenario,
    pub(super) seed: Seed,
    pub(super) release: Release,
    pub(super) signature: Signature,
    pub(super) engine: &'static dyn Engine,
    /// Where it was found.
    pub(super) origin: String,
    /// What else is found in the same run.
    others: Vec<Signature>,
}

impl FailureArgs {
    /// Finds the failure. Nothing if nothing is found in the run.
    ///
    /// # Errors
    /// There is no such thing, or a file is none that can be read.
    pub(super) fn find(&self, here: &Path) -> miette::Result<Option<Failure>> {
        let named = Named::find(here, &self.failure)?;
        let (mut engine, mut wanted, mut origin) = (self.engine.engine(), None, None);
        match &named {
            Named::Finding(ready) => {
                wanted = Some(ready.capsule.signature());
                origin = Some(ready.capsule.origin());
                engine = self.engine.or(ready.engine);
            }
            Named::InProject(library) if self.seed.is_none() => {
                let source = super::find(library, &self.failure)?;
                if matches!(source, Source::Profile(_)) {
                    let help = "say which: `--seed N`";
                    return Err(miette!(
                        help = help,
                        "{} draws another scenario for each seed",
                        source.name()
                    ));
                }
            }
            Named::File(_) | Named::InProject(_) => {}
        }
        let Chosen { scenario, release, seed, .. } = named.choose(&self.failure, self.release, self.seed)?;
        let (found, _) = findings(&scenario.plan(release, seed), engine);
        let is_meant = |signature: &&Signature| {
            self.oracle.as_ref().is_none_or(|oracle| *oracle == signature.oracle)
                && self.cause.as_ref().is_none_or(|cause| signature.cause.contains(cause.as_str()))
                && wanted.as_ref().is_none_or(|wanted| wanted == *signature)
        };
        let Some(signature) = found.keys().find(is_meant).cloned() else {
            anstream::eprintln!("{} on {release}, seed {}: no such failure is found", scenario.name, seed.0);
            found.keys().for_each(|other| anstream::eprintln!("  found: {other}"));
            return Ok(None);
        };
        let others = found.into_keys().filter(|other| *other != signature).collect();
        let origin = origin.unwrap_or_else(|| format!("found in {}, seed {}", scenario.name, seed.0));
        Ok(Some(Failure { scenario, seed, release, signature, engine, origin, others }))
    }
}

impl Failure {
    /// Shrinks it, while a spinner turns.
    pub(super) fn shrink(&self, most_runs: usize) -> miette::Result<Shrunk> {
        let spinner = ProgressBar::new_spinner().with_message(format!("shrinking {}", self.scenario.name));
        spinner.enable_steady_tick(std::time::Duration::from_millis(200));
        let Failure { scenario, seed, release, signature, engine, .. } = self;
        let shrink =
            Shrink { scenario, release: *release, seed: *seed, signature, engine: *engine, most_runs };
        let shrunk = shrink.shrink();
        spinner.finish_and_clear();
        Ok(shrunk?)
    }
}

/// Shrinks, and writes the scenario. True if there was something to shrink.
///
/// # Errors
/// There is no such failure, or the file cannot be written; both are found before anything runs.
pub(super) fn run(here: &Path, args: &ShrinkArgs) -> miette::Result<bool> {
    if let Some(file) = &args.output {
        // What cannot be written is said before the work, and no empty file is about meanwhile.
        drop(create(file)?);
        remove(file);
    }
    let Some(text) = shrink(here, args)? else { return Ok(false) };
    match &args.output {
        None => anstream::print!("{text}"),
        Some(file) => create(file)?.write_all(text.as_bytes()).into_diagnostic()?,
    }
    Ok(true)
}

fn shrink(here: &Path, args: &ShrinkArgs) -> miette::Result<Option<String>> {
    let Some(failure) = args.failure.find(here)? else { return Ok(None) };
    let shrunk = failure.shrink(args.most_runs)?;
    anstream::eprintln!("{}", failure.signature);
    for other in &failure.others {
        anstream::eprintln!("  (found too, and left alone: {other})");
    }
    let (before, after, runs) = (shrunk.lines_before, count(shrunk.lines, "line"), count(shrunk.runs, "run"));
    match (shrunk.is_irreducible(), shrunk.is_cut_short) {
        (true, false) => {
            anstream::eprintln!("irreducible: {after}, and every one is needed ({runs})")
        }
        (_, true) => {
            anstream::eprintln!("{after} of {before} are left after {runs}; more runs may find less")
        }
        (false, false) => anstream::eprintln!("{after} of {before} are left, after {runs}"),
    }
    Ok(Some(shrunk.to_toml(failure.engine)))
}

/// A new file: one that is there already stays as it is.
#[expect(clippy::disallowed_types, reason = "a scenario file is on the real disk")]
fn create(file: &Path) -> miette::Result<fs::File> {
    let new = fs::OpenOptions::new().write(true).create_new(true).open(file);
    new.into_diagnostic().wrap_err_with(|| format!("{} cannot be made", file.display()))
}

/// Takes a file away again that was made to see whether it can be.
#[expect(clippy::disallowed_methods, reason = "a scenario file is on the real disk")]
fn remove(file: &Path) {
    let _ = fs::remove_file(file);
}
