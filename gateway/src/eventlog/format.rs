//! How an event is written: for a person, for a program, or for the journal of systemd.
//!
//! To the journal an event goes as a line on standard output with its priority in front (`<4>`, `sd-daemon(3)`), and not
//! over the journal's socket: it is the same on every version and in every container, nothing has to be opened for it, and
//! what cannot be written holds nobody up. The fields of an event are not the journal's fields then; who wants them takes
//! JSON.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Detailed, Entry, SOURCE};

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Two lines for a person: what, and below it in words.
    Human,
    /// One JSON object a line.
    Json,
    /// One line, which begins with its priority and has no time: the journal has its own.
    Journald,
}

/// An event as a JSON object.
#[derive(Serialize)]
struct Object<'a> {
    time: Timestamp,
    source: &'static str,
    id: u16,
    severity: &'a str,
    category: &'a str,
    fields: serde_json::Value,
    text: &'a str,
}

impl Format {
    /// An event as it is written, with its line end.
    pub fn text(self, event: &Detailed, time: Timestamp) -> String {
        let Entry { id, severity, category, description } = &event.entry;
        match self {
            Format::Human => {
                // Some of it others have said: a line of theirs is not to look like an event.
                let lines: Vec<String> =
                    description.lines().map(|line| line.replace(char::is_control, " ")).collect();
                let text = lines.join("\n    ");
                format!("{time:.0}  {id}  {severity}  {SOURCE}  {category}\n    {text}\n")
            }
            Format::Json => {
                let fields = serde_json::from_str(&event.fields).unwrap_or_default();
                let object =
                    Object { time, source: SOURCE, id: *id, severity, category, fields, text: description };
                serde_json::to_string(&object).expect("an object of texts and numbers can be written") + "\n"
            }
            Format::Journald => {
                let text = description.replace(char::is_control, " ");
                format!("<{}>{id} {severity}, {category}: {text}\n", priority(severity))
            }
        }
    }
}

/// The priority that `syslog(3)` has for a severity.
fn priority(severity: &str) -> u8 {
    match severity {
        "Error" => 3,
        "Warning" => 4,
        "Success Audit" => 5,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::{Caller, Event};

    #[test]
    fn what_a_stranger_says_looks_like_no_event() {
        let forged = "x\n1998-03-02T08:00:00Z  1000  Information  MSExchangeIMC\u{1b}[2J";
        let client = Caller { name: "client.example".to_owned(), address: [198, 51, 100, 7].into() };
        let event = Detailed::from(&Event::AuthenticationFailed { account: forged.to_owned(), client });
        let written = |format: Format| format.text(&event, Timestamp::UNIX_EPOCH);
        let human = written(Format::Human);
        assert_eq!(human.lines().filter(|line| !line.starts_with("    ")).count(), 1, "{human}");
        for text in [human, written(Format::Json), written(Format::Journald)] {
            assert!(!text.contains('\u{1b}') && text.ends_with('\n'), "{text}");
        }
        assert_eq!(written(Format::Json).lines().count(), 1);
        assert_eq!(written(Format::Journald).lines().count(), 1);
    }
}
