//! The `gateway` program on a real disk: killed under load, and with no room left. What was answered with 250 is there
//! afterwards.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test is the clients, the next hop and an administrator, on the real machine"
)]

mod clients;
mod full;
mod kill;
mod next_hop;
mod program;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let can_mount = full::can_mount();
    let tests = vec![
        Trial::test("kill::five_times_under_load", || Ok(kill::under_load(5))),
        // Minutes: cargo test -p gateway --test real_disk -- --ignored kill
        Trial::test("kill::a_hundred_times_under_load", || Ok(kill::under_load(100))).with_ignored_flag(true),
        // Where this program may mount no file system of its own.
        Trial::test("full::mail_is_put_off_and_what_was_taken_stays", || Ok(full::put_off()))
            .with_ignored_flag(!can_mount),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}
