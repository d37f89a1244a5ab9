//! The service extensions that this gateway knows (RFC 5321, 2.2): what it offers as a server, and what it makes use
//! of where another host offers it.

use super::reply::Reply;
use crate::release::Release;

/// Some of the service extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// SIZE (RFC 1870).
    pub size: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034).
    pub enhanced_status_codes: bool,
    /// CHUNKING (RFC 3030), without BINARYMIME.
    pub chunking: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// ETRN (RFC 1985).
    pub etrn: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtp_utf8: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
}

impl Extensions {
    /// What a release offers. The historical ones had no 8BITMIME, CHUNKING, PIPELINING, SMTPUTF8 nor enhanced status
    /// codes; 5.5 had DSN and ETRN (Q262986). STARTTLS came with 5.5 too (Q260065, Q237327), on what conditions is not
    /// known: it is not here.
    pub fn of(release: Release) -> Self {
        let is_current = release == Release::Current;
        Extensions {
            size: true,
            eight_bit_mime: is_current,
            pipelining: is_current,
            enhanced_status_codes: is_current,
            chunking: is_current,
            dsn: release >= Release::V55Rtm,
            etrn: release >= Release::V55Rtm,
            smtp_utf8: is_current,
            starttls: is_current,
        }
    }

    /// What a host offers in its answer to EHLO: a keyword a line, after the first (RFC 5321, 4.1.1.1).
    pub fn offered(ehlo: &Reply) -> Self {
        let offers = |keyword: &str| {
            let first_word =
                |line: &String| line.split(' ').next().is_some_and(|w| w.eq_ignore_ascii_case(keyword));
            ehlo.lines()[1..].iter().any(first_word)
        };
        Extensions {
            size: offers("SIZE"),
            eight_bit_mime: offers("8BITMIME"),
            pipelining: offers("PIPELINING"),
            enhanced_status_codes: offers("ENHANCEDSTATUSCODES"),
            chunking: offers("CHUNKING"),
            dsn: offers("DSN"),
            etrn: offers("ETRN"),
            smtp_utf8: offers("SMTPUTF8"),
            starttls: offers("STARTTLS"),
        }
    }

    /// Those that are among both.
    pub fn and(self, other: Self) -> Self {
        Extensions {
            size: self.size && other.size,
            eight_bit_mime: self.eight_bit_mime && other.eight_bit_mime,
            pipelining: self.pipelining && other.pipelining,
            enhanced_status_codes: self.enhanced_status_codes && other.enhanced_status_codes,
            chunking: self.chunking && other.chunking,
            dsn: self.dsn && other.dsn,
            etrn: self.etrn && other.etrn,
            smtp_utf8: self.smtp_utf8 && other.smtp_utf8,
            starttls: self.starttls && other.starttls,
        }
    }

    /// The lines of the answer to EHLO that offer them, but SIZE, which has a parameter.
    pub fn keywords(self) -> impl Iterator<Item = &'static str> {
        let known = [
            (self.eight_bit_mime, "8BITMIME"),
            (self.pipelining, "PIPELINING"),
            (self.enhanced_status_codes, "ENHANCEDSTATUSCODES"),
            (self.chunking, "CHUNKING"),
            (self.dsn, "DSN"),
            (self.smtp_utf8, "SMTPUTF8"),
            (self.etrn, "ETRN"),
            (self.starttls, "STARTTLS"),
        ];
        known.into_iter().filter_map(|(is_offered, keyword)| is_offered.then_some(keyword))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_read_as_it_was_said() {
        for release in Release::ALL {
            let offered = Extensions::of(release);
            let lines = ["gw Hello"].into_iter().chain(["SIZE 1000"]).chain(offered.keywords());
            assert_eq!(Extensions::offered(&Reply::multi(250, lines)), offered, "{release}");
        }
    }

    #[test]
    fn the_first_line_of_an_answer_offers_nothing() {
        assert_eq!(
            Extensions::offered(&Reply::multi(250, ["DSN", "size 5"])),
            Extensions { size: true, ..Extensions::default() }
        );
    }
}
