//! The determinism audit on a sample: the first seeds of each profile, made again in another process.

use std::ops::Range;

use gateway::release::Release;
use sim::draw::Seed;
use sim::profile::Profile;
use sim::scenario::{Library, Source};

use super::super::interrupt::Interrupt;
use super::super::wanted::Wanted;
use super::super::{EngineArg, audit, explore};
use super::case::{Case, Failure, Group};

/// How many seeds of each profile.
const SAMPLE: u64 = 20;

/// Makes the first of these seeds twice; nothing is known if that is interrupted.
pub(super) fn check(
    library: &Library,
    profile: &Profile,
    seeds: &Range<u64>,
    interrupt: &Interrupt,
) -> Option<Case> {
    let start = explore::now();
    let sample = seeds.start..seeds.end.min(seeds.start.saturating_add(SAMPLE));
    let source = Source::Profile(profile);
    let runs: Vec<Wanted<'_>> =
        sample.clone().map(|seed| Wanted { source, release: Release::Current, seed: Seed(seed) }).collect();
    let mut differing = Vec::new();
    let audited = audit::compare(library, &runs, EngineArg::default(), None, interrupt, |difference| {
        differing.extend(difference.map(str::to_owned));
    });
    if interrupt.pressed() {
        return None;
    }
    let reproduce = format!("audit {} --seeds {}..{}", profile.name, sample.start, sample.end);
    let failure = match (audited, differing.len()) {
        (Ok(()), 0) => None,
        (Ok(()), count) => Some(Failure {
            what: format!("of {} {count} differ", sim::count::count(runs.len(), "run")),
            details: differing.join("\n"),
            reproduce: Some(reproduce),
            file: None,
        }),
        (Err(error), _) => {
            Some(Failure { what: error.to_string(), reproduce: Some(reproduce), ..Failure::default() })
        }
    };
    let name = format!("{}: made again in another process", profile.name);
    Some(Case::new(Group::Determinism, name, start.elapsed(), failure))
}
