//! Unicode in seven bits: how an address past ASCII is told to those who know ASCII alone (RFC 6533, 3).
//!
//! `\x{FC}` stands for `ü`, and likewise for `+`, `=` and `\`, which mean something where such an address stands. What is
//! past ASCII may also stand as it is, where the other side knows SMTPUTF8.

use crate::address::is_harmless;

/// A text in ASCII.
pub fn encode(text: &str) -> String {
    let one =
        |c: char| if stands_for_itself(c) { c.to_string() } else { format!("\\x{{{:02X}}}", u32::from(c)) };
    text.chars().map(one).collect()
}

/// What a text stands for; nothing if it is not well formed.
pub fn decode(text: &str) -> Option<String> {
    let (mut decoded, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let (digits, after) = rest.strip_prefix("x{")?.split_once('}')?;
                let is_digits =
                    (2..=6).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_hexdigit());
                let point = u32::from_str_radix(digits, 16).ok().filter(|_| is_digits)?;
                decoded.push(char::from_u32(point)?);
                rest = after;
            }
            c if stands_for_itself(c) || !c.is_ascii() && is_harmless(c) => decoded.push(c),
            _ => return None,
        }
    }
    Some(decoded)
}

fn stands_for_itself(c: char) -> bool {
    matches!(c, '!'..='~') && !matches!(c, '\\' | '+' | '=')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_read_in_either_form() {
        assert_eq!(encode("jürgen+x@bücher.example"), "j\\x{FC}rgen\\x{2B}x@b\\x{FC}cher.example");
        assert_eq!(decode("j\\x{fc}rgen@b\u{fc}cher.example").unwrap(), "jürgen@bücher.example");
    }

    #[test]
    fn what_is_not_well_formed_is_nothing() {
        for text in
            ["\\", "\\x", "\\x{}", "\\x{FC", "\\x{+FC}", "\\x{D800}", "\\x{110000}", "a b", "a+b", "\u{202e}"]
        {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text: String) {
            prop_assert!(encode(&text).is_ascii());
            prop_assert_eq!(decode(&encode(&text)), Some(text));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = decode(&text);
        }
    }
}
