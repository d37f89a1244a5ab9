//! What two runs of one scenario differ in, but for times.
//!
//! On a real machine what goes side by side ends in one order or another. So events about different messages and hosts may
//! come in another order; those about one message may not, and none passes a start, an end, or what the administrator did.
//! What the clients got is compared client by client, and mail without the order in which it came.

use similar::TextDiff;

use crate::record::Record;
use crate::render::{self, About, Happened};

/// How two runs compare.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// The same happened, in the same order.
    Same,
    /// Events about different messages or hosts came in another order.
    InAnotherOrder,
    /// Something else happened: a unified diff.
    Other(String),
}

/// Compares the simulated run with the live one.
pub(super) fn likeness(simulated: &Record, live: &Record) -> Likeness {
    let happened = [simulated, live].map(render::happened);
    let end = [simulated, live].map(|record| {
        let (mut answers, mut end) = (render::answers(record), render::end_lines(&record.end));
        answers.sort();
        end.sort();
        answers.into_iter().chain(end).collect::<Vec<_>>()
    });
    let [ours, theirs] = [0, 1].map(|run| text(message_by_message(&happened[run]), &end[run]));
    if ours != theirs {
        let diff = TextDiff::from_lines(&ours, &theirs);
        let diff = diff.unified_diff().context_radius(2).header("simulated", "live").to_string();
        return Likeness::Other(diff);
    }
    let [ours, theirs] =
        happened.map(|happened| happened.iter().map(|line| without_moments(&line.text)).collect());
    let (ours, theirs): (Vec<String>, Vec<String>) = (ours, theirs);
    if ours == theirs { Likeness::Same } else { Likeness::InAnotherOrder }
}

fn text(happened: Vec<String>, end: &[String]) -> String {
    happened.iter().chain(end).map(|line| without_moments(line) + "\n").collect()
}

/// The line without moments, as an event about a certificate has them: in seconds, numbers of nine digits or more.
fn without_moments(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let (digits, after) = from.split_at(from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len()));
        out += before;
        out += if digits.len() < 9 { digits } else { "(a moment)" };
        rest = after;
    }
    out + rest
}

/// The lines, between those about the service in the order of messages. A number says only when a message appeared: it is
/// left out.
fn message_by_message(happened: &[Happened]) -> Vec<String> {
    let mut lines = Vec::new();
    let of_one_service = happened.split_inclusive(|line| line.about == About::Service);
    for together in of_one_service {
        let keyed = together.iter().map(|Happened { about, text }| match about {
            About::Message(message) => (0, message.clone(), text.clone()),
            About::Another(number) => (1, text.replace(number, "#"), text.replace(number, "#")),
            About::Other => (2, text.clone(), text.clone()),
            About::Service => (3, String::new(), text.clone()),
        });
        let mut keyed: Vec<_> = keyed.collect();
        // Stable: what is about one message stays in its order.
        keyed.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        lines.extend(keyed.into_iter().map(|(_, _, text)| text));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use gateway::eventlog;

    use super::*;
    use crate::record::{Attempt, Entry, Outcome, Service, What};

    const STARTS: &str = "the service starts";

    /// A run in which this was logged, in this order. Of its messages the first are a client's, `m1` and `m2`.
    fn run(events: &[&str]) -> Record {
        let happened = events.iter().map(|text| match *text {
            STARTS => What::Service(Service::Starts),
            text => What::Event(eventlog::Entry { description: text.to_owned(), ..Default::default() }),
        });
        let taken = [("m1", "AAAAAAA1"), ("m2", "AAAAAAA2")].map(|(message, id)| {
            let outcome = Outcome::Accepted { recipients: Vec::new(), reply: format!("250 OK {id}") };
            What::Client(Attempt { message: message.to_owned(), number: 1, outcome })
        });
        let whats = happened.chain(taken);
        let entries = whats.map(|what| Entry { at: Duration::ZERO, machine: Arc::from("gw"), what });
        Record { entries: entries.collect(), ..crate::oracle::nothing() }
    }

    #[test]
    fn events_about_different_messages_may_come_in_another_order() {
        let one =
            run(&["taken AAAAAAA1", "taken AAAAAAA2", "sent AAAAAAA1", "sent BBBBBBB1", "kept BBBBBBB2"]);
        let other =
            run(&["taken AAAAAAA2", "taken AAAAAAA1", "kept CCCCCCC1", "sent CCCCCCC2", "sent AAAAAAA1"]);
        assert_eq!(likeness(&one, &one), Likeness::Same);
        assert_eq!(likeness(&one, &other), Likeness::InAnotherOrder);
    }

    #[test]
    fn moments_are_not_compared_and_other_numbers_are() {
        let [one, other, third] =
            ["at 1772438451, 12 late", "at 1795693617, 12 late", "at 1795693617, 13 late"]
                .map(|text| run(&[text]));
        assert_eq!(likeness(&one, &other), Likeness::Same);
        assert!(matches!(likeness(&one, &third), Likeness::Other(_)));
    }

    #[test]
    fn events_about_one_message_may_not_and_nothing_passes_a_start() {
        let run_of =
            |events: &[&str]| likeness(&run(&["taken AAAAAAA1", STARTS, "sent AAAAAAA1"]), &run(events));
        for events in [
            ["sent AAAAAAA1", STARTS, "taken AAAAAAA1"],
            [STARTS, "taken AAAAAAA1", "sent AAAAAAA1"],
            ["taken AAAAAAA1", STARTS, "sent AAAAAAA2"],
        ] {
            assert!(matches!(run_of(&events), Likeness::Other(_)), "{events:?}");
        }
    }
}
