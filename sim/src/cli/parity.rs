//! `postmortem parity`: each scenario on both engines.

use clap::Args;
use gateway::release::Release;
use miette::IntoDiagnostic;
use sim::draw::Seed;
use sim::engine::{Classic, Leap};
use sim::parity::compare;
use sim::scenario::{Library, Scenario};

/// What to compare.
#[derive(Args)]
pub(crate) struct ParityArgs {
    /// The scenario's name; every scenario if none is given.
    scenario: Option<String>,
    /// The release; every release of the scenario if none is given.
    #[arg(long, short)]
    release: Option<Release>,
    /// The seed; the scenario's own if none is given.
    #[arg(long, short)]
    seed: Option<u64>,
}

/// Runs the plans on both engines. True if the engines agree on all.
///
/// # Errors
/// There is no such scenario, or an engine broke down.
pub(super) fn run(library: &Library, args: &ParityArgs) -> miette::Result<bool> {
    let scenarios: Vec<&Scenario> = match &args.scenario {
        Some(name) => vec![super::find(library, name)?],
        None => library.scenarios().iter().collect(),
    };
    let (mut compared, mut differing) = (0, 0);
    for scenario in scenarios {
        let wanted = |release: &&Release| args.release.is_none_or(|wanted| wanted == **release);
        for release in scenario.releases().iter().filter(wanted) {
            let plan = scenario.plan(*release, args.seed.map_or(scenario.seed(), Seed));
            let difference = compare(scenario, &plan, &Classic::COARSE, &Leap).into_diagnostic()?;
            compared += 1;
            if let Some(difference) = difference {
                differing += 1;
                anstream::println!(
                    "{} on {release}: THE ENGINES DIFFER (- turmoil, + leap)\n{difference}",
                    scenario.name
                );
            }
        }
    }
    anstream::println!("{compared} plans on both engines: {differing} differ");
    Ok(differing == 0)
}
