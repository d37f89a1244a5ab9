//! What two runs of one scenario differ in, but for times.
//!
//! On a real machine what goes side by side ends in one order or another. So events about different messages may come
//! in another order; those about one message may not, nor those about none: a start, an end, what the administrator did.
//! What the clients got is compared client by client, and mail without the order in which it came.

use similar::TextDiff;

use crate::record::Record;
use crate::render::{self, Happened};

/// How two runs compare.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// The same happened, in the same order.
    Same,
    /// Events about different messages came in another order.
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
    let [ours, theirs] = happened.map(|happened| happened.into_iter().map(|line| line.text).collect());
    let (ours, theirs): (Vec<String>, Vec<String>) = (ours, theirs);
    if ours == theirs { Likeness::Same } else { Likeness::InAnotherOrder }
}

fn text(happened: Vec<String>, end: &[String]) -> String {
    happened.iter().chain(end).map(|line| format!("{line}\n")).collect()
}

/// The lines, between those about no message in the order of messages. Messages that no client handed over have no name
/// but a number in the order in which they appear: they go without it.
fn message_by_message(happened: &[Happened]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut together: Vec<(String, String)> = Vec::new();
    let end = |together: &mut Vec<(String, String)>, lines: &mut Vec<String>| {
        together.sort_by(|one, other| one.0.cmp(&other.0));
        lines.extend(together.drain(..).map(|(_, text)| text));
    };
    for Happened { about, text } in happened {
        match about.as_deref() {
            Some(number) if number.starts_with('#') => {
                let text = text.replace(number, "#");
                together.push((text.clone(), text));
            }
            Some(message) => together.push((message.to_owned(), text.clone())),
            None => {
                end(&mut together, &mut lines);
                lines.push(text.clone());
            }
        }
    }
    end(&mut together, &mut lines);
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
