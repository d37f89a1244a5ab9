//! The `postmortem` program: replays scenarios and says whether they are as they should be.
//!
//! Exit codes: 0 all as expected, 1 a difference, a broken oracle or a finding that is still there, 2 bad usage or a bad
//! scenario file, 125 a finding that this build cannot judge (`git bisect run` then skips the commit), 130 interrupted
//! by Ctrl-C before all was done.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use cli::Ending;
use sim::capsule::CapsuleError;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(Ending::Good) => ExitCode::SUCCESS,
        Ok(Ending::Bad) => ExitCode::FAILURE,
        Ok(Ending::Interrupted) => ExitCode::from(cli::INTERRUPTED),
        Err(report) => {
            anstream::eprintln!("{report:?}");
            let capsule = report.downcast_ref::<CapsuleError>();
            ExitCode::from(if capsule.is_some_and(CapsuleError::cannot_judge) { 125 } else { 2 })
        }
    }
}
