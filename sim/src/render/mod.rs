//! Renderings of the Record as text.

mod end;
mod event_log;
mod full;

pub use end::outcomes;
pub use event_log::{event_log, without_times};
pub use full::full;
