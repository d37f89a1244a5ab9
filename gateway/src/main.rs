//! The `gateway` program: the gateway on real sockets, a real disk and the real clock.
//!
//! Exit codes: 0 stopped as asked, or done; 1 the service did not start or an exception ended it, or what was asked of it
//! was not done; 2 bad usage or a wrong configuration or password.

mod program;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use gateway::cli::{Cli, Command};
use gateway::config::Config;
use gateway::env::host;
use gateway::secret::{self, Secret, USUAL_ITERATIONS};
use gateway::service::Exit;
use miette::{IntoDiagnostic, WrapErr, miette};
use program::{check, operate, read, serve};

fn main() -> ExitCode {
    let path = match Cli::parse().command {
        Command::Serve { config } => config,
        Command::Check { config } => return check(&config.path),
        Command::Queue { command } => {
            let config = command.config().to_owned();
            return ask(&config, async |config| operate::on_queue(config, command).await);
        }
        Command::Stats { config, json } => {
            return ask(&config.path, async |config| operate::stats(config, json).await.map(|()| true));
        }
        Command::Reload { config } => {
            return ask(&config.path, async |config| operate::reload(config).await.map(|()| true));
        }
        Command::Secret => return print_secret(),
    };
    let config = match read(&path) {
        Ok(config) => config,
        Err(report) => return refuse(&report, 2),
    };
    match serve::serve(path, config) {
        Ok(Exit::Stopped) => ExitCode::SUCCESS,
        Ok(Exit::Exception(_)) => ExitCode::FAILURE,
        Err(failed) => refuse(&failed.report, failed.code),
    }
}

fn refuse(report: &miette::Report, code: u8) -> ExitCode {
    eprintln!("{report:?}");
    ExitCode::from(code)
}

/// Checks a configuration and what it names.
fn check(path: &Path) -> ExitCode {
    let checked = read(path).and_then(|config| operate::runtime()?.block_on(check::check(&config)));
    match checked {
        Ok(()) => {
            println!("{} and what it names will do.", path.display());
            ExitCode::SUCCESS
        }
        Err(report) => refuse(&report, 2),
    }
}

/// Asks the service of a configuration.
fn ask(path: &Path, question: impl AsyncFnOnce(&Config) -> miette::Result<bool>) -> ExitCode {
    let config = match read(path) {
        Ok(config) => config,
        Err(report) => return refuse(&report, 2),
    };
    match operate::runtime().and_then(|runtime| runtime.block_on(question(&config))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(report) => refuse(&report, 1),
    }
}

/// Makes a secret of the password on standard input.
fn print_secret() -> ExitCode {
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line).into_diagnostic().wrap_err("the password cannot be read");
    let password = read.and_then(|_| {
        secret::prepared(line.trim_end_matches(['\r', '\n'])).ok_or_else(|| {
            let help = "type a password and Enter, or: printf %s PASSWORD | gateway secret";
            miette!(
                help = help,
                "the password is empty, or has a character that no password may have (RFC 4013)"
            )
        })
    });
    match password {
        Ok(password) => {
            let mut salt = [0; secret::SALT];
            host::env().entropy.fill(&mut salt);
            let salted = secret::salted(&password, &salt, USUAL_ITERATIONS);
            println!("{}", Secret::of(&salted, &salt, USUAL_ITERATIONS).text());
            ExitCode::SUCCESS
        }
        Err(report) => {
            eprintln!("{report:?}");
            ExitCode::from(2)
        }
    }
}
