//! The page of the faults: every line that a plan can have, from the schema of scenario files.
//!
//! Which family a line is of, and as what it is counted, is asked of the lines themselves: each is made once with every
//! choice that it has.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;
use sim::fault::{Family, Fault};

use super::schema::Schema;

const OPENING: &str = "\
A `[[fault]]` of a [scenario file](scenario-files.md) has a `kind` and the keys of that kind. What is in brackets may be
left out. A span is text such as `\"90s\"` or `\"2h 30m\"`, since the start of the run where it is a moment; a step may be
negative. [Faults](../faults.md) says how they work together.

Kinds are counted more finely than they are written, and these names stand in the report of an exploration and in
`faults.kinds` of a [profile](profiles.md).
";

/// A kind of line, and as what it is counted.
struct Kind<'a> {
    node: &'a Value,
    name: &'a str,
    family: Family,
    counted: Vec<&'static str>,
}

/// The page.
pub(super) fn page() -> String {
    let schema = Schema::new(sim::scenario::schema());
    let families = Schema::new(schemars::schema_for!(Family).to_value());
    let kinds = kinds(&schema);
    let of = |family| kinds.iter().filter(move |kind| kind.family == family);
    let mut text = format!("# Faults, every kind\n\n{OPENING}\n| family | kinds |\n|---|---|\n");
    for family in Family::ALL {
        let links: Vec<String> = of(family).map(|kind| format!("[{0}](#{0})", kind.name)).collect();
        let _ = writeln!(text, "| [{0}](#family-{0}) | {1} |", name(family), links.join(", "));
    }
    for family in Family::ALL {
        let variant = Schema::variants(families.root()).find(|variant| variant["const"] == name(family));
        let words = variant.map(Schema::words).unwrap_or_default();
        let _ = write!(text, "\n## Family {}\n\n{words}\n", name(family));
        for Kind { node, name, counted, .. } in of(family) {
            let _ =
                write!(text, "\n### {name}\n\n{}\n\n{}", Schema::words(node), schema.keys(node, &["kind"]));
            if counted != &[*name] {
                let counted: Vec<String> = counted.iter().map(|kind| format!("`{kind}`")).collect();
                let _ = write!(text, "\nCounted as {}.\n", counted.join(", "));
            }
        }
    }
    text += "\n## Values\n";
    for value in schema.values_below("Fault") {
        let words = Schema::words(schema.definition(&value));
        let _ = write!(text, "\n### {value}\n\n{words}\n\n{}", schema.values(&value));
    }
    text
}

/// Every kind of line, in the order of the schema.
fn kinds(schema: &Schema) -> Vec<Kind<'_>> {
    let lines = Schema::variants(schema.definition("Fault"));
    let kinds: Vec<Kind<'_>> = lines.map(|node| kind(schema, node)).collect();
    let missing = Family::ALL
        .into_iter()
        .flat_map(Family::kinds)
        .find(|counted| !kinds.iter().any(|kind| kind.counted.contains(counted)));
    assert_eq!(missing, None, "no line that the schema allows is counted as this kind");
    kinds
}

fn kind<'a>(schema: &Schema, node: &'a Value) -> Kind<'a> {
    let name = node["properties"]["kind"]["const"].as_str().expect("a line's kind is a word");
    let lines = schema.samples(node).into_iter();
    let lines: Vec<Fault> =
        lines.map(|line| serde_json::from_value(line).expect("what the schema allows can be read")).collect();
    let mut counted: Vec<&'static str> = lines.iter().map(Fault::kind).collect();
    let mut seen = BTreeSet::new();
    counted.retain(|kind| seen.insert(*kind));
    Kind { node, name, family: lines[0].family(), counted }
}

/// A family's name, as it is written.
fn name(family: Family) -> String {
    serde_json::to_value(family)
        .ok()
        .and_then(|name| Some(name.as_str()?.to_owned()))
        .expect("a family is a word")
}
