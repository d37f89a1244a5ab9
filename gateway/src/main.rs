//! The `gateway` program: the gateway on real sockets, a real disk and the real clock.
//!
//! Exit codes: 0 stopped as asked, 1 the service did not start or an exception ended it, 2 bad usage or a wrong
//! configuration or password.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use gateway::cli::{Cli, Command};
use gateway::config::Config;
use gateway::dns::StubResolver;
use gateway::env::{Env, host};
use gateway::eventlog::{Detailed, Event, EventLogLayer, Format};
use gateway::extension::Registry;
use gateway::output::Output;
use gateway::process;
use gateway::secret::{self, Secret, USUAL_ITERATIONS};
use gateway::service::{Exit, Gateway, StartError};
use miette::{IntoDiagnostic, WrapErr, miette};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How many threads wait for the disk. Each new one that has nothing to do costs those that have; fewer hold up what is
/// synchronised at the same time.
const DISK_THREADS: usize = 32;

fn main() -> ExitCode {
    let config = match Cli::parse().command {
        Command::Serve { config } => config,
        Command::Secret => return print_secret(),
    };
    let served = read(&config).map(serve);
    match served {
        Ok(Ok(Exit::Stopped)) => ExitCode::SUCCESS,
        Ok(Ok(Exit::Exception(_))) => ExitCode::FAILURE,
        Ok(Err(report)) => {
            eprintln!("{report:?}");
            ExitCode::FAILURE
        }
        Err(report) => {
            eprintln!("{report:?}");
            ExitCode::from(2)
        }
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

#[expect(clippy::disallowed_methods, reason = "the configuration is read before there is a gateway")]
fn read(path: &PathBuf) -> miette::Result<Config> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| miette!(help = "name a file with --config", "{shown} cannot be read: {error}"))?;
    Ok(Config::parse(&text, &shown.to_string())?)
}

fn serve(config: Config) -> miette::Result<Exit> {
    process::keep_files_private();
    let bound = host::Bound::default();
    let mut listens = Ok(());
    if let Some(user) = &config.process.user {
        // As root, but with one thread and nothing done yet: neither the spool nor a client has been seen.
        let mut addresses = [Some(config.listen), config.listen_tls].into_iter().flatten();
        listens = addresses.try_for_each(|address| bound.bind(address).map_err(|why| (address, why)));
        process::become_user(user).into_diagnostic()?;
    }
    let output = log_to_standard_output(config.log.format);
    let served = serve_logged(config, bound, listens);
    output.close();
    served
}

/// From here on what is logged is written.
fn log_to_standard_output(format: Option<Format>) -> Arc<Output> {
    let default = || if process::is_stdout_the_journal() { Format::Journald } else { Format::Human };
    let format = format.unwrap_or_else(default);
    let (output, clock) = (Arc::new(Output::start()), host::env().clock);
    let pen = Arc::clone(&output);
    let print = move |event: Detailed| {
        let now = clock.now();
        let left_out = |count| format.text(&Detailed::from(&Event::EventsLeftOut { count }), now);
        pen.write(format.text(&event, now), left_out);
    };
    tracing_subscriber::registry().with(EventLogLayer::new(print)).init();
    output
}

fn serve_logged(
    config: Config,
    bound: host::Bound,
    listens: Result<(), (SocketAddr, io::Error)>,
) -> miette::Result<Exit> {
    if let Err((address, why)) = listens {
        Event::ListenFailed { address, why: why.to_string() }.log();
        return Err(StartError::Listen { address, why }).into_diagnostic();
    }
    for directory in [&config.spool, &config.store] {
        if let Some(mode) = process::open_to_all(directory) {
            let (directory, mode) = (directory.display().to_string(), format!("{mode:03o}"));
            Event::ReadableByAll { directory, mode }.log();
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .build()
        .into_diagnostic()
        .wrap_err("the runtime cannot be started")?;
    runtime.block_on(run(config, host::env_with(bound)))
}

async fn run(config: Config, env: Env) -> miette::Result<Exit> {
    let resolver = StubResolver::new(&config.dns, &env).into_diagnostic()?;
    let gateway =
        Gateway::start(config, env, Arc::new(resolver), &Registry::builtin()).await.into_diagnostic()?;
    Ok(gateway.run(interrupted()).await)
}

/// Ready when the program is asked to end, by Ctrl-C or SIGTERM.
async fn interrupted() {
    let asked = async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => io::Result::Ok(()),
        }
    };
    if asked.await.is_err() {
        // Signals cannot be had here: only a kill ends the program, and the spool is made for that.
        std::future::pending().await
    }
}
