//! An Internet mail gateway after the Exchange Internet Mail Service (IMS, event source `MSExchangeIMC`).
//!
//! # A guided tour
//!
//! [`Config`](config::Config) is everything that an administrator decides, read from one TOML file. [`Env`](env::Env) is
//! the machine: sockets, files, the time of day, entropy, key derivation and tasks, six small traits, of
//! which [`env::host`] is the real one. A [`Gateway`](service::Gateway) is started with the two. From then on a message goes
//! this way: a session takes it from a client and writes it into the [`spool`], and only when it is durable answers
//! `250`; the worker behind `in/` asks the [`extension`] chain and the [`routing`] table where each recipient's mail goes;
//! the courier hands it on, tries again, and gives up in the end; a [`report`] says so. What an administrator should know
//! of it is an [`Event`](eventlog::Event).
//!
//! ```
//! use gateway::config::Config;
//! use gateway::release::{Defect, Release};
//! use gateway::routing::Route;
//!
//! let config = Config::parse(
//!     r#"
//!     release = "5.0 RTM"
//!     host = "ims.contoso.test"
//!     spool = "/imcdata"
//!     store = "/mailboxes"
//!     route = [{ domain = "contoso.test", to = "<inbound>" }]
//!     "#,
//!     "gateway.toml",
//! )?;
//! assert_eq!(config.routes.route(&"sales.contoso.test".parse()?), Route::Inbound);
//! assert_eq!(config.routes.route(&"partner.test".parse()?), Route::Onward);
//!
//! // A historical release has the documented defects of its time.
//! assert!(config.release.has(Defect::Q169681));
//! assert!(!Release::Current.has(Defect::Q169681));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The modules
//!
//! In the order in which a message meets them:
//!
//! | module | what it knows |
//! |---|---|
//! | [`mod@env`] | the seam: everything the gateway asks of the machine it runs on |
//! | [`address`], [`envelope`] | the words of mail: mailboxes, domains, reverse paths, recipients |
//! | [`dsn`] | what a sender asks of the reports on a message |
//! | [`release`] | which historical release this is, and which documented defects it has |
//! | [`config`] | the one file that says how it is set up |
//! | [`cli`], [`process`], [`output`] | the command line of the program, who its process is, and its standard output |
//! | [`service`] | starting, serving and ending; the session, the inbound worker and the courier |
//! | [`smtp`] | the wire: lines, end of data, commands, replies, and handing a message to another host |
//! | [`tls`] | what a connection is encrypted with |
//! | [`accept`], [`sasl`], [`secret`], [`directory`] | which hosts may connect, and who a client is |
//! | [`submission`], [`relay`] | who may submit, and have mail passed on |
//! | [`turf`] | whose mail is not wanted |
//! | [`milter`] | the filters of other programs, and what they make of a message |
//! | [`trace`] | the `Received` line, and counting hops |
//! | [`spool`] | messages on disk, from acceptance to delivery |
//! | [`extension`], [`routing`], [`dns`] | where a recipient's mail goes |
//! | [`store`] | the mailboxes of this server |
//! | [`queue`] | the spool as an administrator looks at it |
//! | [`report`] | non-delivery reports and notifications to the administrator |
//! | [`tracking`] | the record of each step of a message |
//! | [`eventlog`] | the numbered events that an administrator reads |
//! | [`admin`] | the listener for administrators and monitors, and its client |
//! | [`exception`] | the filter that turns a panic into event 4037 |
//! | [`reach`] | the points of which a tester asks whether they were ever reached |

pub mod accept;
pub mod address;
pub mod admin;
pub mod cli;
pub mod config;
pub mod directory;
pub mod dns;
pub mod dsn;
pub mod embedded;
pub mod env;
pub mod envelope;
pub mod eventlog;
pub mod exception;
pub mod extension;
pub mod milter;
pub mod output;
#[cfg(unix)]
pub mod process;
pub mod queue;
pub mod reach;
pub mod relay;
pub mod release;
pub mod report;
pub mod routing;
pub mod sasl;
pub mod secret;
pub mod service;
pub mod smtp;
pub mod spool;
pub mod store;
pub mod submission;
pub mod tls;
pub mod trace;
pub mod tracking;
mod transfer_encoding;
pub mod turf;
