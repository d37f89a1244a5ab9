//! The matrix as a page of HTML.

use gateway::release::Release;

use super::{Cell, Matrix, Part, page_name};
use crate::render::page::{escape, page};

const STYLE: &str = "\
table { width: 100%; } thead th { position: sticky; top: 0; background: var(--panel); }
th, td { padding: .2rem .35rem; } th[scope=row] { min-width: 13rem; } th small { font-weight: normal; }
td.cell { font-size: .82rem; } td.unnamed { background: none; }
td.cell a { display: block; color: inherit; text-decoration: underline dotted 1px; text-underline-offset: 3px; } td.cell a:is(:hover, :focus) { text-decoration-style: solid; }
td small { display: block; }
";

impl Matrix {
    /// The matrix as a page. With `pages`, the folder of the pages on the runs as the page is to name it, each cell leads
    /// to one.
    pub fn html(&self, pages: Option<&str>) -> String {
        let heads = Release::ALL.map(|release| format!("<th scope=\"col\">{release}</th>"));
        let rows = self.rows.iter().map(|row| {
            let cells = row.cells.iter().map(|cell| {
                let link = pages.filter(|_| cell.why.is_none());
                let link = link.map(|folder| link_to(folder, &page_name(&row.scenario, cell.release)));
                cell_html(cell, link.as_deref())
            });
            format!(
                "<tr><th scope=\"row\">{}<br><small class=\"faint\">{}</small></th>{}</tr>\n",
                escape(&row.scenario),
                escape(&row.title),
                cells.collect::<String>()
            )
        });
        let body = format!(
            "<h1>What happens on which release</h1>\n\
             <p class=\"faint\">Worked out from each run. What is in parentheses is of a release that \
             the scenario says nothing of; ≠ is not as the scenario expects.</p>\n\
             <table>\n<thead><tr><th scope=\"col\">scenario</th>{}</tr></thead>\n<tbody>\n{}</tbody></table>\n",
            heads.concat(),
            rows.collect::<String>()
        );
        page("What happens on which release", STYLE, &body)
    }
}

fn cell_html(cell: &Cell, link: Option<&str>) -> String {
    let class = match cell.worst().grade() {
        0 => "good",
        1 => "warn",
        _ => "bad",
    };
    let words = cell.happened.iter().map(|(happened, times)| {
        let times = if *times == 1 { String::new() } else { format!("\u{a0}×\u{a0}{times}") };
        format!("{}\u{a0}{}{times}", happened.sign(), happened.words())
    });
    let words = escape(&words.collect::<Vec<_>>().join("\n")).replace('\n', "<br>");
    let (unnamed, words) = match cell.part {
        Part::AsExpected => ("", words),
        Part::NotAsExpected => ("", format!("{words}<br>≠ not as expected")),
        Part::NotNamed => (" unnamed", format!("({words})")),
    };
    let words = match link {
        Some(link) => format!("<a href=\"{}\">{words}</a>", escape(link)),
        None => words,
    };
    let broken: Vec<&str> = cell.broken.iter().copied().collect();
    let mut notes = if broken.is_empty() {
        String::new()
    } else {
        format!("<small>broken oracles: {}</small>", escape(&broken.join(", ")))
    };
    if let Some(why) = &cell.why {
        notes.push_str(&format!("<small>{}</small>", escape(why)));
    }
    format!("<td class=\"cell {class}{unnamed}\">{words}{notes}</td>")
}

/// A link to a file in a folder: what may not stand in a URL is written as its octets.
fn link_to(folder: &str, file: &str) -> String {
    let path = if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
    let octets = path.bytes().map(|octet| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' | b'/' => {
            char::from(octet).to_string()
        }
        octet => format!("%{octet:02X}"),
    });
    octets.collect()
}
