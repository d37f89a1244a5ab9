//! The timeline against the Trace Event Format, and against the run that it tells of.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gateway::release::Release;
use serde_json::Value;
use sim::draw::Seed;
use sim::engine::{Classic, Engine, Leap};
use sim::plan::Plan;
use sim::record::{Content, Record, Service, What};
use sim::render::perfetto;
use sim::run::run;
use sim::scenario::Library;
use sim::trace::Keep;

/// A run, and the events of its timeline.
struct Told {
    plan: Plan,
    record: Record,
    events: Vec<Value>,
}

impl Told {
    fn of(name: &str, release: &str, seed: Option<u64>, engine: &dyn Engine) -> Self {
        let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let source = library.find(name).unwrap();
        let (seed, release): (Seed, Release) = (seed.map_or(source.seed(), Seed), release.parse().unwrap());
        let plan = source.scenario(seed, release).plan(release, seed);
        let record = run(&plan, engine, Keep::Capture).unwrap();
        let mut text = Vec::new();
        perfetto::write(&plan, &record, &mut text).unwrap();
        let Value::Object(mut trace) = serde_json::from_slice(&text).unwrap() else { panic!("no object") };
        assert_eq!(trace["displayTimeUnit"], "ms");
        assert_eq!(trace["otherData"]["digest"], record.digest.to_string());
        let Some(Value::Array(events)) = trace.remove("traceEvents") else { panic!("no events") };
        Told { plan, record, events }
    }

    fn with(&self, phase: &str) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(move |event| event["ph"] == phase)
    }

    /// The slices of a category, and their ends.
    fn slices(&self, category: &str) -> Vec<&Value> {
        self.with("X").filter(|slice| slice["cat"] == category).collect()
    }
}

fn start(event: &Value) -> u64 {
    event["ts"].as_u64().unwrap()
}

fn end(slice: &Value) -> u64 {
    start(slice) + slice["dur"].as_u64().unwrap()
}

/// The keys that an event of each phase has, and those that it may have.
fn keys(phase: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match phase {
        "M" => (&["ph", "name", "pid", "args"], &["tid"]),
        "X" => (&["ph", "name", "cat", "pid", "tid", "ts", "dur"], &["args"]),
        "i" => (&["ph", "name", "cat", "pid", "tid", "ts", "s"], &["args"]),
        "C" => (&["ph", "name", "pid", "ts", "args"], &[]),
        "s" | "t" => (&["ph", "name", "cat", "pid", "tid", "ts", "id"], &[]),
        "f" => (&["ph", "name", "cat", "pid", "tid", "ts", "id", "bp"], &[]),
        other => panic!("no event has the phase {other}"),
    }
}

fn is_well_formed(told: &Told) {
    let (mut processes, mut threads) = (BTreeSet::new(), BTreeMap::new());
    let ended = u64::try_from(told.record.ended.as_micros()).unwrap();
    for event in &told.events {
        let (needed, allowed) = keys(event["ph"].as_str().unwrap());
        let has: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(needed.iter().all(|key| has.contains(key)), "{event}");
        assert!(has.iter().all(|key| needed.contains(key) || allowed.contains(key)), "{event}");
        let pid = event["pid"].as_u64().unwrap();
        match event["name"].as_str().unwrap() {
            "process_name" => assert!(processes.insert(pid), "{event}: named twice"),
            "thread_name" => {
                assert_eq!(threads.insert(event["tid"].as_u64().unwrap(), pid), None, "{event}: named twice");
            }
            _ => {}
        }
        // Whatever happens, happens on a thread that was named before, in the time of the run.
        assert!(processes.contains(&pid), "{event}");
        if let Some(tid) = event.get("tid") {
            assert_eq!(threads.get(&tid.as_u64().unwrap()), Some(&pid), "{event}");
        }
        if event["ph"] != "M" {
            assert!(start(event) <= ended, "{event}");
        }
        if event["ph"] == "X" {
            assert!(end(event) <= ended, "{event}");
        }
    }
}

