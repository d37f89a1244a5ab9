//! `postmortem merge`: the results of all shards as one, and which of them are missing.
//!
//! The sum of the shards of an interval of seeds is the result of the interval, to the byte. What is judged of a whole
//! night, such as a fault that never bit, is judged of the sum.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use miette::miette;
use sim::scenario::Library;

use super::ci::capsules::Capsules;
use super::ci::outputs::OutputArgs;
use super::ci::results::Found;
use super::ci::summary::Summary;
use super::ci::{case, fresh};
use super::explore;
use super::seeds::Shard;

/// What to merge.
#[derive(Args)]
pub(crate) struct MergeArgs {
    /// The folders that `ci --json DIR` wrote to.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Merge what there is, though shards are missing. Of a shard that is there more than once, the first counts.
    #[arg(long)]
    partial: bool,
    #[command(flatten)]
    outputs: OutputArgs,
}

/// Merges, and prints what came out. True if all is good.
///
/// # Errors
/// Shards are missing or double, a file cannot be read, or something cannot be written.
pub(super) fn run(library: &Library, args: &MergeArgs) -> miette::Result<bool> {
    let found = Found::look(&args.folders)?;
    let gaps = found.gaps();
    if !gaps.is_empty() && !args.partial {
        return Err(miette!(
            help = "run them again, or merge what there is with `--partial`",
            "the results are not the whole:\n{}",
            gaps.join("\n")
        ));
    }
    let (reports, checks) = found.add()?;
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
        reports.iter().try_for_each(|report| results.write_report(report))?;
        checks.iter().try_for_each(|checks| results.write_checks(checks))?;
    }
    let title = match &checks {
        Some(checks) => checks.of.clone(),
        None => "no shard was done".to_owned(),
    };
    args.outputs.write(&Summary {
        title: &title,
        cases: &cases,
        reports: &reports,
        gaps: &gaps,
        capsules: &Capsules::look(&library.root().join("findings"), library.root()),
    })?;
    Ok(case::failed(&cases).next().is_none())
}
