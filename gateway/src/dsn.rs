//! What a sender asks of the reports on a message (RFC 3461): of what to hear, how much to have returned, and the names
//! by which the sender knows the message and its recipients.
//!
//! What is asked travels with the envelope. A recipient of whom nothing is asked is as good as absent here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::embedded;

/// The longest envelope identifier, in octets (RFC 3461, 4.4).
const ENVELOPE_ID_LIMIT: usize = 100;

/// The longest original recipient, in octets with its type (RFC 3461, 4.2).
const ORIGINAL_RECIPIENT_LIMIT: usize = 500;

/// The type of an address in Unicode (RFC 6533, 3).
const UTF_8: &str = "utf-8";

/// What is asked of the reports on one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DsnRequest {
    /// RET: how much of the message is to be returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ret: Option<Ret>,
    /// ENVID: the sender's name for this sending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_id: Option<Xtext>,
    /// What is asked of the recipients of whom anything is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    recipients: BTreeMap<Address, RecipientRequest>,
}

/// What is asked about one recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientRequest {
    /// NOTIFY: of what the sender wants to hear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// ORCPT: the recipient that the sender knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<OriginalRecipient>,
}

/// How much of a message a report returns (RFC 3461, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ret {
    /// All of it.
    Full,
    /// Its header section.
    Headers,
}

/// Of what a sender wants to hear (RFC 3461, 4.1). Of nothing if the set is empty: NEVER.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify(BTreeSet<Condition>);

/// What can be heard of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The message was delivered, or passed on to a host that reports no delivery.
    Success,
    /// The recipient will not have it.
    Failure,
    /// It is late.
    Delay,
}

/// Printable text in which `+` and a pair of hexadecimal digits stand for any octet (RFC 3461, 4). It is kept as it was
/// written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Xtext(String);

/// The recipient that the sender knows, with the type of its address (RFC 3461, 4.2). It is kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OriginalRecipient {
    kind: String,
    /// In xtext; of the type `utf-8`, in Unicode (RFC 6533, 3).
    address: String,
}

/// A value that a parameter cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not what RFC 3461 wants there")]
pub struct BadValue(String);

impl DsnRequest {
    /// What MAIL asks.
    pub fn new(ret: Option<Ret>, envelope_id: Option<Xtext>) -> Self {
        DsnRequest { ret, envelope_id, recipients: BTreeMap::new() }
    }

    /// Whether anything is asked.
    pub fn is_nothing(&self) -> bool {
        *self == DsnRequest::default()
    }

    /// Asks something about a recipient. One that `was_named` before is sent one copy: whoever wants to hear of it does.
    pub fn ask(&mut self, recipient: &Address, request: RecipientRequest, was_named: bool) {
        let is_usual = request == RecipientRequest::default();
        match self.recipients.get_mut(recipient) {
            Some(before) => before.join(request),
            None if is_usual => {}
            None => {
                let mut all = request;
                if was_named {
                    all.join(RecipientRequest::default());
                }
                self.recipients.insert(recipient.clone(), all);
            }
        }
    }

    /// What is asked about a recipient.
    pub fn of(&self, recipient: &Address) -> Option<&RecipientRequest> {
        self.recipients.get(recipient)
    }

    /// Whether the sender wants to hear this of a recipient. Who asked nothing hears of failures and delays (RFC 3461,
    /// 4.1).
    pub fn wants(&self, recipient: &Address, condition: Condition) -> bool {
        match self.of(recipient).and_then(|request| request.notify.as_ref()) {
            Some(Notify(conditions)) => conditions.contains(&condition),
            None => condition != Condition::Success,
        }
    }

    /// What is asked of a message that goes to these recipients alone.
    pub fn only(&self, recipients: &[Address]) -> Self {
        let mut part = self.clone();
        part.recipients.retain(|recipient, _| recipients.contains(recipient));
        part
    }
}

impl RecipientRequest {
    /// What is heard if nothing is asked (RFC 3461, 4.1).
    const USUAL: [Condition; 2] = [Condition::Failure, Condition::Delay];

    /// Asks something else besides.
    fn join(&mut self, other: Self) {
        let heard = |notify: Option<Notify>| notify.map_or_else(|| Self::USUAL.into(), |Notify(heard)| heard);
        let both = heard(self.notify.take()).union(&heard(other.notify)).copied().collect();
        self.notify = Some(Notify(both));
        self.original = self.original.take().or(other.original);
    }
}

