//! The command line of the `gateway` program.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// An Internet mail gateway after the Exchange Internet Mail Service.
#[derive(Parser)]
#[command(version)]
pub struct Cli {
    /// What it is to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Subcommand)]
pub enum Command {
    /// Takes and delivers mail until it is interrupted. The event log goes to standard output.
    Serve {
        /// The configuration file; docs/examples/gateway.toml shows every key.
        #[arg(long)]
        config: PathBuf,
    },
    /// Makes the secret of a password, for the key `secret` of a mailbox: reads the password, one line, from standard
    /// input, and prints the secret.
    Secret,
}
