//! An extension that fails as the plan says: the fault injected at the gateway's extension chain.

use std::future::pending;
use std::panic;
use std::sync::Arc;

use gateway::address::Address;
use gateway::env::BoxFuture;
use gateway::exception::Exception;
use gateway::extension::{Disposition, Extension, Factory, Subject};

use tokio::sync::mpsc::UnboundedSender;

use crate::fault::Fault;
use crate::mailbag::{self, Kind};

/// Its name in the gateway's configuration.
pub(crate) const FAULTY_EXTENSION: &str = "faulty";

/// What makes it. `crashed` ends the process.
pub(crate) fn factory(faults: &[Fault], crashed: UnboundedSender<Exception>) -> Factory {
    let faults: Arc<[Fault]> = faults.into();
    Box::new(move |_, _| {
        let extension = FaultyExtension { faults: Arc::clone(&faults), crashed: crashed.clone() };
        Box::pin(async move { Ok(Box::new(extension) as Box<dyn Extension>) })
    })
}

struct FaultyExtension {
    faults: Arc<[Fault]>,
    crashed: UnboundedSender<Exception>,
}

impl Extension for FaultyExtension {
    fn name(&self) -> &str {
        FAULTY_EXTENSION
    }

    fn route<'a>(&'a self, subject: Subject<'a>, _: &'a Address) -> BoxFuture<'a, Disposition> {
        Box::pin(async move {
            let Kind::Message(name) = mailbag::identify(subject.content).kind else {
                return Disposition::Continue;
            };
            for fault in self.faults.iter() {
                match fault {
                    Fault::ExtensionPanics { message } if *message == name => {
                        // A panic in all but the process's panic hook: nothing outside the Record hears of it.
                        panic::resume_unwind(Box::new(format!(
                            "the extension cannot read the header of {name}"
                        )));
                    }
                    Fault::ExtensionDelays { message, by } if *message == name => {
                        tokio::time::sleep(by.0).await
                    }
                    Fault::ExtensionKills { message } if *message == name => {
                        // If nobody listens the process has ended already; nothing goes on in it either way.
                        let _ = self.crashed.send(Exception::access_violation(0));
                        pending().await
                    }
                    _ => {}
                }
            }
            Disposition::Continue
        })
    }
}
