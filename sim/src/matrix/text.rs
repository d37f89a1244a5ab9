//! The matrix as text.

use std::borrow::Cow;
use std::collections::BTreeSet;

use anstyle::{AnsiColor, Style};
use gateway::release::Release;
use textwrap::core::display_width;

use super::{Cell, Happened, Matrix, Part};

/// How wide the names of scenarios are at most.
const WIDEST: usize = 34;

impl Matrix {
    /// The matrix as text, with the colours of a terminal.
    pub fn text(&self) -> String {
        let texts: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.cells.iter().map(cell).collect()).collect();
        let widest = |column: usize| {
            let cells = texts.iter().filter_map(|row| row.get(column)).map(|text| display_width(text));
            cells.max().unwrap_or_default().max(Release::ALL[column].name().len())
        };
        let widths: Vec<usize> = (0..Release::ALL.len()).map(widest).collect();
        let name = self.rows.iter().map(|row| row.scenario.len()).max().unwrap_or_default().min(WIDEST);
        let heads =
            Release::ALL.iter().zip(&widths).map(|(release, width)| format!("  {:width$}", release.name()));
        let mut lines = vec![format!("{:name$}{}", "scenario", heads.collect::<String>())];
        for (row, texts) in self.rows.iter().zip(&texts) {
            let mut names = textwrap::wrap(&row.scenario, name).into_iter().map(Cow::into_owned);
            let cells = row.cells.iter().zip(texts).zip(&widths).map(|((cell, text), width)| {
                let (style, pad) = (style(cell), " ".repeat(width - display_width(text)));
                format!("  {style}{text}{style:#}{pad}")
            });
            lines.push(format!("{:name$}{}", names.next().unwrap_or_default(), cells.collect::<String>()));
            lines.extend(names.map(|more| format!("  {more}")));
        }
        lines.push(String::new());
        lines.extend(self.legend());
        lines.into_iter().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    fn legend(&self) -> Vec<String> {
        let cells = || self.rows.iter().flat_map(|row| &row.cells);
        let seen: BTreeSet<Happened> =
            cells().flat_map(|cell| cell.happened.iter().map(|(happened, _)| *happened)).collect();
        let signs: Vec<String> =
            seen.iter().map(|happened| format!("{} {}", happened.sign(), happened.words())).collect();
        let mut lines = vec![signs.join("   ")];
        if cells().any(|cell| cell.part == Part::NotNamed) {
            lines.push("( ) the scenario says nothing of this release".to_owned());
        }
        if cells().any(|cell| cell.part == Part::NotAsExpected) {
            lines.push("≠ not as the scenario expects".to_owned());
        }
        lines
    }
}

/// A cell's signs, each with how often it happened if that is more than once.
fn cell(cell: &Cell) -> String {
    let signs: Vec<String> = cell.happened.iter().map(|(happened, times)| sign(*happened, *times)).collect();
    let signs = signs.join(" ");
    match cell.part {
        Part::AsExpected => signs,
        Part::NotAsExpected => format!("{signs} ≠"),
        Part::NotNamed => format!("({signs})"),
    }
}

fn sign(happened: Happened, times: usize) -> String {
    match times {
        1 => happened.sign().to_string(),
        times => format!("{}{times}", happened.sign()),
    }
}

fn style(cell: &Cell) -> Style {
    let style = match cell.worst().grade() {
        0 => AnsiColor::Green.on_default(),
        1 => AnsiColor::Yellow.on_default(),
        _ => AnsiColor::Red.on_default(),
    };
    if cell.part == Part::NotNamed { style.dimmed() } else { style }
}
