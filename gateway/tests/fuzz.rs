//! The fuzz targets, for a moment each: they run, they take their own seeds, and what is made of the seeds with a few cuts
//! and changes breaks nothing. libFuzzer goes on from here (docs/interoperation.md).

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

/// How often each target is called.
const CASES: u32 = 300;

/// What is done to a seed.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, Index),
    Repeat(Index, Index),
}

impl Change {
    fn make(&self, octets: &mut Vec<u8>) {
        let place = |at: &Index| at.index(octets.len() + 1);
        let range = |from: &Index, to: &Index| place(from).min(place(to))..place(from).max(place(to));
        match self {
            Change::Set(at, octet) if !octets.is_empty() => {
                let at = at.index(octets.len());
                octets[at] = *octet;
            }
            Change::Set(..) => {}
            Change::Insert(at, more) => {
                let at = place(at);
                octets.splice(at..at, more.iter().copied());
            }
            Change::Cut(from, to) => drop(octets.drain(range(from, to))),
            Change::Repeat(from, to) => {
                let again = octets[range(from, to)].to_vec();
                let at = place(to);
                octets.splice(at..at, again);
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let telling =
        prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'<'), Just(b'"'), Just(0), any::<u8>()];
    prop_oneof![
        (any::<Index>(), telling).prop_map(|(at, octet)| Change::Set(at, octet)),
        (any::<Index>(), vec(any::<u8>(), 1..5)).prop_map(|(at, more)| Change::Insert(at, more)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Cut(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ]
}

#[expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test reads its seeds")]
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn each_target_takes_its_seeds_and_what_is_made_of_them() {
    for (name, target) in targets::TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        seeds.iter().for_each(|seed| target(seed));
        let mut runner =
            TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&(any::<Index>(), vec(change(), 0..6)), |(seed, changes)| {
            let mut octets = seed.get(&seeds).clone();
            changes.iter().for_each(|change| change.make(&mut octets));
            target(&octets);
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }
}
