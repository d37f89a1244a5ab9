//! What a milter of a plan does to a message: as a scenario file says it, and what the message is then.
//!
//! Here it is worked out as plainly as it can be done, for the oracles: the peer that plays the milter speaks the
//! protocol, and the gateway under test makes the changes. It knows no run.

use std::fmt;

use gateway::address::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a milter does to one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum MilterDoes {
    /// It adds a field `X-Filter`, with its name, at the end of the header.
    AddsField,
    /// It inserts a folded field `X-Filter-Seen` right below the trace headers.
    InsertsField,
    /// It gives the message another subject.
    ChangesSubject,
    /// It takes the subject out.
    DeletesSubject,
    /// It puts another body in the place of the message's own.
    ReplacesBody,
    /// It adds a recipient.
    AddsRecipient(#[schemars(with = "String")] Address),
    /// It takes a recipient off.
    TakesOff(#[schemars(with = "String")] Address),
    /// It has the message set aside.
    Quarantines,
    /// It adds a recipient, for which it has not asked when it negotiated.
    AddsUnasked(#[schemars(with = "String")] Address),
    /// It takes the message as soon as it has seen the header; nothing else is then said of it.
    Accepts,
    /// It has the message taken and thrown away.
    Discards,
    /// It refuses it for good.
    Rejects,
    /// It refuses it for now.
    PutsOff,
    /// It refuses it with these words.
    Replies(String),
}

impl MilterDoes {
    /// Whether it is the answer to a message, and no change.
    pub fn is_verdict(&self) -> bool {
        use MilterDoes::{Accepts, Discards, PutsOff, Rejects, Replies};
        matches!(self, Accepts | Discards | PutsOff | Rejects | Replies(_))
    }

    /// The content as this change leaves it, which a milter of this name has made.
    pub fn apply(&self, milter: &str, content: &[u8]) -> Vec<u8> {
        let (header, rest) = content.split_at(header_length(content));
        match self {
            MilterDoes::AddsField => [header, added_field(milter).as_bytes(), rest].concat(),
            MilterDoes::InsertsField => {
                let (trace, below) = header.split_at(trace_length(header));
                [trace, inserted_field(milter).as_bytes(), below, rest].concat()
            }
            MilterDoes::ChangesSubject => [&with_subject(header, Some(milter))[..], rest].concat(),
            MilterDoes::DeletesSubject => [&with_subject(header, None)[..], rest].concat(),
            MilterDoes::ReplacesBody => [header, b"\r\n", new_body(milter).as_bytes()].concat(),
            _ => content.to_vec(),
        }
    }
}

impl fmt::Display for MilterDoes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = toml::Value::try_from(self).map_err(|_| fmt::Error)?;
        f.write_str(&value.to_string().replace('"', ""))
    }
}

/// The field that a milter adds.
pub(crate) fn added_field(milter: &str) -> String {
    format!("X-Filter: {milter}\r\n")
}

/// The field that it inserts: folded.
pub(crate) fn inserted_field(milter: &str) -> String {
    format!("X-Filter-Seen: by\r\n\t{milter}\r\n")
}

/// The subject that it gives.
pub(crate) fn new_subject(milter: &str) -> String {
    format!("Filtered by {milter}")
}

/// The body that it puts in.
pub(crate) fn new_body(milter: &str) -> String {
    format!(".\r\n{milter} has put this here.\r\n")
}

/// The octets of the header, without the empty line behind it.
fn header_length(content: &[u8]) -> usize {
    let lines = content.split_inclusive(|octet| *octet == b'\n');
    lines.take_while(|line| *line != b"\r\n").map(<[u8]>::len).sum()
}

/// The fields of a header, each with the lines that it goes on in.
fn fields(header: &[u8]) -> Vec<Vec<u8>> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for line in header.split_inclusive(|octet| *octet == b'\n') {
        match fields.last_mut().filter(|_| line.starts_with(b" ") || line.starts_with(b"\t")) {
            Some(field) => field.extend_from_slice(line),
            None => fields.push(line.to_vec()),
        }
    }
    fields
}

/// The octets of the trace headers on top.
fn trace_length(header: &[u8]) -> usize {
    let is_trace = |field: &&Vec<u8>| field.starts_with(b"Received:") || field.starts_with(b"Return-Path:");
    fields(header).iter().take_while(is_trace).map(Vec::len).sum()
}

/// The header with the milter's subject in the place of the first one, or without that.
fn with_subject(header: &[u8], milter: Option<&str>) -> Vec<u8> {
    let new = milter.map(|milter| format!("Subject: {}\r\n", new_subject(milter)).into_bytes());
    let mut fields = fields(header);
    match fields.iter().position(|field| field.to_ascii_lowercase().starts_with(b"subject:")) {
        Some(place) => drop(fields.splice(place..=place, new)),
        None => fields.extend(new),
    }
    fields.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(does: &MilterDoes) -> String {
        let content = b"Received: from a\r\n\tby b\r\nSubject: hi\r\n ho\r\nFrom: a@b.test\r\n\r\nbody\r\n";
        String::from_utf8(does.apply("f.test", content)).unwrap()
    }

    #[test]
    fn each_change_is_made_at_its_place() {
        let trace = "Received: from a\r\n\tby b\r\n";
        let (subject, from, body) = ("Subject: hi\r\n ho\r\n", "From: a@b.test\r\n", "\r\nbody\r\n");
        let seen = "X-Filter-Seen: by\r\n\tf.test\r\n";
        for (does, expected) in [
            (MilterDoes::AddsField, format!("{trace}{subject}{from}X-Filter: f.test\r\n{body}")),
            (MilterDoes::InsertsField, format!("{trace}{seen}{subject}{from}{body}")),
            (MilterDoes::ChangesSubject, format!("{trace}Subject: Filtered by f.test\r\n{from}{body}")),
            (MilterDoes::DeletesSubject, format!("{trace}{from}{body}")),
            (
                MilterDoes::ReplacesBody,
                format!("{trace}{subject}{from}\r\n.\r\nf.test has put this here.\r\n"),
            ),
            (MilterDoes::Quarantines, format!("{trace}{subject}{from}{body}")),
        ] {
            assert_eq!(after(&does), expected, "{does}");
        }
    }
}
