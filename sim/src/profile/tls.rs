//! TLS in a drawn scenario: who has it, who makes use of it, and who must.

use toml::{Table, Value};

use super::cast::Cast;
use crate::draw::{Dice, Seed};
use crate::plan::{ClientTls, Offer};
use crate::scenario::file::Client;

/// Draws it, if there is any: into the gateway's configuration, the clients and the mail servers. Whether there is.
pub(super) fn draw(
    chance: u64,
    cast: &mut Cast,
    clients: &mut [Client],
    config: &mut Table,
    seed: Seed,
) -> bool {
    let mut dice = Dice::of(seed, "tls");
    if !dice.chance(chance) {
        return false;
    }
    let mut tls = Table::new();
    tls.insert("auth_in_clear".to_owned(), true.into());
    if dice.chance(85) {
        tls.insert("certificate".to_owned(), "/tls/certificate.pem".into());
        tls.insert("key".to_owned(), "/tls/key.pem".into());
        tls.insert("auth_in_clear".to_owned(), dice.chance(40).into());
        config.insert("listen_tls".to_owned(), "0.0.0.0:465".into());
        for client in clients {
            let choices = [(Some(ClientTls::Starttls), 11), (Some(ClientTls::Implicit), 5), (None, 4)];
            client.tls = dice.weighted(choices.into_iter()).flatten();
        }
        if dice.chance(25) {
            require_encryption(config);
        }
    }
    if dice.chance(70) {
        tls.insert("trust".to_owned(), "/tls/authorities.pem".into());
        let routes = config.get_mut("route").and_then(Value::as_array_mut);
        for route in routes.into_iter().flatten().filter_map(Value::as_table_mut) {
            if route["to"].as_str() != Some("<inbound>") && dice.chance(60) {
                route.insert("tls".to_owned(), "required".into());
            }
        }
    }
    config.insert("tls".to_owned(), tls.into());
    for server in &mut cast.servers {
        if dice.chance(75) {
            server.offers.push(Offer::Starttls);
        }
    }
    true
}

/// Requires it beside what is required already.
fn require_encryption(config: &mut Table) {
    let accept = config.get_mut("accept").and_then(Value::as_table_mut);
    let required = accept.and_then(|accept| accept.get_mut("require"));
    if let Some(required) = required {
        let both = required.as_str() == Some("authentication");
        *required = if both { "authentication-and-encryption" } else { "encryption" }.into();
    }
}
