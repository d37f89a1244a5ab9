//! What a seed draws from a profile.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeSet;
use std::path::Path;

use gateway::release::Release;
use sim::draw::Seed;
use sim::engine::Leap;
use sim::fault::Family;
use sim::profile::Profile;
use sim::run::run;
use sim::scenario::{Library, Scenario};
use sim::trace::Keep;

fn profiles() -> Vec<Profile> {
    Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap().profiles().to_vec()
}

#[test]
fn what_is_drawn_is_a_scenario_that_can_be_written_and_read_again() {
    for profile in profiles() {
        for seed in (0..40).map(Seed) {
            let drawn = profile.scenario(seed, Release::Current);
            let text = drawn.to_toml();
            let read = Scenario::parse(&drawn.name, "drawn.toml", &text)
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(read.to_toml(), text);
        }
    }
}

#[test]
fn a_drawn_scenario_and_its_file_are_the_same_run() {
    for profile in profiles() {
        for seed in (0..3).map(Seed) {
            let drawn = profile.scenario(seed, Release::Current);
            let read = Scenario::parse(&drawn.name, "drawn.toml", &drawn.to_toml()).unwrap();
            let digest = |scenario: &Scenario| {
                run(&scenario.plan(Release::Current, seed), &Leap, Keep::Digest).unwrap().digest
            };
            assert_eq!(digest(&drawn), digest(&read), "{}", drawn.name);
        }
    }
}

#[test]
fn a_seed_draws_the_same_each_time_and_another_seed_something_else() {
    for profile in profiles() {
        let text = |seed| profile.scenario(Seed(seed), Release::Current).to_toml();
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }
}

#[test]
fn every_kind_of_fault_is_drawn_and_is_of_the_family_that_lists_it() {
    let mixed = profiles().into_iter().find(|profile| profile.name == "mixed").unwrap();
    let mut drawn = BTreeSet::new();
    for seed in 0..2000 {
        let plan = mixed.scenario(Seed(seed), Release::Current).plan(Release::Current, Seed(seed));
        drawn.extend(plan.faults.iter().map(|fault| (fault.family(), fault.kind())));
    }
    let listed: BTreeSet<_> =
        Family::ALL.iter().flat_map(|family| family.kinds().iter().map(|kind| (*family, *kind))).collect();
    assert_eq!(drawn, listed);
    assert_eq!(mixed.kinds().len(), listed.len());
}

#[test]
fn a_profile_that_makes_no_sense_is_refused_with_the_remedy() {
    let good = include_str!("../../scenarios/perturbation/mixed.toml");
    let refused = |bad: &str| {
        let error = Profile::parse("mixed", "mixed.toml", bad).err().expect("it makes no sense");
        format!("{:?}", miette::Report::new(error))
    };
    assert!(refused(&good.replace("[1, 60]", "[0, 60]")).contains("`load.messages` is no range"));
    assert!(refused(&good.replace("lasts =", "last =")).contains("unknown field `last`"));
    let kinds = format!("{good}\nkinds = {{ earthquake = 1 }}\n");
    assert!(refused(&kinds).contains("no kind of fault is named `earthquake`"));
}
