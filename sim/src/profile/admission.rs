//! What the gateway of a drawn scenario allows whom: limits for one host, relay restrictions, whose mail is not wanted, and
//! who is told who exists.

use gateway::release::Release;
use toml::{Table, Value};

use super::cast::Cast;
use super::perturbation::Attacked;
use super::{Configuration, table};
use crate::draw::{Dice, Seed};
use crate::scenario::file::Client;

/// Draws it into a configuration. Gives the kinds of fault that have something to attack there: a flood is of those whom the
/// limits are for.
pub(super) fn draw(
    chances: &Configuration,
    cast: &Cast,
    clients: &[Client],
    release: Release,
    seed: Seed,
    config: &mut Table,
) -> Vec<Attacked> {
    let mut attacked = Vec::new();
    let mut is_limited = false;
    let is_current = release == Release::Current;
    let mut dice = Dice::of(seed, "host limits");
    if dice.chance(chances.host_limits) && is_current {
        is_limited = true;
        let keys = [
            ("connections_per_host", [1, 6]),
            ("connections_per_minute", [2, 20]),
            ("messages_per_minute", [1, 20]),
            ("recipients_per_minute", [2, 30]),
        ];
        for (key, range) in keys {
            let limit = i64::try_from(dice.number(range)).unwrap_or(i64::MAX);
            if dice.chance(60) {
                within(config, "limits").insert(key.to_owned(), limit.into());
            }
        }
    }
    let mut dice = Dice::of(seed, "relay lists");
    if dice.chance(chances.relay_lists) {
        relay(cast, &mut dice, within(config, "relay"));
    }
    let mut dice = Dice::of(seed, "public routes");
    let routes = config.get_mut("route").and_then(Value::as_array_mut).filter(|_| is_current);
    for route in routes.into_iter().flatten().filter_map(Value::as_table_mut) {
        if route["to"].as_str() != Some("<inbound>") && dice.chance(chances.public_route) {
            route.insert("from".to_owned(), "anybody".into());
        }
    }
    let mut dice = Dice::of(seed, "filter");
    if dice.chance(chances.filter) {
        config.insert("filter".to_owned(), filter(cast, release, &mut dice));
    }
    let mut dice = Dice::of(seed, "lookups");
    if dice.chance(chances.lookups) && is_current {
        attacked.push(Attacked { kind: "client-harvests", messages: Vec::new() });
        let vrfy = *dice.pick(&["refuse", "authenticated", "authenticated"]);
        within(config, "policy").insert("vrfy".to_owned(), vrfy.into());
    }
    let mut dice = Dice::of(seed, "unknown recipients");
    if dice.chance(chances.unknown_reported) && is_current {
        within(config, "policy").insert("unknown_recipients".to_owned(), "report".into());
    }
    if is_limited {
        let messages = messages_of_the_limited(clients, within(config, "relay"));
        attacked.push(Attacked { kind: "client-floods", messages });
    }
    attacked
}

/// What is handed over by clients that may not relay by their addresses: the limits are for them alone.
fn messages_of_the_limited(clients: &[Client], relay: &Table) -> Vec<String> {
    let exempt = relay.get("networks").and_then(Value::as_array);
    let is_exempt = |client: &&Client| {
        let address = client.address.as_ref().to_string();
        exempt.is_some_and(|networks| networks.iter().any(|network| network.as_str() == Some(&address)))
    };
    let limited = clients.iter().filter(|client| !is_exempt(client));
    limited.flat_map(|client| &client.message).map(|message| message.name.as_ref().clone()).collect()
}

/// A table of the configuration.
fn within<'a>(config: &'a mut Table, key: &str) -> &'a mut Table {
    let entry = config.entry(key).or_insert_with(|| Table::new().into());
    entry.as_table_mut().expect("it is drawn as a table")
}

fn relay(cast: &Cast, dice: &mut Dice, relay: &mut Table) {
    let mut list = |dice: &mut Dice, key: &str, choices: Vec<String>| {
        if dice.chance(50) {
            relay.insert(key.to_owned(), vec![Value::from(dice.pick(&choices).clone())].into());
        }
    };
    let clients = cast.clients.iter().map(|client| client.address.to_string());
    list(dice, "denied", clients.collect());
    // The gateway's own address, or another.
    let here = cast.gateway.address.to_string();
    list(dice, "local_addresses", vec![here, "10.0.0.25".to_owned()]);
    if dice.chance(40) {
        relay.insert("networks".to_owned(), Vec::<Value>::new().into());
    }
    relay.insert("authenticated".to_owned(), dice.chance(50).into());
}

/// The senders are those whom messages are drawn from.
fn filter(cast: &Cast, release: Release, dice: &mut Dice) -> Value {
    let mut senders = vec!["ALICE@fabrikam.test".to_owned(), dice.pick(&cast.here).clone()];
    if release >= Release::V55Rtm {
        senders.extend(["@fabrikam.test", "@plan.test"].map(str::to_owned));
    }
    if release >= Release::V55Sp2 {
        senders.push(".".to_owned());
    }
    senders.retain(|_| dice.chance(50));
    let actions: &[&str] = match release {
        Release::Current => &["set-aside", "set-aside", "delete", "refuse"],
        _ => &["set-aside", "delete"],
    };
    let action = *dice.pick(actions);
    let senders: Vec<Value> = senders.into_iter().map(Value::from).collect();
    table([("senders", senders.into()), ("action", action.into())])
}
