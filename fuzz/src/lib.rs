//! What the gateway reads from others, one function for each kind: it is given octets that nobody thought of, and panics
//! where the gateway does, or breaks a promise. `fuzz_targets/` has libFuzzer call them; the test `fuzz` of the gateway
//! calls each for a moment.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a target is a test: it panics, it is the machine of its gateway, and a test has it as a module"
)]

mod dns;
mod files;
mod machine;
mod milter;
mod session;
mod wire;

pub use dns::dns;
pub use files::{configuration, route_file, spool_file};
pub use milter::milter;
pub use session::session;
pub use wire::{data, reply};

/// A target and its name, which is that of its folder in `seeds/`.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 8] = [
    ("configuration", configuration),
    ("data", data),
    ("dns", dns),
    ("milter", milter),
    ("reply", reply),
    ("route_file", route_file),
    ("session", session),
    ("spool_file", spool_file),
];
