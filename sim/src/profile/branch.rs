//! A branch office that is not always there: its mail waits until somebody asks for it with ETRN (RFC 1985).

use std::time::Duration;

use toml::{Table, Value};

use super::cast::Cast;
use super::load::{message, parse, someone};
use super::perturbation::Attacked;
use crate::draw::{Dice, Seed};
use crate::scenario::file::{Client, Etrn};
use crate::span::Span;

/// Whose mail waits.
const DOMAIN: &str = "branch.test";

/// The names of the messages whose mail waits begin so.
const HELD: &str = "w";

/// Whoever asks for mail asks for that which waits.
pub(super) fn attacked(clients: &[Client]) -> Attacked {
    let messages = clients.iter().flat_map(|client| &client.message).map(|message| message.name.as_ref());
    let messages = messages.filter(|name| name.starts_with(HELD)).cloned().collect();
    Attacked { kind: "client-asks-for-mail", messages }
}

/// Adds the route, the mail and those who ask, if there is a branch: whether there is.
pub(super) fn add(
    chance: u64,
    within: Span,
    cast: &Cast,
    config: &mut Table,
    clients: &mut [Client],
    seed: Seed,
) -> bool {
    let mut dice = Dice::of(seed, "branch");
    if !dice.chance(chance) {
        return false;
    }
    let host = dice.pick(&cast.servers).host.name.clone();
    let route = [("domain", DOMAIN), ("to", &host), ("hold", "until-etrn")];
    let route = Table::from_iter(route.map(|(key, value)| (key.to_owned(), Value::from(value))));
    let routes = config.get_mut("route").and_then(Value::as_array_mut);
    routes.expect("every drawn gateway has routes").push(route.into());
    for number in 1..=dice.number([1, 6]) {
        let client = dice.number([0, clients.len() as u64 - 1]) as usize;
        let below = if dice.chance(20) { "x." } else { "" };
        let to = parse(&format!("{}@{below}{DOMAIN}", someone(&mut dice)));
        let at = dice.span([Span::ZERO, within]);
        let message = message(&format!("{HELD}{number}"), at, &clients[client], to);
        clients[client].message.push(message);
    }
    // Some ask while the mail comes in, some when all is well again.
    for latest in [Duration::from_hours(1), Duration::from_hours(6), Duration::from_hours(12)] {
        if dice.chance(60) {
            let client = dice.number([0, clients.len() as u64 - 1]) as usize;
            let at = dice.span([Span::ZERO, Span(latest)]);
            let mark = if dice.chance(50) { "@" } else { "" };
            clients[client].etrn.push(Etrn { at, node: format!("{mark}{DOMAIN}") });
        }
    }
    true
}
