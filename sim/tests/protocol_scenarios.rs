//! The scenarios of `scenarios/protocol/`: what goes wrong in them does.
#![expect(clippy::disallowed_methods, reason = "a test reads the scenarios from the disk")]

use std::path::Path;

use gateway::release::Release;
use sim::engine::Leap;
use sim::run::run;
use sim::scenario::Scenario;
use sim::trace::Keep;

#[test]
fn every_fault_of_a_scenario_bites() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/protocol");
    let mut faults = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario = Scenario::parse(&name, &name, &text).unwrap();
        let plan = scenario.plan(Release::Current, scenario.seed());
        let record = run(&plan, &Leap, Keep::Digest).unwrap();
        for (fault, bite) in plan.faults.iter().zip(&record.bites) {
            assert!(bite.times > 0, "{name}: {fault:?} changed nothing");
            faults += 1;
        }
    }
    assert!(faults > 30, "{faults}");
}
