//! How one run is called on the command line: `NAME`, `NAME@RELEASE`, `NAME#SEED` or `NAME@RELEASE#SEED`.
//!
//! `NAME` is a scenario's or a profile's name, or a file: a scenario or a finding. What is left out is the scenario's, the
//! finding's, or for a profile `current` and seed 0.

use std::path::Path;
use std::str::FromStr;

use gateway::release::Release;
use miette::miette;
use sim::draw::Seed;
use sim::engine::Engine;
use sim::scenario::Scenario;

use super::EngineArg;
use super::source::Named;

/// A run as it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunName {
    /// The name or the file.
    pub(super) source: String,
    release: Option<Release>,
    seed: Option<u64>,
}

/// A run that can be made.
pub(super) struct Run {
    pub(super) scenario: Scenario,
    pub(super) release: Release,
    pub(super) seed: Seed,
    pub(super) engine: &'static dyn Engine,
}

impl FromStr for RunName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A file may be named as it likes.
        if Path::new(text).is_file() {
            return Ok(RunName { source: text.to_owned(), release: None, seed: None });
        }
        let (rest, seed) = match text.rsplit_once('#') {
            Some((rest, seed)) => {
                let number =
                    seed.parse().map_err(|_| format!("`{seed}` is no seed: after # comes a number"))?;
                (rest, Some(number))
            }
            None => (text, None),
        };
        let (source, release) = match rest.rsplit_once('@') {
            Some((source, release)) => (source, Some(super::wanted::release(release)?)),
            None => (rest, None),
        };
        if source.is_empty() {
            return Err("there is no name: write NAME@RELEASE#SEED, such as `Q178091@5.5-sp1`".to_owned());
        }
        Ok(RunName { source: source.to_owned(), release, seed })
    }
}

impl RunName {
    /// Whether a release or a seed is named.
    pub(super) fn is_chosen(&self) -> bool {
        self.release.is_some() || self.seed.is_some()
    }

    /// Finds the run. A finding has an engine of its own.
    ///
    /// # Errors
    /// There is no such thing, or it cannot be run on that release.
    pub(super) fn find(&self, here: &Path, engine: EngineArg) -> miette::Result<Run> {
        let RunName { source, release, seed } = self;
        let chosen = |scenario: Scenario, usual, engine| {
            let (release, seed) = (release.unwrap_or(usual), seed.map_or(scenario.seed(), Seed));
            Run { scenario, release, seed, engine }
        };
        let run = match Named::find(here, source)? {
            Named::Finding(ready) => chosen(ready.scenario, ready.release, engine.or(ready.engine)),
            Named::File(scenario) => {
                let usual = scenario.releases()[0];
                chosen(*scenario, usual, engine.engine())
            }
            Named::InProject(library) => {
                let found = super::find(&library, source)?;
                let usual = release.unwrap_or(found.releases()[0]);
                let seed = seed.map_or(found.seed(), Seed);
                chosen(found.scenario(seed, usual).into_owned(), usual, engine.engine())
            }
        };
        match run.scenario.refused_on(run.release) {
            Some(why) => Err(miette!(
                help = "name another release: `NAME@RELEASE`",
                "on {}, the gateway refuses the configuration of {source}: {why}",
                run.release
            )),
            None => Ok(run),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RunName {
        text.parse().unwrap()
    }

    #[test]
    fn a_release_and_a_seed_may_follow_a_name() {
        let of = |release, seed| RunName { source: "mixed".to_owned(), release, seed };
        assert_eq!(read("mixed"), of(None, None));
        assert_eq!(read("mixed#7"), of(None, Some(7)));
        assert_eq!(read("mixed@5.5-sp1"), of(Some(Release::V55Sp1), None));
        assert_eq!(read("mixed@5.0#12"), of(Some(Release::V50Rtm), Some(12)));
    }

    #[test]
    fn what_is_no_name_is_said() {
        let error = |text: &str| text.parse::<RunName>().unwrap_err();
        assert!(error("mixed@6.0").contains("`6.0` is not a release"));
        assert!(error("mixed#x").contains("`x` is no seed"));
        assert!(error("@5.5").contains("no name"));
    }
}
