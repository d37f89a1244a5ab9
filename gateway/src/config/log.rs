//! What is written down, and who the process is: the tables `[log]` and `[process]`, from the file to values that make sense.

use std::path::Path;

use super::check::directory;
use super::error::Source;
use super::file;
use super::{ConfigError, LogConfig, ProcessConfig};

pub(super) fn log(source: &Source, log: &file::Log, spool: &Path) -> Result<LogConfig, ConfigError> {
    Ok(LogConfig {
        format: log.format.as_ref().map(|format| *format.as_ref()),
        tracking: log.tracking.as_ref().map(|text| directory(source, text)).transpose()?,
        protocol: log.protocol.as_ref().map(|level| *level.as_ref()).unwrap_or_default(),
        protocol_directory: match &log.protocol_directory {
            Some(text) => directory(source, text)?,
            None => spool.join("log"),
        },
    })
}

pub(super) fn process(source: &Source, process: &file::Process) -> Result<ProcessConfig, ConfigError> {
    match &process.user {
        Some(user) if user.as_ref().is_empty() || user.as_ref() == "root" => {
            let remedy = "name a user who has no special rights, or take the key out";
            Err(source.error(user.span(), "the service is not to go on as root", remedy))
        }
        user => Ok(ProcessConfig { user: user.as_ref().map(|user| user.as_ref().clone()) }),
    }
}
