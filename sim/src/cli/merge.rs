//! `postmortem merge`: the results of all shards as one, or of several explorations, and what is missing.
//!
//! The sum of the shards of an interval of seeds is the result of the interval, to the byte. What is judged of a whole
//! night, such as a fault that never bit, is judged of the sum.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use miette::miette;
use sim::scenario::Library;

use super::ci::capsules::Capsules;
use super::ci::found::{Found, Sum};
use super::ci::outputs::OutputArgs;
use super::ci::summary::Summary;
use super::ci::{case, fresh};
use super::explore;
use super::seeds::Shard;

/// What to merge.
#[derive(Args)]
pub(crate) struct MergeArgs {
    /// What `ci --json DIR` and `explore --json FILE` wrote: the folders, or files.
    #[arg(required = true, value_name = "DIR|FILE")]
    places: Vec<PathBuf>,
    /// Merge what there is, though something is missing, damaged or was interrupted. Of what is there more than once,
    /// the first counts.
    #[arg(long)]
    partial: bool,
    #[command(flatten)]
    outputs: OutputArgs,
}

/// Merges, and prints what came out. True if all is good.
///
/// # Errors
/// Something is missing, double or damaged, is of another run, or cannot be written.
pub(super) fn run(library: &Library, args: &MergeArgs) -> miette::Result<bool> {
    let Sum { reports, checks, gaps } = Found::look(&args.places)?.sum()?;
    if !gaps.is_empty() && !args.partial {
        return Err(miette!(
            help = "run them again, or merge what there is with `--partial`",
            "the results are not the whole:\n{}",
            gaps.join("\n")
        ));
    }
    let results = args.outputs.open(Shard::WHOLE)?;
    let mut explored = Vec::new();
    for report in &reports {
        let profile = explore::find(library, &report.profile)?;
        explore::print(report, profile, None);
        anstream::println!();
        explored.extend(fresh::cases(report, profile, Duration::ZERO));
    }
    gaps.iter().for_each(|gap| anstream::println!("{gap}"));
    let cases = checks.iter().flat_map(|checks| checks.cases.iter().cloned());
    let cases = case::union(cases.chain(explored));
    if let Some(results) = results {
        match &checks {
            None => reports.iter().try_for_each(|report| results.write_explored(report))?,
            Some(checks) => {
                reports.iter().try_for_each(|report| results.write_report(report))?;
                results.write_checks(checks)?;
            }
        }
    }
    let title = checks.map_or_else(|| "what was explored".to_owned(), |checks| checks.of);
    args.outputs.write(&Summary {
        title: &title,
        cases: &cases,
        reports: &reports,
        gaps: &gaps,
        capsules: &Capsules::look(&library.root().join("findings"), library.root()),
    })?;
    Ok(case::failed(&cases).next().is_none())
}
