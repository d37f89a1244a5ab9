//! Relay restrictions: who may have mail passed on to recipients that are not of this server (Q193922).
//!
//! Who is denied may not, whatever else holds. Anybody else needs one of three: an address in the networks that may, a
//! connection to one of this server's addresses that is named, or an account. With none of them configured nobody may.
//! What the historical releases made of the same lists (`historical`) differs in that, and is in a file of its own.
//!
//! This module knows the client. Whether a recipient is of this server is the routing's business.

mod historical;

use std::net::IpAddr;

use crate::config::{Network, RelayConfig};
use crate::release::Release;

/// A client, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Where it connects from.
    pub address: IpAddr,
    /// The address of this server that it connected to.
    pub local: IpAddr,
    /// Whom it has authenticated as.
    pub account: Option<&'a str>,
}

/// Whether this client may have mail passed on.
pub fn may_relay(release: Release, relay: &RelayConfig, client: Client<'_>) -> bool {
    match release {
        Release::Current => !is_denied(relay, client) && is_allowed(relay, client),
        _ => historical::may_relay(release, relay, client),
    }
}

fn is_denied(relay: &RelayConfig, client: Client<'_>) -> bool {
    has(&relay.denied, client.address)
}

/// Whether one of the conditions holds: one is enough (Q260562).
fn is_allowed(relay: &RelayConfig, client: Client<'_>) -> bool {
    has(&relay.networks, client.address)
        || has(&relay.local_addresses, client.local)
        || relay.authenticated && client.account.is_some()
}

fn has(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "192.0.2.25";

    fn networks(list: &[&str]) -> Vec<Network> {
        list.iter().map(|network| network.parse().unwrap()).collect()
    }

    /// The lists: denied, networks, local addresses; and whether an account is enough.
    fn relay([denied, allowed, local]: [&[&str]; 3], authenticated: bool) -> RelayConfig {
        RelayConfig {
            authenticated,
            networks: networks(allowed),
            denied: networks(denied),
            local_addresses: networks(local),
        }
    }

    #[track_caller]
    fn check(release: Release, relay: &RelayConfig, address: &str, account: Option<&str>, expected: bool) {
        let client = Client { address: address.parse().unwrap(), local: HOST.parse().unwrap(), account };
        assert_eq!(may_relay(release, relay, client), expected, "{release}: {client:?}, {relay:?}");
    }

    /// The releases that have restrictions.
    const RESTRICTED: [Release; 4] = [Release::V55Sp1, Release::V55Sp2, Release::V55Sp3, Release::Current];

    #[test]
    fn one_of_the_conditions_is_enough() {
        let allowed: &[&str] = &["192.0.2.0/24", "2001:db8::/32"];
        for release in RESTRICTED {
            for (authenticated, client, account, expected) in [
                (true, "198.51.100.1", Some("alice"), true),
                (true, "192.0.2.9", None, true),
                (true, "::ffff:192.0.2.9", None, true),
                (true, "192.0.3.9", None, false),
                (true, "2001:db8::9", None, true),
                (false, "198.51.100.1", Some("alice"), false),
                (false, "192.0.2.9", None, true),
            ] {
                check(release, &relay([&[], allowed, &[]], authenticated), client, account, expected);
            }
            check(release, &relay([&[], &[], &[HOST]], false), "198.51.100.1", None, true);
            check(release, &relay([&[], &[], &["10.0.0.1"]], false), "198.51.100.1", Some("alice"), false);
        }
    }

    #[test]
    fn who_is_denied_may_not_whatever_else_holds() {
        let relay = relay([&["192.0.2.0/29"], &["192.0.2.0/24"], &[HOST]], true);
        for release in RESTRICTED {
            check(release, &relay, "192.0.2.7", Some("alice"), false);
            check(release, &relay, "192.0.2.8", None, true);
        }
    }

    #[test]
    fn with_nothing_selected_nobody_may_today_and_everybody_could_once() {
        let (nothing, denied) = (relay([&[], &[], &[]], false), relay([&["192.0.2.7"], &[], &[]], false));
        for release in RESTRICTED {
            let everybody = release != Release::Current;
            check(release, &nothing, "198.51.100.1", None, everybody);
            check(release, &denied, "198.51.100.1", None, everybody);
            check(release, &denied, "192.0.2.7", None, false);
        }
    }

    #[test]
    fn before_there_were_restrictions_everybody_could() {
        for release in [Release::V50Rtm, Release::V50Sp2, Release::V55Rtm] {
            check(release, &relay([&["192.0.2.7"], &[], &["10.0.0.1"]], true), "192.0.2.7", None, true);
        }
    }
}
