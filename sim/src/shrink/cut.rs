//! Taking lines out: whole families first, then one by one.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::Shrinker;
use super::lines;
use super::tree::{Path, Step, children, get, get_mut, keys, then, without};
use crate::fault::Family;

/// What can be taken out together with what: groups of paths.
type Groups = Vec<Vec<Path>>;

impl Shrinker<'_> {
    /// Tries to do without whole families, then without what they have.
    pub(super) fn cut_families(&mut self) {
        self.cut(&fault_families);
        self.cut(&|root| singles(children(root, &keys(&["administrator"]))));
        self.cut(&|root| singles(children(root, &keys(&["fault"]))));
        self.cut(&|root| singles(messages(root)));
        self.cut(&|root| singles(children(root, &keys(&["client"]))));
        self.cut(&|root| singles(children(root, &keys(&["server"]))));
        self.cut(&|root| singles(children(root, &keys(&["milter"]))));
        self.cut(&|root| singles(children(root, &keys(&["gateway", "file"]))));
        self.cut(&|root| singles(children(root, &keys(&["gateway", "config"]))));
    }

    /// Tries to do without each value there is, from the outside to the inside, among its siblings.
    pub(super) fn cut_everywhere(&mut self) {
        let mut depth = 0;
        loop {
            let parents = parents(&self.best, depth);
            if parents.is_empty() {
                break;
            }
            for parent in parents {
                // What was taken out since may have had this place: then its successor has it.
                self.cut(&|root| singles(optional(root, &parent)));
            }
            depth += 1;
        }
        self.cut_rows();
    }

    /// Tries to do without rows of texts.
    fn cut_rows(&mut self) {
        for path in super::tree::leaves(&self.best) {
            let is_rows = |root: &Table| text(root, &path).is_some_and(|text| text.lines().count() > 1);
            let mut place = 0;
            while is_rows(&self.best)
                && place < text(&self.best, &path).map_or(0, |text| text.lines().count())
            {
                let candidate = without_row(&self.best, &path, place);
                if !self.take(candidate) {
                    place += 1;
                }
            }
        }
    }

    /// Takes groups out of a list: all of them, then half of them, a quarter, and so on down to each one. The list is
    /// made anew after each success.
    fn cut(&mut self, list: &dyn Fn(&Table) -> Groups) {
        let mut size = list(&self.best).len();
        while size > 0 {
            let mut start = 0;
            loop {
                let groups = list(&self.best);
                if start >= groups.len() {
                    break;
                }
                let end = groups.len().min(start + size);
                if !self.take(without(&self.best, &groups[start..end].concat())) {
                    start = end;
                }
            }
            size /= 2;
        }
    }
}

fn singles(paths: Vec<Path>) -> Groups {
    paths.into_iter().map(|path| vec![path]).collect()
}

/// The faults of each family.
fn fault_families(root: &Table) -> Groups {
    let mut families: BTreeMap<Option<Family>, Vec<Path>> = BTreeMap::new();
    for path in children(root, &keys(&["fault"])) {
        let fault = get(root, &path).cloned().and_then(|fault| fault.try_into::<crate::fault::Fault>().ok());
        families.entry(fault.map(|fault| fault.family())).or_default().push(path);
    }
    families.into_values().collect()
}

fn messages(root: &Table) -> Vec<Path> {
    let clients = children(root, &keys(&["client"]));
    clients.iter().flat_map(|client| children(root, &then(client, Step::Key("message".to_owned())))).collect()
}

/// The tables and lists so many steps from the root.
fn parents(root: &Table, depth: usize) -> Vec<Path> {
    let mut level: Vec<Path> = vec![Vec::new()];
    for _ in 0..depth {
        level = level.iter().flat_map(|path| children(root, path)).collect();
    }
    level.retain(|path| path.is_empty() || !children(root, path).is_empty());
    level
}

/// What can be done without in a table or a list, by the format alone.
fn optional(root: &Table, parent: &[Step]) -> Vec<Path> {
    const FORCED: [&[&str]; 6] =
        [&["title"], &["starts"], &["duration"], &["seed"], &["releases"], &["names"]];
    let mut paths = children(root, parent);
    let is_message = matches!(parent, [Step::Key(client), _, Step::Key(message), Step::Place(_)]
        if client == "client" && message == "message");
    // Without it the message would have the null reverse path, which is no simpler.
    paths.retain(|path| !(is_message && path.last() == Some(&Step::Key("from".to_owned()))));
    paths.retain(|path| !FORCED.iter().any(|forced| path.starts_with(&keys(forced))));
    paths
}

fn text<'a>(root: &'a Table, path: &[Step]) -> Option<&'a str> {
    get(root, path).and_then(Value::as_str)
}

/// The tree without a row of a text.
pub(super) fn without_row(root: &Table, path: &[Step], row: usize) -> Table {
    let mut changed = root.clone();
    if let Some(Value::String(text)) = get_mut(&mut changed, path) {
        let rows = text.lines().enumerate().filter(|(place, _)| *place != row);
        *text = rows.map(|(_, row)| format!("{row}\n")).collect();
    }
    changed
}

/// The tree without a line.
pub(super) fn without_line(root: &Table, line: &lines::Line) -> Table {
    match line.row {
        Some(row) => without_row(root, &line.path, row),
        None => without(root, std::slice::from_ref(&line.path)),
    }
}
