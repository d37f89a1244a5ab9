//! `postmortem list`.

use gateway::release::Release;
use sim::scenario::Library;

/// Prints each scenario, its releases and its title; then each profile and its title.
pub(super) fn print(library: &Library) {
    for scenario in library.scenarios() {
        let releases: Vec<&str> = scenario.releases().iter().copied().map(Release::name).collect();
        anstream::println!("{}  [{}]\n    {}", scenario.name, releases.join(", "), scenario.title());
    }
    if !library.profiles().is_empty() {
        anstream::println!("\nprofiles, for `postmortem explore`:");
    }
    for profile in library.profiles() {
        anstream::println!("{}\n    {}", profile.name, profile.title());
    }
}
