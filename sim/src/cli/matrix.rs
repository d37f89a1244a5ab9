//! `postmortem matrix`: every scenario on every release.

use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use miette::{IntoDiagnostic, Report, WrapErr};
use sim::matrix::{Matrix, page_name};
use sim::render::timeline::{Shown, timeline};
use sim::run::RunError;
use sim::scenario::{Library, Scenario, Source};
use sim::trace::Keep;
use sim::verdict::Replay;

use super::EngineArg;

/// Which scenarios, and what is written.
#[derive(Args)]
pub(crate) struct MatrixArgs {
    /// The names of scenarios or profiles; every scenario if none is given.
    scenarios: Vec<String>,
    /// Write the matrix to this file too, as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the timeline of each run into this folder; the cells of `--html` lead there.
    #[arg(long, value_name = "DIR")]
    pages: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArg,
}

/// Why there is no matrix.
struct Failed(Report);

impl From<RunError> for Failed {
    fn from(error: RunError) -> Self {
        Failed(miette::miette!("{error}"))
    }
}

/// Runs everything and prints the matrix. True, whatever happens in the runs.
///
/// # Errors
/// There is no such scenario, or something cannot be written.
#[expect(clippy::disallowed_methods, reason = "the pages are on the real disk, whatever is simulated")]
pub(super) fn run(library: &Library, args: &MatrixArgs) -> miette::Result<bool> {
    let sources: Vec<Source<'_>> = match &args.scenarios[..] {
        [] => library.scenarios().iter().map(Source::Scenario).collect(),
        names => names.iter().map(|name| super::find(library, name)).collect::<Result<_, _>>()?,
    };
    if let Some(pages) = &args.pages {
        let made = fs::create_dir_all(pages).into_diagnostic();
        made.wrap_err_with(|| format!("{} cannot be made", pages.display()))?;
    }
    let write = |file: &Path, text: String| {
        let written = fs::write(file, text).into_diagnostic();
        written.wrap_err_with(|| format!("{} cannot be written", file.display()))
    };
    let engine = args.engine.engine();
    let sees = |scenario: &Scenario, replay: &Replay| match &args.pages {
        Some(pages) => {
            let file = pages.join(page_name(&scenario.name, replay.plan.release));
            let (name, release) = (&scenario.name, super::typed(replay.plan.release));
            // `show` takes the releases that a scenario names.
            let command = match scenario.releases().contains(&replay.plan.release) {
                true => format!("postmortem show {name} --release {release} --html FILE"),
                false => format!("postmortem matrix {name} --pages {}", pages.display()),
            };
            let shown = Shown { replay, title: scenario.title(), engine: engine.name(), command: &command };
            write(&file, timeline(&shown)).map_err(Failed)
        }
        None => Ok(()),
    };
    let keep = if args.pages.is_some() { Keep::Capture } else { Keep::Digest };
    let matrix = Matrix::new(&sources, engine, keep, sees).map_err(|Failed(report)| report)?;
    anstream::print!("{}", matrix.text());
    if let Some(html) = &args.html {
        let pages = args.pages.as_deref().map(|pages| from_to(html, pages)).transpose()?;
        write(html, matrix.html(pages.as_deref()))?;
    }
    Ok(true)
}

/// The way from a file to a folder, as a link has it.
fn from_to(file: &Path, folder: &Path) -> miette::Result<String> {
    let of = |path: &Path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        path.canonicalize()
            .into_diagnostic()
            .wrap_err_with(|| format!("there is no folder {}", path.display()))
    };
    let (from, to) = (of(file.parent().unwrap_or(Path::new("")))?, of(folder)?);
    let shared = from.components().zip(to.components()).take_while(|(from, to)| from == to).count();
    let up = from.components().skip(shared).map(|_| "..".into());
    let down = to.components().skip(shared).map(|part: Component<'_>| part.as_os_str().to_string_lossy());
    Ok(up.chain(down).collect::<Vec<_>>().join("/"))
}
