//! Renderings of the Record: as text, and as a page to look at.

mod end;
mod event_log;
mod full;
pub mod timeline;

pub use end::outcomes;
pub use event_log::{event_log, without_times};
pub use full::full;
