//! The words of the source code that no running program knows: what a module says at its top, and what stands before a
//! variant.

use std::path::Path;

use miette::{IntoDiagnostic, WrapErr};

/// The text of a source file of the project.
///
/// # Errors
/// It cannot be read.
#[expect(clippy::disallowed_methods, reason = "the project's source is the machine's, not a run's")]
pub(super) fn read(root: &Path, path: &str) -> miette::Result<String> {
    std::fs::read_to_string(root.join(path))
        .into_diagnostic()
        .wrap_err_with(|| format!("{path} cannot be read: the reference is made from the project's source"))
}

/// What a module says at its top, without the links that only the compiler can follow.
pub(super) fn header(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let text = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n");
    without_paths(&text)
}

/// What the comment of a file says that begins with these words, on one line and without them.
pub(super) fn comment(source: &str, begins: &str) -> Option<String> {
    let begins = format!("/// {begins}");
    let mut lines = source.lines().map(str::trim_start);
    let first = lines.find_map(|line| line.strip_prefix(&begins))?;
    let further = lines.map_while(|line| line.strip_prefix("///"));
    Some(std::iter::once(first).chain(further).map(str::trim).collect::<Vec<_>>().join(" "))
}

/// `[model](super::model)` becomes `model`, and what is in backticks stays so.
fn without_paths(text: &str) -> String {
    let mut parts = text.split('[');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once("](") {
            Some((words, rest)) if rest.split(')').next().is_some_and(|path| path.contains("::")) => {
                shown += words;
                shown += rest.split_once(')').map_or("", |(_, after)| after);
            }
            _ => {
                shown.push('[');
                shown += part;
            }
        }
    }
    shown
}
