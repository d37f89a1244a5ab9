//! The lines of a scenario: what could be taken out of it, one by one. Their number is how large a scenario is.
//!
//! A line is a fault, an errand, a client, what it authenticates with, a message, a recipient of one beyond the first,
//! a mail server, a milter, what one does to a message, how the service is looked after, a line of text in a file on the gateway's disk, or an entry of the
//! gateway's configuration: a table of a list (a mailbox, a route, a host rule, an extension), an element of another
//! list, or a single value. What every scenario must have is no line: title, seed, times, names, addresses, senders,
//! subjects.

use toml::{Table, Value};

use super::tree::{Path, Step, children, get, keys, then};
use crate::fault::Fault;

/// A line of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it is.
    pub(crate) path: Path,
    /// The place of the line of text within the value there, if that is the line.
    pub(crate) row: Option<usize>,
    /// What it is called.
    pub(crate) name: String,
}

/// Every line, in the order of the file.
pub(crate) fn lines(root: &Table) -> Vec<Line> {
    let mut lines = Vec::new();
    if root.contains_key("service") {
        lines.push(line(keys(&["service"]), "starting the service again"));
    }
    for file in children(root, &keys(&["gateway", "file"])) {
        let content = then(&file, Step::Key("content".to_owned()));
        let rows = text(root, &content).map(rows).unwrap_or_default();
        if rows.is_empty() {
            lines.push(line(file, "an empty file"));
            continue;
        }
        for (place, row) in rows {
            let name = format!("the line `{}`", row.split_whitespace().collect::<Vec<_>>().join(" "));
            lines.push(Line { path: content.clone(), row: Some(place), name });
        }
    }
    entries(root, &keys(&["gateway", "config"]), &mut lines);
    for client in children(root, &keys(&["client"])) {
        lines.push(line(client.clone(), format!("the client {}", name_at(root, &client))));
        let account = then(&client, Step::Key("account".to_owned()));
        if get(root, &account).is_some() {
            lines.push(line(account, format!("the account of {}", name_at(root, &client))));
        }
        for message in children(root, &then(&client, Step::Key("message".to_owned()))) {
            let name = name_at(root, &message);
            lines.push(line(message.clone(), format!("the message {name}")));
            for recipient in children(root, &then(&message, Step::Key("to".to_owned()))).into_iter().skip(1) {
                let to = text(root, &recipient).unwrap_or_default().to_owned();
                lines.push(line(recipient, format!("the recipient {to} of {name}")));
            }
        }
    }
    for server in children(root, &keys(&["server"])) {
        let name = format!("the mail server {}", name_at(root, &server));
        lines.push(line(server, name));
    }
    for milter in children(root, &keys(&["milter"])) {
        let name = name_at(root, &milter);
        lines.push(line(milter.clone(), format!("the milter {name}")));
        for act in children(root, &then(&milter, Step::Key("act".to_owned()))) {
            lines.push(line(act, format!("what {name} does to a message")));
        }
    }
    for errand in children(root, &keys(&["administrator"])) {
        let task = text(root, &then(&errand, Step::Key("do".to_owned()))).unwrap_or_default();
        let name = format!("the administrator's `{task}`");
        lines.push(line(errand, name));
    }
    for fault in children(root, &keys(&["fault"])) {
        let name = format!("the fault `{}`", get(root, &fault).map(kind).unwrap_or_default());
        lines.push(line(fault, name));
    }
    lines
}

/// How many lines a scenario has.
pub(crate) fn count(root: &Table) -> usize {
    lines(root).len()
}

/// The kind of a fault, as it is counted.
pub(crate) fn kind(fault: &Value) -> String {
    match fault.clone().try_into::<Fault>() {
        Ok(fault) => fault.kind().to_owned(),
        Err(_) => fault.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned(),
    }
}

/// The rows of a text that are not blank, and their places.
pub(super) fn rows(text: &str) -> Vec<(usize, &str)> {
    text.lines().enumerate().filter(|(_, row)| !row.trim().is_empty()).collect()
}

fn line(path: Path, name: impl Into<String>) -> Line {
    Line { path, row: None, name: name.into() }
}

fn text<'a>(root: &'a Table, path: &[Step]) -> Option<&'a str> {
    get(root, path).and_then(Value::as_str)
}

fn name_at(root: &Table, path: &[Step]) -> String {
    text(root, &then(path, Step::Key("name".to_owned()))).unwrap_or_default().to_owned()
}

/// The entries of a table of the configuration.
fn entries(root: &Table, table: &[Step], lines: &mut Vec<Line>) {
    for path in children(root, table) {
        match get(root, &path) {
            Some(Value::Table(_)) => entries(root, &path, lines),
            Some(Value::Array(array)) if !array.is_empty() => {
                lines.extend(children(root, &path).into_iter().map(|path| entry(root, path)));
            }
            _ => lines.push(entry(root, path)),
        }
    }
}

fn entry(root: &Table, path: Path) -> Line {
    let key: Vec<&str> = path[2..]
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Place(_) => None,
        })
        .collect();
    let key = key.join(".");
    let name = match get(root, &path) {
        Some(Value::Table(table)) => {
            let values: Vec<String> = table.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            format!("`{key}` with {}", values.join(", "))
        }
        Some(value) => format!("`{key} = {value}`"),
        None => key,
    };
    line(path, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forced_is_no_line_and_everything_else_is_one() {
        let root: Table = toml::from_str(
            r#"
            title = "t"
            seed = 3
            [service]
            restarts = 1
            [gateway]
            name = "ims"
            file = [{ path = "/f", content = "one\n\ntwo\n" }]
            [gateway.config]
            administrator = "a@b.test"
            mailbox = [{ address = "a@b.test", account = "a" }]
            accept = { require = "nothing", host = [] }
            relay = { networks = ["192.0.2.1", "192.0.2.2"] }
            [[client]]
            name = "c1"
            message = [{ name = "m1", to = ["a@b.test", "c@b.test"] }]
            [[server]]
            name = "mx"
            [[fault]]
            kind = "reset"
            "#,
        )
        .unwrap();
        let names: Vec<String> = lines(&root).into_iter().map(|line| line.name).collect();
        assert_eq!(
            names,
            [
                "starting the service again",
                "the line `one`",
                "the line `two`",
                "`accept.host = []`",
                "`accept.require = \"nothing\"`",
                "`administrator = \"a@b.test\"`",
                "`mailbox` with account = \"a\", address = \"a@b.test\"",
                "`relay.networks = \"192.0.2.1\"`",
                "`relay.networks = \"192.0.2.2\"`",
                "the client c1",
                "the message m1",
                "the recipient c@b.test of m1",
                "the mail server mx",
                "the fault `reset`",
            ]
        );
    }
}
