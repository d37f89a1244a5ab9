//! What the `gateway` program does: it serves, checks a configuration, and asks a running service.

pub(super) mod check;
pub(super) mod operate;
pub(super) mod serve;

use std::path::Path;

use gateway::config::Config;
use miette::miette;

/// Reads a configuration file.
#[expect(clippy::disallowed_methods, reason = "a configuration is read outside of any run")]
pub(super) fn read(path: &Path) -> miette::Result<Config> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        miette!(help = "name one with --config that is there", "{shown} cannot be read: {error}")
    })?;
    Ok(Config::parse(&text, &shown.to_string())?)
}