impl OriginalRecipient {
    /// The type of the address, such as `rfc822`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The address itself, decoded.
    pub fn address(&self) -> String {
        match self.is_utf8() {
            true => embedded::decode(&self.address).unwrap_or_default(),
            false => Xtext(self.address.clone()).decoded(),
        }
    }

    /// Whether its address is in Unicode.
    pub fn is_utf8(&self) -> bool {
        self.kind.eq_ignore_ascii_case(UTF_8)
    }

    /// Whether every host can be told of it as it was written.
    pub fn is_ascii(&self) -> bool {
        self.address.is_ascii()
    }

    /// The same, as a host that offers no SMTPUTF8 can be told of it (RFC 6533, 3); nothing if it is too long then.
    pub fn in_ascii(&self) -> Option<Self> {
        let address = match self.is_ascii() {
            true => self.address.clone(),
            false => embedded::encode(&self.address()),
        };
        let original = OriginalRecipient { kind: self.kind.clone(), address };
        (original.to_string().len() <= ORIGINAL_RECIPIENT_LIMIT).then_some(original)
    }
}

impl Xtext {
    /// A text as xtext.
    pub fn encode(text: &str) -> Self {
        let octet = |octet: u8| match octet {
            b'!'..=b'*' | b','..=b'<' | b'>'..=b'~' => char::from(octet).to_string(),
            other => format!("+{other:02X}"),
        };
        Xtext(text.bytes().map(octet).collect())
    }

    /// What it stands for; octets that are no text become replacement characters.
    pub fn decoded(&self) -> String {
        let (mut octets, mut rest) = (Vec::new(), self.0.as_bytes());
        while let [first, after @ ..] = rest {
            let digits = after.first_chunk::<2>().filter(|_| *first == b'+');
            let octet = digits.and_then(|digits| std::str::from_utf8(digits).ok());
            match octet.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(octet) => {
                    octets.push(octet);
                    rest = &after[2..];
                }
                None => {
                    octets.push(*first);
                    rest = after;
                }
            }
        }
        String::from_utf8_lossy(&octets).into_owned()
    }

    fn read(text: &str, limit: usize) -> Option<Self> {
        let is_digit = |octet: &u8| octet.is_ascii_digit() || (b'A'..=b'F').contains(octet);
        let octets = text.as_bytes();
        let is_well_formed = octets.iter().enumerate().all(|(at, octet)| match octet {
            b'+' => octets.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(is_digit)),
            b'=' => false,
            other => (b'!'..=b'~').contains(other),
        });
        (is_well_formed && !text.is_empty() && text.len() <= limit).then(|| Xtext(text.to_owned()))
    }
}

impl fmt::Display for Xtext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Ret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Ret::Full { "FULL" } else { "HDRS" })
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|condition| match condition {
            Condition::Success => "SUCCESS",
            Condition::Failure => "FAILURE",
            Condition::Delay => "DELAY",
        });
        let names: Vec<&str> = names.collect();
        f.write_str(if names.is_empty() { "NEVER" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

impl fmt::Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.kind, self.address)
    }
}

impl FromStr for Xtext {
    type Err = BadValue;

    /// Reads an envelope identifier.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Xtext::read(text, ENVELOPE_ID_LIMIT).ok_or_else(|| BadValue(text.to_owned()))
    }
}

impl FromStr for Ret {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_uppercase().as_str() {
            "FULL" => Ok(Ret::Full),
            "HDRS" => Ok(Ret::Headers),
            _ => Err(BadValue(text.to_owned())),
        }
    }
}

impl FromStr for Notify {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("NEVER") {
            return Ok(Notify::default());
        }
        let condition = |word: &str| match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => Ok(Condition::Success),
            "FAILURE" => Ok(Condition::Failure),
            "DELAY" => Ok(Condition::Delay),
            _ => Err(BadValue(text.to_owned())),
        };
        text.split(',').map(condition).collect::<Result<_, _>>().map(Notify)
    }
}

impl FromStr for OriginalRecipient {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadValue(text.to_owned());
        let (kind, address) = text.split_once(';').ok_or_else(bad)?;
        let is_atom = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        let fits = !kind.is_empty() && kind.bytes().all(is_atom) && text.len() <= ORIGINAL_RECIPIENT_LIMIT;
        let is_well_formed = match kind.eq_ignore_ascii_case(UTF_8) {
            true => !address.is_empty() && embedded::decode(address).is_some(),
            false => Xtext::read(address, ORIGINAL_RECIPIENT_LIMIT).is_some(),
        };
        if !fits || !is_well_formed {
            return Err(bad());
        }
        Ok(OriginalRecipient { kind: kind.to_owned(), address: address.to_owned() })
    }
}