/// On a thread, one slice is within another or apart from it, and later slices come later in the file.
fn slices_nest(told: &Told) {
    let mut open: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for slice in told.with("X") {
        let open = open.entry(slice["tid"].as_u64().unwrap()).or_default();
        if let Some(last) = open.last() {
            assert!(start(last) <= start(slice), "{last} is before {slice}");
        }
        while open.pop_if(|around| end(around) <= start(slice)).is_some() {}
        assert!(open.last().is_none_or(|around| end(slice) <= end(around)), "{:?} cuts {slice}", open.last());
        open.push(slice);
    }
}

/// Each arrow starts once, first of all, and ends once, last of all; each of its points is at the start of a slice.
fn arrows_are_whole(told: &Told) -> usize {
    let mut arrows: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for (before, event) in told.events.iter().zip(&told.events[1..]) {
        if let "s" | "t" | "f" = event["ph"].as_str().unwrap() {
            assert_eq!(before["ph"], "X", "{event}");
            for key in ["pid", "tid", "ts"] {
                assert_eq!(before[key], event[key], "{event}");
            }
            arrows.entry(event["id"].as_u64().unwrap()).or_default().push(event);
        }
    }
    for points in arrows.values_mut() {
        points.sort_by_key(|point| start(point));
        assert!(points.iter().all(|point| point["name"] == points[0]["name"]));
        let phases: String = points.iter().map(|point| point["ph"].as_str().unwrap()).collect();
        let through = phases.strip_prefix('s').and_then(|rest| rest.strip_suffix('f'));
        assert!(through.is_some_and(|through| through.bytes().all(|phase| phase == b't')), "{phases}");
        assert_eq!(points[points.len() - 1]["bp"], "e");
    }
    arrows.len()
}

#[test]
fn timelines_of_many_runs_are_as_the_format_wants_them() {
    let mut arrows = 0;
    for profile in ["mixed", "bad-disk", "long-outage", "hostile-peers"] {
        for seed in 0..10 {
            let told = Told::of(profile, "current", Some(seed), &Leap);
            is_well_formed(&told);
            slices_nest(&told);
            arrows += arrows_are_whole(&told);
        }
    }
    assert!(arrows > 100, "{arrows}");
}

#[test]
fn each_machine_is_a_process_and_so_are_the_faults() {
    let told = Told::of("mixed", "current", Some(13), &Leap);
    let names: Vec<&str> = told
        .with("M")
        .filter(|event| event["name"] == "process_name")
        .map(|event| event["args"]["name"].as_str().unwrap())
        .collect();
    let machines = told.plan.machines().map(AsRef::as_ref);
    assert_eq!(names, machines.chain(["faults of the plan"]).collect::<Vec<_>>());
    let (place, line) = (1..).zip(&told.plan.faults).find(|(_, line)| line.begins_at().is_some()).unwrap();
    let shown = told.events.iter().find(|event| event["cat"] == format!("fault {place}")).unwrap();
    assert_eq!(shown["args"]["line"], serde_json::to_value(line).unwrap());
    assert_eq!(u128::from(start(shown)), line.begins_at().unwrap().as_micros());
}

#[test]
fn a_milter_answers_and_takes_no_mail() {
    let seeds = (0..40).map(|seed| Told::of("mixed", "current", Some(seed), &Leap));
    let answered = |told: &Told| told.record.entries.iter().any(|it| matches!(it.what, What::Milter(_)));
    let told = seeds.into_iter().find(answered).unwrap();
    is_well_formed(&told);
    arrows_are_whole(&told);
    let milters: BTreeSet<&str> = told.plan.milters.iter().map(|milter| &*milter.name).collect();
    let processes: BTreeMap<u64, &str> = told
        .with("M")
        .filter(|event| event["name"] == "process_name")
        .map(|event| (event["pid"].as_u64().unwrap(), event["args"]["name"].as_str().unwrap()))
        .collect();
    let of = |thread: &str| -> BTreeSet<&str> {
        let named =
            told.with("M").filter(|event| event["name"] == "thread_name" && event["args"]["name"] == thread);
        named.map(|event| processes[&event["pid"].as_u64().unwrap()]).collect()
    };
    assert!(!of("answers").is_empty() && of("answers").is_subset(&milters));
    assert!(of("mail taken").is_disjoint(&milters));
    let happened = told.record.entries.iter().filter(|it| matches!(it.what, What::Milter(_)));
    assert_eq!(told.events.iter().filter(|event| event["cat"] == "answers").count(), happened.count());
}

