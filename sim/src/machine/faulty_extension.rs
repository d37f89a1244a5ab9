//! An extension that fails as the plan says: the fault injected at the gateway's extension chain.

use std::future::pending;
use std::panic;

use gateway::address::Address;
use gateway::env::BoxFuture;
use gateway::exception::Exception;
use gateway::extension::{Disposition, Extension, Factory, Subject};

use tokio::sync::mpsc::UnboundedSender;

use crate::fault::{Family, Fault};
use crate::mailbag::{self, Kind};
use crate::scene::Scene;

/// Its name in the gateway's configuration.
pub(crate) const FAULTY_EXTENSION: &str = "faulty";

/// What it adds to a message that it rewrites.
const ADDED: &[u8] = b"-- passed through the gateway of contoso.test\r\n";

/// What it makes of a message that it rewrites.
pub(crate) fn rewritten(content: &[u8]) -> Vec<u8> {
    [content, ADDED].concat()
}

/// What makes it. `crashed` ends the process.
pub(crate) fn factory(scene: &Scene, crashed: UnboundedSender<Exception>) -> Factory {
    let scene = scene.clone();
    Box::new(move |_, _| {
        let extension = FaultyExtension { scene: scene.clone(), crashed: crashed.clone() };
        Box::pin(async move { Ok(Box::new(extension) as Box<dyn Extension>) })
    })
}

struct FaultyExtension {
    scene: Scene,
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
            // Of several lines about a message the first has its way: there is one answer to a question.
            let is_meant = |(_, fault): &(usize, &Fault)| {
                fault.family() == Family::Extension && fault.message() == Some(&name)
            };
            let Some((place, fault)) = self.scene.faults().find(is_meant) else {
                return Disposition::Continue;
            };
            if matches!(fault, Fault::ExtensionRewrites { .. }) && subject.content.ends_with(ADDED) {
                // It is asked for each recipient, and rewrites once.
                return Disposition::Continue;
            }
            self.scene.bit(place);
            match fault {
                Fault::ExtensionPanics { .. } => {
                    // A panic in all but the process's panic hook: nothing outside the Record hears of it.
                    panic::resume_unwind(Box::new(format!("the extension cannot read the header of {name}")));
                }
                Fault::ExtensionKills { .. } => {
                    // If nobody listens the process has ended already; nothing goes on in it either way.
                    let _ = self.crashed.send(Exception::access_violation(0));
                    pending().await
                }
                Fault::ExtensionDelays { by, .. } => tokio::time::sleep(by.0).await,
                Fault::ExtensionHangs { .. } => pending().await,
                Fault::ExtensionDrops { .. } => return Disposition::Drop,
                Fault::ExtensionReroutes { .. } => return Disposition::ThisHost,
                Fault::ExtensionRewrites { .. } => return Disposition::Rewrite(rewritten(subject.content)),
                _ => {}
            }
            Disposition::Continue
        })
    }
}
