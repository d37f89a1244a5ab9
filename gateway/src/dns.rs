//! What the gateway asks of the domain name system: a domain's mail exchangers and a host's addresses.
//!
//! The order of the answers and what to do without any is the courier's business (RFC 5321, 5.1), not the resolver's.

use std::net::IpAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{RData, Record};

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

    /// The addresses of a host.
    ///
    /// # Errors
    /// The host does not exist or has no address, or nobody answered.
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

/// The machine's own resolver, as its `/etc/resolv.conf` says.
pub struct SystemResolver(TokioResolver);

impl SystemResolver {
    /// Reads the machine's settings.
    ///
    /// # Errors
    /// The machine has none, or they cannot be read.
    pub fn from_system() -> Result<Self, DnsError> {
        let unusable = |error: hickory_resolver::net::NetError| DnsError::NoAnswer(error.to_string());
        TokioResolver::builder_tokio().map_err(unusable)?.build().map(SystemResolver).map_err(unusable)
    }
}

impl Resolver for SystemResolver {
    fn mail_exchangers<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> BoxFuture<'a, Result<Vec<MailExchanger>, DnsError>> {
        Box::pin(async move {
            match self.0.mx_lookup(format!("{domain}.")).await {
                Ok(answer) => Ok(answer.answers().iter().filter_map(mail_exchanger).collect()),
                Err(error) if error.is_nx_domain() => Err(DnsError::NoSuchName),
                Err(error) if error.is_no_records_found() => Ok(Vec::new()),
                Err(error) => Err(DnsError::NoAnswer(error.to_string())),
            }
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        Box::pin(async move {
            // With the final dot it is the whole name: no search list is tried (Q150969).
            match self.0.lookup_ip(format!("{host}.")).await {
                Ok(answer) => Ok(answer.iter().collect()),
                Err(error) if error.is_nx_domain() || error.is_no_records_found() => {
                    Err(DnsError::NoSuchName)
                }
                Err(error) => Err(DnsError::NoAnswer(error.to_string())),
            }
        })
    }
}

fn mail_exchanger(record: &Record) -> Option<MailExchanger> {
    match &record.data {
        RData::MX(mx) => Some(MailExchanger {
            preference: mx.preference,
            host: mx.exchange.to_ascii().trim_end_matches('.').to_owned(),
        }),
        _ => None,
    }
}
