//! Failures as GitHub shows them beside a change: workflow commands on standard output.
//!
//! GitHub reads them in its own jobs alone, so nothing is written elsewhere.

use super::case::{Case, failed};

/// Whether this is a job of GitHub Actions.
pub(crate) fn wanted() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// A line for each failure.
pub(crate) fn of(cases: &[Case]) -> Vec<String> {
    let line = |(case, failure): (&Case, &super::case::Failure)| {
        let file = failure.file.iter().map(|file| format!("file={},", property(file))).collect::<String>();
        let title = property(&format!("{}: {}", case.group.name(), case.name));
        let reproduce = case.command().map(|command| format!("\nreproduce: {command}")).unwrap_or_default();
        format!("::error {file}title={title}::{}", data(&format!("{}{reproduce}", failure.what)))
    };
    failed(cases).map(line).collect()
}

/// Text after the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text in a property, which ends at a comma, and the properties at a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::case::{Failure, Group};
    use super::*;

    #[test]
    fn what_means_something_to_github_is_escaped_and_nothing_else_is() {
        let failure = Failure {
            what: "100% wrong: a, b\r\nand ::error c".to_owned(),
            file: Some("snapshots/a, b.snap".to_owned()),
            reproduce: Some("replay x".to_owned()),
            ..Failure::default()
        };
        let case = Case::new(Group::Replays, "50%, on 5.0: x".to_owned(), Duration::ZERO, Some(failure));
        assert_eq!(
            of(&[case]),
            ["::error file=snapshots/a%2C b.snap,title=replays%3A 50%25%2C on 5.0%3A x::\
              100%25 wrong: a, b%0D%0Aand ::error c%0Areproduce: cargo run --release -- replay x"]
        );
    }
}
