//! The event log as an administrator would read it, and what became of the mail: what a snapshot holds.
//!
//! It shows what a change in *behaviour* changes. Spool names, connection numbers and milliseconds are private
//! details: a spool name is shown as the name of the message that the gateway gave it to.

use std::collections::BTreeMap;
use std::fmt::Write;

use gateway::eventlog::Category;
use jiff::Timestamp;

use super::end;
use crate::machine::at;
use crate::plan::Plan;
use crate::record::{Entry, Outcome, Record, What};

/// The longest line of a description, in characters.
const WIDTH: usize = 100;

/// The event log and the deliveries of a run.
pub fn event_log(title: &str, plan: &Plan, record: &Record) -> String {
    let mut out = String::new();
    let names = spool_names(&record.entries);
    line(&mut out, format_args!("{}, {}", plan.scenario, plan.release));
    line(&mut out, format_args!("{title}"));
    line(&mut out, format_args!("\nEVENT LOG of {}", plan.gateway.name));
    for entry in &record.entries {
        let when = second(at(record.starts, entry.at));
        match &entry.what {
            What::Event(event) => {
                let (id, severity, category) = (event.id, &event.severity, &event.category);
                let source = gateway::eventlog::SOURCE;
                line(&mut out, format_args!("{when}  {id}  {severity}  {source}  {category}"));
                for text in textwrap::wrap(&rename(&event.description, &names), WIDTH) {
                    line(&mut out, format_args!("    {text}"));
                }
            }
            What::Service(change) => line(&mut out, format_args!("{when}  -- {change}")),
            What::Administrator(what) => {
                line(&mut out, format_args!("{when}  -- the administrator {}", rename(what, &names)));
            }
            What::Fault(what) => line(&mut out, format_args!("{when}  -- fault: {}", rename(what, &names))),
            What::Milter(said) => {
                let what = rename(&said.to_string(), &names);
                line(&mut out, format_args!("{when}  -- {}: {what}", entry.machine));
            }
            What::Smtp { .. } | What::Client(_) | What::Accepted { .. } | What::FaultSpan { .. } => {}
        }
    }
    line(&mut out, format_args!("\nWHAT THE CLIENTS GOT"));
    for entry in &record.entries {
        if let What::Client(attempt) = &entry.what {
            let when = second(at(record.starts, entry.at));
            let outcome = rename(&attempt.outcome.to_string(), &names);
            line(&mut out, format_args!("{when}  {}, try {}: {outcome}", attempt.message, attempt.number));
        }
    }
    line(&mut out, format_args!("\nWHAT BECAME OF THE MAIL"));
    end::lines(&record.end).iter().for_each(|text| line(&mut out, format_args!("{text}")));
    out
}

/// What happened, in order but without times: events, the state of the service, and what the administrator did; then
/// what the clients got, message by message, and what became of the mail.
pub fn without_times(record: &Record) -> Vec<String> {
    let happened = happened(record).into_iter().map(|happened| happened.text);
    happened.chain(answers(record)).chain(end::lines(&record.end)).collect()
}

/// An event, a change in the state of the service, or what the administrator did, without its time.
pub(crate) struct Happened {
    pub(crate) about: About,
    pub(crate) text: String,
}

/// What something that happened is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A message that a client handed over.
    Message(String),
    /// Another message. It has a number, in the order in which these appear.
    Another(String),
    /// The service itself: its start, its end, what is done to it.
    Service,
    /// Something else, such as a host.
    Other,
}

/// What happened, in order.
pub(crate) fn happened(record: &Record) -> Vec<Happened> {
    let names = spool_names(&record.entries);
    let happened = |entry: &Entry| {
        let about = match &entry.what {
            What::Event(event) => match spool_name(&event.description).and_then(|name| names.get(name)) {
                Some(number) if number.starts_with('#') => About::Another(number.clone()),
                Some(message) => About::Message(message.clone()),
                None if event.category == Category::InitializationTermination.name() => About::Service,
                None => About::Other,
            },
            What::Service(_) | What::Administrator(_) => About::Service,
            _ => return None,
        };
        Some(Happened { about, text: rename(&entry.what.to_string(), &names) })
    };
    record.entries.iter().filter_map(happened).collect()
}

/// What the clients got, in order but without times.
pub(crate) fn answers(record: &Record) -> Vec<String> {
    let names = spool_names(&record.entries);
    let answers = record.entries.iter().filter(|entry| matches!(entry.what, What::Client(_)));
    answers.map(|entry| rename(&entry.what.to_string(), &names)).collect()
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a string does not fail");
}

fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The message that each spool name was given to, as the gateway's replies told the clients.
pub(crate) fn spool_names(entries: &[Entry]) -> BTreeMap<String, String> {
    let accepted = entries.iter().filter_map(|entry| match &entry.what {
        What::Client(attempt) => match &attempt.outcome {
            Outcome::Accepted { reply, .. } => {
                Some((accepted_as(reply)?.to_owned(), attempt.message.clone()))
            }
            _ => None,
        },
        _ => None,
    });
    let mut names: BTreeMap<String, String> = accepted.collect();
    let mut others = 0;
    for entry in entries {
        if let What::Event(event) = &entry.what
            && let Some(name) = spool_name(&event.description)
            && !names.contains_key(name)
        {
            others += 1;
            names.insert(name.to_owned(), format!("#{others}"));
        }
    }
    names
}

/// The spool name that a client is told. It is the last word, whatever it looks like.
fn accepted_as(reply: &str) -> Option<&str> {
    let last = reply.rsplit(' ').next().filter(|word| word.parse::<gateway::envelope::SpoolId>().is_ok());
    last.or_else(|| spool_name(reply))
}

/// The first spool name in a text: a word of eight upper-case letters and digits, which is no number and no command.
fn spool_name(text: &str) -> Option<&str> {
    let is_name = |word: &&str| {
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        word.parse::<gateway::envelope::SpoolId>().is_ok() && !is_number && *word != "STARTTLS"
    };
    text.split(|c: char| !c.is_ascii_alphanumeric()).find(is_name)
}

/// A text with the messages' names in the place of the spool's.
pub(crate) fn rename(text: &str, names: &BTreeMap<String, String>) -> String {
    names.iter().fold(text.to_owned(), |text, (spool, name)| text.replace(spool, name))
}
