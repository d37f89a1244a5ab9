//! Which runs a command is to make: the scenarios or profiles, releases and seeds that its arguments name.

use std::ops::Range;

use clap::Args;
use gateway::release::Release;
use miette::miette;
use sim::draw::Seed;
use sim::plan::Plan;
use sim::scenario::{Library, Source};

use super::seeds;

/// What runs are wanted.
#[derive(Args)]
pub(crate) struct WantedArgs {
    /// The scenario's or the profile's name; every scenario if none is given.
    scenario: Option<String>,
    /// The release; every release of the scenario if none is given, `current` for a profile.
    #[arg(long, short)]
    release: Option<Release>,
    /// The seeds, such as `0..200`: of a scenario each with other link latencies, of a profile each another scenario.
    /// The scenario's own seed if none are given.
    #[arg(long, value_parser = seeds::range)]
    seeds: Option<Range<u64>>,
}

/// One run to make.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) source: Source<'a>,
    pub(super) release: Release,
    pub(super) seed: Seed,
}

impl Wanted<'_> {
    pub(super) fn plan(&self) -> Plan {
        self.source.scenario(self.seed, self.release).plan(self.release, self.seed)
    }
}

impl WantedArgs {
    /// The runs, in the order of scenarios, releases and seeds.
    ///
    /// # Errors
    /// There is no such scenario, or no run at all.
    pub(super) fn runs<'a>(&self, library: &'a Library) -> miette::Result<Vec<Wanted<'a>>> {
        let sources = match &self.scenario {
            Some(name) => vec![super::find(library, name)?],
            None => library.scenarios().iter().map(Source::Scenario).collect(),
        };
        let mut runs = Vec::new();
        for source in sources {
            let any = matches!(source, Source::Profile(_));
            let releases = match self.release {
                Some(release) if any || source.releases().contains(&release) => vec![release],
                Some(_) => Vec::new(),
                None => source.releases().to_vec(),
            };
            for release in releases {
                let seeds = self.seeds.clone().unwrap_or(source.seed().0..source.seed().0 + 1);
                runs.extend(seeds.map(|seed| Wanted { source, release, seed: Seed(seed) }));
            }
        }
        if runs.is_empty() {
            return Err(miette!(
                help = "`postmortem list` shows which releases there are",
                "there is nothing to run"
            ));
        }
        Ok(runs)
    }
}
