//! A deterministic simulator for an Internet mail gateway.
//!
//! ```text
//! scenario file + release + seed ──▶ Plan ──run──▶ Record ──judge──▶ verdict
//! ```
//!
//! The modules in the order in which a run goes through them:
//!
//! | module | what it knows |
//! |---|---|
//! | [`scenario`] | the files that people write, and what must be true of them |
//! | [`profile`] | what a seed may draw a scenario from |
//! | [`draw`] | every random draw: one seed, one stream a concern |
//! | [`fault`] | everything that a plan can have go wrong |
//! | [`plan`] | everything that will happen, written out before anything runs |
//! | [`run`](mod@run) | the run itself, top to bottom |
//! | [`subject`] | the software under test: the gateway as it ships, or another |
//! | [`contain`] | how what knows nothing of the seam is kept within a run, and named |
//! | [`engine`] | what carries the machines and the links between them |
//! | [`trace`] | everything that happens, down to the octet, in one digest |
//! | [`capture`] | what the wires carried and the disk held, for those who look at it |
//! | [`record`] | everything that happened, in order, and how it ended |
//! | [`mailbag`] | which message of the plan a stored message is |
//! | [`oracle`] | what must be true of every run |
//! | [`render`] | the Record as text, and as a page to look at |
//! | [`explore`] | many seeds, side by side |
//! | [`compare`] | the same seeds with other settings, and what differs |
//! | [`what_if`] | one scenario that is otherwise, and what then comes out otherwise |
//! | [`shrink`] | the smallest scenario that fails in the same way |
//! | [`capsule`] | a finding in one file, and whether it is still there |
//! | [`diff`] | two runs side by side |
//! | [`matrix`] | every scenario on every release |
//! | [`explain`] | the story of a failure, on one page |
//! | [`parity`] | one plan on two engines |
//! | [`count`](mod@count), [`nearest`] | how numbers and unknown names are spoken of |
//! | [`snapshot`], [`verdict`] | the Record beside what was reviewed and what is expected |

#[cfg(not(tokio_unstable))]
compile_error!(
    "build with --cfg tokio_unstable (the project's .cargo/config.toml sets it): without it turmoil leaves each \
     host's runtime unseeded, and `select!` would differ from run to run"
);

mod breach;
pub mod capsule;
pub mod capture;
pub mod compare;
pub mod contain;
pub mod count;
pub mod diff;
pub mod draw;
mod end;
pub mod engine;
pub mod explain;
pub mod explore;
pub mod fault;
pub mod filter;
mod links;
pub mod machine;
pub mod mailbag;
pub mod matrix;
pub mod nearest;
pub mod oracle;
pub mod parity;
mod peer;
pub mod plan;
pub mod profile;
mod queue;
mod reach;
pub mod record;
pub mod render;
pub mod run;
pub mod scenario;
mod scene;
mod service_control;
pub mod shrink;
pub mod snapshot;
pub mod span;
pub mod subject;
mod timed;
pub mod trace;
pub mod verdict;
pub mod what_if;
