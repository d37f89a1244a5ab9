//! Mailboxes, domains and the paths that hold them (RFC 5321, 4.1.2).
//!
//! A local part is kept exactly as it was written, with its quotes, its case and its code points: only its own domain
//! may say what it means, and nothing is normalised (RFC 6531, 3.3). A domain may have labels in Unicode (U-labels, RFC
//! 5890); it is compared, routed and looked up by its A-labels, and shown as it was written. Code points that no reader
//! would see, or that turn the text around them, make no address.
//!
//! This module knows no routing and no directory, nor whether an address past ASCII may be said now.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

/// The longest local part, in octets with its quotes (RFC 5321, 4.5.3.1.1).
const LOCAL_PART_LIMIT: usize = 64;

/// The longest domain, in octets (RFC 5321, 4.5.3.1.2).
const DOMAIN_LIMIT: usize = 255;

/// The longest label of a domain, in octets (RFC 1035, 2.3.4).
const LABEL_LIMIT: usize = 63;

/// The longest mailbox: a path of 256 octets without its brackets (RFC 5321, 4.5.3.1.3).
const MAILBOX_LIMIT: usize = 254;

/// A domain, kept in lower case because domains compare without case, or an address literal such as `[192.0.2.1]`
/// or `[IPv6:2001:db8::1]`, kept in its shortest form.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain {
    ascii: String,
    /// How it was written, where that has U-labels.
    unicode: Option<String>,
}

impl Domain {
    /// The domain in ASCII, its labels past ASCII as A-labels: what is compared and looked up.
    pub fn as_str(&self) -> &str {
        &self.ascii
    }

    /// Whether it was written in ASCII.
    pub fn is_ascii(&self) -> bool {
        self.unicode.is_none()
    }

    /// The same domain, written in A-labels.
    pub fn into_ascii(self) -> Self {
        Domain { unicode: None, ..self }
    }

    /// The address in an address literal; nothing in a name.
    pub fn literal(&self) -> Option<IpAddr> {
        let inside = self.ascii.strip_prefix('[')?.strip_suffix(']')?;
        inside.strip_prefix("IPv6:").unwrap_or(inside).parse().ok()
    }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        self.ascii == other.ascii
    }
}

impl Eq for Domain {}

impl PartialOrd for Domain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Domain {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ascii.cmp(&other.ascii)
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

    /// What two addresses of one mailbox have in common: the local part without case, as Exchange compared it (RFC 5321, 2.4
    /// leaves that to the server that holds the mailbox), and the domain.
    pub fn comparable(&self) -> (String, &Domain) {
        (self.local_part.to_ascii_lowercase(), &self.domain)
    }

