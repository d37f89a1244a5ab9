//! The host that a message is handed to next.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::address::{AddressError, Domain};

/// A host to hand a message to: `host`, `host:port`, `192.0.2.1` or `[2001:db8::1]:port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NextHop {
    /// A host name in lower case, or an IP address without brackets.
    pub host: String,
    /// The TCP port, where it is not the usual one.
    pub port: Option<u16>,
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// A text that names no host to route to.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{text}` is no host to route to: {why}; write `host`, `host:port`, `192.0.2.1` or `[2001:db8::1]:port`"
)]
pub struct NotANextHop {
    text: String,
    why: Fault,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum Fault {
    #[error("{0}")]
    Name(AddressError),
    #[error("its name ends in a number and is not an IP address")]
    EndsInANumber,
    #[error("an IPv6 address stands in square brackets")]
    BareIpv6,
    #[error("between square brackets stands an IP address")]
    Brackets,
    #[error("its port is not a number from 1 to 65535")]
    Port,
}

impl FromStr for NextHop {
    type Err = NotANextHop;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text).map_err(|why| NotANextHop { text: text.to_owned(), why })
    }
}

fn read(text: &str) -> Result<NextHop, Fault> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, after) = rest.split_once(']').ok_or(Fault::Brackets)?;
            let address: IpAddr = inside.parse().map_err(|_| Fault::Brackets)?;
            let port =
                if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(Fault::Port)?) };
            (address.to_string(), port)
        }
        None => match text.split_once(':') {
            None => (name(text)?, None),
            Some((_, rest)) if rest.contains(':') => return Err(Fault::BareIpv6),
            Some((host, port)) => (name(host)?, Some(port)),
        },
    };
    Ok(NextHop { host, port: port.map(read_port).transpose()? })
}

/// A host name or an IPv4 address. No top-level domain is a number (RFC 1123, 2.1), so that a mistyped address is
/// not looked up as a name.
fn name(text: &str) -> Result<String, Fault> {
    let domain: Domain = text.parse().map_err(Fault::Name)?;
    let last = domain.as_str().rsplit('.').next().unwrap_or_default();
    let is_number = !last.is_empty() && last.bytes().all(|octet| octet.is_ascii_digit());
    if is_number && domain.as_str().parse::<Ipv4Addr>().is_err() {
        return Err(Fault::EndsInANumber);
    }
    Ok(domain.into_ascii().into())
}

fn read_port(digits: &str) -> Result<u16, Fault> {
    let is_plain = digits.bytes().all(|octet| octet.is_ascii_digit());
    digits.parse().ok().filter(|port| is_plain && *port != 0).ok_or(Fault::Port)
}

impl TryFrom<String> for NextHop {
    type Error = NotANextHop;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NextHop> for String {
    fn from(next_hop: NextHop) -> String {
        next_hop.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_hop_is_read_in_each_of_its_forms_and_shown_as_it_was_written() {
        let cases = [
            ("mail.example.com", "mail.example.com", None),
            ("mail.example.com:2525", "mail.example.com", Some(2525)),
            ("192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1:25", "192.0.2.1", Some(25)),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[2001:db8::1]:25", "2001:db8::1", Some(25)),
        ];
        for (text, host, port) in cases {
            let next_hop: NextHop = text.parse().unwrap();
            assert_eq!((next_hop.host.as_str(), next_hop.port), (host, port), "{text}");
            assert_eq!(next_hop.to_string(), text);
        }
    }

    #[test]
    fn hosts_are_the_same_in_any_case_and_with_an_ipv4_address_in_brackets() {
        assert_eq!("Mail.Example.COM".parse::<NextHop>(), "mail.example.com".parse());
        assert_eq!("[192.0.2.1]:25".parse::<NextHop>(), "192.0.2.1:25".parse());
    }

    #[test]
    fn what_is_no_next_hop_is_refused_with_the_reason_and_the_forms() {
        let cases = [
            ("", "is not a domain"),
            (":25", "is not a domain"),
            ("192.0.2.256", "ends in a number"),
            ("2001:db8::1", "an IPv6 address stands in square brackets"),
            ("[2001:db8::1", "between square brackets"),
            ("[mail.example.com]", "between square brackets"),
            ("[2001:db8::1]25", "its port"),
            ("mail.example.com:", "its port"),
            ("mail.example.com:0", "its port"),
            ("mail.example.com:+25", "its port"),
            ("mail.example.com:65536", "its port"),
        ];
        for (text, reason) in cases {
            let error = text.parse::<NextHop>().expect_err(text).to_string();
            assert!(error.contains(reason) && error.contains("`host:port`"), "{text}: {error}");
        }
    }
}
