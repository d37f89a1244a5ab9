//! The page of the gateway's configuration: every key that its reader takes, as `docs/examples/gateway.toml` shows it.
//!
//! The gateway's own tests hold that file to the reader: each key that is commented out stands there with its default.

use std::fmt::Write as _;
use std::path::Path;

use miette::miette;

use super::schema::in_a_cell;
use super::source;

const EXAMPLE: &str = "docs/examples/gateway.toml";

const OPENING: &str = "\
The gateway reads one TOML file, checked as a whole before anything starts: an unknown key, a wrong value or two settings
that contradict each other are refused with the line and the remedy. [A whole file](../examples/gateway.toml) has every
key. In a [scenario](scenario-files.md) the same keys stand in `[gateway.config]`.
";

/// What the file shows of a key.
#[derive(Default)]
struct Shown {
    table: String,
    key: String,
    value: String,
    words: String,
    is_default: bool,
}

/// The page.
///
/// # Errors
/// The file cannot be read, or does not show a key.
pub(super) fn page(root: &Path) -> miette::Result<String> {
    let shown = shown(&source::read(root, EXAMPLE)?);
    let known = gateway::config::keys();
    let mut text = format!("# Configuration, every key\n\n{OPENING}");
    let mut table = None;
    for key in &known {
        let (its, name) = key.name.rsplit_once('.').unwrap_or(("", &key.name));
        let Some(shown) = shown.iter().find(|shown| shown.table == its && shown.key == name) else {
            return Err(miette!("{EXAMPLE} does not show the key `{}`", key.name));
        };
        if table.replace(its) != Some(its) {
            let head = match (its, &key.list) {
                ("", _) => "At the top".to_owned(),
                (its, Some(list)) if list == its => format!("`[[{its}]]`"),
                (its, _) => format!("`[{its}]`"),
            };
            let _ = write!(text, "\n## {head}\n\n| key | type | default | |\n|---|---|---|---|\n");
        }
        let default = if shown.is_default { format!("`{}`", shown.value) } else { String::new() };
        let words = in_a_cell(&shown.words);
        let _ = writeln!(text, "| `{name}` | {} | {} | {words} |", kind(&shown.value), in_a_cell(&default));
    }
    Ok(text)
}

/// What kind of value it is, by the one that is shown.
fn kind(value: &str) -> &'static str {
    match value.parse::<toml::Value>() {
        Ok(toml::Value::Integer(_)) => "number",
        Ok(toml::Value::Boolean(_)) => "`true` or `false`",
        Ok(toml::Value::Array(_)) => "list of texts",
        _ => "text",
    }
}

/// Every key of the file, with what is said of it: behind it, or else in the comment above it and its neighbours.
fn shown(file: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let (mut table, mut above, mut is_fresh) = (String::new(), String::new(), true);
    for line in file.lines() {
        let (is_comment, bare) = match line.strip_prefix("# ") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        if let Some(header) = header(bare) {
            table = header.to_owned();
            (above, is_fresh) = (String::new(), true);
        } else if let Some((key, rest)) = setting(bare) {
            let (value, behind) = rest.split_once(" # ").unwrap_or((rest, ""));
            let (value, behind) = (value.trim(), behind.trim());
            let is_example = behind.starts_with("example") || above.contains("example:");
            let words = if behind.is_empty() { above.trim() } else { behind };
            all.push(Shown {
                table: table.clone(),
                key: key.to_owned(),
                value: value.to_owned(),
                words: words.to_owned(),
                is_default: is_comment && !is_example,
            });
            is_fresh = true;
        } else if bare.is_empty() {
            (above, is_fresh) = (String::new(), true);
        } else if is_comment {
            if is_fresh {
                above.clear();
            }
            is_fresh = false;
            above = [&above, " ", bare].concat();
        }
    }
    all
}

fn header(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[')?.split(']').next()?;
    Some(name.trim_start_matches('['))
}

/// The key and the value of a line that sets one.
fn setting(line: &str) -> Option<(&str, &str)> {
    line.split_once(" = ").filter(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
}
