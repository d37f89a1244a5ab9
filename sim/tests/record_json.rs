//! The Record as JSON, against its schema and against the Record.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use gateway::release::Release;
use serde_json::{Value, json};
use sim::draw::Seed;
use sim::engine::Leap;
use sim::record::{Record, What};
use sim::render::json;
use sim::scenario::{Library, Source};
use sim::trace::Keep;
use sim::verdict::Replay;

/// `docs/schema/record.json`.
struct Schema(Schemas, SchemaIndex);

impl Schema {
    fn read() -> Self {
        let text = include_str!("../../docs/schema/record.json");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("record.json", serde_json::from_str(text).unwrap()).unwrap();
        let index = compiler.compile("record.json", &mut schemas).unwrap();
        Schema(schemas, index)
    }

    fn complaint(&self, document: &Value) -> Option<String> {
        self.0.validate(document, self.1).err().map(|error| format!("{error:#}"))
    }
}

fn library() -> Library {
    Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn replay(source: Source<'_>, release: Release, seed: Seed) -> Replay {
    let scenario = source.scenario(seed, release).into_owned().apart();
    Replay::new(&scenario, release, seed, &Leap, Keep::Digest, Path::new("")).unwrap()
}

fn document(replay: &Replay) -> Value {
    let mut text = Vec::new();
    json::write(replay, &mut text).unwrap();
    assert_eq!(text.pop(), Some(b'\n'));
    assert!(!text.contains(&b'\n'));
    serde_json::from_slice(&text).unwrap()
}

fn q178091(release: &str) -> Replay {
    let library = library();
    let source = library.find("Q178091").unwrap();
    replay(source, release.parse().unwrap(), source.seed())
}

#[test]
fn every_scenario_and_many_drawn_ones_fit_the_schema() {
    let (schema, library) = (Schema::read(), library());
    let [mut kinds, mut outcomes, mut roles] = [const { BTreeSet::new() }; 3];
    let mut fits = |replay: &Replay| {
        let document = document(replay);
        let complaint = schema.complaint(&document);
        assert_eq!(complaint, None, "{}", replay.plan.scenario);
        let machines = document["plan"]["machines"].as_array().unwrap();
        assert_eq!(machines.len(), replay.plan.machines().count());
        roles.extend(machines.iter().map(|machine| machine["role"].as_str().unwrap().to_owned()));
        for entry in document["entries"].as_array().unwrap() {
            kinds.insert(entry["kind"].as_str().unwrap().to_owned());
            outcomes.extend(entry["outcome"].as_str().map(str::to_owned));
            outcomes.extend(entry["change"].as_str().map(str::to_owned));
        }
    };
    for scenario in library.scenarios() {
        let release = scenario.releases()[0];
        fits(&replay(Source::Scenario(scenario), release, scenario.seed()));
    }
    for profile in library.profiles() {
        (0..10).for_each(|seed| fits(&replay(Source::Profile(profile), Release::Current, Seed(seed))));
    }
    // The schema was tried with everything that it speaks of.
    let all =
        ["accepted", "administrator", "event", "fault", "fault-span", "milter", "service", "smtp", "try"];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), all);
    let all = ["client", "gateway", "milter", "name-server", "server"];
    assert_eq!(roles.iter().map(String::as_str).collect::<Vec<_>>(), all);
    let all = ["accepted", "died", "lost", "refused", "starts", "unreachable"];
    assert!(all.iter().all(|outcome| outcomes.contains(*outcome)), "{outcomes:?}");
}

#[test]
fn the_schema_takes_nothing_else() {
    let schema = Schema::read();
    let good = document(&q178091("5.5"));
    assert_eq!(schema.complaint(&good), None);
    let changes: [(&str, Value); 7] = [
        ("/version", json!(2)),
        ("/digest", json!("37FE")),
        ("/ended_us", json!(-1)),
        ("/entries/0/at_us", json!(0.5)),
        ("/entries/0/kind", json!("omen")),
        ("/plan/machines/0/role", json!("printer")),
        ("/end/spool", json!({})),
    ];
    for (place, value) in changes {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value;
        assert!(schema.complaint(&bad).is_some(), "{place}");
    }
    for place in ["", "/plan", "/entries/0", "/end", "/verdict"] {
        let mut bad = good.clone();
        bad.pointer_mut(place).unwrap().as_object_mut().unwrap().insert("more".to_owned(), json!(1));
        assert!(schema.complaint(&bad).is_some(), "{place}");
    }
}

#[test]
fn everything_that_happened_is_in_it_in_order() {
    let replay = q178091("5.5");
    let document = document(&replay);
    let entries = document["entries"].as_array().unwrap();
    let Record { entries: happened, digest, ended, .. } = &replay.record;
    assert_eq!(document["digest"], digest.to_string());
    assert_eq!(u128::from(document["ended_us"].as_u64().unwrap()), ended.as_micros());
    assert_eq!(entries.len(), happened.len());
    for (shown, entry) in entries.iter().zip(happened) {
        assert_eq!(u128::from(shown["at_us"].as_u64().unwrap()), entry.at.as_micros());
        assert_eq!(shown["machine"], *entry.machine);
        match &entry.what {
            What::Smtp { line, .. } => assert_eq!(shown["line"], **line),
            What::Event(event) => assert_eq!(shown["id"], event.id),
            _ => {}
        }
    }
}

#[test]
fn the_verdict_tells_what_was_expected() {
    let document = document(&q178091("5.5"));
    let verdict = &document["verdict"];
    assert_eq!(verdict["as_expected"], true);
    let findings = verdict["findings"].as_array().unwrap();
    assert!(!findings.is_empty());
    assert!(findings.iter().all(|finding| finding["expected"] == true), "{findings:?}");
}

#[test]
fn no_piece_is_large_however_long_the_run() {
    /// Remembers the largest piece that it was given.
    #[derive(Default)]
    struct Largest(usize, usize);
    impl Write for Largest {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0 = self.0.max(piece.len());
            self.1 += piece.len();
            Ok(piece.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let library = library();
    let mut out = Largest::default();
    json::write(&replay(library.find("mixed").unwrap(), Release::Current, Seed(13)), &mut out).unwrap();
    assert!(out.1 > 50_000, "{}", out.1);
    assert!(out.0 < 2_000, "{}", out.0);
}
