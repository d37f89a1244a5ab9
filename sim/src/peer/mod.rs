//! The hosts around the gateway: clients that hand mail over, servers that take it, and the names of both.
//!
//! They are written apart from the gateway and share no code with it but the seam, so that the two check each other.

mod client;
mod dialogue;
mod names;
mod server;

pub(crate) use client::Client;
pub(crate) use names::Names;
pub(crate) use server::{Server, Taken};
