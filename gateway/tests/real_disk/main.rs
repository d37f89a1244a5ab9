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
    let test = |name: &str, run: fn()| {
        let run = move || {
            run();
            Ok(())
        };
        Trial::test(name, run)
    };
    let tests = vec![
        test("kill::five_times_under_load", || kill::under_load(5)),
        // Half a minute or more: cargo test -p gateway --test real_disk -- --ignored kill
        test("kill::a_hundred_times_under_load", || kill::under_load(100)).with_ignored_flag(true),
        // Ignored where this program may mount no file system of its own.
        test("full::mail_is_put_off_and_what_was_taken_stays", full::put_off).with_ignored_flag(!can_mount),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}
