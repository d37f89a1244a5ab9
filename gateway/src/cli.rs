//! The command line of the `gateway` program.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

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
    /// Reads and checks a configuration and what it names, and starts nothing.
    Check {
        /// The service that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Looks at the queue, and changes what is in it.
    Queue {
        /// What is done with it.
        #[command(subcommand)]
        command: QueueCommand,
    },
    /// Prints what the running service has counted.
    Stats {
        /// The service that is meant.
        #[command(flatten)]
        config: ConfigFile,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Has the running service read its configuration anew, as SIGHUP does. What has begun goes on as it was.
    Reload {
        /// The service that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Makes the secret of a password, for the key `secret` of a mailbox: reads the password, one line, from standard
    /// input, and prints the secret.
    Secret,
}

/// The configuration of the service that is meant.
#[derive(Args)]
pub struct ConfigFile {
    /// The configuration file of the service.
    #[arg(long = "config", value_name = "CONFIG")]
    pub path: PathBuf,
}

/// What is done with the queue.
#[derive(Subcommand)]
pub enum QueueCommand {
    /// Lists what is in it, the oldest first. Where the service does not run, its spool is read.
    List {
        /// The service that is meant.
        #[command(flatten)]
        config: ConfigFile,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows all that is known of a message or an entry: envelope, journal and header.
    Show {
        /// Its name, such as WKA6D6YM or WKA6D6YM.1.
        id: String,
        /// The service that is meant.
        #[command(flatten)]
        config: ConfigFile,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Has entries tried at once, those that wait for ETRN too.
    Retry(Selection),
    /// Keeps entries from being tried until they are released. What is held does not expire.
    Hold(Selection),
    /// Lets held entries go: each is tried once, however old it is.
    Release(Selection),
    /// Deletes entries. Nobody is told but the event log; one that is being sent is deleted when that try is over.
    Delete(Selection),
}

impl QueueCommand {
    /// The configuration of the service whose queue it is.
    pub fn config(&self) -> &Path {
        match self {
            QueueCommand::List { config, .. } | QueueCommand::Show { config, .. } => &config.path,
            QueueCommand::Retry(selection)
            | QueueCommand::Hold(selection)
            | QueueCommand::Release(selection)
            | QueueCommand::Delete(selection) => &selection.config.path,
        }
    }
}

/// The entries that are meant.
#[derive(Args)]
pub struct Selection {
    /// Their names, or those of their messages.
    #[arg(required_unless_present_any = ["all", "domain"])]
    pub ids: Vec<String>,
    /// All entries.
    #[arg(long, conflicts_with_all = ["ids", "domain"])]
    pub all: bool,
    /// Those with a recipient in this domain.
    #[arg(long, conflicts_with = "ids")]
    pub domain: Option<String>,
    /// The service that is meant.
    #[command(flatten)]
    pub config: ConfigFile,
}
