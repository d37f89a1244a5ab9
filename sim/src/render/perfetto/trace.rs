//! A timeline in the Trace Event Format, an event a line: threads for what takes time, counters, and arrows from slice
//! to slice.
//!
//! It knows no machine and no mail.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

/// A process of the timeline.
#[derive(Default)]
pub(super) struct Process {
    pub(super) name: String,
    /// What is shown beside the name.
    pub(super) label: String,
    pub(super) tracks: Vec<Track>,
    pub(super) counters: Vec<Counter>,
}

/// Slices of one kind. Those that overlap are shown on threads of their own.
pub(super) struct Track {
    pub(super) name: String,
    /// In the order of their starts.
    pub(super) slices: Vec<Slice>,
}

/// Something that takes its time.
#[derive(Default)]
pub(super) struct Slice {
    pub(super) name: String,
    pub(super) start: Duration,
    pub(super) end: Duration,
    pub(super) args: Value,
    /// An arrow goes from each slice of the same subject to the next.
    pub(super) subject: Option<String>,
    /// What is a part of it, one after the other.
    pub(super) parts: Vec<Slice>,
}

/// A number that changes.
pub(super) struct Counter {
    pub(super) name: String,
    /// What is counted.
    pub(super) unit: &'static str,
    /// Each value, from when on.
    pub(super) values: Vec<(Duration, usize)>,
}

/// Writes a timeline.
pub(super) fn write(processes: &[Process], about: &Value, out: &mut impl Write) -> io::Result<()> {
    write!(out, "{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":[")?;
    let mut events = Events { out, is_first: true, threads: 0, arrows: Arrows::of(processes) };
    for (pid, process) in (1..).zip(processes) {
        events.process(pid, process)?;
    }
    events.out.write_all(b"\n]}\n")
}

/// An event of the format. What it does not have is left out.
#[derive(Default, Serialize)]
struct Event<'a> {
    ph: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'a str>,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<u32>,
    /// In microseconds, like `dur`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    /// Of an instant, how far it is shown: `t` is its thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    /// Where an arrow ends: `e` is the slice around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    args: Value,
}

struct Events<'a, W> {
    out: &'a mut W,
    is_first: bool,
    threads: u32,
    arrows: Arrows,
}

impl<W: Write> Events<'_, W> {
    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.out.write_all(if std::mem::take(&mut self.is_first) { b"\n" } else { b",\n" })?;
        Ok(serde_json::to_writer(&mut *self.out, event)?)
    }

    fn process(&mut self, pid: u32, process: &Process) -> io::Result<()> {
        let about = |name, args| Event { ph: "M", name, pid, args, ..Event::default() };
        self.event(&about("process_name", json!({ "name": process.name })))?;
        self.event(&about("process_labels", json!({ "labels": process.label })))?;
        self.event(&about("process_sort_index", json!({ "sort_index": pid })))?;
        process.tracks.iter().try_for_each(|track| self.track(pid, track))?;
        process.counters.iter().try_for_each(|counter| self.counter(pid, counter))
    }

    /// A slice goes to the first thread that is free by then.
    fn track(&mut self, pid: u32, track: &Track) -> io::Result<()> {
        let mut threads: Vec<(u32, Duration)> = Vec::new();
        for slice in &track.slices {
            let tid = match threads.iter_mut().find(|(_, free)| *free <= slice.start) {
                Some((tid, free)) => {
                    *free = slice.end;
                    *tid
                }
                None => {
                    let tid = self.thread(pid, &track.name, threads.len())?;
                    threads.push((tid, slice.end));
                    tid
                }
            };
            self.slice(pid, tid, &track.name, slice)?;
        }
        Ok(())
    }

    fn thread(&mut self, pid: u32, track: &str, others: usize) -> io::Result<u32> {
        self.threads += 1;
        let tid = Some(self.threads);
        let name = if others == 0 { track.to_owned() } else { format!("{track} ({})", others + 1) };
        let about = |name, args| Event { ph: "M", name, pid, tid, args, ..Event::default() };
        self.event(&about("thread_name", json!({ "name": name })))?;
        self.event(&about("thread_sort_index", json!({ "sort_index": self.threads })))?;
        Ok(self.threads)
    }

    /// What takes no time is an instant, unless an arrow goes to it.
    fn slice(&mut self, pid: u32, tid: u32, cat: &str, slice: &Slice) -> io::Result<()> {
        let Slice { name, start, end, args, subject, parts } = slice;
        let event = Event {
            name,
            cat: Some(cat),
            pid,
            tid: Some(tid),
            ts: Some(micros(*start)),
            args: args.clone(),
            ..Event::default()
        };
        if start == end && subject.is_none() && parts.is_empty() {
            self.event(&Event { ph: "i", s: Some("t"), ..event })?;
        } else {
            self.event(&Event { ph: "X", dur: Some(micros(*end) - micros(*start)), ..event })?;
        }
        if let Some(subject) = subject {
            self.arrow(pid, tid, *start, subject)?;
        }
        parts.iter().try_for_each(|part| self.slice(pid, tid, cat, part))
    }

    fn arrow(&mut self, pid: u32, tid: u32, start: Duration, subject: &str) -> io::Result<()> {
        let Some((id, ph)) = self.arrows.next(start, subject) else { return Ok(()) };
        let bp = (ph == "f").then_some("e");
        self.event(&Event {
            ph,
            name: subject,
            cat: Some("message"),
            pid,
            tid: Some(tid),
            ts: Some(micros(start)),
            id: Some(id),
            bp,
            ..Event::default()
        })
    }

    fn counter(&mut self, pid: u32, counter: &Counter) -> io::Result<()> {
        counter.values.iter().try_for_each(|(at, value)| {
            let args = json!({ counter.unit: value });
            self.event(&Event {
                ph: "C",
                name: &counter.name,
                pid,
                ts: Some(micros(*at)),
                args,
                ..Event::default()
            })
        })
    }
}

/// Where the arrows of each subject begin and end.
struct Arrows {
    subjects: BTreeMap<String, Steps>,
    /// How many slices with a subject were written.
    written: usize,
}

struct Steps {
    /// A number of its own.
    id: usize,
    /// The first and the last slice: when, and which in the order of writing.
    first: (Duration, usize),
    last: (Duration, usize),
}

impl Arrows {
    fn of(processes: &[Process]) -> Self {
        let mut arrows = Arrows { subjects: BTreeMap::new(), written: 0 };
        let tracks = processes.iter().flat_map(|process| &process.tracks);
        tracks.flat_map(|track| &track.slices).for_each(|slice| arrows.note(slice));
        arrows.written = 0;
        arrows
    }

    fn note(&mut self, slice: &Slice) {
        if let Some(subject) = &slice.subject {
            let step = (slice.start, self.written);
            self.written += 1;
            let id = self.subjects.len() + 1;
            let steps = self.subjects.entry(subject.clone()).or_insert(Steps { id, first: step, last: step });
            steps.first = steps.first.min(step);
            steps.last = steps.last.max(step);
        }
        slice.parts.iter().for_each(|part| self.note(part));
    }

    /// The number of the arrow at the next slice, and whether it starts, goes through or ends there. None where a
    /// subject has one slice only.
    fn next(&mut self, start: Duration, subject: &str) -> Option<(usize, &'static str)> {
        let step = (start, self.written);
        self.written += 1;
        let Steps { id, first, last } = self.subjects.get(subject)?;
        let ph = match (step == *first, step == *last) {
            (true, true) => return None,
            (true, false) => "s",
            (false, false) => "t",
            (false, true) => "f",
        };
        Some((*id, ph))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
