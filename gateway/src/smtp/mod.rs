//! SMTP on the wire (RFC 5321), for both ends of a conversation.
//!
//! | module | what it knows |
//! |---|---|
//! | [`mod@line`] | bounded lines, and the one buffer that lines and message data share |
//! | [`data`] | where message data ends, and the dots that keep it from ending early |
//! | [`extensions`] | which service extensions there are, and who offers them |
//! | [`command`] | what a client's command line says |
//! | [`reply`] | what a server's reply says |
//! | `seven_bit` | what a message is for hosts that take seven bits alone |
//! | [`transcript`] | how a conversation is written down, without its secrets |
//! | [`client`] | one conversation that hands a message to another host |
//!
//! Nothing here knows a policy, a route or the spool.

pub mod client;
pub mod command;
pub mod data;
pub mod extensions;
pub mod international;
pub mod line;
pub mod reply;
mod seven_bit;
pub mod transcript;
