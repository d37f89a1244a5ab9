//! `gateway check`: a configuration, and what it names.

use std::path::Path;

use gateway::config::Config;
use gateway::dns::StubResolver;
use gateway::env::host;
use gateway::extension::Registry;
use gateway::tls::Tls;
use miette::{IntoDiagnostic, miette};

/// Checks what a configuration names: the directories, the name servers, the extensions and the certificates, and
/// their files.
pub(crate) async fn check(config: &Config) -> miette::Result<()> {
    let env = host::env();
    for (key, directory) in [("spool", &config.spool), ("store", &config.store)] {
        writable(key, directory)?;
    }
    StubResolver::new(&config.dns, &env).into_diagnostic()?;
    Registry::builtin().load(&config.extensions, &env).await.into_diagnostic()?;
    Tls::load(&config.tls, &env).await.into_diagnostic()?;
    Ok(())
}

/// Whether a directory can be written to; of one that is not there, whether it can be made.
fn writable(key: &str, directory: &Path) -> miette::Result<()> {
    let help = "name a directory that the service may write to, or let it write there";
    let mut ancestors =
        directory.ancestors().map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    let Some(there) = ancestors.find(|above| above.exists()) else {
        return Err(miette!(help = help, "`{key}`: there is no `{}`", directory.display()));
    };
    if !there.is_dir() {
        return Err(miette!(help = help, "`{key}`: `{}` is no directory", there.display()));
    }
    may_write(there)
        .map_err(|why| miette!(help = help, "`{key}`: `{}` cannot be written to: {why}", there.display()))
}

#[cfg(unix)]
fn may_write(directory: &Path) -> std::io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Elsewhere nobody asks the system yet: it is found out when the service starts.
#[cfg(not(unix))]
fn may_write(_directory: &Path) -> std::io::Result<()> {
    Ok(())
}
