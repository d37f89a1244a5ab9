//! Where an entry goes: the hosts to try, and in which order (RFC 5321, 5.1).
//!
//! Names that lead to names are the resolver's business. That a name leads back to this host is found out here: by its
//! own name among the exchangers, by the address it listens on, and by the addresses that its own name has.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::timeout;

use crate::address::Domain;
use crate::dns::{DnsError, MailExchanger};
use crate::envelope::Envelope;
use crate::reach::{Point, reached};
use crate::routing::NextHop;
use crate::service::core::Core;

/// How many addresses are tried at a time, and how many exchangers are looked up for them: a domain that names
/// hundreds holds up nobody else.
const HOSTS: usize = 20;
/// How long an answer of the resolver is waited for. It has time-outs of its own; this one is for when they fail.
const DNS_TIME: Duration = Duration::from_mins(1);

/// Why there is no host where there is only this one.
const LEADS_BACK: &str = "its mail leads back to this host";

/// Where an entry goes.
pub(super) enum Destination {
    /// One of these, in this order.
    Hosts(Hosts),
    /// Nowhere, ever.
    Unknown(String),
    /// Nowhere, because the domain says that it takes no mail.
    NoMail,
    /// It is not known now.
    NotNow(String),
}

/// The hosts to try.
pub(super) struct Hosts {
    pub(super) hosts: Vec<Host>,
    /// Whether these are all that there are: else what they all say is not the last word.
    pub(super) are_all: bool,
}

/// A host to connect to.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) address: SocketAddr,
}

/// The hosts to try, in order: the one that routing named, or the mail exchangers of the recipients' domain, or the
/// domain itself if it has none.
pub(super) async fn destination(core: &Core, envelope: &Envelope) -> Destination {
    let port = core.config.delivery.port;
    if let Some(NextHop { host, port: own }) = &envelope.next_hop {
        return Candidates::of(core, own.unwrap_or(port)).resolve(vec![(0, host.clone())]).await;
    }
    let domain: &Domain = envelope.recipients[0].domain();
    if let Some(literal) = domain.literal() {
        let mut candidates = Candidates::of(core, port);
        // Its name is the address, as a certificate would have it.
        candidates.add(0, &literal.to_string(), &[literal]).await;
        return candidates.destination(domain.as_str());
    }
    let mut exchangers = match answer(core.resolver.mail_exchangers(domain)).await {
        Ok(exchangers) => exchangers,
        Err(DnsError::NoSuchName) => return Destination::Unknown(DnsError::NoSuchName.to_string()),
        Err(error) => return Destination::NotNow(error.to_string()),
    };
    if exchangers.is_empty() {
        reached(Point::AddressInsteadOfExchanger);
        return Candidates::of(core, port).resolve(vec![(0, domain.as_str().to_owned())]).await;
    }
    exchangers.retain(|mx| !is_null(mx));
    if exchangers.is_empty() {
        return Destination::NoMail;
    }
    // Equal preference is shuffled, so that the load spreads (RFC 5321, 5.1).
    exchangers.sort_by_cached_key(|mx| {
        let mut place = [0; 8];
        core.env.entropy.fill(&mut place);
        (mx.preference, place)
    });
    // This host and all that are no better than it would only send the message back here.
    if let Some(own) = exchangers.iter().find(|mx| mx.host.eq_ignore_ascii_case(core.config.host.as_str())) {
        reached(Point::CutAtThisHost);
        let worst = own.preference;
        exchangers.retain(|mx| mx.preference < worst);
        if exchangers.is_empty() {
            return Destination::Unknown(LEADS_BACK.to_owned());
        }
    }
    let names = exchangers.into_iter().map(|mx| (mx.preference, mx.host));
    Candidates::of(core, port).resolve(names.collect()).await
}

/// Whether this is the root: alone it says that the domain takes no mail (RFC 7505). Beside others it says nothing.
fn is_null(mx: &MailExchanger) -> bool {
    mx.host.trim_end_matches('.').is_empty()
}

