//! The published examples, and the table against a slow reading of the same rules.

use proptest::prelude::*;

use super::*;

fn table(entries: &[(&str, &str)]) -> Table {
    let entries =
        entries.iter().map(|(domain, target)| ((*domain).to_owned(), target.parse::<Target>().unwrap()));
    Table::new(entries).unwrap()
}

fn routed(table: &Table, domain: &str) -> String {
    match table.route(&domain.parse().unwrap()) {
        Route::Inbound => "<inbound>".to_owned(),
        Route::Host(next_hop) | Route::Held(next_hop) => next_hop.to_string(),
        Route::Onward => "onward".to_owned(),
    }
}

#[test]
fn the_worked_example_of_q169683_routes_as_printed_in_any_order() {
    let list = [("ms.com", "host1.ms.com"), ("#ms.com", "<inbound>"), ("x.ms.com", "<inbound>")];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let table = table(&order.map(|place| list[place]));
        for (domain, expected) in [
            ("ms.com", "<inbound>"),
            ("sales.ms.com", "host1.ms.com"),
            ("x.ms.com", "<inbound>"),
            ("pms.com", "onward"),
            ("abc.x.ms.com", "<inbound>"),
        ] {
            assert_eq!(routed(&table, domain), expected, "{domain}, order {order:?}");
        }
    }
}

#[test]
fn the_worked_example_of_q217217_routes_as_printed() {
    let table = table(&[
        ("#sample.microsoft.com", "<inbound>"),
        ("dallas.sample.microsoft.com", "<inbound>"),
        ("chicago.sample.microsoft.com", "other.example"),
    ]);
    for (domain, expected) in [
        ("sample.microsoft.com", "<inbound>"),
        ("dallas.sample.microsoft.com", "<inbound>"),
        ("plano.dallas.sample.microsoft.com", "<inbound>"),
        ("chicago.sample.microsoft.com", "other.example"),
        ("seattle.sample.microsoft.com", "onward"),
    ] {
        assert_eq!(routed(&table, domain), expected, "{domain}");
    }
}

#[test]
fn whole_labels_match_and_a_top_level_domain_can_be_an_entry() {
    let table =
        table(&[("sea.com", "<inbound>"), (".com", "relay.example:2525"), ("#[192.0.2.1]", "<inbound>")]);
    for (domain, expected) in [
        ("sea.com", "<inbound>"),
        ("X.SEA.com", "<inbound>"),
        ("chelsea.com", "relay.example:2525"),
        ("com", "relay.example:2525"),
        ("sea.example", "onward"),
        ("[192.0.2.1]", "<inbound>"),
    ] {
        assert_eq!(routed(&table, domain), expected, "{domain}");
    }
}

#[test]
fn a_table_with_an_entry_twice_or_without_a_domain_is_refused() {
    for (entries, expected) in [
        (["sea.com", ".SEA.com"], "`.SEA.com` is listed twice"),
        (["#sea.com", "#Sea.com"], "`#Sea.com` is listed twice"),
        (["sea.com", "#"], "`#` names no domain"),
        (["sea.com", "."], "`.` names no domain"),
    ] {
        let entries = entries.map(|domain| (domain.to_owned(), Target::Inbound));
        let error = Table::new(entries).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_target_is_read_as_the_routing_tab_writes_it() {
    assert_eq!("<Inbound>".parse(), Ok(Target::Inbound));
    let error = "inbound:".parse::<Target>().unwrap_err().to_string();
    assert!(error.contains("`inbound:`") && error.ends_with("or `<inbound>`"), "{error}");
}

/// A domain of one to four labels, few enough that entries and recipients meet.
fn domain() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec!["a", "b", "ab", "ba"]);
    prop::collection::vec(label, 1..=4).prop_map(|labels| labels.join("."))
}

fn mark() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", ".", "#"])
}

/// The rules read slowly: ask every entry, compare label by label, keep the longest of those that match.
fn slow(entries: &[(&'static str, String, Target)], domain: &str) -> Route {
    let recipient: Vec<&str> = domain.split('.').collect();
    let matches = |mark: &str, name: &str| match mark {
        "#" => name == domain,
        _ => recipient.ends_with(&name.split('.').collect::<Vec<_>>()),
    };
    let best = entries
        .iter()
        .filter(|(mark, name, _)| matches(mark, name))
        .max_by_key(|(mark, name, _)| (*mark == "#", name.len()));
    match best {
        Some((_, _, Target::Inbound)) => Route::Inbound,
        Some((_, _, Target::Host(next_hop))) => Route::Host(next_hop.clone()),
        Some((_, _, Target::Held(next_hop))) => Route::Held(next_hop.clone()),
        None => Route::Onward,
    }
}

proptest! {
    #[test]
    fn the_table_agrees_with_a_slow_reading_of_the_rules(
        listed in prop::collection::vec((mark(), domain()), 0..12),
        recipients in prop::collection::vec(domain(), 1..8),
    ) {
        let mut entries: Vec<(&'static str, String, Target)> = Vec::new();
        for (place, (mark, name)) in listed.into_iter().enumerate() {
            if entries.iter().any(|(other, same, _)| *same == name && (*other == "#") == (mark == "#")) {
                continue;
            }
            let host = NextHop { host: format!("host{place}"), port: None };
            let target = if place % 3 == 0 { Target::Inbound } else { Target::Host(host) };
            entries.push((mark, name, target));
        }
        let table =
            Table::new(entries.iter().map(|(mark, name, target)| (format!("{mark}{name}"), target.clone())));
        let table = table.expect("each entry is listed once");
        for recipient in recipients {
            prop_assert_eq!(table.route(&recipient.parse().unwrap()), slow(&entries, &recipient), "{}", recipient);
        }
    }
}