impl TryFrom<String> for Xtext {
    type Error = BadValue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Xtext> for String {
    fn from(text: Xtext) -> String {
        text.0
    }
}

impl TryFrom<String> for OriginalRecipient {
    type Error = BadValue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<OriginalRecipient> for String {
    fn from(original: OriginalRecipient) -> String {
        original.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn who_asks_nothing_hears_of_failures_and_delays() {
        let request = DsnRequest::default();
        let wants = |condition| request.wants(&address("a@b.test"), condition);
        assert!(wants(Condition::Failure) && wants(Condition::Delay) && !wants(Condition::Success));
    }

    #[test]
    fn who_asks_hears_of_what_was_asked_and_of_no_more() {
        let mut request = DsnRequest::default();
        let ask = |notify: &str| RecipientRequest { notify: Some(notify.parse().unwrap()), original: None };
        request.ask(&address("a@b.test"), ask("success,Delay"), false);
        request.ask(&address("never@b.test"), ask("NEVER"), false);
        assert!(request.wants(&address("a@b.test"), Condition::Success));
        assert!(!request.wants(&address("a@b.test"), Condition::Failure));
        assert!(!request.wants(&address("never@b.test"), Condition::Failure));
        assert_eq!(
            request.of(&address("a@b.test")).unwrap().notify.as_ref().unwrap().to_string(),
            "SUCCESS,DELAY"
        );
        assert!(request.only(&[]).is_nothing());
    }

    #[test]
    fn a_recipient_named_twice_is_reported_to_whoever_wants_it_in_whatever_order() {
        for (first, second, success, failure) in [
            ("NEVER", "FAILURE", false, true),
            ("NEVER", "", false, true),
            ("", "NEVER", false, true),
            ("", "SUCCESS", true, true),
            ("SUCCESS", "", true, true),
            ("SUCCESS", "NEVER", true, false),
        ] {
            let mut request = DsnRequest::default();
            for (was_named, notify) in [(false, first), (true, second)] {
                let notify =
                    Some(notify).filter(|notify| !notify.is_empty()).map(|notify| notify.parse().unwrap());
                request.ask(&address("a@b.test"), RecipientRequest { notify, original: None }, was_named);
            }
            let wants = |condition| request.wants(&address("a@b.test"), condition);
            assert_eq!(
                (wants(Condition::Success), wants(Condition::Failure)),
                (success, failure),
                "{first}, {second}"
            );
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for bad in ["", "NEVER,FAILURE", "FAILURE,", "often"] {
            assert!(bad.parse::<Notify>().is_err(), "{bad}");
        }
        for bad in ["", "a b", "a=b", "a+4", "a+4g", "a+4a", &"x".repeat(101), "\u{fc}"] {
            assert!(bad.parse::<Xtext>().is_err(), "{bad}");
        }
        for bad in
            ["", "rfc822", ";a", "rfc822;", "rfc 822;a", "rfc822;a b", &format!("x;{}", "y".repeat(500))]
        {
            assert!(bad.parse::<OriginalRecipient>().is_err(), "{bad}");
        }
    }

    #[test]
    fn xtext_stands_for_any_text() {
        for text in ["plain", "a+b=c", "gr\u{fc}\u{df}e \r\n", ""] {
            assert_eq!(Xtext::encode(text).decoded(), text);
        }
        let original: OriginalRecipient = "rfc822;Bob+40x.test".parse().unwrap();
        assert_eq!((original.kind(), original.address().as_str()), ("rfc822", "Bob@x.test"));
        assert_eq!(original.to_string(), "rfc822;Bob+40x.test");
        let unicode: OriginalRecipient = "UTF-8;j\u{fc}rgen@x.test".parse().unwrap();
        assert_eq!((unicode.address(), unicode.is_ascii()), ("j\u{fc}rgen@x.test".to_owned(), false));
        let in_ascii = unicode.in_ascii().unwrap();
        assert_eq!(in_ascii.to_string(), "UTF-8;j\\x{FC}rgen@x.test");
        assert_eq!(in_ascii.address(), unicode.address());
        let fits = |octets: usize| {
            let original: OriginalRecipient = format!("utf-8;{}", "\u{fc}".repeat(octets)).parse().unwrap();
            original.in_ascii().is_some()
        };
        assert_eq!((fits(82), fits(83)), (true, false), "six octets each, and six for the type");
        assert!("rfc822;j\u{fc}rgen@x.test".parse::<OriginalRecipient>().is_err());
    }
}
