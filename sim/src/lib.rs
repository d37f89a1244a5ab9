//! A deterministic simulator for an Internet mail gateway.
//!
//! ```text
//! scenario file + release + seed ──▶ Plan ──run──▶ Record ──judge──▶ verdict
//! ```
//!
//! # A guided tour
//!
//! A [`Scenario`](scenario::Scenario) is a file that somebody wrote, or what a [`Profile`](profile::Profile) draws for a
//! [`Seed`](draw::Seed). With a release and a seed it becomes a [`Plan`](plan::Plan): plain data in which every single
//! thing that will happen stands. Here the randomness ends. [`run`](run::run) has an [`Engine`](engine::Engine) carry the
//! plan out, with the gateway as it ships in the middle, and gives a [`Record`](record::Record): what happened, and a
//! digest of all of it, which is the same each time. The [`ORACLES`](oracle::ORACLES) then say what was promised and not
//! kept.
//!
//! ```
//! use gateway::release::Release;
//! use sim::{engine::Leap, oracle::judge, run::run, scenario::Scenario, trace::Keep};
//!
//! let text = r#"
//!     title = "Mail for a mailbox of this server arrives"
//!     starts = "1997-06-02T09:00:00Z"
//!     duration = "5m"
//!     seed = 1
//!     releases = ["5.0 RTM", "current"]
//!
//!     [gateway]
//!     name = "ims.contoso.test"
//!     address = "192.0.2.25"
//!     config.route = [{ domain = "contoso.test", to = "<inbound>" }]
//!     config.mailbox = [{ address = "bob@contoso.test" }]
//!
//!     [[client]]
//!     name = "mail.fabrikam.test"
//!     address = "198.51.100.7"
//!
//!     [[client.message]]
//!     name = "m1"
//!     at = "10s"
//!     from = "alice@fabrikam.test"
//!     to = ["bob@contoso.test"]
//!     subject = "Forty chairs"
//! "#;
//! let scenario = Scenario::parse("chairs", "chairs.toml", text)?;
//! let plan = scenario.plan(Release::Current, scenario.seed());
//!
//! let record = run(&plan, &Leap, Keep::Digest)?;
//! let (mailbox, mail) = &record.end.mailboxes[0];
//! assert_eq!((mailbox.as_str(), mail.len()), ("bob@contoso.test", 1));
//! assert!(judge(&plan, &record).is_empty());
//!
//! // The same plan is the same run, whenever and wherever it is made.
//! assert_eq!(run(&plan, &Leap, Keep::Digest)?.digest, record.digest);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From there on: [`explore`] does this for many seeds side by side, [`shrink`] makes what it finds small, [`capsule`]
//! keeps it in a file, and [`explain`] and [`render`] tell it. To put other software than the gateway to the test, make
//! it a [`Subject`](subject::Subject).
//!
//! # The modules
//!
//! In the order in which a run goes through them:
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
//! | [`live`] | the same scenario with the real process, on sockets and in time |
//! | [`keys`] | keys that are made of passwords, each once in a process |
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
pub mod keys;
mod links;
pub mod live;
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
mod tls;
pub mod trace;
mod utf8_address;
pub mod verdict;
pub mod what_if;
