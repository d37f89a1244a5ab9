//! The `gateway` program: the gateway on real sockets, a real disk and the real clock.
//!
//! Exit codes: 0 stopped as asked, or done; 1 the service did not start or an exception ended it, or what was asked of it
//! was not done; 2 bad usage or a wrong configuration or password.

mod program;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use gateway::admin;
use gateway::admin::server::{self, Admin, Reload};
use gateway::cli::{Cli, Command};
use gateway::config::Config;
use gateway::dns::StubResolver;
use gateway::env::host::lock::SpoolLock;
use gateway::env::host::secret_file;
use gateway::env::{Env, Listener, host};
use gateway::eventlog::{Entry, Event, EventLogLayer, SOURCE};
use gateway::extension::Registry;
use gateway::secret::{self, Secret, USUAL_ITERATIONS};
use gateway::service::{Control, Exit, Gateway, StartError};
use miette::{IntoDiagnostic, WrapErr, miette};
use program::operate;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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
    match serve(path, config) {
        Ok(Exit::Stopped) => ExitCode::SUCCESS,
        Ok(Exit::Exception(_)) => ExitCode::FAILURE,
        Err(report) => refuse(&report, 1),
    }
}

fn refuse(report: &miette::Report, code: u8) -> ExitCode {
    eprintln!("{report:?}");
    ExitCode::from(code)
}

/// Checks a configuration and what it names.
fn check(path: &Path) -> ExitCode {
    let checked = read(path).and_then(|config| operate::runtime()?.block_on(program::check::check(&config)));
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

#[expect(clippy::disallowed_methods, reason = "the configuration is read before there is a gateway")]
fn read(path: &Path) -> miette::Result<Config> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| miette!(help = "name a file with --config", "{shown} cannot be read: {error}"))?;
    Ok(Config::parse(&text, &shown.to_string())?)
}

fn serve(path: PathBuf, config: Config) -> miette::Result<Exit> {
    // Before anything else: a second gateway started by mistake ends here, and touches nothing of the first.
    let _lock = SpoolLock::take(&config.spool).into_diagnostic()?;
    let env = host::env();
    let clock = Arc::clone(&env.clock);
    let print = move |entry: Entry| {
        let Entry { id, severity, category, description } = entry;
        // Whether anybody reads the log is no reason to stop serving.
        let _ = writeln!(
            io::stdout(),
            "{:.0}  {id}  {severity}  {SOURCE}  {category}\n    {description}",
            clock.now()
        );
    };
    tracing_subscriber::registry().with(EventLogLayer::new(print)).init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .into_diagnostic()
        .wrap_err("the runtime cannot be started")?;
    runtime.block_on(run(path, config, env))
}

async fn run(path: PathBuf, config: Config, env: Env) -> miette::Result<Exit> {
    let resolver = StubResolver::new(&config.dns, &env).into_diagnostic()?;
    let token_file = config.spool.join(admin::TOKEN);
    let admin_listener = match config.admin.listen {
        Some(address) => Some(listen(&env, address).await.into_diagnostic()?),
        None => None,
    };
    let registry = Registry::builtin();
    let gateway =
        Gateway::start(config, env.clone(), Arc::new(resolver), &registry).await.into_diagnostic()?;
    let control = gateway.control();
    let reload = reloading(path, registry, control.clone());
    env.spawn.spawn("reload at SIGHUP", Box::pin(reload_when_told(Arc::clone(&reload))));
    if let Some(listener) = admin_listener {
        let token = server::draw_token(&*env.entropy);
        secret_file::write(&token_file, &format!("{token}\n")).map_err(|why| {
            let help = "see that the disk is there, has room, and lets the service write";
            miette!(help = help, "the token `{}` cannot be written: {why}", token_file.display())
        })?;
        let admin = Arc::new(Admin { control, reload, token });
        env.spawn.spawn("administrative listener", Box::pin(server::serve(admin, listener)));
    }
    Ok(gateway.run(interrupted()).await)
}

async fn listen(env: &Env, address: SocketAddr) -> Result<Box<dyn Listener>, StartError> {
    env.net.listen(address).await.map_err(|why| {
        Event::ListenFailed { address, why: why.to_string() }.log();
        StartError::Listen { address, why }
    })
}

/// Reads the configuration file anew, and has it count. One at a time: the last that was asked for counts in the end.
fn reloading(path: PathBuf, registry: Registry, control: Control) -> Reload {
    let shared = Arc::new((path, registry, control, Mutex::new(())));
    Arc::new(move || {
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let (path, registry, control, turn) = &*shared;
            let _turn = turn.lock().await;
            let reloaded = reload(path, registry, control).await;
            reloaded.inspect_err(|why| Event::NotReconfigured { why: why.clone() }.log())
        })
    })
}

async fn reload(path: &Path, registry: &Registry, control: &Control) -> Result<Vec<&'static str>, String> {
    let config = read(path).map_err(|report| match report.help() {
        Some(help) => format!("{report}; {help}"),
        None => report.to_string(),
    })?;
    let resolver = StubResolver::new(&config.dns, &control.env()).map_err(|error| error.to_string())?;
    control.reload(config, Arc::new(resolver), registry).await.map_err(|error| error.to_string())
}

/// Reads the configuration anew at each SIGHUP.
async fn reload_when_told(reload: Reload) {
    // Where signals cannot be had the configuration can still be read anew over the administrative listener.
    let Ok(mut told) = signal(SignalKind::hangup()) else { return };
    while told.recv().await.is_some() {
        // The event log says what came of it.
        let _ = reload().await;
    }
}

/// Ready when the program is asked to end, by Ctrl-C or SIGTERM.
async fn interrupted() {
    let asked = async {
        let mut terminate = signal(SignalKind::terminate())?;
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
