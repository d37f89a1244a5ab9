//! The pages of the two files that people write: scenarios and profiles, every key.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema::Schema;

const SCENARIO: &str = "\
What stands in a scenario file, table by table. [Scenario files](../scenario-files.md) shows one whole, and how to write
one. An editor that knows JSON Schema completes and checks the file with [this schema](../schema/scenario.json). The lines
of `[[fault]]` have [a page of their own](faults.md).
";

const PROFILE: &str = "\
What stands in a profile, table by table. [Profiles](../profiles.md) says how a seed draws from it. A range is two values,
both included; a chance is in percent. The schema for editors is [here](../schema/profile.json).
";

/// The page of scenario files.
pub(super) fn scenarios() -> String {
    page(
        "Scenario files",
        SCENARIO,
        sim::scenario::schema(),
        &Schema::new(sim::scenario::schema()).values_below("Fault"),
    )
}

/// The page of profiles.
pub(super) fn profiles() -> String {
    page("Profiles", PROFILE, sim::profile::schema(), &[])
}

/// A table for the whole and one for each definition, but for what is told elsewhere.
fn page(title: &str, opening: &str, schema: Value, elsewhere: &[String]) -> String {
    let schema = Schema::new(schema);
    let mut text =
        format!("# {title}, every key\n\n{opening}\n## File\n\n{}", schema.keys(schema.root(), &[]));
    for name in schema.values_of_the_whole() {
        if name == "Fault" || elsewhere.contains(&name) {
            continue;
        }
        let node = schema.definition(&name);
        let table = if node.get("oneOf").is_some() { schema.values(&name) } else { schema.keys(node, &[]) };
        let _ = write!(text, "\n## {name}\n\n{}\n\n{table}", Schema::words(node));
    }
    // The lines of faults have a page of their own.
    text.replace("(#fault)", "(faults.md)")
}
