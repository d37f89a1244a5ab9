//! A JSON Schema, as a reference tells it: what a value is, which keys a table has, and examples of both.
//!
//! The schemas are derived from the types that read the files, so a word here is a word of the code. It knows neither
//! scenarios nor faults.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// A schema with its definitions.
pub(super) struct Schema(Value);

/// A key of a table.
struct Key<'a> {
    name: &'a str,
    node: &'a Value,
    is_needed: bool,
}

impl Schema {
    pub(super) fn new(schema: Value) -> Self {
        Schema(schema)
    }

    /// The whole.
    pub(super) fn root(&self) -> &Value {
        &self.0
    }

    /// A definition by its name.
    pub(super) fn definition(&self, name: &str) -> &Value {
        &self.0["$defs"][name]
    }

    /// What a node is about.
    pub(super) fn words(node: &Value) -> String {
        node["description"].as_str().unwrap_or_default().replace('\n', " ")
    }

    /// The variants of a node.
    pub(super) fn variants(node: &Value) -> impl Iterator<Item = &Value> {
        node["oneOf"].as_array().into_iter().flatten()
    }

    /// The table of the keys of a table, but for those left out.
    pub(super) fn keys(&self, node: &Value, but: &[&str]) -> String {
        let mut text = String::from("| key | value | |\n|---|---|---|\n");
        for Key { name, node, is_needed } in keys(node).filter(|key| !but.contains(&key.name)) {
            let name = if is_needed { format!("`{name}`") } else { format!("[`{name}`]") };
            let (kind, words) = (self.kind(node), Self::words(node));
            let _ = writeln!(text, "| {name} | {kind} | {} |", in_a_cell(&words));
        }
        text
    }

    /// The table of the values that a definition can have.
    pub(super) fn values(&self, name: &str) -> String {
        let mut text = String::from("| value | |\n|---|---|\n");
        for variant in Self::variants(self.definition(name)) {
            let (value, words) = (self.value(variant), Self::words(variant));
            let _ = writeln!(text, "| {value} | {} |", in_a_cell(&[words, self.inner(variant)].concat()));
        }
        text
    }

    /// A variant as it is written: a word, or a table with one key.
    fn value(&self, variant: &Value) -> String {
        if let Some(word) = variant["const"].as_str() {
            return format!("`\"{word}\"`");
        }
        let Some(Key { name, node, .. }) = keys(variant).next() else { return self.kind(variant) };
        let inner: Vec<String> = keys(node).map(|key| format!("{} = …", key.name)).collect();
        match inner.is_empty() {
            true => format!("`{{ {name} = … }}`, {}", self.kind(node)),
            false => format!("`{{ {name} = {{ {} }} }}`", inner.join(", ")),
        }
    }

    /// What the keys are of a variant that has some of its own.
    fn inner(&self, variant: &Value) -> String {
        let inner = keys(variant)
            .flat_map(|key| keys(key.node))
            .map(|Key { name, node, .. }| format!(" `{name}` ({}): {}", self.kind(node), Self::words(node)));
        inner.collect()
    }

    /// What a value is, in a few words.
    fn kind(&self, node: &Value) -> String {
        if let Some(reference) = node["$ref"].as_str() {
            return match reference.rsplit('/').next().unwrap_or_default() {
                "Span" => "a span".to_owned(),
                "Step" => "a step".to_owned(),
                name => format!("[{name}](#{})", name.to_lowercase()),
            };
        }
        if let Some(of) = node["anyOf"].as_array().and_then(|any| any.first()) {
            return self.kind(of);
        }
        let of = node["type"].as_str().or_else(|| node["type"][0].as_str());
        match of {
            Some("string") => "text".to_owned(),
            Some("integer") => "a number".to_owned(),
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("array") => match node["minItems"].as_u64() {
                Some(_) => format!("two {}", self.kinds(&node["items"])),
                None => format!("a list of {}", self.kinds(&node["items"])),
            },
            Some("object") => match node.get("additionalProperties").filter(|each| each.is_object()) {
                Some(each) if node.get("propertyNames").is_some() => {
                    format!("{} for each {}", self.kind(each), self.kind(&node["propertyNames"]))
                }
                Some(each) => format!("a table of {}", self.kinds(each)),
                None => "a table".to_owned(),
            },
            _ => "any value".to_owned(),
        }
    }