    /// Whether every host can be told of it; else it takes one that offers SMTPUTF8 (RFC 6531).
    pub fn is_ascii(&self) -> bool {
        self.local_part.is_ascii() && self.domain.is_ascii()
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

impl ReversePath {
    /// Whether every host can be told of it.
    pub fn is_ascii(&self) -> bool {
        match self {
            ReversePath::Null => true,
            ReversePath::Mailbox(address) => address.is_ascii(),
        }
    }
}

/// The forward path of RCPT TO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<postmaster>`: whoever answers for this host (RFC 5321, 4.5.1).
    Postmaster,
    /// The recipient's mailbox.
    Mailbox(Address),
}

impl ForwardPath {
    /// The mailbox meant, where `here` is the domain of the host that was asked.
    pub fn into_address(self, here: &Domain) -> Address {
        match self {
            ForwardPath::Postmaster => Address { local_part: "postmaster".to_owned(), domain: here.clone() },
            ForwardPath::Mailbox(address) => address,
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.unicode.as_ref().unwrap_or(&self.ascii))
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

/// A text that is no mailbox or no domain, and why.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// The text is not `local-part@domain`, or its local part is wrong.
    #[error("`{text}` is not a mailbox: {reason}")]
    NotAMailbox {
        /// What was written.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The text is not a domain and not an address literal.
    #[error("`{text}` is not a domain: {reason}")]
    NotADomain {
        /// What was written.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl FromStr for Domain {
    type Err = AddressError;

    /// Reads a domain name or an address literal. Underscores are let pass in names: hosts have them, though the
    /// standard does not.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let in_ascii = |ascii| Domain { ascii, unicode: None };
        let parsed = match text.strip_prefix('[') {
            Some(rest) => literal(rest).map(in_ascii),
            None if text.is_ascii() => name(text).map(in_ascii),
            None => international(text),
        };
        parsed.map_err(|reason| AddressError::NotADomain { text: text.to_owned(), reason })
    }
}

/// A name with U-labels. A text that merely means one, in another case or another normal form, is none.
fn international(text: &str) -> Result<Domain, &'static str> {
    const NO_U_LABEL: &str =
        "a label past ASCII is no U-label (RFC 5890): write it in lower case, and in NFC";
    if text.len() > DOMAIN_LIMIT {
        return Err("it is longer than 255 octets");
    }
    let (deny, hyphens) = (AsciiDenyList::EMPTY, Hyphens::CheckFirstLast);
    let unicode = text.to_ascii_lowercase();
    let ascii = Uts46::new().to_ascii(unicode.as_bytes(), deny, hyphens, DnsLength::Ignore);
    let ascii = name(&ascii.map_err(|_| NO_U_LABEL)?)?;
    let is_its_own = |(label, in_ascii): (&str, &str)| {
        let (back, fits) = Uts46::new().to_unicode(in_ascii.as_bytes(), deny, hyphens);
        label == in_ascii || fits.is_ok() && back == label
    };
    // A character that means a dot makes the ASCII form have more labels.
    if unicode.split('.').count() == ascii.split('.').count()
        && unicode.split('.').zip(ascii.split('.')).all(is_its_own)
    {
        Ok(Domain { ascii, unicode: Some(unicode) })
    } else {
        Err(NO_U_LABEL)
    }
}

fn name(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > DOMAIN_LIMIT {
        return Err("it is longer than 255 octets");
    }
    for label in text.split('.') {
        if label.is_empty() {
            return Err("it has an empty label; dots stand between labels only");
        }
        if label.len() > LABEL_LIMIT {
            return Err("it has a label longer than 63 octets");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("it has a label that begins or ends with a hyphen");
        }
        if !label.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')) {
            return Err("labels are made of ASCII letters, digits and hyphens");
        }
    }
    Ok(text.to_ascii_lowercase())
}

fn literal(rest: &str) -> Result<String, &'static str> {
    const EXPECTED: &str = "an address literal is [192.0.2.1] or [IPv6:2001:db8::1]";
    let inside = rest.strip_suffix(']').ok_or(EXPECTED)?;
    match inside.split_at_checked("IPv6:".len()) {
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => {
            let address: Ipv6Addr = address.parse().map_err(|_| EXPECTED)?;
            Ok(format!("[IPv6:{address}]"))
        }
        _ => {
            let address: Ipv4Addr = inside.parse().map_err(|_| EXPECTED)?;
            Ok(format!("[{address}]"))
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason| AddressError::NotAMailbox { text: text.to_owned(), reason };
        if text.len() > MAILBOX_LIMIT {
            return Err(wrong("it is longer than 254 octets"));
        }
        let length =
            if text.starts_with('"') { quoted_string(text) } else { dot_string(text) }.map_err(wrong)?;
        if length > LOCAL_PART_LIMIT {
            return Err(wrong("its local part is longer than 64 octets"));
        }
        let (local_part, rest) = text.split_at(length);
        let domain = rest.strip_prefix('@').ok_or_else(|| wrong("expected local-part@domain"))?;
        Ok(Address { local_part: local_part.to_owned(), domain: domain.parse()? })
    }
}

/// The length of the dot-string that `text` begins with: atoms with dots between them.
fn dot_string(text: &str) -> Result<usize, &'static str> {
    let local_part = text.split('@').next().unwrap_or(text);
    if local_part.is_empty() {
        return Err("there is nothing before the @");
    }
    if !local_part.chars().all(|c| c == '.' || is_atext(c)) {
        return Err("its local part has a character that needs quotes, or cannot be seen");
    }
    if local_part.split('.').any(str::is_empty) {
        return Err("its local part begins or ends with a dot, or has two in a row");
    }
    Ok(local_part.len())
}

/// RFC 5322, 3.2.3, and RFC 6531, 3.3. White space past ASCII looks like what needs quotes, and needs them here.
fn is_atext(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c),
        false => is_harmless(c) && !c.is_whitespace(),
    }
}

