//! Relay restrictions: who may have mail passed on to recipients that are not of this server (Q193922).
//!
//! This module knows the client. Whether a recipient is of this server is the routing's business.

use std::net::IpAddr;

use crate::config::RelayConfig;

/// Whether this client may have mail passed on: it is in one of the networks, or it has authenticated and that is
/// enough. With neither configured nobody may; the original let everybody then (Q260562).
pub fn may_relay(relay: &RelayConfig, client: IpAddr, account: Option<&str>) -> bool {
    (relay.authenticated && account.is_some())
        || relay.networks.iter().any(|network| network.contains(client))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_is_passed_on_for_clients_in_the_networks_and_for_those_who_authenticated() {
        for (authenticated, network, client, account, expected) in [
            (true, "192.0.2.0/24", "198.51.100.1", Some("alice"), true),
            (true, "192.0.2.0/24", "192.0.2.9", None, true),
            (true, "192.0.2.0/24", "::ffff:192.0.2.9", None, true),
            (true, "192.0.2.0/24", "192.0.3.9", None, false),
            (true, "2001:db8::/32", "2001:db8::9", None, true),
            (false, "192.0.2.0/24", "198.51.100.1", Some("alice"), false),
            (false, "192.0.2.0/24", "192.0.2.9", None, true),
        ] {
            let relay = RelayConfig { authenticated, networks: vec![network.parse().unwrap()] };
            assert_eq!(
                may_relay(&relay, client.parse().unwrap(), account),
                expected,
                "{client} as {account:?}"
            );
        }
    }

    #[test]
    fn without_any_permission_nobody_may_relay() {
        let relay = RelayConfig { authenticated: false, networks: Vec::new() };
        assert!(!may_relay(&relay, "192.0.2.9".parse().unwrap(), Some("alice")));
    }
}
