//! Milters: the filters of other programs that mail administrators run beside their mail server, such as OpenDKIM. They
//! are told what a client says, stage by stage, and say what becomes of it (protocol version 6; the gateway is the side
//! that Sendmail's documents call the MTA).
//!
//! | module | what it knows |
//! |---|---|
//! | [`flags`] | what is negotiated |
//! | [`codec`] | packets |
//! | [`mail`] | a message as milters see and change it |
//! | `conversation` | one connection to one milter, and whose turn it is to speak |
//! | `decision` | what follows from what one milter says, and from its failure |
//! | [`session`] | all milters beside one SMTP session, and what they decide |
//!
//! Nothing here knows the SMTP session, the spool or the configuration's file. `docs/milter.md` is for administrators.

pub mod codec;
mod conversation;
mod decision;
pub mod flags;
pub mod mail;
pub mod session;

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

pub use mail::Mail;
pub use session::{Client, Milters, Outcome, Verdict};

/// Where a milter listens, as Sendmail and Postfix write it: `inet:8891@127.0.0.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilterAddress {
    /// A host name or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// A text that names no place where a milter can be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address of a milter")]
pub struct NotAMilterAddress(String);

impl FromStr for MilterAddress {
    type Err = NotAMilterAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (family, rest) = text.split_once(':')?;
            let (port, host) = rest.split_once('@')?;
            let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            let port = port.parse().ok().filter(|port| *port != 0)?;
            let is_sound =
                matches!(family, "inet" | "inet6") && !host.is_empty() && host.chars().all(is_host);
            is_sound.then(|| MilterAddress { host: host.to_owned(), port })
        };
        read().ok_or_else(|| NotAMilterAddress(text.to_owned()))
    }
}

impl fmt::Display for MilterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.host.contains(':') { "inet6" } else { "inet" };
        write!(f, "{family}:{}@{}", self.port, self.host)
    }
}

/// What is done with mail while a milter cannot be asked (Postfix's `milter_default_action`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It is taken as if the milter were not there.
    Accept,
    /// It is put off.
    #[default]
    Tempfail,
    /// It is refused.
    Reject,
}

impl OnFailure {
    /// The word for it in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            OnFailure::Accept => "accept",
            OnFailure::Tempfail => "tempfail",
            OnFailure::Reject => "reject",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_other_mail_servers_write_them() {
        for (text, host, port) in [
            ("inet:8891@127.0.0.1", "127.0.0.1", 8891),
            ("inet:8891@localhost", "localhost", 8891),
            ("inet6:8891@::1", "::1", 8891),
            ("inet6:8891@[::1]", "::1", 8891),
        ] {
            let address: MilterAddress = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port));
            assert_eq!(address.to_string(), text.replace(['[', ']'], ""));
        }
        for text in ["", "8891", "inet:8891", "inet:0@x", "inet:x@y", "inet:1@", "inet:1@a b", "unix:/run/x"]
        {
            assert!(text.parse::<MilterAddress>().is_err(), "{text}");
        }
    }
}
