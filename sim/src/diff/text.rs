//! The comparison as text, for a terminal of a certain width.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use anstyle::{AnsiColor, Style};
use textwrap::Options;
use textwrap::core::display_width;

use super::{Cause, Counts, Diff, Line, Row};
use crate::render::elapsed;

/// How many lines that are alike are shown around those that are not.
pub(super) const CONTEXT: usize = 3;
/// How many facts of one topic are shown.
const MOST: usize = 8;
/// The narrowest column that a row is still read in.
const NARROWEST: usize = 24;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

impl Diff {
    /// The comparison as text of this width, with the colours of a terminal.
    pub fn text(&self, width: usize) -> String {
        let mut out =
            vec![format!("A  {}", self.left.name), format!("B  {}", self.right.name), String::new()];
        out.extend(wrapped(&self.summary(), width));
        if let Some(first) = self.first() {
            out.extend([String::new(), heading("THE FIRST DIFFERENCE")]);
            out.extend(self.first_difference(first, width));
        }
        out.extend([String::new(), heading("WHAT DIFFERS IN THE PLANS")]);
        out.extend(self.causes_text().into_iter().flat_map(|text| wrapped(&text, width)));
        if !self.is_same() {
            out.extend([String::new(), heading("SIDE BY SIDE")]);
            out.extend(self.side_by_side(width));
        }
        out.into_iter().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// Whether they differ, and how many rows.
    pub(super) fn summary(&self) -> String {
        let shift = self.shift();
        let times = match shift.is_zero() {
            true => "at the same times".to_owned(),
            false => format!("at times up to {:.3} s apart", shift.as_secs_f64()),
        };
        let Counts { alike, changed, left, right, moved } = self.counts();
        if self.is_same() {
            let digests = match self.left.digest == self.right.digest {
                true => "the digests are the same",
                false => "the digests differ",
            };
            format!("The same happens in both, {times}: {alike} rows; {digests}.")
        } else {
            format!(
                "They differ: {alike} rows alike, {times}; {changed} changed (≠), {left} in A alone (<), {right} in B \
                 alone (>), {moved} at another place in the order (~)."
            )
        }
    }

    /// What is told of the first difference: what came before, and what each side has there or goes on with.
    pub(super) fn around(&self, first: usize) -> [(&'static str, Option<&Row>); 3] {
        let either = |line: &Line| self.rows(*line).0.or(self.rows(*line).1);
        let (left, right) = self.rows(self.lines[first]);
        let mut rest = self.lines[first + 1..].iter();
        let of_one = match (left, right) {
            (None, _) => ("A goes on", rest.find_map(|line| self.rows(*line).0)),
            (Some(_), _) => ("A", left),
        };
        let of_other = match right {
            None => ("B goes on", rest.find_map(|line| self.rows(*line).1)),
            Some(_) => ("B", right),
        };
        [("before it", self.lines[..first].last().and_then(either)), of_one, of_other]
    }

    fn first_difference(&self, first: usize, width: usize) -> Vec<String> {
        let shown = self.around(first).into_iter().flat_map(|(label, row)| {
            let text = row.map_or_else(|| "(nothing)".to_owned(), full);
            let (first, indent) = (format!("{label:11}"), " ".repeat(11));
            let options = Options::new(width).initial_indent(&first).subsequent_indent(&indent);
            textwrap::wrap(&text, options).into_iter().map(Cow::into_owned).collect::<Vec<_>>()
        });
        shown.collect()
    }

    /// What differs in the plans, a line each.
    pub(super) fn causes_text(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let causes = self.causes();
        let topics: BTreeSet<_> = causes.iter().map(|cause| cause.topic).collect();
        for topic in topics {
            let of_topic: Vec<&Cause> = causes.iter().filter(|cause| cause.topic == topic).collect();
            for Cause { of, left, right, .. } in of_topic.iter().take(MOST) {
                let of = if of.is_empty() { String::new() } else { format!(" {of}") };
                lines.push(format!("{topic}{of}: {}", sides(left, right)));
            }
            if of_topic.len() > MOST {
                lines.push(format!("{topic}: and {} more", of_topic.len() - MOST));
            }
        }
        for (defect, release) in self.defects() {
            let (article, summary) = (defect.article(), defect.summary());
            lines.push(format!("defect {article}, in {release} alone: {summary} (docs/kb/{article}.md)"));
        }
        if lines.is_empty() {
            let nothing = match self.is_same() {
                true => "nothing",
                false => "nothing: it is the software that is another, or the run is not deterministic",
            };
            lines.push(nothing.to_owned());
        }
        let unknown: Vec<_> = self.unknown().iter().map(ToString::to_string).collect();
        if !unknown.is_empty() {
            lines.push(format!("(one of the two is a file, and says nothing of: {})", unknown.join(", ")));
        }
        lines
    }

    fn side_by_side(&self, width: usize) -> Vec<String> {
        let column = (width.saturating_sub(3) / 2).max(NARROWEST);
        let names = self.short_names();
        let cell = |row: Option<&Row>| -> Vec<String> {
            let Some(row) = row else { return Vec::new() };
            let options = Options::new(column).subsequent_indent("             ");
            textwrap::wrap(&brief(row, &names), options).into_iter().map(Cow::into_owned).collect()
        };
        let mut out = Vec::new();
        let mut is_end = false;
        for stretch in self.stretches() {
            let lines = match stretch {
                Stretch::Hidden(lines) => {
                    let text = format!("{:^width$}", format!("… {} rows alike …", lines.len()));
                    out.push(format!("{DIM}{}{DIM:#}", text.trim_end()));
                    continue;
                }
                Stretch::Shown(lines) => lines,
            };
            for line in lines {
                let (left, right) = self.rows(*line);
                let ends = left.or(right).is_some_and(|row| row.at.is_none());
                if ends && !std::mem::replace(&mut is_end, true) {
                    out.push(format!("{:^width$}", "at the end"));
                }
                let (left, right) = (cell(left), cell(right));
                let style = style(*line);
                for number in 0..left.len().max(right.len()) {
                    let text = |cell: &[String]| cell.get(number).cloned().unwrap_or_default();
                    let (left, right) = (text(&left), text(&right));
                    let pad = " ".repeat(column.saturating_sub(display_width(&left)));
                    let sign = if number == 0 { line.sign() } else { ' ' };
                    let text = format!("{left}{pad} {sign} {right}");
                    out.push(format!("{style}{}{style:#}", text.trim_end()));
                }
            }
        }
        out
    }

    /// Each machine's name as it is shown side by side: its first label, if no other machine has that.
    pub(super) fn short_names(&self) -> BTreeMap<&str, &str> {
        let rows = self.left.rows.iter().chain(&self.right.rows);
        let machines: BTreeSet<&str> = rows.map(|row| row.machine.as_str()).collect();
        let label = |machine: &&str| machine.split('.').next().unwrap_or_default().to_owned();
        let is_alone =
            |machine: &&str| machines.iter().filter(|other| label(other) == label(machine)).count() == 1;
        let short = |machine: &&'_ str| machine.split('.').next().unwrap_or_default().len();
        machines
            .iter()
            .map(|machine| (*machine, if is_alone(machine) { &machine[..short(machine)] } else { machine }))
            .collect()
    }

    /// The lines, in stretches that are shown and such that need not be: where all is alike.
    pub(super) fn stretches(&self) -> Vec<Stretch<'_>> {
        let is_near = |place: usize| {
            let (from, to) = (place.saturating_sub(CONTEXT), (place + CONTEXT + 1).min(self.lines.len()));
            self.lines[from..to].iter().any(|line| !matches!(line, Line::Alike(..)))
        };
        let shown: Vec<bool> = (0..self.lines.len()).map(is_near).collect();
        let mut stretches = Vec::new();
        let mut start = 0;
        for stretch in shown.chunk_by(|a, b| a == b) {
            let lines = &self.lines[start..start + stretch.len()];
            start += stretch.len();
            stretches.push(if stretch[0] { Stretch::Shown(lines) } else { Stretch::Hidden(lines) });
        }
        stretches
    }
}

/// Lines one after another.
pub(super) enum Stretch<'a> {
    /// To be shown.
    Shown(&'a [Line]),
    /// All alike, and not near anything that is not.
    Hidden(&'a [Line]),
}

/// A row with everything in it.
pub(super) fn full(row: &Row) -> String {
    match row.at {
        Some(at) => format!("{}  {}  {}", elapsed(at), row.machine, row.text),
        None => format!("at the end: {}", row.text),
    }
}

fn brief(row: &Row, names: &BTreeMap<&str, &str>) -> String {
    match row.at {
        Some(at) => format!("{} {}: {}", elapsed(at), names[row.machine.as_str()], row.text),
        None => row.text.clone(),
    }
}

/// What each side has.
pub(super) fn sides(left: &[String], right: &[String]) -> String {
    let list = |values: &[String]| if values.is_empty() { "—".to_owned() } else { values.join("; ") };
    format!("A {}, B {}", list(left), list(right))
}

fn heading(text: &str) -> String {
    format!("{BOLD}{text}{BOLD:#}")
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let options = Options::new(width).subsequent_indent("    ");
    textwrap::wrap(text, options).into_iter().map(Cow::into_owned).collect()
}

fn style(line: Line) -> Style {
    match line {
        Line::Alike(..) => Style::new(),
        Line::Changed(..) => AnsiColor::Yellow.on_default(),
        Line::Left(_) => AnsiColor::Red.on_default(),
        Line::Right(_) => AnsiColor::Green.on_default(),
        Line::MovedLeft(_) | Line::MovedRight(_) => AnsiColor::Cyan.on_default(),
    }
}
