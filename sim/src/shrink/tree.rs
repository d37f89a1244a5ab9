//! A scenario file as a tree: where a value is, how it is taken out, and what must go with it.
//!
//! It knows the few rules of the format that make a candidate worth a look. Whether what is left makes sense is for
//! [`Scenario::parse`](crate::scenario::Scenario::parse) to say.

use std::collections::BTreeSet;

use toml::{Table, Value};

/// A step into a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// To the value of a key.
    Key(String),
    /// To the element at a place.
    Place(usize),
}

/// Where a value is, from the root.
pub(crate) type Path = Vec<Step>;

/// The path that consists of keys.
pub(crate) fn keys(keys: &[&str]) -> Path {
    keys.iter().map(|key| Step::Key((*key).to_owned())).collect()
}

/// A path one step further.
pub(crate) fn then(path: &[Step], step: Step) -> Path {
    path.iter().cloned().chain([step]).collect()
}

/// The value at a path.
pub(crate) fn get<'a>(root: &'a Table, path: &[Step]) -> Option<&'a Value> {
    let (Step::Key(first), rest) = path.split_first()? else { return None };
    rest.iter().try_fold(root.get(first)?, |value, step| match step {
        Step::Key(key) => value.get(key.as_str()),
        Step::Place(place) => value.get(*place),
    })
}

/// The value at a path, to be changed.
pub(crate) fn get_mut<'a>(root: &'a mut Table, path: &[Step]) -> Option<&'a mut Value> {
    let (Step::Key(first), rest) = path.split_first()? else { return None };
    rest.iter().try_fold(root.get_mut(first)?, |value, step| match step {
        Step::Key(key) => value.get_mut(key.as_str()),
        Step::Place(place) => value.get_mut(*place),
    })
}

/// The paths of what is in the value at a path, in order; of the root's own keys if the path is empty.
pub(crate) fn children(root: &Table, path: &[Step]) -> Vec<Path> {
    let of_table =
        |table: &Table| table.keys().map(|key| then(path, Step::Key(key.clone()))).collect::<Vec<_>>();
    match get(root, path) {
        None if path.is_empty() => of_table(root),
        Some(Value::Table(table)) => of_table(table),
        Some(Value::Array(array)) => (0..array.len()).map(|place| then(path, Step::Place(place))).collect(),
        _ => Vec::new(),
    }
}

/// The tree without the values at these paths, without what speaks of a machine or a message that is no longer
/// there, and without the tables that have become empty.
pub(crate) fn without(root: &Table, paths: &[Path]) -> Table {
    let mut left = root.clone();
    let mut paths = paths.to_vec();
    // From the back: the places of the rest stay what they are.
    paths.sort();
    for path in paths.iter().rev() {
        let Some((last, parent)) = path.split_last() else { continue };
        match (last, get_mut(&mut left, parent)) {
            (Step::Key(key), Some(Value::Table(table))) => drop(table.remove(key)),
            (Step::Key(key), None) if parent.is_empty() => drop(left.remove(key)),
            (Step::Place(place), Some(Value::Array(array))) if *place < array.len() => {
                array.remove(*place);
            }
            _ => {}
        }
    }
    drop_orphans(&names(root), &mut left);
    prune(&mut left);
    left
}

/// The names of all machines and messages.
fn names(root: &Table) -> BTreeSet<String> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
    let clients = list(root.get("client"));
    let messages = clients.iter().flat_map(|client| list(client.get("message")));
    messages.chain(clients.iter().cloned()).chain(list(root.get("server"))).filter_map(|x| name(&x)).collect()
}

/// Takes out the faults and the errands that speak of what is gone.
fn drop_orphans(before: &BTreeSet<String>, root: &mut Table) {
    let now = names(root);
    let gone: BTreeSet<&String> = before.difference(&now).collect();
    for key in ["administrator", "fault"] {
        if let Some(Value::Array(lines)) = root.get_mut(key) {
            lines.retain(|line| !speaks_of(line, &gone));
        }
    }
}

fn speaks_of(value: &Value, gone: &BTreeSet<&String>) -> bool {
    match value {
        Value::String(text) => gone.contains(text),
        Value::Array(array) => array.iter().any(|value| speaks_of(value, gone)),
        Value::Table(table) => table.values().any(|value| speaks_of(value, gone)),
        _ => false,
    }
}

/// Takes out empty tables and lists, except in the gateway's configuration, where an empty list says something.
fn prune(root: &mut Table) {
    root.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    if let Some(Value::Array(clients)) = root.get_mut("client") {
        for client in clients.iter_mut().filter_map(Value::as_table_mut) {
            client.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
        }
    }
    if let Some(Value::Table(gateway)) = root.get_mut("gateway") {
        gateway.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
        if let Some(Value::Table(config)) = gateway.get_mut("config") {
            config.retain(|_, value| !value.as_table().is_some_and(Table::is_empty));
        }
    }
}

/// Changes every text of the tree, keys not among them.
pub(crate) fn map_texts(value: &mut Value, change: &dyn Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(changed) = change(text) {
                *text = changed;
            }
        }
        Value::Array(array) => array.iter_mut().for_each(|value| map_texts(value, change)),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| map_texts(value, change)),
        _ => {}
    }
}

/// The paths of all values that are neither tables nor lists.
pub(crate) fn leaves(root: &Table) -> Vec<Path> {
    let mut leaves = Vec::new();
    let mut open = children(root, &[]);
    open.reverse();
    while let Some(path) = open.pop() {
        match get(root, &path) {
            Some(Value::Table(_) | Value::Array(_)) => {
                open.extend(children(root, &path).into_iter().rev());
            }
            _ => leaves.push(path),
        }
    }
    leaves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Table {
        toml::from_str(
            r#"
            seed = 3
            [gateway.config]
            relay = { networks = [] }
            limits = {}
            [[client]]
            name = "c1"
            message = [{ name = "m1" }, { name = "m2" }]
            [[fault]]
            message = "m1"
            [[fault]]
            between = ["c1", "ims"]
            "#,
        )
        .unwrap()
    }

    #[test]
    fn what_speaks_of_something_goes_with_it() {
        let first =
            [keys(&["client"]), vec![Step::Place(0)], keys(&["message"]), vec![Step::Place(0)]].concat();
        let left = without(&tree(), &[first]);
        assert_eq!(left["fault"].as_array().unwrap().len(), 1);
        let left = without(&tree(), &[then(&keys(&["client"]), Step::Place(0))]);
        assert!(!left.contains_key("client") && !left.contains_key("fault"));
    }

    #[test]
    fn an_empty_table_of_the_configuration_goes_and_an_empty_list_says_something() {
        let left = without(&tree(), &[keys(&["seed"])]);
        let config = &left["gateway"]["config"];
        assert!(config.get("limits").is_none() && config.get("relay").is_some());
    }

    #[test]
    fn several_elements_of_a_list_are_taken_out_at_once() {
        let messages = [keys(&["client"]), vec![Step::Place(0)], keys(&["message"])].concat();
        let left = without(&tree(), &children(&tree(), &messages));
        assert!(left["client"][0].get("message").is_none());
        assert_eq!(leaves(&left).len(), 4);
    }
}
