//! The page of the oracles: each with its promise, and with what its module says at its top.

use std::fmt::Write as _;
use std::path::Path;

use sim::oracle::ORACLES;

use super::schema::in_a_cell;
use super::source;

const OPENING: &str = "\
What must be true of every run, whatever its plan. [Oracles](../oracles.md) says how they judge, and how to add one.
";

/// The page.
///
/// # Errors
/// A module cannot be read.
pub(super) fn page(root: &Path) -> miette::Result<String> {
    let mut text = format!("# Oracles, every one\n\n{OPENING}\n| oracle | promise |\n|---|---|\n");
    for oracle in ORACLES {
        let _ = writeln!(text, "| [{0}](#{0}) | {1} |", oracle.name, in_a_cell(oracle.promise));
    }
    for oracle in ORACLES {
        let module = source::read(root, &format!("sim/src/oracle/{}.rs", oracle.name))?;
        let _ = write!(text, "\n## {}\n\n{}\n", oracle.name, source::header(&module));
    }
    Ok(text)
}
