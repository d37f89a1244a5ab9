//! Renderings of the Record: as text, as a page to look at, and as files for other programs.
//!
//! | module | what opens it |
//! |---|---|
//! | [`full`](fn@full), [`event_log`](fn@event_log) | a terminal, a reviewer |
//! | [`timeline`] | a browser |
//! | [`json`] | `jq`, and whatever reads JSON |
//! | [`pcap`] | Wireshark |
//! | [`perfetto`] | Perfetto, `chrome://tracing` |

mod end;
mod event_log;
mod full;
pub mod json;
pub(crate) mod page;
pub mod pcap;
pub mod perfetto;
pub mod timeline;

pub(crate) use end::lines as end_lines;
pub use end::outcomes;
pub(crate) use event_log::{About, Happened, answers, happened, rename, spool_names};
pub use event_log::{event_log, without_times};
pub(crate) use full::elapsed;
pub use full::full;
