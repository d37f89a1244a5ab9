//! Where an entry goes: the hosts to try, and in which order (RFC 5321, 5.1).

use std::net::SocketAddr;

use crate::address::Domain;
use crate::dns::DnsError;
use crate::envelope::Envelope;
use crate::reach::{Point, reached};
use crate::routing::NextHop;
use crate::service::core::Core;

/// Where an entry goes.
pub(super) enum Destination {
    /// One of these, in this order.
    Hosts(Vec<Host>),
    /// Nowhere, ever.
    Unknown(String),
    /// It is not known now.
    NotNow(String),
}

/// A host to connect to.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) address: SocketAddr,
}

/// The hosts to try, in order: the one that routing named, or the mail exchangers of the recipients' domain, or the
/// domain itself if it has none (RFC 5321, 5.1).
pub(super) async fn destination(core: &Core, envelope: &Envelope) -> Destination {
    let port = core.config.delivery.port;
    if let Some(NextHop { host, port: own }) = &envelope.next_hop {
        return resolve(core, std::slice::from_ref(host), own.unwrap_or(port)).await;
    }
    let domain: &Domain = envelope.recipients[0].domain();
    if let Some(literal) = domain.literal() {
        return Destination::Hosts(vec![Host { name: domain.to_string(), address: (literal, port).into() }]);
    }
    let mut exchangers = match core.resolver.mail_exchangers(domain).await {
        Ok(exchangers) => exchangers,
        Err(DnsError::NoSuchName) => return Destination::Unknown(DnsError::NoSuchName.to_string()),
        Err(error) => return Destination::NotNow(error.to_string()),
    };
    if exchangers.is_empty() {
        reached(Point::AddressInsteadOfExchanger);
        return resolve(core, &[domain.to_string()], port).await;
    }
    // Equal preference is shuffled, so that the load spreads (RFC 5321, 5.1).
    exchangers.sort_by_cached_key(|mx| {
        let mut place = [0; 8];
        core.env.entropy.fill(&mut place);
        (mx.preference, place)
    });
    // This host and all that are no better than it would only send the message back here.
    let own = exchangers.iter().find(|mx| mx.host.eq_ignore_ascii_case(core.config.host.as_str()));
    if own.is_some() {
        reached(Point::CutAtThisHost);
    }
    let worst = own.map_or(u32::MAX, |mx| u32::from(mx.preference));
    let hosts: Vec<String> =
        exchangers.into_iter().filter(|mx| u32::from(mx.preference) < worst).map(|mx| mx.host).collect();
    if hosts.is_empty() {
        return Destination::Unknown("its best mail exchanger is this host".to_owned());
    }
    resolve(core, &hosts, port).await
}

/// The addresses of some hosts, in the order of the hosts.
async fn resolve(core: &Core, hosts: &[String], port: u16) -> Destination {
    let (mut found, mut later) = (Vec::new(), None);
    for name in hosts {
        if let Ok(address) = name.parse() {
            found.push(Host { name: name.clone(), address: SocketAddr::new(address, port) });
            continue;
        }
        match core.resolver.addresses(name).await {
            Ok(addresses) => found.extend(
                addresses.into_iter().map(|ip| Host { name: name.clone(), address: (ip, port).into() }),
            ),
            Err(DnsError::NoSuchName) => {}
            Err(error) => later = Some(error.to_string()),
        }
    }
    match (found.is_empty(), later) {
        (false, _) => Destination::Hosts(found),
        (true, Some(why)) => Destination::NotNow(why),
        (true, None) => Destination::Unknown(format!("{} has no address", hosts.join(", "))),
    }
}
