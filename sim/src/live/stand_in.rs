//! The gateway's process where the plan has an extension fail: the gateway as it ships, on the real machine, with that
//! extension among those that it knows. The `gateway` program knows its own alone.
#![expect(clippy::disallowed_methods, reason = "it is on the real machine")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use gateway::config::Config;
use gateway::dns::StubResolver;
use gateway::env::host;
use gateway::env::host::lock::SpoolLock;
use gateway::eventlog::{Detailed, EventLogLayer, Format};
use gateway::exception::Exception;
use gateway::extension::Registry;
use gateway::output::Output;
use gateway::process;
use gateway::service::{Exit, Gateway};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::pace::at_pace;
use crate::machine::{FAULTY_EXTENSION, faulty_extension};
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::scene::Scene;
use crate::trace::{Keep, Trace};

/// Serves under a configuration, with the extension that fails as a scenario says, until it is told to stop.
///
/// # Errors
/// It does not come up.
pub fn serve(config: &Path, scenario: &Path, pace: u32) -> Result<Exit, Box<dyn Error>> {
    process::keep_files_private();
    let (path, text) = (scenario.display().to_string(), std::fs::read_to_string(scenario)?);
    let scenario = Scenario::parse("live", &path, &text)?;
    let config = Config::parse(&std::fs::read_to_string(config)?, &config.display().to_string())?;
    let mut plan = scenario.plan(config.release, scenario.seed());
    plan.faults.iter_mut().for_each(|fault| at_pace(fault, pace));

    let _lock = SpoolLock::take(&config.spool)?;
    let output = Arc::new(Output::start());
    let (pen, clock) = (Arc::clone(&output), host::env().clock);
    let print = move |event: Detailed| pen.write(Format::Json.text(&event, clock.now()), |_| String::new());
    tracing_subscriber::registry().with(EventLogLayer::new(print)).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let exit = runtime.block_on(run(config, plan, &output));
    output.close();
    exit
}

async fn run(config: Config, plan: Plan, output: &Arc<Output>) -> Result<Exit, Box<dyn Error>> {
    let env = host::env();
    let (crashed, crashes) = unbounded_channel();
    env.spawn.spawn("what an extension does to the process", Box::pin(end(crashes, Arc::clone(output))));
    let start = Instant::now();
    let clock: crate::engine::Clock = Arc::new(move || start.elapsed());
    let scene = Scene::new(Arc::new(plan), Arc::clone(&clock), Trace::new(clock, Keep::Digest));
    let mut extensions = Registry::builtin();
    extensions.add(FAULTY_EXTENSION, faulty_extension::factory(&scene, crashed));
    let resolver = Arc::new(StubResolver::new(&config.dns, &env)?);
    let gateway = Gateway::start(config, env, resolver, &extensions).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let told = async move {
        terminate.recv().await;
    };
    Ok(gateway.run(told).await)
}

/// Ends the process at the first exception that is past every filter.
async fn end(mut crashes: UnboundedReceiver<Exception>, output: Arc<Output>) {
    if let Some(exception) = crashes.recv().await {
        eprintln!("an extension ends the process. {exception}");
        output.close();
        std::process::abort();
    }
}
