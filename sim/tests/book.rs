//! Every link in the Markdown files leads somewhere: to a file that is there, and to a heading in it. And README says how many
//! replays there are.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "the pages are read from outside of any run")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use sim::scenario::Library;

/// A page: its headings as they are linked to, and where it links to.
#[derive(Default)]
struct Page {
    anchors: BTreeSet<String>,
    links: Vec<String>,
}

impl Page {
    fn read(text: &str) -> Self {
        let (mut page, mut is_code) = (Page::default(), false);
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if is_code {
                continue;
            } else if let Some(heading) = line.strip_prefix('#') {
                let anchor = anchor(heading.trim_start_matches('#'));
                let before = times.entry(anchor.clone()).or_default();
                page.anchors.insert(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
                *before += 1;
            }
            page.links.extend(links(&without_code(line)));
        }
        page
    }
}

/// A heading as GitHub links to it: lower case, hyphens for spaces, no other marks.
fn anchor(heading: &str) -> String {
    let heading = heading.trim().to_lowercase();
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// The line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

fn links(line: &str) -> Vec<String> {
    line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Markdown file of the project.
fn pages() -> BTreeMap<PathBuf, Page> {
    let mut pages = BTreeMap::new();
    let mut folders = vec![root().join("docs")];
    let mut files: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        pages.insert(file, Page::read(&text));
    }
    pages
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
        plain
    })
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let pages = pages();
    let mut broken = Vec::new();
    for (path, page) in &pages {
        for link in page.links.iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { path.clone() } else { plain(&path.parent().unwrap().join(file)) };
            let has_heading =
                anchor.is_empty() || pages.get(&target).is_some_and(|page| page.anchors.contains(anchor));
            if !target.exists() || !has_heading {
                broken.push(format!("{}: {link}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn the_contents_lead_to_every_page() {
    let pages = pages();
    let contents = root().join("docs/README.md");
    let linked: BTreeSet<PathBuf> =
        pages[&contents].links.iter().map(|link| plain(&contents.parent().unwrap().join(link))).collect();
    let missing: Vec<_> = pages
        .keys()
        .filter(|path| path.starts_with(root().join("docs")) && **path != contents && !linked.contains(*path))
        .collect();
    assert!(missing.is_empty(), "docs/README.md does not lead to {missing:?}");
}

#[test]
fn a_link_to_a_heading_that_is_not_there_is_noticed() {
    let page =
        Page::read("# What `x` is: a *test*\n## Again\n## Again\n[here](#again-1) and `[not](here)`\n");
    assert_eq!(
        page.anchors.iter().map(String::as_str).collect::<Vec<_>>(),
        ["again", "again-1", "what-x-is-a-test"]
    );
    assert_eq!(page.links, ["#again-1"]);
}

#[test]
fn the_first_page_says_how_many_replays_there_are() {
    let library = Library::read(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap().0;
    let replays: usize = library.scenarios().iter().map(|scenario| scenario.releases().len()).sum();
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    assert!(readme.contains(&format!("\n{replays} of {replays} replays as expected\n")), "{replays}");
}
