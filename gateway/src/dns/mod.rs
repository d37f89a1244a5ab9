//! What the gateway asks of the domain name system: a domain's mail exchangers and a host's addresses.
//!
//! The order of the answers and what to do without any is the courier's business (RFC 5321, 5.1), not the resolver's.
//!
//! | module | what it knows |
//! |---|---|
//! | this one | the questions and what may come of them |
//! | `stub` | the name servers to ask, and what their answers mean |
//! | `runtime` | the sockets, tasks and timers that it takes |

mod runtime;
mod stub;

use std::net::IpAddr;

pub use stub::{StubError, StubResolver};

use crate::address::Domain;
use crate::env::BoxFuture;

/// Who answers questions about names.
pub trait Resolver: Send + Sync {
    /// The mail exchangers of a domain, in no particular order; none if the domain exists without any.
    ///
    /// # Errors
    /// The domain does not exist, or nobody answered.
    fn mail_exchangers<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> BoxFuture<'a, Result<Vec<MailExchanger>, DnsError>>;

    /// The addresses of a host; none if it exists without any.
    ///
    /// # Errors
    /// The host does not exist, or nobody answered.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>>;
}

/// One MX record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MailExchanger {
    /// Lower is tried first.
    pub preference: u16,
    /// The host, without a final dot. The root, `.` or nothing, alone says that the domain takes no mail (RFC 7505).
    pub host: String,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// There is no such name: asking again will not help soon.
    #[error("there is no such name")]
    NoSuchName,
    /// Nobody answered, or with a failure: ask again later.
    #[error("the name server did not answer: {0}")]
    NoAnswer(String),
}
