//! The checks as JUnit XML, which most job pages can show.
//!
//! The times are of the one who waits; everything else is the same each time.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::case::{Case, Group};

/// The report, a suite for each group.
pub(crate) fn report(cases: &[Case]) -> Report {
    let mut report = Report::new("postmortem");
    report.set_time(cases.iter().map(|case| case.took).sum());
    for group in Group::ALL {
        let of_group: Vec<&Case> = cases.iter().filter(|case| case.group == group).collect();
        if of_group.is_empty() {
            continue;
        }
        let mut suite = TestSuite::new(group.name());
        suite.set_time(of_group.iter().map(|case| case.took).sum::<Duration>());
        suite.add_test_cases(of_group.into_iter().map(test_case));
        report.add_test_suite(suite);
    }
    report
}

fn test_case(case: &Case) -> TestCase {
    let status = match &case.failure {
        None => TestCaseStatus::success(),
        Some(failure) => {
            let what = failure.what.as_str();
            let reproduce = case.command().map(|command| format!("reproduce: {command}"));
            let text: Vec<&str> = failure.lines().chain(reproduce.as_deref()).collect();
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(what).set_type(case.group.name()).set_description(text.join("\n"));
            status
        }
    };
    let mut test_case = TestCase::new(case.name.as_str(), status);
    test_case.set_classname(format!("postmortem.{}", case.group.name())).set_time(case.took);
    test_case
}
