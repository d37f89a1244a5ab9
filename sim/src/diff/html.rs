//! The comparison as a page of HTML that needs nothing besides itself.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::text::{Stretch, full};
use super::{Diff, Line, Row};
use crate::render::elapsed;
use crate::render::page::{escape, page};

const STYLE: &str = "\
table.sides { table-layout: fixed; width: 100%; } table.sides td { border: 0; padding: .1rem .4rem; }
col.sign { width: 1.8rem; } td.sign { text-align: center; font-weight: bold; }
summary { color: var(--faint); cursor: pointer; padding: .2rem .4rem; }
th { white-space: nowrap; }
details { border-block: 1px dotted var(--line); }
td time { color: var(--faint); margin-right: .5em; }
";

impl Diff {
    /// The comparison as a page.
    pub fn html(&self) -> String {
        let mut body = String::new();
        let mut put = |text: &str| body.push_str(text);
        let (left, right) = (escape(&self.left.name), escape(&self.right.name));
        put(&format!("<h1>{left} <span class=\"faint\">and</span> {right}</h1>\n"));
        put(&format!("<p>{}</p>\n", escape(&self.summary())));
        put(&format!(
            "<p class=\"faint\">A: {left}, digest {}<br>B: {right}, digest {}</p>\n",
            escape(&self.left.digest),
            escape(&self.right.digest)
        ));
        if let Some(first) = self.first() {
            put("<h2>The first difference</h2>\n<table class=\"mono\">\n");
            put(&self.first_html(first));
            put("</table>\n");
        }
        put("<h2>What differs in the plans</h2>\n<ul>\n");
        self.causes_text().iter().for_each(|text| put(&format!("<li>{}</li>\n", escape(text))));
        put("</ul>\n<h2>Side by side</h2>\n");
        let names = self.short_names();
        for stretch in self.stretches() {
            match stretch {
                Stretch::Shown(lines) => put(&self.table(lines, &names)),
                Stretch::Hidden(lines) => put(&format!(
                    "<details><summary>{} rows alike</summary>\n{}</details>\n",
                    lines.len(),
                    self.table(lines, &names)
                )),
            }
        }
        page(&format!("{} and {}", self.left.name, self.right.name), STYLE, &body)
    }

    fn first_html(&self, first: usize) -> String {
        let shown = self.around(first).into_iter().map(|(label, row)| {
            let text = row.map_or_else(|| "—".to_owned(), |row| escape(&full(row)));
            format!("<tr><th>{label}</th><td>{text}</td></tr>\n")
        });
        shown.collect()
    }

    fn table(&self, lines: &[Line], names: &BTreeMap<&str, &str>) -> String {
        let mut out =
            String::from("<table class=\"sides mono\"><colgroup><col><col class=\"sign\"><col></colgroup>\n");
        for line in lines {
            let (left, right) = self.rows(*line);
            let class = match line {
                Line::Alike(..) => "",
                Line::Changed(..) => "warn",
                Line::Left(_) => "bad",
                Line::Right(_) => "good",
                Line::MovedLeft(_) | Line::MovedRight(_) => "note",
            };
            let sign = escape(&line.sign().to_string());
            let (left, right) = (cell(left, names), cell(right, names));
            writeln!(
                out,
                "<tr class=\"{class}\"><td>{left}</td><td class=\"sign\">{sign}</td><td>{right}</td></tr>"
            )
            .expect("a string takes it");
        }
        out.push_str("</table>\n");
        out
    }
}

fn cell(row: Option<&Row>, names: &BTreeMap<&str, &str>) -> String {
    let Some(row) = row else { return String::new() };
    let text = escape(&row.text);
    match row.at {
        Some(at) => {
            format!("<time>{}</time><b>{}</b>: {text}", elapsed(at), escape(names[row.machine.as_str()]))
        }
        None => format!("at the end: {text}"),
    }
}
