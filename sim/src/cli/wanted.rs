//! Which runs a command is to make: the scenarios or profiles, releases and seeds that its arguments name.

use std::ops::Range;
use std::path::Path;

use clap::Args;
use gateway::release::Release;
use miette::miette;
use sim::draw::Seed;
use sim::nearest::did_you_mean;
use sim::plan::Plan;
use sim::scenario::{Library, Source};

use super::seeds;

/// What runs are wanted.
#[derive(Args)]
pub(crate) struct WantedArgs {
    /// The scenario's or the profile's name; every scenario if none is given.
    scenario: Option<String>,
    /// The release; every release of the scenario if none is given, `current` for a profile.
    #[arg(long, short, value_parser = release)]
    release: Option<Release>,
    /// The seeds, such as `0..200`: of a scenario each with other link latencies, of a profile each another scenario.
    /// The scenario's own seed if none are given.
    #[arg(long, value_parser = seeds::range, allow_hyphen_values = true)]
    seeds: Option<Range<u64>>,
}

/// Reads a release's name.
///
/// # Errors
/// It is none; the nearest is named.
pub(super) fn release(text: &str) -> Result<Release, String> {
    let meant = || did_you_mean(text, Release::ALL.map(Release::name));
    text.parse().map_err(|unknown| format!("{}{unknown}", meant()))
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
    /// Opens the project: for the one scenario or profile that is wanted, or for all.
    ///
    /// # Errors
    /// There is no project, or what is wanted of it cannot be read.
    pub(super) fn library(&self, here: &Path) -> miette::Result<Library> {
        match &self.scenario {
            Some(name) => super::open_for(name, here),
            None => Ok(Library::open(here)?),
        }
    }

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
