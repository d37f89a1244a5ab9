//! Explaining: the story of a failure, on one page.
//!
//! | module | what it knows |
//! |---|---|
//! | this one | the order of the page |
//! | `plan` | the smallest plan in words |
//! | `scene` | what is shown of the run: what goes before the failure, the failure, and what follows |
//!
//! What is otherwise without each line was found by running without it, by [`crate::shrink`]. It draws no conclusion
//! that a run did not show.

mod plan;
mod scene;

pub(crate) use scene::at_the_end;

use std::fmt::Write;

use crate::engine::Engine;
use crate::oracle::ORACLES;
use crate::run::{RunError, run};
use crate::shrink::Shrunk;
use crate::trace::Keep;

/// How wide the page is, in characters.
const WIDTH: usize = 100;

/// The story of a failure, found as `origin` says.
///
/// # Errors
/// The run gives no Record: there is no story but that.
pub fn story(shrunk: &Shrunk, origin: &str, engine: &dyn Engine) -> Result<String, RunError> {
    let plan = shrunk.scenario.plan(shrunk.release(), shrunk.scenario.seed());
    let record = run(&plan, engine, Keep::Digest)?;
    let mut page = Page::default();
    page.say(&shrunk.signature.to_string());
    let (lines, before) = (shrunk.lines, shrunk.lines_before);
    let size = match (shrunk.is_irreducible(), lines) {
        (true, 1) => "1 line, which cannot be taken out".to_owned(),
        (true, _) => format!("{lines} lines, of which none can be taken out"),
        (false, 1) => format!("1 line of {before} is needed"),
        (false, _) => format!("{lines} lines of {before} are needed"),
    };
    page.say(&format!("on {}: {size}", shrunk.release()));
    page.say(origin);
    page.head("The plan");
    plan::sentences(shrunk).iter().for_each(|sentence| page.item(sentence));
    page.head("What happens");
    scene::rows(&plan, &record, &shrunk.signature, &shrunk.what).iter().for_each(|row| page.row(row));
    page.head("What is wrong");
    let oracle = ORACLES.iter().find(|oracle| oracle.name == shrunk.signature.oracle);
    if let Some(oracle) = oracle {
        page.item(&format!("It should be so: {}.", oracle.promise));
    }
    page.item(&format!("It is so: {}", shrunk.what));
    page.head("What is otherwise");
    for need in &shrunk.needs {
        let with_it = need.with_it.as_ref().map(|other| format!(" and {other}")).unwrap_or_default();
        page.item(&format!("without {}{with_it}: {}", need.line, need.without));
    }
    Ok(page.0)
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn say(&mut self, text: &str) {
        for line in textwrap::wrap(text, options()) {
            writeln!(self.0, "{line}").expect("a string takes it");
        }
    }

    fn head(&mut self, text: &str) {
        self.say(&format!("\n{text}\n"));
    }

    fn item(&mut self, text: &str) {
        let options = options().initial_indent("  - ").subsequent_indent("    ");
        self.0.push_str(&textwrap::fill(text, options));
        self.0.push('\n');
    }

    fn row(&mut self, text: &str) {
        let options = options().subsequent_indent("                  ");
        self.0.push_str(&textwrap::fill(text, options));
        self.0.push('\n');
    }
}

/// Names have hyphens in them, and are not to be broken there.
fn options() -> textwrap::Options<'static> {
    textwrap::Options::new(WIDTH).word_splitter(textwrap::WordSplitter::NoHyphenation)
}
