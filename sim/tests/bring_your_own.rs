//! The example of docs/bring-your-own-gateway.md: its bug is found, and with the line that mends it nothing is.

use std::sync::Arc;

use gateway::env::BoxFuture;
use gateway::release::Release;
use gateway::service::Exit;
use sim::engine::Leap;
use sim::oracle;
use sim::run::run_subject;
use sim::scenario::Scenario;
use sim::subject::{Process, ShippedGateway, Subject};
use sim::trace::Keep;

#[path = "../examples/little_server.rs"]
mod little_server;

#[test]
fn mail_whose_name_is_not_synchronised_is_lost_in_some_seed() {
    let lost = little_server::hunt(false).unwrap();
    assert!(lost.ends_with("was answered \"250 OK, it is on the disk\" and is nowhere"), "{lost}");
}

#[test]
fn with_the_line_that_synchronises_it_no_seed_loses_any() {
    assert_eq!(little_server::hunt(true), None);
}

#[test]
fn the_example_runs_and_is_as_short_as_its_page_says() {
    little_server::main();
    assert!(include_str!("../examples/little_server.rs").lines().count() < 100);
}

/// This project's gateway, which does not say what is in its spool.
struct Silent;

impl Subject for Silent {
    fn run(&self, process: Process) -> BoxFuture<'_, Result<Exit, String>> {
        Box::pin(async move { ShippedGateway.run(process).await })
    }
}

#[test]
fn what_is_in_a_spool_that_nobody_reads_is_known_by_its_name() {
    let text = include_str!("../../scenarios/kb/Q169681.toml");
    let scenario = Scenario::parse("Q169681", "Q169681.toml", text).unwrap();
    let plan = scenario.plan(Release::V50Rtm, scenario.seed());
    let waiting = |subject: Arc<dyn Subject>| {
        let record = run_subject(&plan, &subject, &Leap, Keep::Digest).unwrap();
        let lost = oracle::judge(&plan, &record).into_iter().any(|finding| finding.oracle == "custody");
        let spool = record.end.spool.into_iter().find(|(folder, _)| folder == "in").unwrap();
        (spool.1[0].item.is_some(), spool.1[0].recipients.len(), lost)
    };
    assert_eq!(waiting(Arc::new(ShippedGateway)), (true, 1, false));
    assert_eq!(waiting(Arc::new(Silent)), (false, 0, false));
}
