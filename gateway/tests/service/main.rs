//! A running service and the hosts around it, on an in-memory network and a paused clock.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod connections;
mod courier;
mod destination;
mod disk;
mod dsn;
mod etrn;
mod extension;
mod flush_mode;
mod limits;
mod logs;
mod machine;
mod milter;
mod network;
mod recovery;
mod room;
mod scram;
mod session;
mod shutdown;
mod trouble;
mod unwanted;
