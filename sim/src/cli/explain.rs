//! `postmortem explain`: the story of a failure on one page.

use std::path::Path;

use clap::Args;
use miette::IntoDiagnostic;
use sim::explain;
use sim::shrink::MOST_RUNS;

use super::shrink::FailureArgs;

/// What to explain.
#[derive(Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    failure: FailureArgs,
}

/// Shrinks the failure and tells its story. True if there was something to tell.
///
/// # Errors
/// There is no such failure.
pub(super) fn print(here: &Path, args: &ExplainArgs) -> miette::Result<bool> {
    let Some(failure) = args.failure.find(here)? else { return Ok(false) };
    let shrunk = failure.shrink(MOST_RUNS)?;
    anstream::print!("{}", explain::story(&shrunk, &failure.origin, failure.engine).into_diagnostic()?);
    Ok(true)
}
