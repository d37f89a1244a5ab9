//! The route file of [`imcext`](super::imcext): `Imcroute.cfg`.
//!
//! **A reconstruction.** That the file exists, that it associates domains with hosts and that `localhost` is one of
//! its words is documented (KB Q169681); its grammar was never published. This one is ours:
//!
//! ```text
//! ; a comment
//! example.com        localhost            ; this machine handles example.com and what is below it
//! sales.example.com  mail.example.net
//! .example.org       [2001:db8::1]:2525
//! ```
//!
//! One entry a line: a domain, spaces or tabs, a host. Lines end in CRLF or LF. A comment runs from `;` to the end
//! of its line. `localhost` is a keyword in any case; with a port it is a host like any other. An entry matches
//! like one of the [routing table](crate::routing): by whole labels, the most specific first.

use std::path::{Path, PathBuf};
use std::str::{self, FromStr};

use crate::address::Domain;
use crate::routing::{DomainSuffixes, NextHop, NotANextHop, TableError};

/// Where the route file sends a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// `localhost`: this machine handles the domain.
    ThisHost,
    /// Another host.
    Host(NextHop),
}

impl FromStr for Destination {
    type Err = NotANextHop;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("localhost") {
            return Ok(Destination::ThisHost);
        }
        text.parse().map(Destination::Host)
    }
}

/// A route file that has been read.
#[derive(Clone, Debug, Default)]
pub struct RouteFile {
    routes: DomainSuffixes<Destination>,
}

impl RouteFile {
    /// Reads the content of the file at `path`.
    ///
    /// # Errors
    /// The first line that is no entry, or that repeats one.
    pub fn parse(path: &Path, content: &[u8]) -> Result<Self, RouteFileError> {
        let mut file = RouteFile::default();
        for (above, line) in content.split(|octet| *octet == b'\n').enumerate() {
            file.read_line(line).map_err(|problem| RouteFileError {
                path: path.to_owned(),
                line: above + 1,
                problem,
            })?;
        }
        Ok(file)
    }

    /// Where the file sends `domain`, if it says so.
    pub fn destination(&self, domain: &Domain) -> Option<&Destination> {
        self.routes.most_specific(domain)
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), Problem> {
        let line = str::from_utf8(line).map_err(|_| Problem::NotUtf8)?;
        let entry = line.split(';').next().unwrap_or_default().trim();
        if entry.is_empty() {
            return Ok(());
        }
        if entry.starts_with('#') {
            return Err(Problem::NumberSign);
        }
        let fields: Vec<&str> = entry.split_whitespace().collect();
        let &[domain, host] = fields.as_slice() else {
            return Err(Problem::NotAnEntry(entry.to_owned()));
        };
        Ok(self.routes.insert(domain, host.parse()?)?)
    }
}

/// A line of a route file that is wrong.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{path}:{line}: {problem}", path = path.display())]
pub struct RouteFileError {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it, and the remedy.
    pub problem: Problem,
}

/// What can be wrong with a line of a route file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Problem {
    /// It is not text.
    #[error("the line is not UTF-8 text: save the file as UTF-8")]
    NotUtf8,
    /// It begins with `#`, which is no sign of this file's.
    #[error("`#` means nothing here: begin a comment with `;`, and write a domain without `#`")]
    NumberSign,
    /// It is not a domain and a host.
    #[error("`{0}` is no entry: write a domain, a space and a host, and begin a comment with `;`")]
    NotAnEntry(String),
    /// Its domain is not one, or has an entry already.
    #[error(transparent)]
    Domain(#[from] TableError),
    /// Its host is not one.
    #[error("{0}, or `localhost`")]
    Host(#[from] NotANextHop),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<RouteFile, RouteFileError> {
        RouteFile::parse(Path::new("Imcroute.cfg"), content.as_bytes())
    }

    fn destination(file: &RouteFile, domain: &str) -> Option<Destination> {
        file.destination(&domain.parse().unwrap()).cloned()
    }

    #[test]
    fn the_most_specific_entry_says_where_a_domain_goes() {
        let file = read(
            "; ours\r\n\r\nExample.com\tLocalHost ; and below\r\n  sales.example.com  mail.example.net:2525",
        );
        let file = file.unwrap();
        assert_eq!(destination(&file, "example.com"), Some(Destination::ThisHost));
        assert_eq!(destination(&file, "www.example.com"), Some(Destination::ThisHost));
        let elsewhere = Destination::Host("mail.example.net:2525".parse().unwrap());
        assert_eq!(destination(&file, "eu.sales.example.com"), Some(elsewhere));
        assert_eq!(destination(&file, "badexample.com"), None);
    }

    #[test]
    fn a_file_means_the_same_with_either_line_ending() {
        let lines = ["example.com localhost", "", "; end", "example.net 192.0.2.1"];
        for ending in ["\n", "\r\n"] {
            let file = read(&lines.join(ending)).unwrap();
            assert_eq!(destination(&file, "example.com"), Some(Destination::ThisHost), "{ending:?}");
            assert!(matches!(destination(&file, "example.net"), Some(Destination::Host(_))), "{ending:?}");
        }
    }

    #[test]
    fn a_wrong_line_is_named_with_its_file_number_and_remedy() {
        for (line, expected) in [
            ("example.net", "`example.net` is no entry: write a domain, a space and a host"),
            ("example.net mail relay", "`example.net mail relay` is no entry"),
            ("# example.net localhost", "begin a comment with `;`"),
            ("example.net host:99999", "its port is not a number from 1 to 65535"),
            (". localhost", "the entry `.` names no domain"),
            ("EXAMPLE.com mail", "the entry `EXAMPLE.com` is listed twice: keep one"),
        ] {
            let error =
                read(&format!("example.com localhost\r\n; next\r\n{line}\r\n")).unwrap_err().to_string();
            assert!(error.starts_with("Imcroute.cfg:3: ") && error.contains(expected), "{line}: {error}");
        }
        let error = RouteFile::parse(Path::new("Imcroute.cfg"), b"\xe9t\xe9.example localhost").unwrap_err();
        assert_eq!((error.line, error.problem), (1, Problem::NotUtf8));
    }
}
