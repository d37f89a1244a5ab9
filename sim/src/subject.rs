//! The software under test: what runs on the machine that a plan calls the gateway.
//!
//! It is given a machine (`gateway::env`, six small traits) and the plan, and runs until its process ends. Whether it
//! is the gateway of this project is nobody else's matter: clients, faults and oracles see a machine, its port 25, its
//! disk and its event log.
//!
//! `docs/bring-your-own-gateway.md` says which oracle can judge what software.

use std::sync::Arc;

use gateway::dns::Resolver;
use gateway::env::{BoxFuture, Env};
use gateway::extension::{Factory, Registry};
use gateway::service::{Exit, Gateway};

use crate::machine::{FAULTY_EXTENSION, Life};
use crate::plan::Plan;

/// Software that can be tested.
pub trait Subject: Send + Sync {
    /// One process, from its start to its end. It may end at any moment: then it is dropped where it waits. A panic
    /// ends it as an exception does.
    ///
    /// # Errors
    /// It does not come up, and why.
    fn run(&self, process: Process) -> BoxFuture<'_, Result<Exit, String>>;

    /// What a file in one of the folders below the configuration's `spool` holds. Nothing if that cannot be read;
    /// such a file is known by its name alone.
    fn queued(&self, file: &[u8]) -> Option<Queued> {
        let _ = file;
        None
    }

    /// Whether a file below the configuration's `spool`, named by its path from there, is of no message: it may be there
    /// when all mail is gone, and is not shown.
    fn is_of_no_message(&self, file: &str) -> bool {
        let _ = file;
        false
    }
}

/// A message in a spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The recipients that it is still to go to.
    pub recipients: Vec<String>,
    /// The content (RFC 5322).
    pub content: Vec<u8>,
}

/// What one process is given to live on.
pub struct Process {
    /// Everything that will happen. How the software is to be set up is in `plan.gateway`.
    pub plan: Arc<Plan>,
    /// The machine.
    pub env: Env,
    /// The domain name system.
    pub names: Arc<dyn Resolver>,
    /// Ready when the process is told to stop. Who has no ear for that is not stopped by it.
    pub stop: BoxFuture<'static, ()>,
    /// The extension that the plan has fail.
    pub(crate) extension: Factory,
    pub(crate) life: Life,
}

impl Process {
    /// The service is up: what the last process left behind has been looked through. Who never says so is never seen
    /// to be killed *after* its start.
    pub fn comes_up(&self) {
        self.life.comes_up();
    }
}

/// The gateway of this project, as it ships.
pub struct ShippedGateway;

impl Subject for ShippedGateway {
    fn run(&self, process: Process) -> BoxFuture<'_, Result<Exit, String>> {
        Box::pin(async move {
            let Process { plan, env, names, stop, extension, life } = process;
            let mut extensions = Registry::builtin();
            extensions.add(FAULTY_EXTENSION, extension);
            let started = Gateway::start(plan.gateway.config.clone(), env, names, &extensions).await;
            let gateway = started.map_err(|error| error.to_string())?;
            life.comes_up();
            Ok(gateway.run(stop).await)
        })
    }

    fn queued(&self, file: &[u8]) -> Option<Queued> {
        let message = gateway::spool::decode(file).ok()?;
        let recipients = message.envelope.recipients.iter().map(ToString::to_string).collect();
        Some(Queued { recipients, content: message.content })
    }

    fn is_of_no_message(&self, file: &str) -> bool {
        file == "queue/hands"
    }
}
