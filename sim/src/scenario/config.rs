//! The gateway's configuration within a scenario file: the table `[gateway.config]`, and what every scenario decides
//! for it.
//!
//! The gateway reads a text of its own that is made from the table. When it refuses that text, the place of the
//! mistake is looked for in the scenario file.

use std::ops::Range;

use gateway::config::{Config, ConfigError};
use gateway::release::Release;
use miette::Diagnostic;

use super::{SPOOL, STORE, file, name_server};
use crate::fault::Family;
use crate::machine::FAULTY_EXTENSION;

/// Where the name server listens.
const DNS_PORT: u16 = 53;

/// The gateway's configuration on a release.
///
/// # Errors
/// The gateway refuses it.
pub(super) fn config(file: &file::File, release: Release) -> Result<Config, ConfigError> {
    let mut config = file.gateway.config.as_ref().clone();
    config.extend(decided(file, release));
    if file.fault.iter().any(|fault| fault.as_ref().family() == Family::Extension) {
        add_faulty_extension(&mut config);
    }
    let text = toml::to_string(&config).expect("a table that was read can be written");
    let mut config = Config::parse(&text, "[gateway.config]")?;
    config.dns.servers =
        name_server(file).map(|server| (server.address, DNS_PORT).into()).into_iter().collect();
    Ok(config)
}

/// Puts the extension that fails as the plan says before all others, unless the chain has it.
pub(crate) fn add_faulty_extension(config: &mut toml::Table) {
    let chain = config.entry("extension").or_insert_with(|| toml::Value::Array(Vec::new()));
    let is_it = |link: &toml::Value| link.get("name").and_then(toml::Value::as_str) == Some(FAULTY_EXTENSION);
    if let toml::Value::Array(chain) = chain
        && !chain.iter().any(is_it)
    {
        let link = toml::Table::from_iter([("name".to_owned(), FAULTY_EXTENSION.into())]);
        chain.insert(0, link.into());
    }
}

/// The addresses of the mailboxes in a configuration that the gateway takes.
pub(super) fn mailboxes(file: &file::File) -> Vec<String> {
    let any = file.releases.as_ref().first().copied().unwrap_or(Release::Current);
    let config = config(file, any).map(|config| config.mailboxes).unwrap_or_default();
    config.into_iter().map(|mailbox| mailbox.address.to_string()).collect()
}

/// The routing table as it is written: each entry's domain, and what it says under a key.
pub(super) fn routes(file: &file::File, key: &str) -> Vec<(String, String)> {
    let entries = file.gateway.config.as_ref().get("route").and_then(toml::Value::as_array);
    let entries = entries.into_iter().flatten();
    let text = |entry: &toml::Value, key| {
        entry.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
    };
    entries.map(|entry| (text(entry, "domain"), text(entry, key))).collect()
}

/// The key in the table that is not the table's to give, if there is one.
pub(super) fn not_its_own(file: &file::File) -> Option<String> {
    file.gateway.config.as_ref().keys().find(|key| is_decided(key)).cloned()
}

/// The keys that are the same in every scenario, or follow from the rest of the file.
const DECIDED: [&str; 5] = ["release", "host", "listen", "spool", "store"];

/// Whether a key is not a scenario's to give.
pub(super) fn is_decided(key: &str) -> bool {
    // Which name servers there are, `names` says.
    DECIDED.contains(&key) || key == "dns"
}

/// What those keys are.
fn decided(file: &file::File, release: Release) -> toml::Table {
    let values = [release.name(), file.gateway.name.as_ref(), "0.0.0.0:25", SPOOL, STORE];
    DECIDED.into_iter().zip(values).map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// Where in the scenario file the mistake is that the gateway refuses: the place itself if it can be found, the
/// whole table otherwise.
pub(super) fn place(file: &file::File, release: Release, text: &str, refused: &ConfigError) -> Range<usize> {
    let decided = toml::to_string(&decided(file, release)).expect("texts can be written");
    let own = only_the_table(text);
    match Config::parse(&format!("{decided}{own}"), "[gateway.config]") {
        Err(again) if again.what() == refused.what() => {
            let label = again.labels().and_then(|mut labels| labels.next());
            let found = label.and_then(|label| {
                let start = label.offset().checked_sub(decided.len())?;
                Some(start..start + label.len())
            });
            found.unwrap_or_else(|| file.gateway.name.span())
        }
        _ => file.gateway.config.span(),
    }
}

/// The scenario file with everything blanked out that is not of `[gateway.config]`: what is left stands where it
/// stood, as a configuration of its own. A file that writes the table in another way than with its header comes out
/// wrong, and then the mistakes found in it are others.
fn only_the_table(text: &str) -> String {
    const BELOW: &str = "gateway.config.";
    let mut is_within = false;
    let mut own = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let header = line.trim_start().trim_start_matches('[');
        let is_header = line.trim_start().starts_with('[');
        if is_header {
            is_within = header.starts_with(BELOW) || header.starts_with("gateway.config]");
        }
        own.push_str(&match is_within {
            true if is_header && header.starts_with(BELOW) => line.replacen(BELOW, &blank(BELOW), 1),
            true if !is_header => line.to_owned(),
            _ => blank(line),
        });
    }
    own
}

/// As many bytes, and the same line end.
fn blank(line: &str) -> String {
    line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}