    /// All definitions but texts, in the order in which the whole speaks of them.
    pub(super) fn values_of_the_whole(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.look_for_values(self.root(), &mut found);
        found
    }

    /// What several values are.
    fn kinds(&self, node: &Value) -> String {
        match self.kind(node).as_str() {
            "text" => "texts".to_owned(),
            "a number" => "numbers".to_owned(),
            "a span" => "spans".to_owned(),
            kind => kind.to_owned(),
        }
    }

    /// The definitions that a definition speaks of, and they in turn, by their names; but for texts.
    pub(super) fn values_below(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.look_for_values(self.definition(name), &mut found);
        found
    }

    fn look_for_values(&self, node: &Value, found: &mut Vec<String>) {
        if let Some(reference) = node["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            let definition = self.definition(name);
            if definition["type"] != "string" && !found.iter().any(|known| known == name) {
                found.push(name.to_owned());
                self.look_for_values(definition, found);
            }
        }
        let variants = Self::variants(node).chain(node["anyOf"].as_array().into_iter().flatten());
        let inner = [node.get("items"), node.get("propertyNames")].into_iter().flatten();
        variants.chain(inner).for_each(|below| self.look_for_values(below, found));
        keys(node).for_each(|key| self.look_for_values(key.node, found));
    }

    /// Values that fit a node: of each alternative in it one, the others the same meanwhile.
    pub(super) fn samples(&self, node: &Value) -> Vec<Value> {
        if let Some(reference) = node["$ref"].as_str() {
            return self.samples(self.definition(reference.rsplit('/').next().unwrap_or_default()));
        }
        if let Some(word) = node.get("const") {
            return vec![word.clone()];
        }
        if let Some(examples) = node["examples"].as_array() {
            return examples.clone();
        }
        if node.get("oneOf").is_some() {
            return Self::variants(node).flat_map(|variant| self.samples(variant)).collect();
        }
        match node["type"].as_str() {
            Some("string") => vec![json!("a")],
            Some("integer") => vec![json!(2)],
            Some("boolean") => vec![json!(true), json!(false)],
            Some("array") => {
                let one = self.samples(&node["items"]).swap_remove(0);
                vec![json!(vec![one; node["minItems"].as_u64().unwrap_or(1) as usize])]
            }
            _ => self.tables(node),
        }
    }

    fn tables(&self, node: &Value) -> Vec<Value> {
        let keys: Vec<_> =
            keys(node).filter(|key| key.is_needed).map(|key| (key.name, self.samples(key.node))).collect();
        let base: Map<String, Value> =
            keys.iter().map(|(name, values)| ((*name).to_owned(), values[0].clone())).collect();
        let others =
            keys.iter().flat_map(|(name, values)| values[1..].iter().map(move |value| (name, value)));
        let varied = others.map(|(name, value)| {
            let mut table = base.clone();
            table.insert((*name).to_owned(), value.clone());
            Value::Object(table)
        });
        std::iter::once(Value::Object(base.clone())).chain(varied).collect()
    }
}

/// The keys of a table: those that are needed in the order of the code, then the others by their names.
fn keys(node: &Value) -> impl Iterator<Item = Key<'_>> {
    let needed: Vec<&str> =
        node["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let all = node["properties"].as_object().into_iter().flatten();
    let others = all.map(|(name, _)| name.as_str()).filter(|name| !needed.contains(name)).collect::<Vec<_>>();
    let named = |is_needed| move |name| Key { name, node: &node["properties"][name], is_needed };
    needed.clone().into_iter().map(named(true)).chain(others.into_iter().map(named(false)))
}

/// Text as it can stand in a cell of a table.
pub(super) fn in_a_cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
