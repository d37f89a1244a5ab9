//! `imcext`: the sample routing extension of the BackOffice Resource Kit (`Imcext.dll`), reconstructed.
//!
//! Documented (KB Q169681): the extension has a file `Imcroute.cfg` of its own in which domains are associated with
//! hosts, and `localhost` can stand as a host. Reconstructed: the answers below, from what such a table was for in
//! a release that could not reroute by itself, and the [file's grammar](super::route_file).
//!
//! | the route file says | the extension answers |
//! |---|---|
//! | `localhost` | [`Disposition::ThisHost`] |
//! | another host | [`Disposition::Reroute`] to it |
//! | nothing | [`Disposition::Continue`] |
//!
//! The file is read once, when the service starts.

use std::io;
use std::path::PathBuf;

use serde::Deserialize;

use super::route_file::{Destination, RouteFile};
use super::{Disposition, Extension, LoadError, Subject};
use crate::address::Address;
use crate::env::{BoxFuture, Env};

/// The name of this extension in a configuration.
pub const NAME: &str = "imcext";

/// What the configuration says of this extension.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The path of the route file.
    routes: PathBuf,
}

struct Imcext {
    routes: RouteFile,
}

/// Loads the extension: reads `settings` and the route file that they name.
pub(super) async fn load(settings: toml::Table, env: Env) -> Result<Box<dyn Extension>, LoadError> {
    let failed = |why: Fault| LoadError::new(NAME, why);
    let Settings { routes: path } = settings
        .try_into()
        .map_err(|error: toml::de::Error| failed(Fault::Settings(error.message().trim().into())))?;
    let bytes = match env.disk.read(&path).await {
        Ok(bytes) => bytes,
        Err(why) => return Err(failed(Fault::Unreadable { path, why })),
    };
    let routes = RouteFile::parse(&path, &bytes).map_err(|error| LoadError::new(NAME, error))?;
    Ok(Box::new(Imcext { routes }))
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("its settings are wrong: {0}; its one setting is `routes`, the path of the route file")]
    Settings(String),
    #[error("its route file {path} cannot be read: {why}; set `routes` to a file that the service can read",
        path = path.display())]
    Unreadable { path: PathBuf, why: io::Error },
}

impl Extension for Imcext {
    fn name(&self) -> &str {
        NAME
    }

    fn route<'a>(&'a self, _: Subject<'a>, recipient: &'a Address) -> BoxFuture<'a, Disposition> {
        Box::pin(async move {
            match self.routes.destination(recipient.domain()) {
                Some(Destination::ThisHost) => Disposition::ThisHost,
                Some(Destination::Host(next_hop)) => Disposition::Reroute(next_hop.clone()),
                None => Disposition::Continue,
            }
        })
    }
}
