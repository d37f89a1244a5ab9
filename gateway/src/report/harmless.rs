//! Text from outside, made fit to be quoted: one line, of a sensible length, without control characters.
//!
//! This module knows no header and no report.

/// The longest address quoted: the longest path that SMTP knows (RFC 5321, 4.5.3.1.3).
pub(super) const ADDRESS: usize = 256;

/// One line of at most `limit` characters. Control characters and line separators become spaces; what is cut is
/// marked.
pub(super) fn line(text: &str, limit: usize) -> String {
    let plain = |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    let text = text.trim();
    if text.chars().count() <= limit {
        return text.chars().map(plain).collect();
    }
    text.chars().map(plain).take(limit.saturating_sub(3)).chain("...".chars()).collect()
}

/// Like [`line`], for a place that takes ASCII only: any other character becomes `?`.
pub(super) fn ascii(text: &str, limit: usize) -> String {
    line(text, limit).chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}
