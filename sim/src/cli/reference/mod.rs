//! `postmortem reference`: the pages of docs/reference/ and the schemas of docs/schema/, written from the code.
//!
//! | page | where its words come from |
//! |---|---|
//! | commands | what both programs say when they are asked for help |
//! | faults, scenario files, profiles | the schemas, derived from the types that read the files |
//! | oracles | [`ORACLES`](sim::oracle::ORACLES), and what each module says at its top |
//! | events | the catalogue of the gateway: its numbers, its comments, and an event of each |
//! | configuration | the keys that the gateway's reader takes, as docs/examples/gateway.toml shows them |
//!
//! A test (`sim/tests/reference.rs`) compares the pages with what is written here.

mod commands;
mod configuration;
mod events;
mod faults;
mod formats;
mod oracles;
mod schema;
mod source;

use std::fs;
use std::path::Path;

use miette::{IntoDiagnostic, WrapErr};

const NOTE: &str = "<!-- Written from the code by `cargo run -p sim -- reference docs`: change the code, not this page. -->\n\n";

/// Writes the pages and the schemas into a folder, with the source below another.
///
/// # Errors
/// A source cannot be read, or a page cannot be written; or the code says nothing of what a page must have.
pub(super) fn write(root: &Path, into: &Path) -> miette::Result<()> {
    let pages = [
        ("commands.md", commands::page()),
        ("configuration.md", configuration::page(root)?),
        ("events.md", events::page(root)?),
        ("faults.md", faults::page()),
        ("oracles.md", oracles::page(root)?),
        ("profiles.md", formats::profiles()),
        ("scenario-files.md", formats::scenarios()),
    ];
    for (name, text) in pages {
        write_file(&into.join("reference"), name, &format!("{NOTE}{text}"))?;
    }
    for (name, schema) in
        [("scenario.json", sim::scenario::schema()), ("profile.json", sim::profile::schema())]
    {
        write_file(&into.join("schema"), name, &format!("{schema:#}\n"))?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the pages are the machine's, not a run's")]
fn write_file(folder: &Path, name: &str, text: &str) -> miette::Result<()> {
    let path = folder.join(name);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, text))
        .into_diagnostic()
        .wrap_err_with(|| format!("{} cannot be written", path.display()))
}
