//! Values, and what is calmer than each: round times from the start on, small numbers, a plain sender and subject,
//! names counted from 1.
//!
//! In the gateway's configuration small is not calm, and an entry that may be left out has been tried without. There a
//! span of time is only made round, downwards.

use jiff::SignedDuration;
use toml::{Table, Value};

use super::tree::{Path, Step, children, get, get_mut, keys, leaves, map_texts, then};

/// The sender of a message whose sender does not matter.
const SENDER: &str = "alice@fabrikam.test";
/// The mailbox that a message goes to whose recipient does not matter, in a domain that the gateway has as its own.
const RECIPIENT: &str = "bob";
/// The subject of a message whose subject does not matter.
const SUBJECT: &str = "Hello";

/// Round spans of time, in seconds.
const ROUND: [i64; 27] = [
    0,
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    1_200,
    1_800,
    3_600,
    2 * 3_600,
    4 * 3_600,
    6 * 3_600,
    12 * 3_600,
    24 * 3_600,
    36 * 3_600,
    48 * 3_600,
    72 * 3_600,
    96 * 3_600,
    120 * 3_600,
    168 * 3_600,
    240 * 3_600,
    336 * 3_600,
];

/// A span of time as scenario files write it.
pub(super) fn span(text: &str) -> Option<SignedDuration> {
    let looks_right = text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && text.ends_with(|c: char| c.is_ascii_alphabetic());
    looks_right.then(|| text.parse().ok()).flatten()
}

fn shown(span: SignedDuration) -> Value {
    Value::String(format!("{span:#}"))
}

/// How many senders and subjects are not the plainest.
pub(super) fn odd(root: &Table) -> usize {
    let is_odd = |path: &Path| plainest(root, path).is_some_and(|calm| get(root, path) != Some(&calm));
    leaves(root).iter().filter(|path| is_odd(path)).count() + senderless(root).len()
}

/// The plainest value at this place, if there is one.
fn plainest(root: &Table, path: &[Step]) -> Option<Value> {
    let [Step::Key(client), _, Step::Key(message), _, Step::Key(key), rest @ ..] = path else { return None };
    if (client.as_str(), message.as_str()) != ("client", "message") {
        return None;
    }
    match (key.as_str(), rest) {
        ("from", []) => Some(SENDER.into()),
        ("subject", []) => Some(SUBJECT.into()),
        ("to", [_]) => recipient(root, &path[..path.len() - 1]),
        _ => None,
    }
}

/// The plainest recipient, unless the message has it already.
fn recipient(root: &Table, to: &[Step]) -> Option<Value> {
    let routes = get(root, &keys(&["gateway", "config", "route"]))?.as_array()?;
    let inbound = routes.iter().find(|route| route.get("to").and_then(Value::as_str) == Some("<inbound>"))?;
    let plain = Value::from(format!("{RECIPIENT}@{}", inbound.get("domain")?.as_str()?));
    let has_it = get(root, to)?.as_array()?.contains(&plain);
    (!has_it).then_some(plain)
}

/// The messages with the null reverse path.
fn senderless(root: &Table) -> Vec<Path> {
    let messages = children(root, &keys(&["client"]))
        .into_iter()
        .flat_map(|client| children(root, &then(&client, Step::Key("message".to_owned()))));
    messages
        .filter(|message| get(root, message).is_some_and(|message| message.get("from").is_none()))
        .collect()
}

/// Scenarios that are calmer at one place each, grouped by the place: of a group the first that does is taken.
pub(super) fn calmer(root: &Table, path: &[Step]) -> Vec<Table> {
    let with = |value: Value| {
        let mut changed = root.clone();
        *get_mut(&mut changed, path).expect("the path is of this tree") = value;
        changed
    };
    if let Some(calm) = plainest(root, path) {
        return vec![with(calm)];
    }
    let in_configuration = path.starts_with(&keys(&["gateway"]));
    match get(root, path) {
        Some(Value::String(text)) => match span(text) {
            Some(span) if in_configuration => {
                rounder(span).last().map(|span| with(shown(*span))).into_iter().collect()
            }
            Some(span) => {
                let round = rounder(span).into_iter().filter(|round| *round >= least(path));
                round.map(|span| with(shown(span))).collect()
            }
            None => Vec::new(),
        },
        Some(Value::Integer(number)) if !in_configuration && path != keys(&["seed"]) => {
            smaller(*number).map(|number| with(number.into())).collect()
        }
        _ => Vec::new(),
    }
}

/// Messages of the null reverse path, with a sender.
pub(super) fn with_senders(root: &Table) -> Vec<Table> {
    let with = |path: Path| {
        let mut changed = root.clone();
        if let Some(Value::Table(message)) = get_mut(&mut changed, &path) {
            message.insert("from".to_owned(), SENDER.into());
        }
        changed
    };
    senderless(root).into_iter().map(with).collect()
}

/// The least span at a place that is calm: a run cut off in the middle is not, nor is a service that is started again
/// at once.
fn least(path: &[Step]) -> SignedDuration {
    match path.last() {
        Some(Step::Key(key)) if key == "duration" => SignedDuration::from_hours(1),
        Some(Step::Key(key)) if key == "restart_after" => SignedDuration::from_mins(1),
        _ => SignedDuration::MIN,
    }
}

