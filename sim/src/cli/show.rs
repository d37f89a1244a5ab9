//! `postmortem show`: a run as files for other programs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use gateway::release::Release;
use miette::{IntoDiagnostic, WrapErr, miette};
use sim::capsule::Capsule;
use sim::draw::Seed;
use sim::engine::{Engine, Leap};
use sim::render;
use sim::scenario::{Library, Scenario};
use sim::trace::Keep;
use sim::verdict::Replay;

use super::EngineArg;

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
    let Files { pcap, perfetto, json } = &args.files;
    let mut engine = args.engine.engine();
    let (scenario, release, seed);
    match super::shrink::file(&args.run)? {
        Some(text) if Capsule::is_one(&text) => {
            let ready = Capsule::read(&args.run, &text)?.ready(&args.run)?;
            engine = ready.engine;
            seed = args.seed.map_or(ready.scenario.seed(), Seed);
            release = args.release.unwrap_or(ready.release);
            scenario = ready.scenario;
        }
        Some(text) => {
            let name = Path::new(&args.run).file_stem().unwrap_or_default().to_string_lossy();
            let read = Scenario::parse(&name, &args.run, &text)?;
            seed = args.seed.map_or(read.seed(), Seed);
            release = args.release.unwrap_or(read.releases()[0]);
            scenario = read;
        }
        None => {
            let library = Library::open(here)?;
            let source = super::find(&library, &args.run)?;
            seed = args.seed.map_or(source.seed(), Seed);
            release = args.release.unwrap_or(source.releases()[0]);
            scenario = source.scenario(seed, release).into_owned();
        }
    }
    if !scenario.releases().contains(&release) {
        let help = "add the release to `releases` in the scenario file";
        return Err(miette!(help = help, "{} is not replayed on {release}", scenario.name));
    }
    if pcap.is_some() && engine.name() != Leap.name() {
        let help = "leave `--pcap` out, or take `--engine leap`";
        return Err(miette!(help = help, "the engine {} shows no segments to capture", engine.name()));
    }
    let scenario = scenario.apart();
    let replay =
        Replay::new(&scenario, release, seed, engine, Keep::Capture, Path::new("")).into_diagnostic()?;
    save(pcap, |out| render::pcap::write(&replay.plan, &replay.record, out))?;
    save(perfetto, |out| render::perfetto::write(&replay.plan, &replay.record, out))?;
    save(json, |out| render::json::write(&replay, out))?;
    Ok(true)
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