#[test]
fn the_service_is_up_from_each_start_to_its_end() {
    let told = Told::of("Q178091", "5.5", None, &Leap);
    let [mut starts, mut deaths] = [Vec::new(), Vec::new()];
    for entry in &told.record.entries {
        let at = u64::try_from(entry.at.as_micros()).unwrap();
        match &entry.what {
            What::Service(Service::Starts) => starts.push(at),
            What::Service(Service::Died(_)) => deaths.push(at),
            _ => {}
        }
    }
    let lives = told.slices("service");
    assert_eq!(lives.iter().map(|life| start(life)).collect::<Vec<_>>(), starts);
    assert_eq!(lives.iter().take(2).map(|life| end(life)).collect::<Vec<_>>(), deaths);
    assert_eq!(lives[2]["args"]["ends"], "the run ends");
}

#[test]
fn a_service_that_is_killed_is_down_until_it_starts_again() {
    let name = "a-process-killed-after-the-move-has-the-message";
    let told = Told::of(name, "current", None, &Leap);
    let lives = told.slices("service");
    assert_eq!(lives[0]["args"]["ends"], "fault: the process is killed");
    assert!(end(lives[0]) < start(lives[1]));
}

#[test]
fn an_arrow_follows_each_message_from_the_first_try_over_the_spool_to_where_it_is() {
    let told = Told::of("one-bad-message-among-good-ones", "current", None, &Leap);
    let mut way: Vec<(u64, &str)> = told
        .events
        .iter()
        .filter(|event| event["cat"] == "message" && event["name"] == "m2")
        .map(|event| {
            let on = |slice: &&Value| ["tid", "ts"].iter().all(|key| slice[*key] == event[*key]);
            let slices: Vec<&Value> = told.with("X").filter(on).collect();
            (start(event), slices[slices.len() - 1]["cat"].as_str().unwrap())
        })
        .collect();
    way.sort_unstable();
    let categories: BTreeSet<&str> = way.iter().map(|(_, category)| *category).collect();
    assert_eq!(way[0].1, "tries");
    let expected =
        ["connections", "mail taken", "mailboxes/carol@contoso.test", "spool in/", "spool out/", "tries"];
    assert_eq!(categories.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn the_queue_is_as_long_as_the_files_that_are_in_it() {
    let told = Told::of("one-bad-message-among-good-ones", "current", None, &Leap);
    let mut last = BTreeMap::new();
    for counter in told.with("C") {
        let files = counter["args"]["files"].as_u64().unwrap();
        if let Some((before, _)) = last.insert(counter["name"].as_str().unwrap(), (start(counter), files)) {
            assert!(before < start(counter), "{counter}");
        }
    }
    let left = last.into_iter().filter(|(_, (_, files))| *files > 0);
    let left: Vec<(String, u64)> = left.map(|(name, (_, files))| (name.to_owned(), files)).collect();
    let spool = told.record.end.spool.iter();
    let spool = spool.map(|(folder, files)| (format!("spool {folder}/"), files.len() as u64));
    assert_eq!(left, spool.collect::<Vec<_>>());
    assert_eq!(left.len(), 1);
}

#[test]
fn an_engine_that_shows_no_segments_gives_a_timeline_too() {
    let told = Told::of("Q178091", "5.5", None, &Classic::COARSE);
    is_well_formed(&told);
    let contents = told
        .record
        .entries
        .iter()
        .filter(|entry| matches!(&entry.what, What::Smtp { line, .. } if Content::read(line).is_some()));
    let shown = told
        .slices("connections")
        .into_iter()
        .filter(|slice| slice["name"].as_str().unwrap().starts_with("C: (content of "));
    assert_eq!(shown.count(), contents.count());
}
