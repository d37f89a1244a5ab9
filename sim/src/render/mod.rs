//! Renderings of the Record: as text, and as files for other programs.
//!
//! | module | what opens it |
//! |---|---|
//! | [`full`](fn@full), [`event_log`](fn@event_log) | a terminal, a reviewer |
//! | [`json`] | `jq`, and whatever reads JSON |
//! | [`pcap`] | Wireshark |
//! | [`perfetto`] | Perfetto, `chrome://tracing` |

mod end;
mod event_log;
mod full;
pub mod json;
pub mod pcap;
pub mod perfetto;

pub use end::outcomes;
pub use event_log::{event_log, without_times};
pub use full::full;
