//! The routing table: what becomes of a recipient, by the domain of the address.
//!
//! The rules are those of the Internet Mail Service's Routing tab (KB Q169683, Q217217):
//!
//! 1. An entry that begins with `#` matches its domain and nothing else. These are asked first.
//! 2. Any other entry matches its domain and every domain below it, by whole labels: `sea.com` matches `sea.com`
//!    and `x.sea.com`, not `chelsea.com`. A leading dot changes nothing. The most specific entry wins, wherever it
//!    stands in the list.
//! 3. With no match, the message goes on to its destination domain.
//!
//! Releases before 5.0 SP2 did not know `#`; here every release does.
//!
//! This module knows no message, no DNS and no disk: it answers a question about a domain.

mod next_hop;
mod suffixes;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::address::{AddressError, Domain};
pub use next_hop::{NextHop, NotANextHop};
pub(crate) use suffixes::DomainSuffixes;

/// What an entry of the table says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// `<inbound>`: the message is for this gateway's own mailboxes.
    Inbound,
    /// The message goes to this host.
    Host(NextHop),
    /// The message goes to this host, once somebody has asked for it with ETRN.
    Held(NextHop),
}

impl Target {
    const INBOUND: &str = "<inbound>";
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Inbound => f.write_str(Self::INBOUND),
            Target::Host(next_hop) | Target::Held(next_hop) => next_hop.fmt(f),
        }
    }
}

/// A text that is neither `<inbound>` nor a host.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}, or `<inbound>`")]
pub struct NotATarget(NotANextHop);

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case(Self::INBOUND) {
            return Ok(Target::Inbound);
        }
        text.parse().map(Target::Host).map_err(NotATarget)
    }
}

impl TryFrom<String> for Target {
    type Error = NotATarget;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

/// What the table answers about a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To this gateway's own mailboxes.
    Inbound,
    /// To this host, whatever DNS says of the domain.
    Host(NextHop),
    /// The same, once somebody has asked for it with ETRN (RFC 1985).
    Held(NextHop),
    /// On to the destination domain: nothing in the table matches.
    Onward,
}

/// What an entry of the table says, and how the mail is to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the mail goes.
    pub target: Target,
    /// Whether it goes there over TLS with a certificate that was verified, or not at all.
    pub certified: bool,
    /// Whether every client may send it, as it may what goes to this gateway's own mailboxes.
    pub public: bool,
}

impl From<Target> for Entry {
    fn from(target: Target) -> Self {
        Entry { target, certified: false, public: false }
    }
}

/// The routing table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    exact: BTreeMap<String, Entry>,
    suffixes: DomainSuffixes<Entry>,
}

impl Table {
    /// Makes a table of entries, each of a domain or of a target for one. Their order does not matter.
    ///
    /// # Errors
    /// An entry's domain is not one, or it is listed twice. `sea.com` and `.sea.com` are the same entry; `sea.com`
    /// and `#sea.com` are two.
    pub fn new(entries: impl IntoIterator<Item = (String, impl Into<Entry>)>) -> Result<Self, TableError> {
        let mut table = Table::default();
        for (entry, says) in entries {
            match entry.strip_prefix('#') {
                None => table.suffixes.insert(&entry, says.into())?,
                Some(name) => {
                    let domain = domain_of(&entry, name)?;
                    if table.exact.insert(domain.into_ascii().into(), says.into()).is_some() {
                        return Err(TableError::ListedTwice { entry });
                    }
                }
            }
        }
        Ok(table)
    }

    /// What to do with a recipient in `domain`.
    pub fn route(&self, domain: &Domain) -> Route {
        match self.entry(domain).map(|entry| &entry.target) {
            Some(Target::Inbound) => Route::Inbound,
            Some(Target::Host(next_hop)) => Route::Host(next_hop.clone()),
            Some(Target::Held(next_hop)) => Route::Held(next_hop.clone()),
            None => Route::Onward,
        }
    }

    /// Whether the mail of a recipient in `domain` goes out over TLS with a certificate that was verified, or not at all.
    pub fn is_certified(&self, domain: &Domain) -> bool {
        self.entry(domain).is_some_and(|entry| entry.certified)
    }

    /// Whether every client may send mail to a recipient in `domain`.
    pub fn is_public(&self, domain: &Domain) -> bool {
        self.entry(domain).is_some_and(|entry| entry.public || entry.target == Target::Inbound)
    }

    fn entry(&self, domain: &Domain) -> Option<&Entry> {
        self.exact.get(domain.as_str()).or_else(|| self.suffixes.most_specific(domain))
    }
}

fn domain_of(entry: &str, name: &str) -> Result<Domain, TableError> {
    name.parse().map_err(|why| TableError::NotADomain { entry: entry.to_owned(), why })
}

/// An entry that cannot stand in a table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TableError {
    /// Its domain is not one.
    #[error("the entry `{entry}` names no domain: {why}")]
    NotADomain {
        /// The entry as it was written.
        entry: String,
        /// What is wrong with the domain.
        why: AddressError,
    },
    /// Another entry has the same domain.
    #[error("the entry `{entry}` is listed twice: keep one of the two")]
    ListedTwice {
        /// The entry as it was written the second time.
        entry: String,
    },
}

#[cfg(test)]
mod tests;
