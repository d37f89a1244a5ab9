//! The checks as Markdown, for the page of a job.
//!
//! There is no time and no machine in it: two runs of the same seeds have the same page.

use std::fmt::{self, Write};

use sim::count::count;
use sim::explore::Report;

use super::capsules::Capsules;
use super::case::{Case, Failure, Group, failed};

/// How many failures are told in full, and how many lines each: a job's page takes no more than a mebibyte.
const FAILURES: usize = 50;
const LINES: usize = 60;

/// What is to be told.
pub(crate) struct Summary<'a> {
    /// Such as `shard 1/4 of the night of 2026-11-26`.
    pub(crate) title: &'a str,
    pub(crate) cases: &'a [Case],
    pub(crate) reports: &'a [Report],
    /// What is not in it and should be, a line each.
    pub(crate) gaps: &'a [String],
    pub(crate) capsules: &'a Capsules,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let red = failed(self.cases).count();
        let verdict = if red == 0 { "all good".to_owned() } else { format!("{red} failed") };
        writeln!(f, "## Postmortem: {verdict}\n\nOf {}.", self.title)?;
        if !self.gaps.is_empty() {
            writeln!(f)?;
        }
        for gap in self.gaps {
            writeln!(f, "- **{}**", cell(gap))?;
        }
        writeln!(f, "\n| checks | passed | failed |\n|---|---:|---:|")?;
        for group in Group::ALL {
            let of_group = || self.cases.iter().filter(|case| case.group == group);
            let bad = of_group().filter(|case| case.failure.is_some()).count();
            writeln!(f, "| {} | {} | {bad} |", group.name(), of_group().count() - bad)?;
        }
        if !self.reports.is_empty() {
            writeln!(f, "\n| profile | seeds | messages | virtual days | findings | digest |")?;
            writeln!(f, "|---|---:|---:|---:|---:|---|")?;
        }
        for report in self.reports {
            let Report { profile, messages, virtual_seconds, findings, digest, .. } = report;
            let (profile, days, findings) = (cell(profile), virtual_seconds / 86_400, findings.len());
            let count = report.count();
            writeln!(f, "| {profile} | {count} | {messages} | {days} | {findings} | `{digest:032x}` |")?;
        }
        for (case, failure) in failed(self.cases).take(FAILURES) {
            self.failure(f, case, failure)?;
        }
        if red > FAILURES {
            writeln!(f, "\nMore are in the JUnit report: {}.", count(red - FAILURES, "failure"))?;
        }
        Ok(())
    }
}

impl Summary<'_> {
    fn failure(&self, f: &mut fmt::Formatter<'_>, case: &Case, failure: &Failure) -> fmt::Result {
        let mut text = String::new();
        for line in failure.lines().take(LINES) {
            writeln!(text, "{line}")?;
        }
        match failure.lines().skip(LINES).count() {
            0 => {}
            more => writeln!(text, "(and {})", count(more, "line"))?,
        }
        write!(f, "\n### {}: {}\n\n{}", case.group.name(), cell(&case.name), fenced("text", &text))?;
        if let Some(command) = case.command() {
            write!(f, "\nReproduce:\n\n{}", fenced("sh", &format!("{command}\n")))?;
        }
        if let Some(capsule) = self.capsules.of(&case.name) {
            writeln!(f, "\nCapsule: `{capsule}`")?;
        }
        Ok(())
    }
}

/// Text in a cell or a heading, where a line break would end it and what looks like markup would be taken for it.
fn cell(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '|' | '*' | '_' | '`' | '\\' | '<' | '[' | '#' | '~' => escaped.extend(['\\', letter]),
            '\r' | '\n' => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Text in a fence that is longer than any in the text.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{text}{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_found_can_end_its_fence_or_its_cell() {
        assert_eq!(fenced("text", "a ```` b\n"), "`````text\na ```` b\n`````\n");
        assert_eq!(fenced("sh", "a\n"), "```sh\na\n```\n");
        assert_eq!(cell("a|b\r\n<c>"), "a\\|b  \\<c>");
    }
}
