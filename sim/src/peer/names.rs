//! The domain name system of a run, as a map: the mail exchangers that the plan names, and the address of each
//! machine. It answers at once, and always the same.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gateway::address::Domain;
use gateway::dns::{DnsError, MailExchanger, Resolver};
use gateway::env::BoxFuture;

/// The names of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) exchangers: BTreeMap<Domain, Vec<MailExchanger>>,
    pub(crate) addresses: BTreeMap<String, IpAddr>,
}

impl Resolver for Names {
    fn mail_exchangers<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> BoxFuture<'a, Result<Vec<MailExchanger>, DnsError>> {
        Box::pin(async move {
            let known = self.exchangers.contains_key(domain) || self.addresses.contains_key(domain.as_str());
            if known {
                Ok(self.exchangers.get(domain).cloned().unwrap_or_default())
            } else {
                Err(DnsError::NoSuchName)
            }
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        Box::pin(async move {
            self.addresses
                .get(&host.to_ascii_lowercase())
                .map(|address| vec![*address])
                .ok_or(DnsError::NoSuchName)
        })
    }
}
