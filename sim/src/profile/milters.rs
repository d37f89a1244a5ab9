//! The milters of a drawn scenario: what they do to which message, whom they trust and whom they refuse.

use std::net::{IpAddr, Ipv4Addr};

use toml::{Table, Value};

use super::cast::Cast;
use super::plain;
use crate::draw::{Dice, Seed};
use crate::filter::MilterDoes;
use crate::scenario::file::{Act, Client, Message, Milter};

/// Draws the milters, if there are any, and how the gateway is told of each.
pub(super) fn draw(chance: u64, cast: &Cast, clients: &[Client], seed: Seed) -> (Vec<Milter>, Vec<Value>) {
    let mut dice = Dice::of(seed, "milters");
    let mut drawn = (Vec::new(), Vec::new());
    if !dice.chance(chance) {
        return drawn;
    }
    for number in 1..=1 + u8::from(dice.chance(30)) {
        let name = format!("filter{number}.contoso.test");
        let on_failure = *dice.pick(&["accept", "tempfail", "tempfail", "reject"]);
        let config = [("address", format!("inet:8891@{name}")), ("on_failure", on_failure.to_owned())];
        drawn.1.push(Table::from_iter(config.map(|(key, value)| (key.to_owned(), value.into()))).into());
        let mut milter = Milter {
            name: plain(name),
            address: plain(IpAddr::from(Ipv4Addr::new(192, 0, 2, 60 + number))),
            terse: dice.chance(40),
            trusts: Vec::new(),
            refuses: Vec::new(),
            act: Vec::new(),
        };
        for client in clients {
            if dice.chance(8) {
                milter.trusts.push(called(client, &mut dice));
            } else if dice.chance(8) {
                milter.refuses.push(called(client, &mut dice));
            }
        }
        for message in clients.iter().flat_map(|client| &client.message) {
            if dice.chance(3) {
                milter.refuses.extend(message.from.iter().map(ToString::to_string));
            }
            if dice.chance(6) {
                milter.refuses.push(dice.pick(&message.to).to_string());
            }
            if dice.chance(50) {
                let acts = (1..=dice.small_number([1, 3])).map(|_| act(message, cast, &mut dice));
                let acts = acts.map(|does| Act { message: message.name.clone(), does });
                milter.act.extend(acts);
            }
        }
        milter.refuses.sort();
        milter.refuses.dedup();
        drawn.0.push(milter);
    }
    drawn
}

/// What a client is known by: its address, or what it calls itself.
fn called(client: &Client, dice: &mut Dice) -> String {
    if dice.chance(50) { client.address.as_ref().to_string() } else { client.name.as_ref().clone() }
}

/// What a milter does to a message.
fn act(message: &Message, cast: &Cast, dice: &mut Dice) -> MilterDoes {
    // Whom it adds is none of those whom the message names, by any of its addresses.
    let is_new = |here: &&String| {
        let alias = here.replacen("user", "u", 1);
        let named = |to: &gateway::address::Address| [here, &alias].iter().any(|own| **own == to.to_string());
        !message.to.iter().any(named)
    };
    let others: Vec<&String> = cast.here.iter().filter(is_new).collect();
    let added = match others.as_slice() {
        [] => None,
        others => dice.pick(others).parse().ok(),
    };
    let refusals = ["550 5.7.1 no spam here", "451 4.7.1 come back later", "421 4.3.0 not today"];
    match dice.number([1, 28]) {
        1..=5 => MilterDoes::AddsField,
        6..=8 => MilterDoes::InsertsField,
        9..=10 => MilterDoes::ChangesSubject,
        11 => MilterDoes::DeletesSubject,
        12..=13 => MilterDoes::ReplacesBody,
        14..=16 => added.map_or(MilterDoes::AddsField, MilterDoes::AddsRecipient),
        17 => added.map_or(MilterDoes::AddsField, MilterDoes::AddsUnasked),
        18..=19 => MilterDoes::TakesOff(dice.pick(&message.to).clone()),
        20..=21 => MilterDoes::Quarantines,
        22 => MilterDoes::Accepts,
        23..=24 => MilterDoes::Discards,
        25 => MilterDoes::Rejects,
        26 => MilterDoes::PutsOff,
        _ => MilterDoes::Replies((*dice.pick(&refusals)).to_owned()),
    }
}
