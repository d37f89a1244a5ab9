//! A page of HTML that needs nothing besides itself, for a light and a dark screen and for paper.

/// What every page looks like. The colours of a state are never all that tells it: there is a sign or a word too.
const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1d2430; --paper: #fff; --faint: #667085; --line: #d9dee7; --panel: #f6f7f9;
  --good: #116d3a; --good-bg: #e5f5ea; --warn: #7a5200; --warn-bg: #fdf1d5; --bad: #a3211b; --bad-bg: #fdeae8;
  --note: #0b5a8f; --note-bg: #e4f1fa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ef; --paper: #14171c; --faint: #97a1b3; --line: #333a46;
  --panel: #1c2027; --good: #7fd6a0; --good-bg: #12301f; --warn: #f0c76b; --warn-bg: #362a0d; --bad: #ff9c94;
  --bad-bg: #3d1715; --note: #8cc8f2; --note-bg: #10293c; } }
@media print { :root { --ink: #000; --paper: #fff; --faint: #444; --line: #999; --panel: #fff; --good: #000;
  --good-bg: #fff; --warn: #000; --warn-bg: #eee; --bad: #000; --bad-bg: #ddd; --note: #000; --note-bg: #fff; }
  body { max-width: none; } a { color: inherit; text-decoration: none; } tr { break-inside: avoid; } }
body { margin: 0 auto; padding: 1.5rem; color: var(--ink); background: var(--paper);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin-top: 1.8rem; }
a { color: var(--note); } .faint { color: var(--faint); }
table { border-collapse: collapse; } th, td { padding: .25rem .5rem; vertical-align: top; text-align: left; }
td, th { border-bottom: 1px solid var(--line); }
pre, code, .mono { font: 12.5px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; }
.good { color: var(--good); background: var(--good-bg); } .warn { color: var(--warn); background: var(--warn-bg); }
.bad { color: var(--bad); background: var(--bad-bg); } .note { color: var(--note); background: var(--note-bg); }
";

/// A page. `style` is what it needs besides, and `body` is HTML.
pub(crate) fn page(title: &str, style: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}{style}</style>\n<body>\n{body}</body>\n</html>\n",
        escape(title)
    )
}

/// A text as it stands in HTML, within an element or an attribute in double quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
