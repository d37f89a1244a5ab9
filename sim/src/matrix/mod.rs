//! Every scenario on every release, and what happened there.
//!
//! A scenario names the releases that it says something of. Here it is run on the others too: what happens there is shown,
//! and marked as no part of what it expects.
//!
//! What happened is worked out from the Record and from what the oracles say of it, not from what is expected.

mod cell;
mod html;
mod text;

use std::path::Path;

use gateway::release::Release;

pub use cell::{Cell, Happened, Part};

use crate::engine::Engine;
use crate::run::RunError;
use crate::scenario::{Scenario, Source};
use crate::snapshot;
use crate::trace::Keep;
use crate::verdict::Replay;

/// Scenarios by releases.
pub struct Matrix {
    /// A row for each scenario.
    pub rows: Vec<MatrixRow>,
}

/// What happened in one scenario.
pub struct MatrixRow {
    /// The scenario's name.
    pub scenario: String,
    /// What it shows, in a sentence.
    pub title: String,
    /// A cell for each release, in the order of [`Release::ALL`].
    pub cells: Vec<Cell>,
}

impl Matrix {
    /// Runs everything. `sees` is shown each run as it is made, with what is to be kept of it.
    ///
    /// # Errors
    /// There is no Record of one of the runs, or `sees` fails.
    pub fn new<E: From<RunError>>(
        sources: &[Source<'_>],
        engine: &dyn Engine,
        keep: Keep,
        mut sees: impl FnMut(&Scenario, &Replay) -> Result<(), E>,
    ) -> Result<Matrix, E> {
        let mut rows = Vec::new();
        for source in sources {
            let mut cells = Vec::new();
            for release in Release::ALL {
                let scenario = source.scenario(source.seed(), release).into_owned().apart();
                if let Some(why) = scenario.refused_on(release) {
                    cells.push(Cell::impossible(release, why));
                    continue;
                }
                let replay = Replay::new(&scenario, release, source.seed(), engine, keep, Path::new(""))?;
                sees(&scenario, &replay)?;
                cells.push(Cell::of(&replay, source.releases().contains(&release)));
            }
            let scenario = source.scenario(source.seed(), Release::Current);
            let (scenario, title) = (scenario.name.clone(), scenario.title().to_owned());
            rows.push(MatrixRow { scenario, title, cells });
        }
        Ok(Matrix { rows })
    }
}

/// The name of the page on one run, without a folder.
pub fn page_name(scenario: &str, release: Release) -> String {
    format!("{}.html", snapshot::name(scenario, release))
}
