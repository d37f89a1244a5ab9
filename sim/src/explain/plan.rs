//! A small plan in words.

use toml::{Table, Value};

use crate::shrink::Shrunk;
use crate::shrink::lines::kind;
use crate::shrink::tree::{Step, children, get, keys};

/// The plan, a sentence for each of its parts.
pub(super) fn sentences(shrunk: &Shrunk) -> Vec<String> {
    let root = shrunk.root();
    let mut sentences = vec![gateway(root, shrunk)];
    for file in tables(root, "gateway", "file") {
        let rows: Vec<&str> = text(file, "content").lines().filter(|row| !row.trim().is_empty()).collect();
        let rows: Vec<String> = rows.into_iter().map(squeezed).collect();
        sentences.push(format!("Its disk has {}: `{}`.", text(file, "path"), rows.join("`, `")));
    }
    let settings = shrunk.needs.iter().filter(|need| need.is_setting());
    sentences.extend(settings.map(|need| format!("It is configured with {}.", need.line)));
    for client in list(root.get("client")) {
        sentences.extend(self::client(client));
    }
    for server in list(root.get("server")) {
        let domains = words(server.get("domains"));
        let takes = if domains.is_empty() { "any mail".to_owned() } else { format!("mail for {domains}") };
        sentences.push(format!("{} ({}) takes {takes}.", text(server, "name"), text(server, "address")));
    }
    for milter in list(root.get("milter")) {
        let mut sentence = format!("{} ({}) is a milter", text(milter, "name"), text(milter, "address"));
        for (key, says) in [("trusts", "it trusts"), ("refuses", "it refuses")] {
            if milter.get(key).is_some() {
                sentence.push_str(&format!("; {says} {}", words(milter.get(key))));
            }
        }
        for act in list(milter.get("act")) {
            let does = act.get("does").map(bare).unwrap_or_default();
            sentence.push_str(&format!("; of {} it says {does}", text(act, "message")));
        }
        sentences.push(format!("{sentence}."));
    }
    for errand in list(root.get("administrator")) {
        let message = errand.get("message").map(|_| format!(" {}", text(errand, "message")));
        let (at, task) = (text(errand, "at"), text(errand, "do"));
        sentences.push(format!("At {at} the administrator does `{task}`{}.", message.unwrap_or_default()));
    }
    for fault in list(root.get("fault")) {
        let rest = fault.as_table().into_iter().flatten().filter(|(key, _)| *key != "kind");
        let rest: Vec<String> = rest.map(|(key, value)| format!("{key} {}", bare(value))).collect();
        sentences.push(format!("What goes wrong: {} ({}).", kind(fault), rest.join(", ")));
    }
    sentences
}

fn gateway(root: &Table, shrunk: &Shrunk) -> String {
    let at = |key: &str| get(root, &keys(&["gateway", key])).and_then(Value::as_str).unwrap_or_default();
    let mut sentence =
        format!("The gateway {} ({}) is release {}.", at("name"), at("address"), shrunk.release());
    if let Some(service) = root.get("service") {
        let times = service.get("restarts").and_then(Value::as_integer).unwrap_or_default();
        let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
        let after = text(service, "restart_after");
        sentence.push_str(&format!(" Its service is started again {times}, {after} after its end."));
    }
    sentence
}

fn client(client: &Value) -> Vec<String> {
    let name = format!("{} ({})", text(client, "name"), text(client, "address"));
    let account =
        client.get("account").map(|account| format!(", authenticated as {},", text(account, "name")));
    let account = account.unwrap_or_default();
    let hands_over = |message: &Value| {
        let from = message.get("from").and_then(Value::as_str).unwrap_or("nobody (the null reverse path)");
        let (of, at) = (text(message, "name"), text(message, "at"));
        let mut sentence =
            format!("{name}{account} hands over {of} at {at}, from {from} to {}", words(message.get("to")));
        if let Some(shape) = message.get("shape").and_then(Value::as_str) {
            sentence.push_str(&format!(", of the shape {shape}"));
        }
        if let Some(octets) = message.get("octets").and_then(Value::as_integer) {
            sentence.push_str(&format!(", with about {octets} octets"));
        }
        if message.get("retry").is_some() {
            sentence.push_str(&format!("; it tries again after {}", words(message.get("retry"))));
        }
        format!("{sentence}.")
    };
    let sentences: Vec<String> = list(client.get("message")).map(hands_over).collect();
    if sentences.is_empty() { vec![format!("{name} is there.")] } else { sentences }
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn tables<'a>(root: &'a Table, table: &str, key: &str) -> Vec<&'a Value> {
    children(root, &[Step::Key(table.to_owned()), Step::Key(key.to_owned())])
        .iter()
        .filter_map(|path| get(root, path))
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a list.
fn words(value: Option<&Value>) -> String {
    list(value).filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// A value without the quotes that a file needs.
fn bare(value: &Value) -> String {
    value.to_string().replace('"', "")
}

fn squeezed(row: &str) -> String {
    row.split_whitespace().collect::<Vec<_>>().join(" ")
}
