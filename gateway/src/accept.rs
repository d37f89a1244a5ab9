//! *Accept Connections*: which clients may connect, and which of them must authenticate first.
//!
//! This module knows a client's address and nothing else of it.

use std::net::IpAddr;

use crate::config::{AcceptConfig, HostRule, Requirement, Rule};

/// The rules as configured.
#[derive(Clone, Debug)]
pub struct Rules {
    require: Requirement,
    hosts: Vec<HostRule>,
}

/// What is decided about a client when it connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may connect and send mail.
    Accept,
    /// It may connect, but must do this before it sends mail.
    Required(Requirement),
    /// It may connect and send mail whatever is required, because a rule exempts it. It is exempt from nothing
    /// else: the checks of [`submission`](crate::submission) are made for it too (Q178091).
    Exempt,
    /// It is turned away: `521 <host> access denied` (Q155920).
    Reject,
}

impl Rules {
    /// The rules of a configuration.
    pub fn new(accept: &AcceptConfig) -> Self {
        Rules { require: accept.require, hosts: accept.hosts.clone() }
    }

    /// Decides about a client. Of the networks that contain it the most specific wins, wherever it stands in the
    /// list (Q155920). A host with an `accept` rule is like one without a rule: `require` decides.
    pub fn admit(&self, client: IpAddr) -> Admission {
        let matching = self.hosts.iter().filter(|host| host.network.contains(client));
        match (matching.max_by_key(|host| host.network.prefix_len()).map(|host| host.rule), self.require) {
            (Some(Rule::Reject), _) => Admission::Reject,
            (Some(Rule::Exempt), _) => Admission::Exempt,
            (Some(Rule::Accept) | None, Requirement::Nothing) => Admission::Accept,
            (Some(Rule::Accept) | None, required) => Admission::Required(required),
        }
    }
}

impl Admission {
    /// Whether the client must authenticate before it sends mail.
    pub fn needs_authentication(self) -> bool {
        matches!(self, Admission::Required(required) if required.authentication())
    }

    /// Whether it must encrypt the connection before it sends mail.
    pub fn needs_encryption(self) -> bool {
        matches!(self, Admission::Required(required) if required.encryption())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(require: Requirement, hosts: &[(&str, Rule)]) -> Rules {
        let host =
            |(network, rule): &(&str, Rule)| HostRule { network: network.parse().unwrap(), rule: *rule };
        Rules::new(&AcceptConfig { require, hosts: hosts.iter().map(host).collect() })
    }

    fn client(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn a_client_without_a_rule_is_held_to_what_is_required() {
        let open = rules(Requirement::Nothing, &[]);
        let closed = rules(Requirement::Authentication, &[]);
        assert_eq!(open.admit(client("192.0.2.1")), Admission::Accept);
        assert_eq!(closed.admit(client("192.0.2.1")), Admission::Required(Requirement::Authentication));
        for (required, needs) in [
            (Requirement::Authentication, (true, false)),
            (Requirement::Encryption, (false, true)),
            (Requirement::AuthenticationAndEncryption, (true, true)),
        ] {
            let admission = rules(required, &[]).admit(client("192.0.2.1"));
            assert_eq!((admission.needs_authentication(), admission.needs_encryption()), needs);
        }
    }

    #[test]
    fn the_most_specific_network_wins_whatever_the_order_of_the_list() {
        let mut list = [
            ("192.0.2.0/24", Rule::Reject),
            ("192.0.2.8/29", Rule::Accept),
            ("192.0.2.10", Rule::Exempt),
            ("0.0.0.0/0", Rule::Exempt),
        ];
        for _ in 0..list.len() {
            list.rotate_left(1);
            let rules = rules(Requirement::Authentication, &list);
            assert_eq!(rules.admit(client("192.0.2.1")), Admission::Reject);
            let required = Admission::Required(Requirement::Authentication);
            assert_eq!(rules.admit(client("192.0.2.9")), required);
            assert_eq!(rules.admit(client("192.0.2.10")), Admission::Exempt);
            assert_eq!(rules.admit(client("198.51.100.1")), Admission::Exempt);
        }
    }

    #[test]
    fn an_ipv4_client_of_an_ipv6_listener_matches_ipv4_networks() {
        let rules = rules(Requirement::Nothing, &[("192.0.2.0/24", Rule::Reject)]);
        assert_eq!(rules.admit(client("::ffff:192.0.2.1")), Admission::Reject);
        assert_eq!(rules.admit(client("::ffff:198.51.100.1")), Admission::Accept);
        assert_eq!(rules.admit(client("2001:db8::1")), Admission::Accept);
    }

    #[test]
    fn a_rule_written_for_mapped_addresses_is_a_rule_for_ipv4() {
        let rules = rules(Requirement::Nothing, &[("::ffff:192.0.2.0/120", Rule::Reject)]);
        assert_eq!(rules.admit(client("192.0.2.1")), Admission::Reject);
        assert_eq!(rules.admit(client("192.0.3.1")), Admission::Accept);
    }
}
