//! `gateway serve`: the gateway on real sockets, a real disk and the real clock, until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway::admin;
use gateway::admin::server::{self, Admin, Reload};
use gateway::config::Config;
use gateway::dns::StubResolver;
use gateway::env::host::lock::SpoolLock;
use gateway::env::host::{self, secret_file};
use gateway::env::{Env, Listener};
use gateway::eventlog::{Detailed, Event, EventLogLayer, Format};
use gateway::extension::Registry;
use gateway::output::Output;
use gateway::process;
use gateway::service::{Control, Exit, Gateway, StartError};
use miette::{IntoDiagnostic, WrapErr, miette};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How many threads wait for the disk. Each new one that has nothing to do costs those that have; fewer hold up what is
/// synchronised at the same time.
const DISK_THREADS: usize = 32;

/// Why it does not serve, and the exit code for that.
pub(crate) struct Failed {
    pub(crate) report: miette::Report,
    pub(crate) code: u8,
}

impl From<miette::Report> for Failed {
    fn from(report: miette::Report) -> Self {
        Failed { report, code: 1 }
    }
}

impl From<StartError> for Failed {
    /// What the configuration names is wrong until somebody mends it; anything else may be another time.
    fn from(error: StartError) -> Self {
        let is_lasting = matches!(error, StartError::Extension(_) | StartError::Tls(_));
        Failed { report: miette::Report::from_err(error), code: if is_lasting { 2 } else { 1 } }
    }
}

/// Serves under the configuration that was read from `path`.
pub(crate) fn serve(path: PathBuf, config: Config) -> Result<Exit, Failed> {
    process::keep_files_private();
    let bound = host::Bound::default();
    let mut listens = Ok(());
    if let Some(user) = &config.process.user {
        // As root, but with one thread and nothing done yet: neither the spool nor a client has been seen.
        let addresses = [Some(config.listen), config.listen_tls, config.admin.listen];
        let mut addresses = addresses.into_iter().flatten();
        listens = addresses.try_for_each(|address| bound.bind(address).map_err(|why| (address, why)));
        process::become_user(user).into_diagnostic()?;
    }
    // Before anything is read or written: a second gateway started by mistake ends here, and touches nothing of the first.
    let _lock = SpoolLock::take(&config.spool).into_diagnostic()?;
    let output = log_to_standard_output(config.log.format);
    let served = serve_logged(path, config, bound, listens);
    output.close();
    served
}

/// From here on what is logged is written.
fn log_to_standard_output(format: Option<Format>) -> Arc<Output> {
    let default = || if process::is_stdout_the_journal() { Format::Journald } else { Format::Human };
    let format = format.unwrap_or_else(default);
    let clock = host::env().clock;
    let text = move |event: &Detailed| format.text(event, clock.now());
    let said = text.clone();
    let notice = move |count| text(&Detailed::from(&Event::EventsLeftOut { count }));
    let output = Arc::new(Output::start(notice));
    let pen = Arc::clone(&output);
    let print = move |event: Detailed| pen.write(said(&event));
    tracing_subscriber::registry().with(EventLogLayer::new(print)).init();
    output
}

fn serve_logged(
    path: PathBuf,
    config: Config,
    bound: host::Bound,
    listens: Result<(), (SocketAddr, io::Error)>,
) -> Result<Exit, Failed> {
    if let Err((address, why)) = listens {
        Event::ListenFailed { address, why: why.to_string() }.log();
        return Err(StartError::Listen { address, why }.into());
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
    runtime.block_on(run(path, config, host::env_with(bound)))
}

async fn run(path: PathBuf, config: Config, env: Env) -> Result<Exit, Failed> {
    let asked_to_end = interrupted();
    let resolver = StubResolver::new(&config.dns, &env).into_diagnostic()?;
    let token_file = config.spool.join(admin::TOKEN);
    let admin_listener = match config.admin.listen {
        Some(address) => Some(listen(&env, address).await?),
        None => None,
    };
    let registry = Registry::builtin();
    let gateway = Gateway::start(config, env.clone(), Arc::new(resolver), &registry).await?;
    let places = [
        (gateway.local_addr().ok(), "SMTP"),
        (gateway.local_tls_addr().ok().flatten(), "SMTP in TLS"),
        (admin_listener.as_ref().and_then(|listener| listener.local_addr().ok()), "administration"),
    ];
    let places = places.into_iter().filter_map(|(address, what)| Some(format!("{} ({what})", address?)));
    Event::Listening { places: places.collect() }.log();
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
    Ok(gateway.run(asked_to_end).await)
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
    let config = super::read(path).map_err(|report| match report.help() {
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

/// Ready when the program is asked to end, by Ctrl-C or SIGTERM, from now on.
fn interrupted() -> impl Future<Output = ()> {
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    async {
        match signals {
            [Ok(mut interrupt), Ok(mut terminate)] => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            // Signals cannot be had here: only a kill ends the program, and the spool is made for that.
            _ => std::future::pending().await,
        }
    }
}
