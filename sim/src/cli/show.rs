//! `postmortem show`: a run as a page to look at, and as files for other programs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use gateway::release::Release;
use miette::{IntoDiagnostic, WrapErr, miette};
use sim::draw::Seed;
use sim::engine::{Engine, Leap};
use sim::render;
use sim::render::timeline::{Shown, timeline};
use sim::trace::Keep;
use sim::verdict::Replay;

use super::EngineArg;
use super::source::{Chosen, Named};

/// Which run to show, and how.
#[derive(Args)]
pub(crate) struct ShowArgs {
    /// A scenario's or a profile's name, as `list` shows it; or the file of a scenario or of a finding.
    run: String,
    /// The release of the gateway; the first of the scenario if none is given, `current` for a profile.
    #[arg(long, short)]
    release: Option<Release>,
    /// The seed; the scenario's own if none is given, 0 for a profile.
    #[arg(long, short)]
    seed: Option<u64>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    engine: EngineArg,
}

/// What is written. `-` is standard output.
#[derive(Args)]
#[group(required = true, multiple = true)]
struct Files {
    /// Write a timeline of every machine, as one page for a browser (HTML).
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write every connection, for Wireshark (pcapng).
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Write a timeline of every machine, for ui.perfetto.dev (Trace Event format).
    #[arg(long, value_name = "FILE")]
    perfetto: Option<PathBuf>,
    /// Write the Record, for programs (JSON).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Makes the run and writes the files. True, whatever happens in the run.
///
/// # Errors
/// There is no such run, or a file cannot be written.
pub(super) fn run(here: &Path, args: &ShowArgs) -> miette::Result<bool> {
    let Files { html, pcap, perfetto, json } = &args.files;
    let named = Named::find(here, &args.run)?;
    let engine = match &named {
        Named::Finding(ready) => args.engine.or(ready.engine),
        Named::File(_) | Named::InProject(_) => args.engine.engine(),
    };
    let Chosen { scenario, release, seed, snapshots } = named.choose(&args.run, args.release, args.seed)?;
    if pcap.is_some() && engine.name() != Leap.name() {
        let help = "leave `--pcap` out, or take `--engine leap`";
        return Err(miette!(help = help, "the engine {} shows no segments to capture", engine.name()));
    }
    let replay =
        Replay::new(&scenario, release, seed, engine, Keep::Capture, &snapshots).into_diagnostic()?;
    let command = args.command(release, seed, engine);
    let shown = Shown { replay: &replay, title: scenario.title(), engine: engine.name(), command: &command };
    save(html, |out| out.write_all(timeline(&shown).as_bytes()))?;
    save(pcap, |out| render::pcap::write(&replay.plan, &replay.record, out))?;
    save(perfetto, |out| render::perfetto::write(&replay.plan, &replay.record, out))?;
    save(json, |out| render::json::write(&replay, out))?;
    Ok(true)
}

impl ShowArgs {
    /// The command that writes the same page again.
    fn command(&self, release: Release, seed: Seed, engine: &dyn Engine) -> String {
        let (run, release) = (quoted(&self.run), super::typed(release));
        let engine = match engine.name() {
            usual if usual == Leap.name() => String::new(),
            other => format!(" --engine {other}"),
        };
        format!("postmortem show {run} --release {release} --seed {}{engine} --html FILE", seed.0)
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

#[expect(clippy::disallowed_methods, reason = "what is shown is on the real disk")]
fn save(
    path: &Option<PathBuf>,
    write: impl FnOnce(&mut BufWriter<Box<dyn Write>>) -> io::Result<()>,
) -> miette::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let cannot = || format!("{} cannot be written", path.display());
    let is_piped = path.as_os_str() == "-";
    let out: Box<dyn Write> = match is_piped {
        true => Box::new(io::stdout().lock()),
        false => Box::new(File::create(path).into_diagnostic().wrap_err_with(cannot)?),
    };
    let mut out = BufWriter::new(out);
    match write(&mut out).and_then(|()| out.flush()) {
        // Whoever reads has read enough.
        Err(error) if is_piped && error.kind() == io::ErrorKind::BrokenPipe => {
            // What is left of it goes nowhere.
            let _ = out.into_parts();
            Ok(())
        }
        written => written.into_diagnostic().wrap_err_with(cannot),
    }
}
