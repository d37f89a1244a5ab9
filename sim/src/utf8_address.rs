//! An address past ASCII as RFC 6533, 3 writes it: `\x{FC}` for a character that cannot stand there.
//!
//! Written apart from the gateway, as plainly as it can be done, so that the two check each other.

/// The address as a client says it that may use UTF-8.
pub(crate) fn embed(address: &str) -> String {
    let mut said = String::new();
    for c in address.chars() {
        match c {
            ' ' | '+' | '=' | '\\' => said.push_str(&format!("\\x{{{:X}}}", c as u32)),
            c => said.push(c),
        }
    }
    said
}

/// What was said, in either form.
pub(crate) fn unembed(said: &str) -> String {
    let mut parts = said.split("\\x{");
    let mut address = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_once('}').unwrap_or((part, ""));
        let c = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        address.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
        address.push_str(rest);
    }
    address
}

/// A domain as name servers know it.
pub(crate) fn a_labels(domain: &str) -> String {
    match domain.is_ascii() {
        true => domain.to_ascii_lowercase(),
        false => idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned()),
    }
}

/// Whether the header of a message has anything past ASCII.
pub(crate) fn has_utf8_header(content: &[u8]) -> bool {
    let end = content.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap_or(content.len());
    !content[..end].is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_back_from_either_form() {
        assert_eq!(embed("jürgen+x@y.test"), "jürgen\\x{2B}x@y.test");
        for said in ["jürgen\\x{2B}x@y.test", "j\\x{FC}rgen\\x{2b}x@y.test"] {
            assert_eq!(unembed(said), "jürgen+x@y.test");
        }
    }
}
