//! A comparison as one HTML page: what the numbers support, charts, and the numbers. It asks nothing of anybody: styles and
//! charts are in it. It is readable by day, by night and on paper.

use std::fmt::Write;

use super::chart::{Line, chart};
use super::words::{amount, sentences};
use super::{Compared, Difference, Estimate, Row, Unit, Variant, Verdict};
use crate::count::count;
use crate::render::{self, page::escape};

/// The page.
pub fn page(compared: &Compared) -> String {
    let mut out = String::new();
    let title = format!("{} on {}", compared.profile, compared.release);
    let mut put = |part: &str| out.push_str(part);
    put(&format!("<h1>{}</h1>\n{}", escape(&title), what_was_run(compared)));
    put("<h2>What the numbers support</h2>\n");
    for sentence in sentences(compared) {
        put(&format!("<p>{}</p>\n", escape(&sentence)));
    }
    put(
        "<h2>Charts</h2>\n<p class=\"faint\">Left, what was measured; right, the difference from the base. The bars are 95 % \
         confidence intervals. A full point differs from the base by more than chance explains; a hollow one does not, or \
         is the base.</p>\n",
    );
    let occurs = |row: &&Row| row.differences.iter().any(|it| it.verdict != Verdict::Never);
    compared.rows.iter().filter(occurs).for_each(|row| put(&figure(compared, row)));
    put("<h2>Numbers</h2>\n");
    put(&table(compared));
    put(HOW_TO_READ);
    render::page::page(&format!("{title}: a comparison"), STYLE, &out)
}

fn what_was_run(compared: &Compared) -> String {
    let Compared { seeds, compared, variants, refused, broke_down, .. } = compared;
    let mut out = format!(
        "<p>Seeds {}..{}, {compared} compared; each is one world, with the same mail and the same faults for every \
         variant.</p>\n<ol class=\"variants\">\n",
        seeds.start, seeds.end
    );
    for (place, variant) in variants.iter().enumerate() {
        let base = if place == 0 { " (base)" } else { "" };
        writeln!(out, "<li><code>{}</code>{base}</li>", escape(&variant.to_string()))
            .expect("a string takes it");
    }
    out.push_str("</ol>\n");
    for ((left_out, why), what) in
        [(refused, "the gateway does not take a variant there"), (broke_down, "a run broke down")]
    {
        if let Some(why) = why {
            writeln!(out, "<p>{} left out: {what} ({}).</p>", count(*left_out, "seed"), escape(why))
                .expect("a string takes it");
        }
    }
    out
}

fn figure(compared: &Compared, row: &Row) -> String {
    let measure = row.measure;
    let line = |(place, variant): (usize, &Variant)| Line {
        name: variant.to_string(),
        value: row.values[place],
        difference: row.differences[place].by.filter(|_| place > 0),
        is_sure: is_sure(&row.differences[place]),
    };
    let lines: Vec<Line> = compared.variants.iter().enumerate().map(line).collect();
    let (name, what) = (escape(measure.name), escape(measure.what));
    let chart = chart(measure.name, &lines, measure.unit);
    format!("<figure>\n<figcaption><b>{name}</b> {what}</figcaption>\n{chart}\n</figure>\n")
}

fn is_sure(difference: &Difference) -> bool {
    matches!(difference.verdict, Verdict::More | Verdict::Less)
}

fn table(compared: &Compared) -> String {
    let mut out =
        "<table>\n<thead><tr><th>measure</th><th>variant</th><th>measured</th><th>difference</th><th>95 % \
                   interval</th><th>seeds that differ</th><th></th></tr></thead>\n"
            .to_owned();
    for row in &compared.rows {
        out.push_str("<tbody>\n");
        for (place, difference) in row.differences.iter().enumerate() {
            let name = match place {
                0 => format!("<th rowspan=\"{}\">{}</th>", row.differences.len(), escape(row.measure.name)),
                _ => String::new(),
            };
            let unit = row.measure.unit;
            let value = row.values[place].map_or_else(|| "–".to_owned(), |value| amount(unit, value.value));
            let [by, interval] = match (place, difference.by) {
                (0, _) => ["base".to_owned(), String::new()],
                (_, None) => ["–".to_owned(), String::new()],
                (_, Some(by)) => [signed(unit, by.value), interval(unit, by)],
            };
            let (seeds, word) = match place {
                0 => (String::new(), ""),
                _ => (difference.seeds.to_string(), difference.verdict.word()),
            };
            let variant = escape(&compared.variants[place].to_string());
            let class = if is_sure(difference) { " class=\"sure\"" } else { "" };
            writeln!(
                out,
                "<tr{class}>{name}<td><code>{variant}</code></td><td>{value}</td><td>{by}</td><td>{interval}</td><td>{seeds}</td><td>{word}</td></tr>"
            )
            .expect("a string takes it");
        }
        out.push_str("</tbody>\n");
    }
    out + "</table>\n"
}

fn signed(unit: Unit, value: f64) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}", amount(unit, value))
}

fn interval(unit: Unit, by: Estimate) -> String {
    format!("{} to {}", signed(unit, by.low), signed(unit, by.high))
}

const STYLE: &str = include_str!("page.css");

const HOW_TO_READ: &str = "<h2>How to read this</h2>
<p>An interval is from a paired bootstrap: the seeds are drawn anew 1,000 times, the same for both variants, and 95 of 100 of
the differences lie in it. One of twenty such intervals misses what it is after, so one surprise in a table of many is none.
Where fewer than six seeds differ nothing is concluded. “Open” is not “the same”: more seeds may tell.</p>
<p>The numbers are of this simulator and of what the profile draws: mail, machines and faults as it has them, with faults far
more frequent than anybody's. They compare settings. They foretell nobody's latencies.</p>
";
