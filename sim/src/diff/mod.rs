//! Two runs side by side: where they first differ, what was otherwise in their plans, and every row of both.
//!
//! The two may be two seeds, two releases, two scenarios, or one run as two commits of this project made it: a run that
//! another commit made is read from the file it wrote.
//!
//! | module | what it knows |
//! |---|---|
//! | `side` | what makes a row of one run the same as a row of another |
//! | `peers` | what the plan of one run says of its peers |
//! | `saved` | a run in a file, as `postmortem show --json` writes it |
//! | `align` | which row of one side is which of the other |
//! | `text`, `html` | how it is shown |
//!
//! It runs nothing.

mod align;
mod html;
mod peers;
mod saved;
mod side;
mod text;

use std::collections::BTreeSet;
use std::time::Duration;

use gateway::release::{Defect, Release};

pub use align::Line;
pub use saved::{Unreadable, is_saved, read};
pub use side::{Facts, Row, Side, Topic};

/// Two runs, compared.
pub struct Diff {
    /// The one.
    pub left: Side,
    /// The other.
    pub right: Side,
    /// Every row of both.
    pub lines: Vec<Line>,
}

/// How many lines of each sort there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The same on both sides.
    pub alike: usize,
    /// Two versions of one.
    pub changed: usize,
    /// On the left alone.
    pub left: usize,
    /// On the right alone.
    pub right: usize,
    /// On both, at another place in the order.
    pub moved: usize,
}

/// Something that is otherwise in the two plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What it is about.
    pub topic: Topic,
    /// Of what; may be nothing.
    pub of: String,
    /// What the left has: a list, as there may be several of a name.
    pub left: Vec<String>,
    /// What the right has.
    pub right: Vec<String>,
}

impl Diff {
    /// Compares two runs.
    pub fn new(left: Side, right: Side) -> Diff {
        let lines = align::align(&left.rows, &right.rows);
        Diff { left, right, lines }
    }

    /// Whether the same happened in both, at whatever times.
    pub fn is_same(&self) -> bool {
        self.first().is_none()
    }

    /// The place of the first line that is not the same on both sides: of one that was only moved if there is no other.
    pub fn first(&self) -> Option<usize> {
        let is_own = |line: &Line| matches!(line, Line::Changed(..) | Line::Left(_) | Line::Right(_));
        let own = self.lines.iter().position(is_own);
        own.or_else(|| self.lines.iter().position(|line| !matches!(line, Line::Alike(..))))
    }

    /// How many lines of each sort there are.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for line in &self.lines {
            match line {
                Line::Alike(..) => counts.alike += 1,
                Line::Changed(..) => counts.changed += 1,
                Line::Left(_) => counts.left += 1,
                Line::Right(_) => counts.right += 1,
                Line::MovedLeft(_) => counts.moved += 1,
                Line::MovedRight(_) => {}
            }
        }
        counts
    }

    /// By how much the times of what is the same differ at most.
    pub fn shift(&self) -> Duration {
        let alike = self.lines.iter().filter_map(|line| match line {
            Line::Alike(left, right) => self.left.rows[*left].at.zip(self.right.rows[*right].at),
            _ => None,
        });
        alike.map(|(left, right)| left.abs_diff(right)).max().unwrap_or_default()
    }

    /// What is otherwise in the two plans, topic by topic.
    pub fn causes(&self) -> Vec<Cause> {
        let mut causes: Vec<Cause> = Vec::new();
        for (topic, left) in &self.left.facts {
            let Some(right) = self.right.facts.get(topic) else { continue };
            let own = |these: &BTreeSet<(String, String)>, those: &BTreeSet<(String, String)>, of: &str| {
                let own = these.difference(those).filter(|(key, _)| key == of);
                own.map(|(_, value)| value.clone()).collect()
            };
            let names: BTreeSet<&String> = left.symmetric_difference(right).map(|(of, _)| of).collect();
            causes.extend(names.into_iter().map(|of| Cause {
                topic: *topic,
                of: of.clone(),
                left: own(left, right, of),
                right: own(right, left, of),
            }));
        }
        causes
    }

    /// The topics that one of the two does not speak of: a run that was read from a file.
    pub fn unknown(&self) -> Vec<Topic> {
        let [left, right] = [&self.left, &self.right].map(|side| side.facts.keys().collect::<BTreeSet<_>>());
        left.symmetric_difference(&right).map(|topic| **topic).collect()
    }

    /// The documented defects that one of the two releases has and the other has not, and which of them has it.
    pub fn defects(&self) -> Vec<(Defect, Release)> {
        let releases = [self.left.release, self.right.release];
        let of_one = Defect::ALL.into_iter().filter_map(|defect| match releases.map(|it| it.has(defect)) {
            [true, false] => Some((defect, releases[0])),
            [false, true] => Some((defect, releases[1])),
            _ => None,
        });
        of_one.collect()
    }

    /// The row of the left and of the right in a line.
    fn rows(&self, line: Line) -> (Option<&Row>, Option<&Row>) {
        let (left, right) = match line {
            Line::Alike(left, right) | Line::Changed(left, right) => (Some(left), Some(right)),
            Line::Left(left) | Line::MovedLeft(left) => (Some(left), None),
            Line::Right(right) | Line::MovedRight(right) => (None, Some(right)),
        };
        (left.map(|row| &self.left.rows[row]), right.map(|row| &self.right.rows[row]))
    }
}

impl Line {
    /// The sign that it is shown with.
    pub fn sign(self) -> char {
        match self {
            Line::Alike(..) => ' ',
            Line::Changed(..) => '≠',
            Line::Left(_) => '<',
            Line::Right(_) => '>',
            Line::MovedLeft(_) | Line::MovedRight(_) => '~',
        }
    }
}
