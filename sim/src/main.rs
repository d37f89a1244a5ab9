//! The `postmortem` program: replays scenarios and says whether they are as they should be.
//!
//! Exit codes: 0 all as expected, 1 a difference or a broken oracle, 2 bad usage or a bad scenario file.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(good) => ExitCode::from(u8::from(!good)),
        Err(report) => {
            anstream::eprintln!("{report:?}");
            ExitCode::from(2)
        }
    }
}
