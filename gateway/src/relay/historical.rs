//! Who could have mail passed on by the historical releases.
//!
//! Stated: restrictions came with 5.5 SP1; until then a server that reroutes passes mail on for everybody (Q193922). The
//! lists were gone through in an order, deny, allow, local addresses, authentication, and the first that fits decides; a
//! server with nothing but a deny list passes on for all others (Q193922), and one with restrictions of which none is
//! selected for everybody: an open relay (Q260562).
//!
//! Inferred: a list with entries is one that is selected. The original had a flag for each (`RelayFlags`).

use super::{Client, is_allowed, is_denied};
use crate::config::RelayConfig;
use crate::release::Release;

pub(super) fn may_relay(release: Release, relay: &RelayConfig, client: Client<'_>) -> bool {
    let is_nothing_selected =
        !relay.authenticated && relay.networks.is_empty() && relay.local_addresses.is_empty();
    release < Release::V55Sp1
        || !is_denied(relay, client) && (is_allowed(relay, client) || is_nothing_selected)
}
