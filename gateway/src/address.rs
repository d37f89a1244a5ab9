//! Mailboxes, domains and reverse paths (RFC 5321, 4.1.2).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A domain, or an address literal such as `[192.0.2.1]`. Kept in lower case: domains compare without case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// The domain as text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A mailbox: `local-part@domain`. The local part is kept as it was written, with its quotes and its case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    local_part: String,
    domain: Domain,
}

impl Address {
    /// The part before the `@`, with its quotes if it has any.
    pub fn local_part(&self) -> &str {
        &self.local_part
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
}

/// The reverse path of MAIL FROM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReversePath {
    /// `<>`: a report, on which nothing is reported (RFC 5321, 4.5.5).
    Null,
    /// The sender's mailbox.
    Mailbox(Address),
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local_part, self.domain)
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReversePath::Null => f.write_str("<>"),
            ReversePath::Mailbox(address) => write!(f, "<{address}>"),
        }
    }
}

/// A text that is no mailbox or no domain.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// There is no `@`, or nothing on one side of it.
    #[error("`{0}` is not a mailbox: expected local-part@domain")]
    NotAMailbox(String),
    /// The domain is not one.
    #[error("`{0}` is not a domain")]
    NotADomain(String),
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(AddressError::NotADomain(text.to_owned()));
        }
        Ok(Domain(text.to_ascii_lowercase()))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (local_part, domain) =
            text.rsplit_once('@').ok_or_else(|| AddressError::NotAMailbox(text.to_owned()))?;
        Ok(Address { local_part: local_part.to_owned(), domain: domain.parse()? })
    }
}

impl TryFrom<String> for Domain {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> String {
        domain.0
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}
