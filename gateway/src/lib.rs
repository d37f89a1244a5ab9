//! An Internet mail gateway after the Exchange Internet Mail Service (IMS, event source `MSExchangeIMC`).
//!
//! The modules in the order in which a message meets them:
//!
//! | module | what it knows |
//! |---|---|
//! | [`mod@env`] | the seam: everything the gateway asks of the machine it runs on |
//! | [`address`], [`envelope`] | the words of mail: mailboxes, domains, reverse paths, recipients |
//! | [`dsn`] | what a sender asks of the reports on a message |
//! | [`release`] | which historical release this is, and which documented defects it has |
//! | [`config`] | the one file that says how it is set up |
//! | [`service`] | starting, serving and ending; the session, the inbound worker and the courier |
//! | [`smtp`] | the wire: lines, end of data, commands, replies, and handing a message to another host |
//! | [`accept`], [`sasl`], [`directory`] | which hosts may connect, and who a client is |
//! | [`submission`], [`relay`] | who may submit, and have mail passed on |
//! | [`milter`] | the filters of other programs, and what they make of a message |
//! | [`trace`] | the `Received` line, and counting hops |
//! | [`spool`] | messages on disk, from acceptance to delivery |
//! | [`extension`], [`routing`], [`dns`] | where a recipient's mail goes |
//! | [`store`] | the mailboxes of this server |
//! | [`report`] | non-delivery reports and notifications to the administrator |
//! | [`eventlog`] | the numbered events that an administrator reads |
//! | [`exception`] | the filter that turns a panic into event 4037 |
//! | [`reach`] | the points of which a tester asks whether they were ever reached |

pub mod accept;
pub mod address;
pub mod cli;
pub mod config;
pub mod directory;
pub mod dns;
pub mod dsn;
pub mod env;
pub mod envelope;
pub mod eventlog;
pub mod exception;
pub mod extension;
pub mod milter;
pub mod reach;
pub mod relay;
pub mod release;
pub mod report;
pub mod routing;
pub mod sasl;
pub mod service;
pub mod smtp;
pub mod spool;
pub mod store;
pub mod submission;
pub mod trace;
