//! The names of the files in the spool.

use std::fmt;
use std::str::FromStr;

use crate::envelope::SpoolId;

/// The name of a message in `in/` (`WKA6D6YM`) or of one of its parts in `out/` (`WKA6D6YM.1`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryName {
    /// The message.
    pub id: SpoolId,
    /// Which part of it, in `out/`: one a next hop.
    pub part: Option<u16>,
}

impl EntryName {
    /// The name of part `number` of the message `id`.
    pub fn part(id: SpoolId, number: u16) -> Self {
        EntryName { id, part: Some(number) }
    }
}

impl From<SpoolId> for EntryName {
    fn from(id: SpoolId) -> Self {
        EntryName { id, part: None }
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            None => write!(f, "{}", self.id),
            Some(part) => write!(f, "{}.{part}", self.id),
        }
    }
}

/// A text that names no entry.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not the name of a spool entry: expected one such as `WKA6D6YM`, or `WKA6D6YM.1` for a part"
)]
pub struct NotAnEntryName(String);

impl FromStr for EntryName {
    type Err = NotAnEntryName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotAnEntryName(text.to_owned());
        let (id, part) = match text.split_once('.') {
            None => (text, None),
            Some((id, part)) => (id, Some(part.parse().map_err(|_| wrong())?)),
        };
        let name = EntryName { id: id.parse().map_err(|_| wrong())?, part };
        // One name, one spelling: `WKA6D6YM.01` is none.
        if name.to_string() == text { Ok(name) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_was_written() {
        for text in ["WKA6D6YM", "WKA6D6YM.0", "WKA6D6YM.65535"] {
            assert_eq!(text.parse::<EntryName>().map(|name| name.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_name_has_one_spelling() {
        for text in [
            "",
            "wka6d6ym",
            "WKA6D6Y",
            "WKA6D6YM.",
            "WKA6D6YM.01",
            "WKA6D6YM.+1",
            "WKA6D6YM.65536",
            "WKA6D6YM.1.1",
        ] {
            assert_eq!(text.parse::<EntryName>(), Err(NotAnEntryName(text.to_owned())));
        }
    }
}
