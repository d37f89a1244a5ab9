//! The `gateway` program on the real machine, beside mail programs that others wrote: their clients send it mail, their
//! servers are its next hops and its name server, and their bounce parsers read its reports. One module for each program.
//!
//! A test whose program is not installed is named as ignored. What `.ci/run` installs is found by [`installed`].
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test is a mail client and an administrator, on the real machine"
)]

mod aiosmtpd;
mod bounce_parsers;
mod corpora;
mod curl;
mod exim;
mod gateway;
mod installed;
mod machine;
mod name_servers;
mod nodemailer;
mod postfix;
mod smtp_client;
mod smtp_sink;
mod smtp_source;
mod smtplib;
mod swaks;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let tests = [
        aiosmtpd::tests(),
        bounce_parsers::tests(),
        corpora::tests(),
        curl::tests(),
        exim::tests(),
        name_servers::tests(),
        nodemailer::tests(),
        postfix::tests(),
        smtp_sink::tests(),
        smtp_source::tests(),
        smtplib::tests(),
        swaks::tests(),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests.into_iter().flatten().collect()).exit();
}

/// A test that needs a program.
fn test(name: &str, is_installed: bool, test: fn()) -> Trial {
    let run = move || {
        test();
        Ok(())
    };
    Trial::test(name, run).with_ignored_flag(!is_installed)
}