/// The addresses found so far, best first, with the preference of the exchangers that have them.
struct Candidates<'a> {
    core: &'a Core,
    port: u16,
    /// Whether DNS was asked: what somebody wrote down as an address goes without it.
    asked: bool,
    /// The addresses that this host's own name has, once they are needed.
    own: Option<Vec<IpAddr>>,
    /// Whether this host was among them.
    cut: bool,
    found: Vec<(u16, Host)>,
    /// Whether there are more, which are too many to be looked up.
    left_out: bool,
    /// Why some may be missing: the first whose addresses are not known now.
    later: Option<(u16, String)>,
}

impl<'a> Candidates<'a> {
    fn of(core: &'a Core, port: u16) -> Self {
        Candidates {
            core,
            port,
            asked: false,
            own: None,
            cut: false,
            found: Vec::new(),
            left_out: false,
            later: None,
        }
    }

    /// The addresses of some hosts, each with its preference, in the order of the hosts: up to this host, if it is among
    /// them.
    async fn resolve(mut self, mut hosts: Vec<(u16, String)>) -> Destination {
        self.left_out = hosts.len() > HOSTS;
        hosts.truncate(HOSTS);
        let mut names = Vec::new();
        for (preference, name) in hosts {
            names.push(name.clone());
            let addresses = match name.parse() {
                Ok(address) => vec![address],
                Err(_) => {
                    self.asked = true;
                    match answer(self.core.resolver.addresses(&name)).await {
                        Ok(addresses) => addresses,
                        Err(DnsError::NoSuchName) => continue,
                        Err(error) => {
                            self.later.get_or_insert((preference, error.to_string()));
                            continue;
                        }
                    }
                }
            };
            self.add(preference, &name, &addresses).await;
            if self.cut {
                break;
            }
        }
        self.destination(&names.join(", "))
    }

    /// Adds a host. If it is this one it is left out, and so are those that are no better.
    async fn add(&mut self, preference: u16, name: &str, addresses: &[IpAddr]) {
        for address in addresses {
            if self.is_here(*address).await {
                reached(Point::CutAtThisHost);
                self.found.retain(|(found, _)| *found < preference);
                self.later.take_if(|(found, _)| *found >= preference);
                self.cut = true;
                self.left_out = false;
                return;
            }
        }
        let host = |ip: &IpAddr| Host { name: name.to_owned(), address: (*ip, self.port).into() };
        self.found.extend(addresses.iter().map(|ip| (preference, host(ip))));
    }

    /// Whether a connection to this address would come back to this gateway.
    async fn is_here(&mut self, address: IpAddr) -> bool {
        let listen = self.core.config.listen;
        if self.port != listen.port() {
            return false;
        }
        let (address, own) = (address.to_canonical(), listen.ip().to_canonical());
        if address == own || address.is_unspecified() || (own.is_unspecified() && address.is_loopback()) {
            return true;
        }
        if !self.asked {
            return false;
        }
        if self.own.is_none() {
            let found = answer(self.core.resolver.addresses(self.core.config.host.as_str())).await;
            self.own = Some(found.unwrap_or_default());
        }
        self.own.iter().flatten().any(|own| own.to_canonical() == address)
    }

    fn destination(self, names: &str) -> Destination {
        match (self.found.is_empty(), self.later) {
            (false, later) => {
                let are_all = later.is_none() && !self.left_out && self.found.len() <= HOSTS;
                let hosts = self.found.into_iter().map(|(_, host)| host).take(HOSTS).collect();
                Destination::Hosts(Hosts { hosts, are_all })
            }
            (true, Some((_, why))) => Destination::NotNow(why),
            (true, None) if self.cut => Destination::Unknown(LEADS_BACK.to_owned()),
            (true, None) => Destination::Unknown(format!("{names} has no address")),
        }
    }
}

/// An answer of the resolver, or that it took too long.
async fn answer<T>(asked: impl Future<Output = Result<T, DnsError>>) -> Result<T, DnsError> {
    let too_late = |_| Err(DnsError::NoAnswer("it took too long".to_owned()));
    timeout(DNS_TIME, asked).await.unwrap_or_else(too_late)
}
