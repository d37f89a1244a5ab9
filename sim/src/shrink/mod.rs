//! Shrinking: from a scenario that fails to the smallest one that fails in the same way.
//!
//! # How to think about it
//!
//! A scenario is a tree. A *candidate* is the tree with something taken out or made calmer. It is *taken* if it is a
//! scenario at all, is smaller, and fails in the same way; then it is the best so far, and the next candidate starts
//! from it. This is greedy: nothing is ever taken back, so a smaller scenario may exist that no path of smaller and
//! smaller ones leads to. What comes out is smallest in one sense only: of no line can it be said that it is not needed.
//!
//! **Progress.** Candidates come from the outside to the inside (hierarchical delta debugging, Misherghi & Su 2006):
//! whole families of faults, then the faults, messages and machines, then every value of what is left, and only then
//! what could be calmer. Within a list as in ddmin (Zeller & Hildebrandt 2002): all, halves, quarters, each one. Of two
//! thousand lines most go in the first dozen runs. What speaks of a message or a machine goes with it; otherwise the
//! check of the scenario would refuse to let either go first.
//!
//! **Termination.** A candidate is only looked at if its size is less, by an order in which nothing
//! descends for ever: lines, then odd senders and the like, then values, then the sum of all numbers, then the text. All passes are
//! repeated until one round takes nothing. Every candidate is run once: its text is its name in a memo, so the last
//! round, which only confirms, costs little. And there is a limit to the number of runs; where it is reached, that is
//! said.
//!
//! **The same bug.** Two failures are the same if the oracle and the cause are: the [`Signature`] by which an
//! exploration counts. A candidate in which anything is found that the first run did not have is not taken either,
//! even beside the failure: so a shrink never slips to another bug, as far as signatures tell bugs apart. Where an
//! oracle gives one cause to two bugs, a finer cause is the only remedy. (Hypothesis calls this the interesting origin.)
//!
//! It knows no profile and no file. Candidates are run one after another: the order decides what comes out.
//!
//! | module | what it knows |
//! |---|---|
//! | `tree` | a scenario as a tree, and what goes with what |
//! | `lines` | what a line is: the size that people see |
//! | `size` | when one scenario is smaller than another |
//! | `judge` | whether a candidate fails in the same way |
//! | `cut` | taking things out |
//! | `calm` | making values calmer |
//! | `words`, `write` | what is otherwise without a line; the file with these reasons in it |

mod calm;
mod cut;
mod judge;
pub(crate) mod lines;
mod size;
pub(crate) mod tree;
mod words;
mod write;

use gateway::release::Release;
use toml::{Table, Value};

pub use judge::findings;

use crate::draw::Seed;
use crate::engine::Engine;
use crate::explore::Signature;
use crate::scenario::Scenario;
use crate::trace::Digest;
use judge::{Judge, Trial, text};
use lines::Line;
use size::Size;

/// How many runs a shrink may take unless somebody says otherwise.
pub const MOST_RUNS: usize = 1_000;

/// What is to be shrunk.
#[derive(Clone)]
pub struct Shrink<'a> {
    /// The scenario that fails.
    pub scenario: &'a Scenario,
    /// On this release.
    pub release: Release,
    /// With this seed.
    pub seed: Seed,
    /// How it fails.
    pub signature: &'a Signature,
    /// What carries the machines.
    pub engine: &'a dyn Engine,
    /// How many runs it may take, besides those that say what each remaining line is needed for.
    pub most_runs: usize,
}

/// The scenario does not fail so.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{scenario} does not fail so: {signature} is not found on {release}")]
pub struct DoesNotFail {
    scenario: String,
    signature: Signature,
    release: Release,
}

/// A scenario of which nothing can be taken out.
#[derive(Clone)]
pub struct Shrunk {
    /// The scenario, its title the signature.
    pub scenario: Scenario,
    /// How it fails.
    pub signature: Signature,
    /// What was found, in words.
    pub what: String,
    /// The digest of its run; zero if that gives no Record.
    pub digest: Digest,
    /// Everything that is found in it.
    pub found: Vec<Signature>,
    /// How many lines there were.
    pub lines_before: usize,
    /// How many are left.
    pub lines: usize,
    /// What each of them is needed for.
    pub needs: Vec<Need>,
    /// How many runs it took.
    pub runs: usize,
    /// Whether there may be smaller ones, because there were as many runs as there may be.
    pub is_cut_short: bool,
    release: Release,
    root: Table,
}

/// What a line is needed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What the line is called.
    pub line: String,
    /// What happens without it.
    pub without: String,
    /// What else has to go then, because it makes no sense without the line.
    pub with_it: Option<String>,
    place: Line,
}

impl Need {
    /// Whether the line is an entry of the gateway's configuration.
    pub(crate) fn is_setting(&self) -> bool {
        self.place.path.starts_with(&tree::keys(&["gateway", "config"]))
    }
}

