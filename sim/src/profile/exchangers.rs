//! Exchangers of a drawn scenario that are not all alike: a domain that has several, with preferences, and hosts that have
//! an IPv6 address.
//!
//! It changes what the cast has, from a stream of its own: where it is not drawn nothing else is different.

use std::net::Ipv6Addr;

use super::cast::Cast;
use crate::draw::{Dice, Seed};

/// The domain that every server may be an exchanger of.
const DOMAIN: &str = "partner1.test";

/// Draws them, if there are any.
pub(super) fn draw(chance: u64, cast: &mut Cast, seed: Seed) {
    let mut dice = Dice::of(seed, "exchangers");
    if !dice.chance(chance) {
        return;
    }
    for (number, server) in (1..).zip(&mut cast.servers) {
        let is_exchanger = !server.domains.is_empty();
        if is_exchanger && dice.chance(60) && !server.domains.iter().any(|domain| domain == DOMAIN) {
            server.domains.push(DOMAIN.to_owned());
        }
        server.preference = *dice.pick(&[5, 10, 10, 20, 30]);
        if dice.chance(40) {
            server.host.address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number).into();
        }
    }
}
