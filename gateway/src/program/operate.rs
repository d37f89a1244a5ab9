//! `gateway queue`, `stats` and `reload`: asks the running service. Where none runs, the queue is read from the spool.

use std::io::ErrorKind;

use gateway::admin::client::{Client, ClientError};
use gateway::admin::{Order, Reloaded, TOKEN, show};
use gateway::cli::{QueueCommand, Selection};
use gateway::config::Config;
use gateway::env::DiskError;
use gateway::env::host::{self, secret_file};
use gateway::queue::{self, Detail, Item};
use gateway::service::{Change, Changed, Metric, Which};
use gateway::spool::{EntryName, Spool};
use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Lists, shows or changes the queue; whether all was done.
pub(crate) async fn on_queue(config: &Config, command: QueueCommand) -> miette::Result<bool> {
    let (change, selection) = match command {
        QueueCommand::List { json, .. } => {
            let spool = spool(config);
            let items: Vec<Item> = look(config, "/queue", queue::list(&spool)).await?;
            print(&items, json, |items| show::queue(items, host::env().clock.now()))?;
            return Ok(true);
        }
        QueueCommand::Show { id, json, .. } => {
            let name: EntryName = id.parse().into_diagnostic()?;
            let spool = spool(config);
            let shown = queue::show(&spool, &name);
            let details: Vec<Detail> = look(config, &format!("/queue/{name}"), shown).await?;
            if details.is_empty() {
                return Err(miette!(
                    help = "`gateway queue list` names what is there",
                    "there is no `{id}` in the queue"
                ));
            }
            let now = host::env().clock.now();
            let text = |details: &Vec<Detail>| {
                details.iter().map(|detail| show::detail(detail, now)).collect::<Vec<_>>().join("\n")
            };
            print(&details, json, text)?;
            return Ok(true);
        }
        QueueCommand::Retry(selection) => (Change::Retry, selection),
        QueueCommand::Hold(selection) => (Change::Hold, selection),
        QueueCommand::Release(selection) => (Change::Release, selection),
        QueueCommand::Delete(selection) => (Change::Delete, selection),
    };
    let Selection { ids, all, domain, .. } = selection;
    let which = match domain {
        Some(domain) => Which::Domain(domain.parse().into_diagnostic()?),
        None if all => Which::All,
        None => Which::Ids(ids),
    };
    let order = Order { change, which, by: user() };
    let changed: Vec<Changed> = tell(config, "/queue", &order).await?;
    if changed.is_empty() {
        println!("There is no such entry in the queue.");
    }
    for Changed { id, what, .. } in &changed {
        println!("{id}: {what}");
    }
    Ok(changed.iter().all(|one| one.is_done))
}

/// Prints what the service has counted.
pub(crate) async fn stats(config: &Config, json: bool) -> miette::Result<()> {
    let metrics: Vec<Metric> = answered(running(config)?.get("/stats").await)?;
    print(&metrics, json, |metrics| show::metrics(metrics))
}

/// Has the service read its configuration anew.
pub(crate) async fn reload(config: &Config) -> miette::Result<()> {
    let Reloaded { kept } = tell(config, "/reload", &()).await?;
    println!("The configuration was read anew.");
    if !kept.is_empty() {
        println!("It waits for the next start of the service: {}.", kept.join(", "));
    }
    Ok(())
}

fn print<T: Serialize>(value: &T, json: bool, text: impl FnOnce(&T) -> String) -> miette::Result<()> {
    let text = if json { serde_json::to_string_pretty(value).into_diagnostic()? + "\n" } else { text(value) };
    print!("{text}");
    Ok(())
}

/// Who asks, as the shell says.
fn user() -> String {
    let said = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    said.unwrap_or_else(|_| "an administrator".to_owned())
}

/// The spool, to look at.
fn spool(config: &Config) -> Spool {
    let env = host::env();
    Spool::look_at(env.disk, env.entropy, &config.spool)
}

/// Asks the running service, or looks at the spool where there is none to ask.
async fn look<T: DeserializeOwned>(
    config: &Config,
    path: &str,
    otherwise: impl Future<Output = Result<T, DiskError>>,
) -> miette::Result<T> {
    let Some(address) = config.admin.listen else { return otherwise.await.into_diagnostic() };
    match secret_file::read(&config.spool.join(TOKEN)) {
        Ok(token) => match Client::new(host::env(), address, &token).get(path).await {
            Err(ClientError::NoConnection { .. }) => otherwise.await.into_diagnostic(),
            answered => answered.into_diagnostic(),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => otherwise.await.into_diagnostic(),
        Err(why) => Err(no_token(config, &why)),
    }
}

/// Has the running service do something.
async fn tell<T: DeserializeOwned>(config: &Config, path: &str, body: &impl Serialize) -> miette::Result<T> {
    answered(running(config)?.post(path, body).await)
}

/// What the running service said, or that there is none.
fn answered<T>(answer: Result<T, ClientError>) -> miette::Result<T> {
    answer.map_err(|error| match error {
        ClientError::NoConnection { .. } => miette!(
            help = "see that the service runs; `gateway queue list` and `show` do without it",
            "{error}"
        ),
        error => miette!("{error}"),
    })
}

/// The running service.
fn running(config: &Config) -> miette::Result<Client> {
    let Some(address) = config.admin.listen else {
        return Err(miette!(
            help = "add `[admin]` with `listen = \"127.0.0.1:2580\"`, and start the service anew",
            "the configuration has no address at which the service could be asked"
        ));
    };
    let token = secret_file::read(&config.spool.join(TOKEN)).map_err(|why| no_token(config, &why))?;
    Ok(Client::new(host::env(), address, &token))
}

fn no_token(config: &Config, why: &std::io::Error) -> miette::Report {
    let path = config.spool.join(TOKEN);
    let help = "ask as the user that the service runs as; it makes the token when it starts with `[admin]`";
    miette!(help = help, "the token `{}` cannot be read: {why}", path.display())
}

/// A runtime for one question.
pub(crate) fn runtime() -> miette::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .into_diagnostic()
        .wrap_err("the runtime cannot be started")
}