impl Shrink<'_> {
    /// Shrinks.
    ///
    /// # Errors
    /// The scenario does not fail so.
    pub fn shrink(&self) -> Result<Shrunk, DoesNotFail> {
        let first = self.first();
        let plan = self.scenario.plan(self.release, self.seed);
        let (found, _) = findings(&plan, self.engine);
        if !found.contains_key(self.signature) {
            return Err(DoesNotFail {
                scenario: self.scenario.name.clone(),
                signature: self.signature.clone(),
                release: self.release,
            });
        }
        let known = found.into_keys().collect();
        let judge = Judge::new(self.engine, self.release, self.signature.clone(), known, self.most_runs);
        let size = Size::of(&first, &text(&first));
        let mut shrinker = Shrinker { judge, best: first.clone(), size };
        shrinker.shrink();
        let Shrinker { mut judge, best, .. } = shrinker;
        let (runs, is_cut_short) = (judge.runs, judge.is_spent);
        judge.most_runs = usize::MAX;
        let needs = lines::lines(&best).into_iter().map(|line| need(&mut judge, &best, line)).collect();
        let scenario = Scenario::parse(&self.scenario.name, "the shrunk scenario", &text(&best))
            .expect("only scenarios are taken");
        let (mut found, record) = findings(&scenario.plan(self.release, scenario.seed()), self.engine);
        Ok(Shrunk {
            what: found.get_mut(self.signature).map(std::mem::take).unwrap_or_default(),
            digest: record.map_or(Digest(0), |record| record.digest),
            scenario,
            signature: self.signature.clone(),
            found: found.into_keys().collect(),
            lines_before: lines::count(&first),
            lines: lines::count(&best),
            needs,
            runs,
            is_cut_short,
            release: self.release,
            root: best,
        })
    }

    /// The scenario as a tree, for this release and this seed alone.
    fn first(&self) -> Table {
        let mut first: Table =
            toml::from_str(&self.scenario.to_toml()).expect("what a scenario writes can be read");
        first.insert("title".to_owned(), self.signature.to_string().into());
        first.insert("releases".to_owned(), vec![Value::from(self.release.name())].into());
        first.insert("seed".to_owned(), i64::try_from(self.seed.0).unwrap_or(i64::MAX).into());
        first
    }
}

/// What a line is needed for: the run without it says. If what is left is no scenario, another line needs this one:
/// then the run without both says.
fn need(judge: &mut Judge<'_>, best: &Table, line: Line) -> Need {
    let mut trial = |root: Table| judge.trial(&text(&root)).expect("there is no limit to the runs any more");
    let happens = |trial| match trial {
        Trial::Other(what) => Ok(what),
        Trial::Same => Ok("it fails in the same way".to_owned()),
        Trial::Refused(why) => Err(why),
    };
    let left = cut::without_line(best, &line);
    let (without, with_it) = match happens(trial(left.clone())) {
        Ok(what) => (what, None),
        Err(why) => lines::lines(&left)
            .into_iter()
            .find_map(|other| {
                Some((happens(trial(cut::without_line(&left, &other))).ok()?, Some(other.name)))
            })
            .unwrap_or((why, None)),
    };
    Need { line: line.name.clone(), without, with_it, place: line }
}

/// The best so far.
struct Shrinker<'a> {
    judge: Judge<'a>,
    best: Table,
    size: Size,
}

impl Shrinker<'_> {
    fn shrink(&mut self) {
        loop {
            let before = self.size.clone();
            self.cut_families();
            self.take_first(calm::merged_clients);
            self.cut_everywhere();
            self.calm();
            if self.size == before || self.judge.is_spent {
                break;
            }
        }
    }

    /// Takes a candidate if it is smaller and fails in the same way.
    fn take(&mut self, candidate: Table) -> bool {
        let text = text(&candidate);
        let size = Size::of(&candidate, &text);
        let is_taken = size < self.size && self.judge.trial(&text) == Some(Trial::Same);
        if is_taken {
            (self.best, self.size) = (candidate, size);
        }
        is_taken
    }

    /// Takes the first candidate that can be taken, and begins again with those of what is left.
    fn take_first(&mut self, candidates: fn(&Table) -> Vec<Table>) {
        while candidates(&self.best).into_iter().any(|candidate| self.take(candidate)) {}
    }

    /// Makes values calmer.
    fn calm(&mut self) {
        for fault in tree::children(&self.best, &tree::keys(&["fault"])) {
            if let Some(candidate) = calm::from_the_start(&self.best, &fault) {
                self.take(candidate);
            }
        }
        for path in tree::leaves(&self.best) {
            calm::calmer(&self.best, &path).into_iter().any(|candidate| self.take(candidate));
        }
        self.take_first(calm::with_senders);
        self.take_first(calm::renamed);
        // Latencies are drawn from the seed. One that does not matter is 1.
        let mut candidate = self.best.clone();
        candidate.insert("seed".to_owned(), 1.into());
        self.take(candidate);
    }
}

impl Shrunk {
    /// Whether nothing could be taken out: every line was needed from the start.
    pub fn is_irreducible(&self) -> bool {
        self.lines == self.lines_before
    }

    /// The release that it fails on.
    pub fn release(&self) -> Release {
        self.release
    }

    /// The scenario as a tree.
    pub(crate) fn root(&self) -> &Table {
        &self.root
    }

    /// The scenario as the text of a file, with what each line is needed for in comments.
    pub fn plan_toml(&self) -> String {
        write::plan(self)
    }

    /// The same with what is expected of it: a regression test as it stands. It is for today's release too, unless
    /// something is found there.
    pub fn to_toml(&self, engine: &dyn Engine) -> String {
        write::file(self, engine)
    }
}
