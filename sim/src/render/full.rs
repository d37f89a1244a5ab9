//! The full Record: every line of it, with virtual times to the millisecond.

use std::fmt::Write;
use std::time::Duration;

use super::end;
use crate::plan::Plan;
use crate::record::Record;

/// Everything that happened, a line each, and how it ended.
pub fn full(plan: &Plan, record: &Record) -> String {
    let mut out =
        format!("{} on {}, seed {}, from {}\n\n", plan.scenario, plan.release, plan.seed.0, record.starts);
    for entry in &record.entries {
        writeln!(out, "{}  {:<24} {}", elapsed(entry.at), entry.machine, entry.what)
            .expect("a string takes it");
    }
    writeln!(out, "\nat the end").expect("a string takes it");
    for line in end::lines(&record.end) {
        writeln!(out, "    {line}").expect("a string takes it");
    }
    writeln!(out, "digest {}", record.digest).expect("a string takes it");
    out
}

/// A time since the start of a run, to the millisecond.
pub(crate) fn elapsed(at: Duration) -> String {
    let seconds = at.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", at.subsec_millis())
}
