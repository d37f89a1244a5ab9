//! An Internet mail gateway after the Exchange Internet Mail Service (IMS, event source `MSExchangeIMC`).
//!
//! The modules in the order of a message's life:
//!
//! | module | what it knows |
//! |---|---|
//! | [`env`] | the seam: everything the gateway asks of the machine it runs on |
//! | [`address`], [`envelope`] | the words of mail: mailboxes, domains, reverse paths, recipients |
//! | [`release`] | which historical release this is, and which documented defects it has |
//! | [`eventlog`] | the numbered events that an administrator reads |
//! | [`exception`] | the filter that turns a panic into event 4037 |
pub mod address;
pub mod env;
pub mod envelope;
pub mod eventlog;
pub mod exception;
pub mod release;
