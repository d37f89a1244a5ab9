//! `postmortem plan`.

use clap::Args;
use gateway::release::Release;
use miette::miette;
use sim::draw::Seed;
use sim::scenario::{Library, Source};

/// Which scenario to print.
#[derive(Args)]
pub(crate) struct PlanArgs {
    /// The profile that the seed draws from, as `list` shows it.
    pub(super) profile: String,
    /// The seed.
    #[arg(long, short, value_parser = super::seeds::seed, allow_hyphen_values = true)]
    seed: u64,
    /// The release of the gateway.
    #[arg(long, short, default_value_t = Release::Current, value_parser = super::wanted::release)]
    release: Release,
}

/// Prints the scenario that a seed draws from a profile, as the file that would be the same run.
///
/// # Errors
/// There is no such profile.
pub(super) fn print(library: &Library, args: &PlanArgs) -> miette::Result<bool> {
    match super::find(library, &args.profile)? {
        Source::Profile(profile) => {
            anstream::print!("{}", profile.scenario(Seed(args.seed), args.release).to_toml());
            Ok(true)
        }
        Source::Scenario(scenario) => {
            Err(miette!(help = "it is a file already, below scenarios/", "{} is no profile", scenario.name))
        }
    }
}
