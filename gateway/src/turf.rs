//! Message filtering: mail of senders that are not wanted here. The original kept them in its *turf* table (Q155683,
//! Q245465), and in the turf directory what it did not deliver.
//!
//! A message is of a sender who stands in the table if its reverse path says so, or any address of its From field: the
//! original looked at both (Q193926).
//!
//! This module knows the table and one message. What is done with the message is the session's business.

use std::fmt;
use std::str::FromStr;

use mail_parser::MessageParser;

use crate::address::{Address, AddressError, Domain, ReversePath};
use crate::trace::header_section;

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// `joe@spam.test`: one mailbox. The whole of it compares without case (Q155683).
    Mailbox(Address),
    /// `@spam.test`: everybody of this domain, and of none below it. Since 5.5 (Q155683).
    Domain(Domain),
    /// `.`: a From field that names nobody, or none at all. Since 5.5 SP2 (Q247296).
    Nobody,
}

impl FromStr for Sender {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix('@') {
            Some(domain) => Ok(Sender::Domain(domain.parse()?)),
            None if text == "." => Ok(Sender::Nobody),
            None => Ok(Sender::Mailbox(text.parse()?)),
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sender::Mailbox(address) => address.fmt(f),
            Sender::Domain(domain) => write!(f, "@{domain}"),
            Sender::Nobody => f.write_str("."),
        }
    }
}

/// The line of the table that a message is filtered by, if there is one. Of the content only the beginning is needed, as
/// far as its From field: one that is not there is none.
pub fn find<'a>(table: &'a [Sender], reverse_path: &ReversePath, content: &[u8]) -> Option<&'a Sender> {
    if table.is_empty() {
        return None;
    }
    let from = from(header_section(content));
    let is_of = |sender: &&Sender| match sender {
        Sender::Nobody => from.is_empty(),
        Sender::Mailbox(_) | Sender::Domain(_) => {
            let path = match reverse_path {
                ReversePath::Mailbox(address) => Some(address.to_string()),
                ReversePath::Null => None,
            };
            path.iter().chain(&from).any(|address| is_of(sender, address))
        }
    };
    table.iter().find(is_of)
}

/// The addresses of the From fields, as they are written there.
fn from(header: &[u8]) -> Vec<String> {
    let parsed = MessageParser::new().parse_headers(header);
    let parsed = parsed.as_ref();
    let fields = parsed.iter().flat_map(|message| message.header_values("From"));
    let addresses = fields.filter_map(|value| value.as_address()).flat_map(|addresses| addresses.iter());
    addresses.filter_map(|address| address.address()).map(str::to_owned).collect()
}

/// Whether an address is the sender's. Domains compare as names do: an international one has two ways to be written.
fn is_of(sender: &Sender, address: &str) -> bool {
    let Some((local_part, domain)) = address.rsplit_once('@') else { return false };
    let is_in = |unwanted: &Domain| {
        domain.trim_end_matches('.').parse::<Domain>().is_ok_and(|domain| domain == *unwanted)
    };
    match sender {
        Sender::Mailbox(unwanted) => {
            is_in(unwanted.domain()) && unwanted.local_part().eq_ignore_ascii_case(local_part)
        }
        Sender::Domain(unwanted) => is_in(unwanted),
        Sender::Nobody => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(table: &[&str], path: &str, header: &str) -> Option<String> {
        let table: Vec<Sender> = table.iter().map(|text| text.parse().unwrap()).collect();
        let path = match path {
            "" => ReversePath::Null,
            path => ReversePath::Mailbox(path.parse().unwrap()),
        };
        find(&table, &path, format!("{header}\r\n\r\nBuy now.\r\n").as_bytes()).map(ToString::to_string)
    }

    #[test]
    fn a_sender_is_known_by_the_reverse_path_and_by_the_from_field() {
        let table = ["joe@spam.test", "@junk.test"];
        for (path, header, by) in [
            ("joe@spam.test", "From: <ann@nice.test>", Some("joe@spam.test")),
            ("JOE@Spam.Test", "From: <ann@nice.test>", Some("joe@spam.test")),
            ("ann@nice.test", "From: \"Joe\" <joe@SPAM.test>", Some("joe@spam.test")),
            (
                "ann@nice.test",
                "From: ann@nice.test,\r\n =?utf-8?q?Joe?= <joe@spam.test>",
                Some("joe@spam.test"),
            ),
            ("ann@nice.test", "Subject: x\r\nFROM : whoever@junk.test", Some("@junk.test")),
            ("bounces@junk.test", "From: <ann@nice.test>", Some("@junk.test")),
            ("jim@spam.test", "From: <jim@spam.test>", None),
            ("ann@a.junk.test", "From: <ann@notjunk.test>", None),
            ("", "From: <ann@nice.test>\r\nTo: joe@spam.test", None),
        ] {
            assert_eq!(filtered(&table, path, header).as_deref(), by, "{path}, {header}");
        }
    }

    #[test]
    fn a_lone_dot_filters_what_names_nobody_as_its_author() {
        for (header, is_filtered) in [
            ("From: <ann@nice.test>", false),
            ("From:", true),
            ("From: <>", true),
            ("Subject: from nobody", true),
        ] {
            // A report has the null reverse path, and an author.
            for path in ["", "ann@nice.test"] {
                assert_eq!(filtered(&["."], path, header).is_some(), is_filtered, "{header}, {path}");
            }
        }
        for content in ["Subject: not even an end", "", "\r\nBuy now.\r\n"] {
            let found = find(&[Sender::Nobody], &ReversePath::Null, content.as_bytes());
            assert_eq!(found, Some(&Sender::Nobody), "{content}");
        }
    }

    #[test]
    fn an_international_domain_is_known_in_both_of_its_forms() {
        let forms = ["b\u{fc}cher.test", "xn--bcher-kva.test"];
        for (unwanted, said) in forms.iter().flat_map(|one| forms.iter().map(move |other| (one, other))) {
            for entry in [format!("@{unwanted}"), format!("joe@{unwanted}")] {
                let by_path = filtered(&[&entry], &format!("joe@{said}"), "From: <ann@nice.test>");
                let by_from = filtered(&[&entry], "ann@nice.test", &format!("From: <joe@{said}>"));
                assert!(by_path.is_some() && by_from.is_some(), "{entry}, {said}");
            }
        }
    }

    #[test]
    fn an_empty_table_filters_nothing() {
        assert_eq!(filtered(&[], "", "From:"), None);
    }
}
