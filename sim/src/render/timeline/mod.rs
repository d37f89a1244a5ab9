//! The timeline: a run as one page of HTML, to be looked at in a browser.
//!
//! | module | what it knows |
//! |---|---|
//! | this one | how the page is put together, and how large it may be |
//! | `data` | the run as compact JSON |
//! | `rows` | everything that happened, a row each |
//! | `bands` | the faults of the plan and when each is there |
//! | `messages` | which message an entry is about |
//! | `page.html`, `page.css` | what it looks like |
//! | `script/` | how it is drawn and used; one script, of parts that each say what they know |
//!
//! The page is whole in itself: it loads nothing, and its own policy forbids it to. All text of a run is data in it,
//! never markup.

mod bands;
mod data;
mod messages;
mod rows;

use std::time::Duration;

use data::{Part, Run};

use crate::verdict::Replay;

/// How large a page may be, in octets.
pub const LARGEST: usize = 2_000_000;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = concat!(
    include_str!("script/run.js"),
    include_str!("script/flow.js"),
    include_str!("script/overview.js"),
    include_str!("script/panel.js"),
    include_str!("script/page.js"),
);

/// What is shown.
pub struct Shown<'a> {
    /// The run, with a [capture](crate::capture).
    pub replay: &'a Replay,
    /// The scenario's title.
    pub title: &'a str,
    /// The engine that carried it.
    pub engine: &'a str,
    /// The command that shows it again.
    pub command: &'a str,
}

/// The page. What would make it larger than [`LARGEST`] is left out, and the page says what.
pub fn timeline(shown: &Shown<'_>) -> String {
    let run = Run::new(shown);
    let name = format!("{} on {}", shown.replay.plan.scenario, shown.replay.plan.release);
    let shell = assemble(&name, "");
    let room = LARGEST.saturating_sub(shell.len());
    assemble(&name, &fitting(&run, room))
}

/// The run as JSON that a page can hold, in so many octets if that can be. Lines of dialogues go first, then other
/// rows; of both, those that are furthest from where the page opens. What the disk holds goes with the other rows.
fn fitting(run: &Run<'_>, room: usize) -> String {
    let smtp = run.rows.iter().filter(|row| row.kind.is_smtp()).count();
    let others = run.rows.len() - smtp;
    let mut by_need: Vec<usize> = (0..run.rows.len()).collect();
    by_need.sort_by_key(|row| (run.rows[*row].kind.is_smtp(), row.abs_diff(run.focus)));
    let mut count = by_need.len();
    loop {
        let mut rows = by_need[..count].to_vec();
        rows.sort_unstable();
        let files = count >= others;
        let mut left_out = Vec::new();
        if count < by_need.len() {
            let kept = count.saturating_sub(others);
            left_out.push(format!("{} of {smtp} lines of dialogues", smtp - kept));
        }
        if !files {
            left_out.push(format!("{} of {others} other rows", others - count));
            left_out.push("what the spool and the mailboxes hold".to_owned());
        }
        let json = embeddable(&run.to_json(&Part { rows, files, left_out }));
        if json.len() <= room || count == 0 {
            return json;
        }
        // A little less than in proportion: the loop ends soon.
        count = (count as f64 * (room as f64 / json.len() as f64).min(1.0) * 0.95) as usize;
    }
}

/// JSON that may stand in a script element: nothing in it ends the element, and nothing ends a line of a script.
fn embeddable(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// Puts the page together. What is put in is not looked through for further places.
fn assemble(name: &str, json: &str) -> String {
    let name = name.replace('&', "&amp;").replace('<', "&lt;");
    let parts = [("{name}", name.as_str()), ("{style}", STYLE), ("{run}", json), ("{script}", SCRIPT)];
    let (mut page, mut rest) = (String::new(), PAGE);
    for (place, text) in parts {
        let (before, after) = rest.split_once(place).expect("the page has each of its places");
        page.push_str(before);
        page.push_str(text);
        rest = after;
    }
    page + rest
}

fn micros(at: Duration) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Seed;
    use crate::engine::Leap;
    use crate::scenario::Library;
    use crate::trace::Keep;

    /// A run in which much goes wrong, drawn from a profile.
    fn replay() -> Replay {
        let library = Library::open(std::path::Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let source = library.find("mixed").unwrap();
        let (seed, release) = (Seed(20), "5.5".parse().unwrap());
        let scenario = source.scenario(seed, release);
        Replay::new(&scenario, release, seed, &Leap, Keep::Capture, &library.snapshots()).unwrap()
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_afar_and_told() {
        let replay = replay();
        let shown = Shown { replay: &replay, title: "", engine: "leap", command: "" };
        let run = Run::new(&shown);
        let read = |room| -> serde_json::Value {
            let json = fitting(&run, room);
            assert!(json.len() <= room, "{} octets in {room}", json.len());
            serde_json::from_str(&json).unwrap()
        };
        let whole = read(LARGEST);
        let count = |page: &serde_json::Value| page["rows"]["at"].as_array().unwrap().len();
        assert_eq!((count(&whole), &whole["leftOut"]), (run.rows.len(), &serde_json::json!([])));
        let text = |page: &serde_json::Value| {
            let place = page["rows"]["text"][page["open"].as_u64().unwrap() as usize].as_u64().unwrap();
            page["texts"][place as usize].clone()
        };
        let length = fitting(&run, LARGEST).len();
        for (part, told) in [(3, 1), (1, 3)] {
            let part = read(length / 4 * part);
            assert!(count(&part) < count(&whole));
            assert_eq!(part["leftOut"].as_array().unwrap().len(), told, "{}", part["leftOut"]);
            assert_eq!((text(&part), part["files"].is_null()), (text(&whole), told > 1));
        }
    }
}
