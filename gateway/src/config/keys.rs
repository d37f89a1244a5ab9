//! Every key of the configuration. The list is not written down anywhere: the reader itself is asked, table by table, which
//! keys it takes.

use super::check::LINK_KEYS;
use super::file::File;

/// A key of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its path, such as `delivery.expire`.
    pub name: String,
    /// The list of tables in each of which it stands, such as `mailbox`, if it stands in one.
    pub list: Option<String>,
}

/// A key on the way to another.
#[derive(Clone)]
struct Step {
    name: String,
    is_list: bool,
}

/// Every key that has a value of its own, in the order of their names.
pub fn keys() -> Vec<Key> {
    let mut keys = below(&[]);
    // An extension's table is its own, but for what the gateway takes out of it.
    keys.retain(|key| key.name != "extension");
    keys.extend(
        LINK_KEYS.map(|key| Key { name: format!("extension.{key}"), list: Some("extension".to_owned()) }),
    );
    keys.sort();
    keys
}

fn below(path: &[Step]) -> Vec<Key> {
    let found = taken(path).unwrap_or_default().into_iter();
    found.flat_map(|name| key_or_below(path, &name)).collect()
}

fn key_or_below(path: &[Step], name: &str) -> Vec<Key> {
    for is_list in [false, true] {
        let further: Vec<Step> =
            path.iter().cloned().chain([Step { name: name.to_owned(), is_list }]).collect();
        if taken(&further).is_some() {
            return below(&further);
        }
    }
    let list = path.iter().rposition(|step| step.is_list);
    vec![Key {
        name: joined(path.iter().map(|step| step.name.as_str()).chain([name])),
        list: list.map(|last| joined(path[..=last].iter().map(|step| step.name.as_str()))),
    }]
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(".")
}

/// The keys that the table at this path takes, as the reader says when it is given one that nothing has; none if there is
/// no table.
fn taken(path: &[Step]) -> Option<Vec<String>> {
    let unknown =
        path.iter().rev().fold("\"?\" = 0".to_owned(), |inner, Step { name, is_list }| match is_list {
            true => format!("{name} = [{{ {inner} }}]"),
            false => format!("{name} = {{ {inner} }}"),
        });
    let error = toml::from_str::<File>(&unknown).err()?;
    let (_, known) = error.message().split_once("unknown field `?`, expected ")?;
    Some(known.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}
