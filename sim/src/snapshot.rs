//! Snapshots: the event log that each scenario showed when it was last reviewed.
//!
//! They are `insta`'s files, one a scenario and release. The tests write and review them (`cargo insta review`);
//! the program only reads.

use std::path::Path;

use gateway::release::Release;
use similar::TextDiff;

/// The engine that the snapshots are of: another's grain moves events across a second. What is the same on both is
/// [`crate::parity`]'s to say.
pub const ENGINE: &str = "leap";

/// A snapshot's name: `Q169681@5.0-RTM`.
pub fn name(scenario: &str, release: Release) -> String {
    format!("{scenario}@{}", release.name().replace(' ', "-"))
}

/// What a snapshot says of an event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Same,
    /// Something else: a unified diff from the snapshot to the event log.
    Differs(String),
    /// There is no snapshot.
    Missing,
}

/// Compares an event log with its snapshot in `folder`.
#[expect(clippy::disallowed_methods, reason = "snapshots are on the real disk, whatever is simulated")]
pub fn compare(folder: &Path, name: &str, event_log: &str) -> Comparison {
    let Ok(file) = std::fs::read_to_string(folder.join(format!("{name}.snap"))) else {
        return Comparison::Missing;
    };
    // The file is a header between two lines of dashes, then the content.
    let content = file.splitn(3, "---\n").nth(2).unwrap_or_default().trim_end();
    let event_log = event_log.trim_end();
    if content == event_log {
        return Comparison::Same;
    }
    let diff = TextDiff::from_lines(content, event_log).unified_diff().context_radius(2).to_string();
    Comparison::Differs(diff)
}
