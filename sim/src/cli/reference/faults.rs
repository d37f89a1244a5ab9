//! The page of the faults: every line that a plan can have, from the schema of scenario files.
//!
//! Which family a line is of, and as what it is counted, is asked of the lines themselves: each is made once with every
//! choice that it has.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;
use sim::fault::{Family, Fault};

use super::schema::{Schema, in_a_cell};

const OPENING: &str = "\
A `[[fault]]` of a [scenario file](scenario-files.md) has a `kind` and the keys of that kind. What is in brackets may be
left out. A span is text such as `\"90s\"` or `\"2h 30m\"`, since the start of the run where it is a moment; a step may be
negative. [Faults](../faults.md) says how they work together.

Kinds are counted more finely than they are written, and these names stand in the report of an exploration and in
`faults.kinds` of a [profile](profiles.md).
";

/// Each kind of line, and as what it is counted.
type Kinds<'a> = Vec<(&'a Value, &'static str, Vec<&'static str>)>;

/// The page.
///
/// # Panics
/// A kind is counted that no line of the schema is.
pub(super) fn page() -> String {
    let schema = Schema::new(sim::scenario::schema());
    let families = Schema::new(schemars::schema_for!(Family).to_value());
    let by_family = by_family(&schema);
    let mut text = format!("# Faults, every kind\n\n{OPENING}\n| family | kinds |\n|---|---|\n");
    for (family, kinds) in &by_family {
        let links: Vec<String> = kinds.iter().map(|(_, kind, _)| format!("[{kind}](#{kind})")).collect();
        let _ = writeln!(text, "| [{0}](#{0}-1) | {1} |", name(*family), links.join(", "));
    }
    // A kind may have the name of its family; the family's heading then comes second.
    for (family, kinds) in &by_family {
        let variant = Schema::variants(families.root()).find(|variant| variant["const"] == name(*family));
        let words = variant.map(Schema::words).unwrap_or_default();
        let _ = write!(text, "\n## Family: {}\n\n{words}\n", name(*family));
        for (node, kind, counted) in kinds {
            let _ = write!(text, "\n### {kind}\n\n{}\n\n{}", Schema::words(node), schema.keys(node, &["kind"]));
            if counted != &[*kind] {
                let counted: Vec<String> = counted.iter().map(|kind| format!("`{kind}`")).collect();
                let _ = write!(text, "\nCounted as {}.\n", counted.join(", "));
            }
        }
    }
    text += "\n## Values\n";
    for value in VALUES {
        let words = Schema::words(schema.definition(value));
        let _ = write!(text, "\n### {value}\n\n{}\n\n{}", in_a_cell(&words), schema.values(value));
    }
    text
}
