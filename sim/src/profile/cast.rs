//! The cast: the machines, the domains and the people of a drawn scenario.

use std::net::{IpAddr, Ipv4Addr};

use super::{Ranges, plain};
use crate::draw::{Dice, Seed};
use crate::plan::Offer;
use crate::scenario::file;

/// Who takes part.
pub(super) struct Cast {
    pub(super) gateway: Host,
    pub(super) clients: Vec<Host>,
    pub(super) servers: Vec<Server>,
    /// The mailboxes homed on the gateway: `user1@contoso.test` and so on.
    pub(super) here: Vec<String>,
    /// The mailboxes homed on the other server of the organization.
    pub(super) elsewhere: Vec<String>,
}

/// A machine.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) address: IpAddr,
}

/// A machine that takes mail.
pub(super) struct Server {
    pub(super) host: Host,
    pub(super) domains: Vec<String>,
    pub(super) preference: u16,
    pub(super) offers: Vec<Offer>,
}

impl Server {
    /// As it stands in a scenario file.
    pub(super) fn entry(&self) -> file::Server {
        file::Server {
            name: plain(self.host.name.clone()),
            address: plain(self.host.address),
            domains: self
                .domains
                .iter()
                .map(|domain| domain.parse().expect("a domain of ours is one"))
                .collect(),
            preference: self.preference,
            offers: self.offers.clone(),
        }
    }
}

impl Cast {
    /// The domains whose mail goes to another host.
    pub(super) fn remote_domains(&self) -> Vec<&str> {
        self.servers.iter().flat_map(|server| &server.domains).map(String::as_str).collect()
    }
}

/// Which mail server is the home of the mailboxes elsewhere: no domain's exchanger, but a host of the organization.
pub(super) const OTHER_HOME: &str = "ims2";

/// Draws the cast.
pub(super) fn draw(ranges: &Ranges, seed: Seed) -> Cast {
    let mut dice = Dice::of(seed, "cast");
    let address = |net: [u8; 3], host: u8| IpAddr::from(Ipv4Addr::new(net[0], net[1], net[2], host));
    let clients = dice.number(ranges.topology.clients);
    let clients = (1..=clients as u8).map(|number| {
        // Some are of the organization, some are not.
        let (name, net) = match number % 2 {
            1 => (format!("client{number}.fabrikam.test"), [198, 51, 100]),
            _ => (format!("client{number}.contoso.test"), [192, 0, 2]),
        };
        Host { name, address: address(net, 100 + number) }
    });
    let clients = clients.collect();
    let others = dice.number(ranges.directory.elsewhere);
    let mut servers: Vec<Server> = (1..=dice.number(ranges.topology.servers) as u8)
        .map(|number| {
            let mut domains = vec![format!("partner{number}.test")];
            if number == 1 {
                // Whoever writes from there wants to hear of failures.
                domains.push("fabrikam.test".to_owned());
            } else if dice.chance(30) {
                // A second exchanger for the domain of the one before.
                domains.push(format!("partner{}.test", number - 1));
            }
            Server {
                host: Host {
                    name: format!("mx{number}.partner.test"),
                    address: address([203, 0, 113], number),
                },
                domains,
                preference: file::usual_preference(),
                offers: offers(ranges, number, seed),
            }
        })
        .collect();
    if others > 0 {
        let host = Host { name: OTHER_HOME.to_owned(), address: address([192, 0, 2], 26) };
        let preference = file::usual_preference();
        servers.push(Server { host, domains: Vec::new(), preference, offers: offers(ranges, 0, seed) });
    }
    Cast {
        gateway: Host { name: "ims.contoso.test".to_owned(), address: address([192, 0, 2], 25) },
        clients,
        servers,
        here: (1..=dice.number(ranges.directory.here)).map(|n| format!("user{n}@contoso.test")).collect(),
        elsewhere: (1..=others).map(|n| format!("branch{n}@contoso.test")).collect(),
    }
}

/// What a mail server offers. It has a stream of its own, so that it changes nobody's name.
fn offers(ranges: &Ranges, number: u8, seed: Seed) -> Vec<Offer> {
    let mut dice = Dice::of(seed, &format!("offers {number}"));
    let chance = ranges.topology.offers;
    [Offer::Pipelining, Offer::Dsn].into_iter().filter(|_| dice.chance(chance)).collect()
}
