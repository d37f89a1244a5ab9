//! Trace information: the `Received` line that the gateway adds, and the hops that other lines tell of
//! (RFC 5321, 4.4).
//!
//! This module knows the header section as lines; what else stands in it is not its business.

use std::net::IpAddr;

use jiff::Timestamp;
use mail_builder::headers::Header;
use mail_builder::headers::date::Date;
use mail_builder::headers::raw::Raw;

use crate::address::Domain;
use crate::envelope::SpoolId;
use crate::release::Release;

/// The protocol that a message came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The client said HELO.
    Smtp,
    /// The client said EHLO.
    Esmtp,
    /// ... and that the message is international (RFC 6531, 4.3).
    Utf8Smtp,
}

/// What the gateway's `Received` line says.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// What the client called itself.
    pub helo: &'a str,
    /// The client's address.
    pub client: IpAddr,
    /// The gateway's host name.
    pub host: &'a Domain,
    /// The protocol.
    pub protocol: Protocol,
    /// Whether the client had authenticated.
    pub authenticated: bool,
    /// What the connection was encrypted with, if it was.
    pub cipher: Option<&'a str>,
    /// The release that runs.
    pub release: Release,
    /// The message's name in the spool (Q190709).
    pub id: &'a SpoolId,
    /// When the message was taken.
    pub when: Timestamp,
}

impl Received<'_> {
    /// The whole line, folded at 78 characters where it can be, with its CRLF. It goes before the message's content.
    ///
    /// Whatever the client called itself, the line stays one well-formed line: a character that no host name and
    /// no address literal has becomes `?`.
    pub fn to_line(&self) -> Vec<u8> {
        let helo: String = self.helo.chars().take(255).map(host_character).collect();
        let from = if helo.is_empty() { "unknown" } else { &helo };
        let client = match self.client {
            IpAddr::V4(address) => format!("[{address}]"),
            IpAddr::V6(address) => format!("[IPv6:{address}]"),
        };
        // RFC 8314, 4.3.
        let tls = self.cipher.map(|cipher| format!(" tls {cipher}")).unwrap_or_default();
        let value = format!(
            "from {from} ({client}) by {host} with {protocol} ({product} Version {build}) id {id}{tls}; {date}",
            protocol = self.with(),
            host = self.host,
            product = product(self.release),
            build = self.release.build(),
            id = self.id,
            date = date(self.when),
        );
        let mut line = b"Received: ".to_vec();
        let column = line.len();
        Raw::new(value).write_header(&mut line, column);
        line
    }
}

impl Received<'_> {
    /// The protocol with what was made of it (RFC 3848), which the historical releases did not say.
    fn with(&self) -> &'static str {
        let authenticated = self.authenticated && self.release == Release::Current;
        match (self.protocol, self.cipher.is_some(), authenticated) {
            (Protocol::Smtp, _, _) => "SMTP",
            (Protocol::Esmtp, false, false) => "ESMTP",
            (Protocol::Esmtp, false, true) => "ESMTPA",
            (Protocol::Esmtp, true, false) => "ESMTPS",
            (Protocol::Esmtp, true, true) => "ESMTPSA",
            (Protocol::Utf8Smtp, false, false) => "UTF8SMTP",
            (Protocol::Utf8Smtp, false, true) => "UTF8SMTPA",
            (Protocol::Utf8Smtp, true, false) => "UTF8SMTPS",
            (Protocol::Utf8Smtp, true, true) => "UTF8SMTPSA",
        }
    }
}

fn host_character(c: char) -> char {
    if c.is_ascii_alphanumeric() || ".-_:[]".contains(c) { c } else { '?' }
}

/// What the gateway calls itself: the original's name on the historical releases.
pub fn product(release: Release) -> &'static str {
    if release == Release::Current { "Postmortem" } else { "Internet Mail Service" }
}

/// A time as mail writes it (RFC 5322, 3.3), in UTC.
pub fn date(when: Timestamp) -> String {
    Date::new(when.as_second()).to_rfc822()
}

/// The hosts that a message has passed through: its `Received` lines (RFC 5321, 6.3). Those of a message within the
/// message do not count.
pub fn hops(content: &[u8]) -> usize {
    const NAME: &[u8] = b"received";
    let is_received = |line: &[u8]| {
        let (name, rest) = line.split_at_checked(NAME.len()).unwrap_or_default();
        name.eq_ignore_ascii_case(NAME) && rest.trim_ascii_start().starts_with(b":")
    };
    header_section(content).split(|byte| *byte == b'\n').filter(|line| is_received(line)).count()
}

/// The header section with the line end of its last line: everything before the first empty line (RFC 5322, 2.1).
pub fn header_section(content: &[u8]) -> &[u8] {
    let mut length = 0;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
        length += line.len();
    }
    &content[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(helo: &str, client: &str, release: Release) -> String {
        let line = Received {
            helo,
            client: client.parse().unwrap(),
            host: &"gw.example.com".parse().unwrap(),
            protocol: Protocol::Esmtp,
            authenticated: false,
            cipher: None,
            release,
            id: &"ND9X2LS1".parse().unwrap(),
            when: "1998-01-05T20:01:00Z".parse().unwrap(),
        };
        String::from_utf8(line.to_line()).unwrap()
    }

    fn unfolded(line: &str) -> String {
        line.replace("\r\n ", " ")
    }

    #[test]
    fn the_received_line_has_the_shape_of_the_original() {
        let line = received("mail.sender.test", "192.0.2.7", Release::V55Rtm);
        assert_eq!(
            unfolded(&line),
            "Received: from mail.sender.test ([192.0.2.7]) by gw.example.com with ESMTP \
             (Internet Mail Service Version 5.5.1960.3) id ND9X2LS1; Mon, 5 Jan 1998 20:01:00 +0000\r\n"
        );
        assert!(line.lines().all(|line| line.len() <= 78), "{line}");
    }

    #[test]
    fn the_address_literal_of_ipv6_has_its_tag() {
        let line = received("[IPv6:2001:db8::7]", "2001:db8::7", Release::Current);
        assert!(
            unfolded(&line).starts_with("Received: from [IPv6:2001:db8::7] ([IPv6:2001:db8::7]) by "),
            "{line}"
        );
    }

    #[test]
    fn a_hostile_helo_stays_within_the_line() {
        let line = received("a\r\nBcc: x@y (; b\u{e9}", "192.0.2.7", Release::Current);
        assert!(unfolded(&line).starts_with("Received: from a??Bcc:?x?y????b? ([192.0.2.7]) by "), "{line}");
        assert_eq!(hops(line.as_bytes()), 1);
        assert!(received("", "192.0.2.7", Release::Current).starts_with("Received: from unknown ("));
    }

    #[test]
    fn hops_are_the_received_lines_of_the_header_section_only() {
        let message = b"Received: from a\r\n by b\r\nrECEIVED : from c\r\nX-Received: from d\r\n\
                        Subject: Received: from e\r\n\r\nReceived: from f\r\n";
        assert_eq!(hops(message), 2);
        assert_eq!(hops(b"Received: from a"), 1);
        assert_eq!(hops(b"\r\nReceived: from a\r\n"), 0);
        assert_eq!(hops(b""), 0);
    }
}
