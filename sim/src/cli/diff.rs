//! `postmortem diff`: two runs side by side.

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use miette::{IntoDiagnostic, WrapErr};
use sim::diff::{self, Diff, Side};
use sim::run;
use sim::trace::Keep;

use super::run_name::{Run, RunName};
use super::{EngineArg, source};

/// How wide the text is where there is no terminal.
const WIDTH: usize = 120;

/// Which two runs.
#[derive(Args)]
pub(crate) struct DiffArgs {
    /// A run: NAME, NAME@RELEASE, NAME#SEED or NAME@RELEASE#SEED. NAME is a scenario's or a profile's, or the file of a
    /// scenario, of a finding, or of a Record that `show --json` has written.
    a: RunName,
    /// The other run.
    b: RunName,
    /// Write the comparison to this file too, as a page that needs nothing besides itself.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArg,
}

/// Compares two runs. True if the same happens in both.
///
/// # Errors
/// There is no such run, or the page cannot be written.
#[expect(clippy::disallowed_methods, reason = "the page is on the real disk, whatever is simulated")]
pub(super) fn run(here: &Path, args: &DiffArgs) -> miette::Result<bool> {
    let (left, right) = (side(here, &args.a, args.engine)?, side(here, &args.b, args.engine)?);
    let diff = Diff::new(left, right);
    let width = if std::io::stdout().is_terminal() { textwrap::termwidth() } else { WIDTH };
    anstream::print!("{}", diff.text(width));
    if let Some(file) = &args.html {
        let written = fs::write(file, diff.html()).into_diagnostic();
        written.wrap_err_with(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(diff.is_same())
}

/// One side: a run that is made, or one that was saved.
fn side(here: &Path, name: &RunName, engine: EngineArg) -> miette::Result<Side> {
    if let Some(text) = source::file(&name.source)?.filter(|text| diff::is_saved(text)) {
        if name.is_chosen() {
            let help = "leave out what follows the name of the file";
            return Err(miette::miette!(help = help, "{} is of one release and one seed", name.source));
        }
        return Ok(diff::read(&name.source, &text)?);
    }
    let Run { scenario, release, seed, engine } = name.find(here, engine)?;
    let plan = scenario.plan(release, seed);
    let record = run::run(&plan, engine, Keep::Digest).into_diagnostic()?;
    Ok(Side::of(&scenario, &plan, &record))
}
