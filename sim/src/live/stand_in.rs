//! The gateway's process where the plan has an extension fail: the gateway as it ships, on the real machine, with that
//! extension among those that it knows. The `gateway` program knows its own alone.
#![expect(clippy::disallowed_methods, reason = "it is on the real machine")]

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway::config::Config;
use gateway::dns::StubResolver;
use gateway::env::host;
use gateway::env::host::lock::SpoolLock;
use gateway::eventlog::{Detailed, Event, EventLogLayer, Format};
use gateway::exception::Exception;
use gateway::extension::Registry;
use gateway::output::Output;
use gateway::process;
use gateway::service::{Exit, Gateway};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::pace::at_pace;
use crate::engine::Clock;
use crate::machine::{FAULTY_EXTENSION, faulty_extension};
use crate::scenario::Scenario;
use crate::scene::Scene;
use crate::trace::{Keep, Trace};

/// How often it tells what the extension did that is no event.
const TELLS_EVERY: Duration = Duration::from_millis(50);

/// Serves under a configuration, with the extension that fails as a scenario says, until it is told to stop.
///
/// # Errors
/// It does not come up.
pub fn serve(config: &Path, scenario: &Path, pace: u32) -> Result<Exit, Box<dyn Error>> {
    process::keep_files_private();
    let (path, file) = (scenario.display().to_string(), std::fs::read_to_string(scenario)?);
    let scenario = Scenario::parse("live", &path, &file)?;
    let config = Config::parse(&std::fs::read_to_string(config)?, &config.display().to_string())?;
    let mut plan = scenario.plan(config.release, scenario.seed());
    plan.faults.iter_mut().for_each(|fault| at_pace(fault, pace));

    let start = Instant::now();
    let clock: Clock = Arc::new(move || start.elapsed());
    let scene = Scene::new(Arc::new(plan), Arc::clone(&clock), Trace::new(clock, Keep::Digest));

    let _lock = SpoolLock::take(&config.spool)?;
    let output = Output::start(|count| text(&Detailed::from(&Event::EventsLeftOut { count })));
    let pen = Arc::new(Pen { output, scene, told: Mutex::default() });
    let print = Arc::clone(&pen);
    tracing_subscriber::registry().with(EventLogLayer::new(move |event| print.event(&event))).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let exit = runtime.block_on(run(config, &pen));
    pen.bites();
    pen.output.close();
    exit
}

async fn run(config: Config, pen: &Arc<Pen>) -> Result<Exit, Box<dyn Error>> {
    let env = host::env();
    let (crashed, crashes) = unbounded_channel();
    env.spawn.spawn("what an extension does to the process", Box::pin(end(crashes, Arc::clone(pen))));
    env.spawn.spawn("what changed", Box::pin(tell(Arc::clone(pen))));
    let mut extensions = Registry::builtin();
    extensions.add(FAULTY_EXTENSION, faulty_extension::factory(&pen.scene, crashed));
    let resolver = Arc::new(StubResolver::new(&config.dns, &env)?);
    let gateway = Gateway::start(config, env, resolver, &extensions).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let told = async move {
        terminate.recv().await;
    };
    Ok(gateway.run(told).await)
}

/// Ends the process at the first exception that is past every filter.
async fn end(mut crashes: UnboundedReceiver<Exception>, pen: Arc<Pen>) {
    if let Some(exception) = crashes.recv().await {
        eprintln!("an extension ends the process. {exception}");
        pen.bites();
        pen.output.close();
        std::process::abort();
    }
}

/// Tells now and then which lines of the plan have changed what happens.
async fn tell(pen: Arc<Pen>) {
    loop {
        sleep(TELLS_EVERY).await;
        pen.bites();
    }
}

/// What writes on standard output: events as the `gateway` program writes them, and between them the place of each line
/// of the plan that has just changed what happens.
struct Pen {
    output: Output,
    scene: Scene,
    /// How often each line has, as far as it is written.
    told: Mutex<Vec<u64>>,
}

impl Pen {
    fn event(&self, event: &Detailed) {
        self.bites();
        self.output.write(text(event));
    }

    fn bites(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = self.scene.bites.counts();
        told.resize(counts.len(), 0);
        for (fault, (bite, told)) in counts.iter().zip(told.iter_mut()).enumerate() {
            for _ in *told..bite.times {
                self.output.write(format!("{{\"bit\":{fault}}}\n"));
            }
            *told = bite.times;
        }
    }
}

fn text(event: &Detailed) -> String {
    Format::Json.text(event, host::env().clock.now())
}
