//! The service in the hands of administrators and monitors: a listener that speaks HTTP/1.1, and its client.
//!
//! | request | answer | for whom |
//! |---|---|---|
//! | `GET /healthz` | 200 while mail is taken; 503 in flush mode and while the service is being stopped | anybody |
//! | `GET /metrics` | the numbers, as Prometheus reads them | anybody |
//! | `GET /stats` | the same in JSON | administrators |
//! | `GET /queue`, `GET /queue/ID` | the queue, or all that is known of a message, in JSON | administrators |
//! | `POST /queue` | changes entries ([`Order`]) | administrators |
//! | `POST /reload` | has the configuration read anew | administrators |
//!
//! An administrator is who connects from this machine itself and has the token, which each start of the service draws anew
//! and leaves in the spool, in the file [`TOKEN`] that its owner alone can read. The token therefore never goes over a
//! network, where HTTP would show it.
//!
//! This module knows no queue: [`Control`](crate::service::Control) does.

pub mod client;
pub mod server;
pub mod show;

use serde::{Deserialize, Serialize};

use crate::service::{Change, Which};

/// The file in the spool that holds the token.
pub const TOKEN: &str = "admin-token";

/// A change of the queue: the body of `POST /queue`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What is to become of the entries.
    pub change: Change,
    /// Which entries.
    pub which: Which,
    /// Who asks, for the event log.
    pub by: String,
}

/// The answer to `POST /reload`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reloaded {
    /// The keys that have changed and wait for the next start.
    pub kept: Vec<String>,
}

/// The answer to what was not done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refused {
    /// Why not.
    pub error: String,
}
