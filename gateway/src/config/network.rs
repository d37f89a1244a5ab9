//! Networks of clients.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// A network, such as `192.0.2.0/24`, or a single host. IPv4-mapped IPv6 addresses count as the IPv4 addresses
/// that they are (RFC 4291, 2.5.5.2): a listener on `[::]` sees every IPv4 client as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network(IpNet);

impl Network {
    /// Whether a client is in it.
    pub fn contains(&self, client: IpAddr) -> bool {
        self.0.contains(&client.to_canonical())
    }

    /// How many leading bits are the same in every address of it. Of two networks that both contain a client, the
    /// one with more is the more specific.
    pub fn prefix_len(&self) -> u8 {
        self.0.prefix_len()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotANetwork {
    /// It is neither an address nor an address and a prefix length.
    #[error("`{0}` is not a network")]
    Unreadable(String),
    /// It has bits after the prefix: one host was meant, or the whole network.
    #[error("`{given}` is one host in the network {network}: write `{host}` or `{network}`")]
    HostInNetwork {
        /// The text.
        given: String,
        /// The host alone.
        host: IpAddr,
        /// The network around it.
        network: IpNet,
    },
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(host) = text.parse::<IpAddr>() {
            return Ok(Network(host.to_canonical().into()));
        }
        let network: IpNet = text.parse().map_err(|_| NotANetwork::Unreadable(text.to_owned()))?;
        if network != network.trunc() {
            let (host, network) = (network.addr(), network.trunc());
            return Err(NotANetwork::HostInNetwork { given: text.to_owned(), host, network });
        }
        Ok(Network(unmapped(network)))
    }
}

fn unmapped(network: IpNet) -> IpNet {
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(prefix_len)) if matches!(network, IpNet::V6(_)) => {
            Ipv4Net::new(address, prefix_len).expect("an IPv6 prefix has at most 128 bits").into()
        }
        _ => network,
    }
}
