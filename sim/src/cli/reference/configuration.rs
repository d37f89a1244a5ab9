//! The page of the gateway's configuration: every key that its reader takes, as `docs/examples/gateway.toml` shows it.
//!
//! The reader itself is asked which keys there are, and which of them it needs. That a key which is commented out stands
//! there with its default is held by the gateway's own tests.

use std::fmt::Write as _;
use std::path::Path;

use gateway::config::{Config, Key};
use miette::miette;

use super::schema::in_a_cell;
use super::source;

const EXAMPLE: &str = "docs/examples/gateway.toml";

const OPENING: &str = "\
The gateway reads one TOML file, checked as a whole before anything starts: an unknown key, a wrong value or two settings
that contradict each other are refused with the line and the remedy. [A whole file](../examples/gateway.toml) has every
key; it runs as it is. In a [scenario](scenario-files.md) the same keys stand in `[gateway.config]`, but for `release`,
`host`, `listen`, `spool`, `store` and `[admin]`.
";

/// What the file shows.
enum Shown {
    /// The head of a table, as `[name]`, and what is said of it.
    Table {
        name: String,
        words: String,
    },
    Setting(Setting),
}

/// What the file shows of a key.
struct Setting {
    line: usize,
    key: String,
    value: String,
    words: String,
    is_default: bool,
}

/// The page.
///
/// # Errors
/// The file cannot be read, does not show a key, or shows one that the reader does not take.
pub(super) fn page(root: &Path) -> miette::Result<String> {
    let file = source::read(root, EXAMPLE)?;
    let mut missing = gateway::config::keys();
    let head = "| key | value | default | |\n|---|---|---|---|\n";
    let mut text = format!("# Configuration, every key\n\n{OPENING}\n## At the top\n\n{head}");
    let mut table = String::new();
    for shown in shown(&file) {
        match shown {
            Shown::Table { name, words } => {
                let words = if words.is_empty() { words } else { words.trim().to_owned() + "\n\n" };
                let _ = write!(text, "\n## `{name}`\n\n{words}{head}");
                table = name.trim_matches(['[', ']']).to_owned();
            }
            Shown::Setting(setting) => {
                let name =
                    if table.is_empty() { setting.key.clone() } else { format!("{table}.{}", setting.key) };
                let is_known =
                    missing.iter().position(|key: &Key| key.name == name).map(|at| missing.remove(at));
                // The keys of an extension are its own.
                if is_known.is_none() && table != "extension" {
                    return Err(miette!("{EXAMPLE} shows a key that the gateway does not take: `{name}`"));
                }
                text += &row(&setting, is_needed(&file, &setting));
            }
        }
    }
    match missing.first() {
        None => Ok(text),
        Some(key) => Err(miette!("{EXAMPLE} does not show the key `{}`", key.name)),
    }
}

fn row(setting: &Setting, is_needed: bool) -> String {
    let Setting { key, value, words, is_default, .. } = setting;
    let lower = words.to_lowercase();
    let (words, default) = match lower.rfind("default: ") {
        _ if is_needed => (&words[..], "needed".to_owned()),
        _ if *is_default => (&words[..], format!("`{value}`")),
        Some(at) => {
            (words[..at].trim_end().trim_end_matches(';'), words[at + "default: ".len()..].to_owned())
        }
        None => (&words[..], String::new()),
    };
    let words = words.strip_prefix("example").map_or(words, |rest| rest.trim_start_matches(':').trim_start());
    format!(
        "| `{key}` | {} | {} | {} |\n",
        kind(value),
        in_a_cell(default.trim_end_matches('.')),
        in_a_cell(words)
    )
}

/// What kind of value it is, by the one that is shown.
fn kind(value: &str) -> &'static str {
    let table: Option<toml::Table> = toml::from_str(&format!("value = {value}")).ok();
    match table.as_ref().and_then(|table| table.get("value")) {
        Some(toml::Value::Integer(_)) => "a number",
        Some(toml::Value::Boolean(_)) => "`true` or `false`",
        Some(toml::Value::Array(_)) => "a list of texts",
        _ => "text",
    }
}

/// Whether the reader refuses the file, with everything in it that is commented out, for want of this key.
fn is_needed(file: &str, setting: &Setting) -> bool {
    let (above, below) = (file.lines().take(setting.line), file.lines().skip(setting.line + 1));
    let without: String = above.chain(below).map(|line| [uncommented(line), "\n"].concat()).collect();
    let refused = Config::parse(&without, EXAMPLE).err();
    refused.is_some_and(|error| error.what().contains("is missing") || error.what().contains("no name"))
}

/// A line of the file without the `#` before a setting or a head.
fn uncommented(line: &str) -> &str {
    line.strip_prefix("# ").filter(|bare| head(bare).is_some() || setting(bare).is_some()).unwrap_or(line)
}

/// The heads and the settings of the file, each with what is said of it: behind it, or else in the comment above.
fn shown(file: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut above = String::new();
    for (line, text) in file.lines().enumerate() {
        let bare = uncommented(text);
        if let Some(name) = head(bare) {
            all.push(Shown::Table { name: name.to_owned(), words: std::mem::take(&mut above) });
        } else if let Some((key, rest)) = setting(bare) {
            let (value, behind) = rest.split_once(" # ").unwrap_or((rest, ""));
            let behind = behind.trim();
            let words = if behind.is_empty() { above.trim() } else { behind };
            all.push(Shown::Setting(Setting {
                line,
                key: key.to_owned(),
                value: value.trim().to_owned(),
                words: words.to_owned(),
                is_default: bare != text && !behind.starts_with("example"),
            }));
            if behind.is_empty() {
                above.clear();
            }
        } else if let Some(further) = further(text) {
            // What is said behind a setting goes on below it.
            if let Some(Shown::Setting(setting)) = all.last_mut() {
                setting.words = [&setting.words, " ", further].concat();
            }
        } else if let Some(comment) = text.strip_prefix('#') {
            above = [&above, comment].concat();
        } else {
            above.clear();
        }
    }
    all
}

/// A comment that goes on from behind the line above.
fn further(line: &str) -> Option<&str> {
    let indented = line.strip_prefix('#').unwrap_or(line).strip_prefix("    ")?;
    indented.trim_start().strip_prefix("# ")
}

/// The head of a table.
fn head(line: &str) -> Option<&str> {
    line.starts_with('[').then(|| line.trim_end()).filter(|line| line.ends_with(']'))
}

/// The key and the value of a line that sets one.
fn setting(line: &str) -> Option<(&str, &str)> {
    line.split_once(" = ")
        .filter(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
}