/// Whether a character past ASCII shows what it is: no control, no line separator, no mark that turns the direction of
/// what stands around it, no byte order mark and no noncharacter. RFC 6531 leaves it to the server what to take.
pub(crate) fn is_harmless(c: char) -> bool {
    let hides = matches!(c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        | '\u{fdd0}'..='\u{fdef}');
    !c.is_control() && !hides && u32::from(c) & 0xfffe != 0xfffe
}

/// The length of the quoted string that `text` begins with, with its quotes.
fn quoted_string(text: &str) -> Result<usize, &'static str> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !is_escaped => return Ok(at + 1),
            ' '..='~' => is_escaped = c == '\\' && !is_escaped,
            // RFC 6531 lets nothing past ASCII be escaped.
            c if !c.is_ascii() && is_harmless(c) && !is_escaped => {}
            _ => return Err("its local part has a character that cannot be printed"),
        }
    }
    Err("its local part has no closing quote")
}

impl FromStr for ForwardPath {
    type Err = AddressError;

    /// Reads what stands between the brackets of a forward path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("postmaster") {
            return Ok(ForwardPath::Postmaster);
        }
        text.parse().map(ForwardPath::Mailbox)
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
        domain.unicode.unwrap_or(domain.ascii)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal<T: FromStr<Err = AddressError>>(text: &str) -> String {
        text.parse::<T>().err().unwrap_or_else(|| panic!("`{text}` was taken")).to_string()
    }

    #[test]
    fn a_mailbox_keeps_its_local_part_as_written_and_its_domain_without_case() {
        let address: Address = "Jane.Doe+x%host@Example.COM".parse().unwrap();
        assert_eq!((address.local_part(), address.domain().as_str()), ("Jane.Doe+x%host", "example.com"));
        let quoted: Address = r#""a @ \"b\\"@example.com"#.parse().unwrap();
        assert_eq!(quoted.local_part(), r#""a @ \"b\\""#);
        assert_eq!(quoted.to_string(), r#""a @ \"b\\"@example.com"#);
        assert_eq!(r#"""@example.com"#.parse::<Address>().unwrap().local_part(), r#""""#);
    }

    #[test]
    fn a_bad_local_part_is_refused_and_named() {
        for (text, reason) in [
            ("jane", "expected local-part@domain"),
            ("", "nothing before the @"),
            ("@example.com", "nothing before the @"),
            ("a b@example.com", "needs quotes"),
            ("ja\u{200b}\u{202e}ne@example.com", "cannot be seen"),
            ("ja\u{a0}ne@example.com", "needs quotes"),
            ("ja\u{85}ne@example.com", "cannot be seen"),
            ("jane\u{ffff}@example.com", "cannot be seen"),
            ("\"ja\u{2066}ne\"@example.com", "cannot be printed"),
            ("\"ja\\\u{e4}ne\"@example.com", "cannot be printed"),
            (".jane@example.com", "begins or ends with a dot"),
            ("jane.@example.com", "begins or ends with a dot"),
            ("jane..doe@example.com", "two in a row"),
            ("\"jane@example.com", "no closing quote"),
            ("\"jane\\\"@example.com", "no closing quote"),
            ("\"ja\rne\"@example.com", "cannot be printed"),
            ("\"jane\"doe@example.com", "expected local-part@domain"),
        ] {
            let refused = refusal::<Address>(text);
            assert!(refused.contains("is not a mailbox") && refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn a_bad_domain_is_refused_and_named() {
        for (text, reason) in [
            ("", "it is empty"),
            ("example..com", "empty label"),
            ("example.com.", "empty label"),
            ("-a.example", "hyphen"),
            ("a-.example", "hyphen"),
            ("a b.example", "letters, digits"),
            ("\u{dc}ber.example", "U-label"),
            ("u\u{308}ber.example", "U-label"),
            ("\u{fc}\u{3002}example", "U-label"),
            ("\u{ff41}\u{fc}.example", "U-label"),
            ("\u{fc}\u{202e}.example", "U-label"),
            ("\u{fc} .example", "letters, digits"),
            ("\u{fc}..example", "empty label"),
            ("-\u{fc}.example", "U-label"),
            ("a@b.example", "letters, digits"),
            ("[192.0.2.256]", "address literal"),
            ("[192.0.2.1", "address literal"),
            ("[2001:db8::1]", "address literal"),
            ("[IPv6:192.0.2.1]", "address literal"),
            ("[x400:whatever]", "address literal"),
        ] {
            let refused = refusal::<Domain>(text);
            assert!(refused.contains("is not a domain") && refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn lengths_are_bounded_as_the_standard_says() {
        let local_part = |octets| "x".repeat(octets);
        assert!(format!("{}@example.com", local_part(64)).parse::<Address>().is_ok());
        assert!(refusal::<Address>(&format!("{}@example.com", local_part(65))).contains("64 octets"));

        let domain = |octets: usize| "x.".repeat(200)[..octets - 1].to_owned() + "y";
        assert!(domain(255).parse::<Domain>().is_ok());
        assert!(refusal::<Domain>(&domain(257)).contains("255 octets"));
        assert!(format!("{}.example", "x".repeat(63)).parse::<Domain>().is_ok());
        assert!(refusal::<Domain>(&format!("{}.example", "x".repeat(64))).contains("63 octets"));

        assert!(format!("a.b@{}", domain(249)).parse::<Address>().is_ok());
        assert!(refusal::<Address>(&format!("a.b@{}", domain(251))).contains("254 octets"));
    }

    #[test]
    fn a_domain_is_a_name_of_labels_or_an_address() {
        let name: Domain = "Mail_1.Example.COM".parse().unwrap();
        assert_eq!(name.as_str(), "mail_1.example.com");
        assert_eq!(name.literal(), None);

        let four: Domain = "[192.0.2.1]".parse().unwrap();
        assert_eq!(four.literal(), Some("192.0.2.1".parse().unwrap()));
        let six: Domain = "[ipv6:2001:0DB8:0::1]".parse().unwrap();
        assert_eq!(six.as_str(), "[IPv6:2001:db8::1]");
        assert_eq!(six.literal(), Some("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn an_address_past_ascii_is_shown_as_it_was_written() {
        for text in [
            "j\u{fc}rgen@example.com",
            "ju\u{308}rgen@example.com",
            "\"\u{4f60} \u{597d}\"@b\u{fc}cher.example",
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert!(!address.is_ascii());
        }
        let differ = ["j\u{fc}rgen@example.com", "ju\u{308}rgen@example.com", "J\u{dc}RGEN@example.com"];
        let differ: std::collections::BTreeSet<Address> = differ.map(|text| text.parse().unwrap()).into();
        assert_eq!(differ.len(), 3, "nothing is normalised");
    }

    #[test]
    fn a_domain_compares_by_its_a_labels() {
        let unicode: Domain = "b\u{fc}cher.Example".parse().unwrap();
        let ascii: Domain = "XN--bcher-kva.example".parse().unwrap();
        let mixed: Domain = "b\u{fc}cher.xn--bcher-kva.example".parse().unwrap();
        assert_eq!(unicode, ascii);
        assert_eq!((unicode.as_str(), unicode.to_string().as_str()), (ascii.as_str(), "b\u{fc}cher.example"));
        assert_eq!(mixed.as_str(), "xn--bcher-kva.xn--bcher-kva.example");
        assert_eq!((unicode.is_ascii(), unicode.into_ascii().to_string()), (false, ascii.to_string()));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_an_address_reads_back(text in "\\PC{0,30}@\\PC{0,20}") {
            if let Ok(address) = text.parse::<Address>() {
                let again: Address = address.to_string().parse().unwrap();
                prop_assert_eq!(again.to_string(), address.to_string());
                prop_assert_eq!(again.local_part(), text.rsplit_once('@').unwrap().0);
            }
        }

        #[test]
        fn every_local_part_of_letters_is_kept_to_the_octet(letters in "\\p{L}{1,16}") {
            let address: Address = format!("{letters}@b\u{fc}cher.example").parse().unwrap();
            prop_assert_eq!(address.local_part(), &letters);
            prop_assert_eq!(serde_json::from_str::<Address>(&serde_json::to_string(&address).unwrap()).unwrap(), address);
        }
    }

    #[test]
    fn the_postmaster_is_found_at_the_host_that_was_asked() {
        let here: Domain = "gateway.example".parse().unwrap();
        let postmaster: ForwardPath = "POSTMASTER".parse().unwrap();
        assert_eq!(postmaster.into_address(&here).to_string(), "postmaster@gateway.example");
        let jane: ForwardPath = "jane@example.com".parse().unwrap();
        assert_eq!(jane.into_address(&here).to_string(), "jane@example.com");
    }
}