/// The round spans that are nearer to nothing, the nearest to nothing first.
fn rounder(span: SignedDuration) -> Vec<SignedDuration> {
    let sign = if span.is_negative() { -1 } else { 1 };
    ROUND
        .into_iter()
        .map(SignedDuration::from_secs)
        .filter(|round| *round < span.abs())
        .map(|round| round * sign)
        .collect()
}

/// The numbers to try instead, the smallest first.
fn smaller(number: i64) -> impl Iterator<Item = i64> {
    [0, 1, 2, 3, 4, 6, 8]
        .into_iter()
        .chain((1..=62).map(|bit| 10 << bit))
        .take_while(move |few| *few < number)
}

/// The fault with its whole period from the start on.
pub(super) fn from_the_start(root: &Table, fault: &[Step]) -> Option<Table> {
    let time = |key: &str| span(get(root, fault)?.get(key)?.as_str()?);
    let (at, until) = (time("at")?, time("until")?);
    let mut changed = root.clone();
    let table = get_mut(&mut changed, fault)?.as_table_mut()?;
    table.insert("at".to_owned(), shown(SignedDuration::ZERO));
    table.insert("until".to_owned(), shown(until.checked_sub(at)?));
    Some(changed)
}

/// The scenario with its messages, or the machines of one sort, renamed in their order: `m1`, `m2` and so on, or with
/// the number in their name counted from 1.
pub(super) fn renamed(root: &Table) -> Vec<Table> {
    let named = |paths: Vec<Path>| {
        let name = |path: &Path| get(root, path)?.get("name")?.as_str().map(str::to_owned);
        paths.iter().filter_map(name).collect::<Vec<_>>()
    };
    let clients = children(root, &keys(&["client"]));
    let messages =
        clients.iter().flat_map(|client| children(root, &then(client, Step::Key("message".to_owned()))));
    let (messages, clients) = (named(messages.collect()), named(clients));
    let servers = named(children(root, &keys(&["server"])));
    [(messages, "m".to_owned()), (clients, "client".to_owned()), (servers, "mx".to_owned())]
        .into_iter()
        .filter_map(|(names, stem)| renumbered(root, &names, &stem))
        .collect()
}

fn renumbered(root: &Table, names: &[String], stem: &str) -> Option<Table> {
    let mut number = 0;
    let pairs: Vec<(&String, String)> = names
        .iter()
        .map(|name| {
            let rest = name.strip_prefix(stem).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            let renamed = rest.map(|rest| {
                number += 1;
                format!("{stem}{number}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
            });
            (name, renamed.unwrap_or_else(|| name.clone()))
        })
        .collect();
    let is_new = pairs.iter().any(|(old, new)| *old != new);
    is_new.then(|| {
        let mut changed = Value::Table(root.clone());
        map_texts(&mut changed, &|text| {
            pairs.iter().find(|(old, _)| *old == text).map(|(_, new)| new.clone())
        });
        match changed {
            Value::Table(table) => table,
            _ => unreachable!("a table stays one"),
        }
    })
}

/// The scenario with what one client sends handed over by an earlier one.
pub(super) fn merged_clients(root: &Table) -> Vec<Table> {
    let count = children(root, &keys(&["client"])).len();
    let pairs = (0..count).flat_map(|into| (into + 1..count).map(move |from| (into, from)));
    pairs.filter_map(|(into, from)| merged(root, into, from)).collect()
}

fn merged(root: &Table, into: usize, from: usize) -> Option<Table> {
    let mut changed = root.clone();
    let clients = changed.get_mut("client")?.as_array_mut()?;
    let gone = clients.remove(from);
    let messages = gone.get("message")?.as_array()?.clone();
    let kept = clients.get_mut(into)?.as_table_mut()?;
    let list = kept.entry("message").or_insert_with(|| Value::Array(Vec::new()));
    list.as_array_mut()?.extend(messages);
    let names = [gone.get("name")?.as_str()?.to_owned(), kept.get("name")?.as_str()?.to_owned()];
    let mut changed = Value::Table(changed);
    map_texts(&mut changed, &|text| (text == names[0]).then(|| names[1].clone()));
    changed.as_table().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_from_an_address_and_a_name() {
        assert!(["0s", "5m", "29h 36m ago", "-1h", "527s"].into_iter().all(|text| span(text).is_some()));
        assert!(
            ["192.0.2.25", "m1", "5.5 RTM", "", "2026-03-02T08:00:00Z"]
                .into_iter()
                .all(|text| span(text).is_none())
        );
    }

    #[test]
    fn names_are_counted_from_one_everywhere_they_stand() {
        let root: Table = toml::from_str(
            "fault = [{ message = 'm17' }]\n[[client]]\nname = 'c'\nmessage = [{ name = 'm4' }, { name = 'm17' }]",
        )
        .unwrap();
        let [renamed] = &renamed(&root)[..] else { panic!("one candidate") };
        assert_eq!(renamed["fault"][0]["message"].as_str(), Some("m2"));
        assert_eq!(renamed["client"][0]["message"][0]["name"].as_str(), Some("m1"));
    }

    #[test]
    fn a_span_becomes_round_and_never_longer() {
        let root: Table =
            toml::from_str("at = '7m 13s'\n[gateway.config.delivery]\nexpire = '36271s'").unwrap();
        let shown = |path: &[Step]| {
            calmer(&root, path)
                .iter()
                .map(|t| get(t, path).unwrap().as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(&keys(&["at"])).last().map(String::as_str), Some("5m"));
        assert_eq!(shown(&keys(&["gateway", "config", "delivery", "expire"])), ["6h"]);
    }
}
