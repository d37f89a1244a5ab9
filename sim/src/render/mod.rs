//! Renderings of the Record as text.

mod end;
mod event_log;
mod full;
pub(crate) mod page;

pub(crate) use end::lines as end_lines;
pub use end::outcomes;
pub use event_log::{event_log, without_times};
pub(crate) use event_log::{rename, spool_names};
pub(crate) use full::elapsed;
pub use full::full;
