//! The event log that an administrator reads: numbered events after the MSExchangeIMC catalogue.
//!
//! [`Event`] says what can be logged; [`Event::log`] emits it with `tracing`, target `MSExchangeIMC`;
//! [`EventLogLayer`] is the `tracing` layer that hands each one to whoever keeps the log, as an [`Entry`] or as a
//! [`Detailed`] one with its fields. [`Format`] says how it is written.
//!
//! This module knows no clock and no file: the keeper adds the time and writes it where it likes.

mod catalogue;
mod format;
mod layer;

pub use catalogue::{Caller, Category, Event, Severity};
pub use format::Format;
pub(crate) use layer::is_the_gateways;
pub use layer::{Detailed, Entry, EventLogLayer};

/// The source of every event, and its `tracing` target. The service kept this name through all releases.
pub const SOURCE: &str = "MSExchangeIMC";
