//! The envelope: what SMTP says about a message, beside the message itself (RFC 5321, 2.3.1).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::{Address, ReversePath};
use crate::dsn::DsnRequest;
use crate::env::Entropy;
use crate::routing::NextHop;

/// The name of a message in the spool: eight upper-case letters and digits, as the original's spool files had.
/// The same name is the `id` in the `Received` line that the gateway adds (Q190709).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpoolId([u8; 8]);

impl SpoolId {
    const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    /// A name from eight unpredictable bytes. Names can meet: a new file is made only where none has the name.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes);
        SpoolId(bytes.map(|byte| Self::ALPHABET[usize::from(byte) % 36]))
    }

    /// The name of what is made out of this message, such as a report on it. The same `what` gives the same name:
    /// work that a crash cut off and that is done again files under the name it had.
    pub fn derive(&self, what: &str) -> Self {
        // FNV-1a, 64 bits: the same on every machine and in every release, unlike the standard library's hasher.
        let bytes = self.0.into_iter().chain([0]).chain(what.bytes());
        let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut letter = || {
            let place = usize::try_from(hash % 36).expect("a remainder of 36 fits any integer");
            hash /= 36;
            Self::ALPHABET[place]
        };
        SpoolId(std::array::from_fn(|_| letter()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("letters and digits")
    }
}

impl fmt::Display for SpoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not eight upper-case letters and digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not the name of a spool file: eight upper-case letters and digits")]
pub struct NotASpoolId(String);

impl FromStr for SpoolId {
    type Err = NotASpoolId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match <[u8; 8]>::try_from(text.as_bytes()) {
            Ok(name) if name.iter().all(|byte| Self::ALPHABET.contains(byte)) => Ok(SpoolId(name)),
            _ => Err(NotASpoolId(text.to_owned())),
        }
    }
}

impl TryFrom<String> for SpoolId {
    type Error = NotASpoolId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SpoolId> for String {
    fn from(id: SpoolId) -> String {
        id.as_str().to_owned()
    }
}

/// What is known of a message beside its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Who asked for it to be sent, or nobody for a report.
    pub reverse_path: ReversePath,
    /// To whom it goes, in the order given.
    pub recipients: Vec<Address>,
    /// When the gateway took it.
    pub received: Timestamp,
    /// Where it came from.
    pub origin: Origin,
    /// In `out/`, the host that routing chose; without one, the recipients' domain is asked for its hosts. In `in/`, the host
    /// that it seemed to be for when it was accepted: that is not decided before it is processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<NextHop>,
    /// What its sender asks of reports on it.
    #[serde(default, skip_serializing_if = "DsnRequest::is_nothing")]
    pub dsn: DsnRequest,
    /// Whether its header may be in UTF-8, as who sent it has declared: SMTPUTF8 (RFC 6531).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_international: bool,
}

/// Where a message came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// An SMTP client handed it over.
    Client {
        /// The client's address.
        address: IpAddr,
        /// What it called itself in HELO or EHLO.
        helo: String,
        /// The account it authenticated as, if it did.
        account: Option<String>,
    },
    /// The gateway wrote it: a non-delivery report or a notification.
    Gateway,
    /// An extension made a copy of a message for a journal.
    Journal,
}
