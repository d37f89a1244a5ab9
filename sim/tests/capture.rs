//! What is captured of a run is what its dialogues and its end say, and capturing changes nothing.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeMap;
use std::path::Path;

use gateway::release::Release;
use sim::capture::{Capture, SegmentKind};
use sim::draw::Seed;
use sim::engine::{Engine, Leap};
use sim::plan::Plan;
use sim::record::{Record, Speaker, What};
use sim::run::run;
use sim::scenario::Library;
use sim::trace::Keep;

fn captured(plan: &Plan) -> (Record, Capture) {
    let mut record = run(plan, &Leap, Keep::Capture).unwrap();
    let capture = record.capture.take().unwrap();
    (record, capture)
}

fn library() -> Library {
    Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn plan(library: &Library, name: &str, seed: Option<Seed>) -> Plan {
    let source = library.find(name).unwrap();
    let seed = seed.unwrap_or(source.seed());
    source.scenario(seed, Release::Current).plan(Release::Current, seed)
}

/// Every line that went over TCP, each connection's and direction's in order.
fn lines(capture: &Capture) -> BTreeMap<String, u32> {
    let mut flows: BTreeMap<_, Vec<u8>> = BTreeMap::new();
    let segments = capture.segments.iter().filter(|segment| segment.kind != SegmentKind::Datagram);
    for segment in segments.filter(|segment| !segment.is_lost) {
        assert_eq!(segment.kind == SegmentKind::Data, !segment.octets.is_empty(), "{segment:?}");
        flows.entry((segment.from, segment.to)).or_default().extend(&segment.octets);
    }
    let mut lines = BTreeMap::new();
    for flow in flows.into_values() {
        for line in String::from_utf8(flow).unwrap().lines() {
            *lines.entry(line.to_owned()).or_default() += 1;
        }
    }
    lines
}

#[test]
fn every_line_of_a_dialogue_was_on_a_wire() {
    let library = library();
    let plan = plan(&library, "one-bad-message-among-good-ones", None);
    let (record, capture) = captured(&plan);
    let mut lines = lines(&capture);
    let mut said = 0;
    for entry in &record.entries {
        if let What::Smtp { speaker: Speaker::Client | Speaker::Server, line, .. } = &entry.what
            && !line.starts_with("(content of ")
        {
            let left = lines.get_mut(line).unwrap_or_else(|| panic!("{line} was on no wire"));
            *left = left.checked_sub(1).unwrap_or_else(|| panic!("{line} was said more often than sent"));
            said += 1;
        }
    }
    assert!(said > 50, "{said}");
}

#[test]
fn the_files_at_the_end_are_those_that_came_and_did_not_go() {
    let library = library();
    let mut changes = 0;
    for seed in (0..30).map(Seed) {
        let plan = plan(&library, "bad-disk", Some(seed));
        let (record, capture) = captured(&plan);
        let mut there = BTreeMap::new();
        for change in &capture.files {
            assert!(change.at <= record.ended);
            let place = (change.folder.clone(), change.file.clone());
            match &change.holds {
                Some(held) => there.insert(place, held.octets),
                None => there.remove(&place),
            };
        }
        changes += capture.files.len();
        there.retain(|(folder, _), _| !folder.starts_with("mailboxes/"));
        let end = record.end.spool.iter().flat_map(|(folder, files)| {
            files.iter().map(move |file| ((folder.clone(), file.file.clone()), file.octets))
        });
        // A draft grows while it is not looked at.
        let without_drafts = |files: BTreeMap<(String, String), usize>| {
            files.into_iter().filter(|((folder, _), _)| folder != "work").collect::<BTreeMap<_, _>>()
        };
        assert_eq!(without_drafts(there), without_drafts(end.collect()), "seed {seed:?}");
    }
    assert!(changes > 500, "{changes}");
}

#[test]
fn capturing_changes_nothing() {
    let library = library();
    for seed in (0..20).map(Seed) {
        let plan = plan(&library, "mixed", Some(seed));
        let plain = run(&plan, &Leap, Keep::Digest).unwrap();
        assert_eq!(captured(&plan).0, plain, "{} of {seed:?}", Leap.name());
    }
}
