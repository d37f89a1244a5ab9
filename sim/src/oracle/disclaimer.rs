//! What a disclaimer makes of a message, written apart from the gateway and as plainly as it can be done: the text goes
//! before and behind the body, of a mixture the first part's, of alternatives each one's, and nothing else is different.
//!
//! Only what is not encoded is known here; of another message nothing is said.

/// The message with the texts; nothing if it has a part that is encoded.
pub(super) fn with_texts(content: &[u8], [prepend, append]: [Option<&str>; 2]) -> Option<Vec<u8>> {
    let at = content.windows(4).position(|octets| octets == b"\r\n\r\n")? + 4;
    let (header, body) = content.split_at(at);
    let body = body_with_texts(&unfolded(header), body, prepend, append)?;
    Some([header, &body].concat())
}

/// A header as text, one field a line, in lower case but for parameters.
fn unfolded(header: &[u8]) -> String {
    String::from_utf8_lossy(header).replace("\r\n\t", " ").replace("\r\n ", " ")
}

fn field(header: &str, name: &str) -> String {
    let is_it = |line: &&str| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    header.lines().find(is_it).map(|line| line[name.len()..].trim().to_owned()).unwrap_or_default()
}

fn body_with_texts(
    header: &str,
    body: &[u8],
    prepend: Option<&str>,
    append: Option<&str>,
) -> Option<Vec<u8>> {
    let kind = field(header, "Content-Type:");
    let encoding = field(header, "Content-Transfer-Encoding:").to_ascii_lowercase();
    let main = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match main.as_str() {
        "multipart/mixed" | "multipart/related" => parts(&kind, body, prepend, append, 1),
        "multipart/alternative" => parts(&kind, body, prepend, append, usize::MAX),
        "" | "text/plain" | "text/html" => {
            if !matches!(encoding.as_str(), "" | "7bit" | "8bit" | "binary") {
                return None;
            }
            let said = |text: &str| match main == "text/html" {
                true => format!("<p>{}</p>", text.trim_end().lines().collect::<Vec<_>>().join("<br>\r\n")),
                false => text.trim_end().lines().collect::<Vec<_>>().join("\r\n"),
            };
            Some(around(body, prepend.map(said), append.map(said)))
        }
        _ => Some(body.to_vec()),
    }
}

/// A body with text around it, where it is not there already.
fn around(body: &[u8], prepend: Option<String>, append: Option<String>) -> Vec<u8> {
    let mut text = body.to_vec();
    if let Some(append) = append
        && !text.trim_ascii_end().ends_with(append.as_bytes())
    {
        let ends = text.is_empty() || text.ends_with(b"\n");
        let append = if ends { format!("{append}\r\n") } else { format!("\r\n{append}") };
        text.extend_from_slice(append.as_bytes());
    }
    match prepend {
        Some(prepend) if !text.starts_with(prepend.as_bytes()) => {
            [prepend.as_bytes(), b"\r\n", &text].concat()
        }
        _ => text,
    }
}

/// The parts of a multipart, the first so many of them with the texts.
fn parts(
    kind: &str,
    body: &[u8],
    prepend: Option<&str>,
    append: Option<&str>,
    count: usize,
) -> Option<Vec<u8>> {
    let (_, boundary) = kind.split_once("boundary=")?;
    let boundary = format!("--{}", boundary.trim_start_matches('"').split(['"', ';']).next()?);
    let mut pieces: Vec<Vec<u8>> = vec![Vec::new()];
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(boundary.as_bytes()) {
            pieces.push(Vec::new());
        }
        pieces.last_mut()?.extend_from_slice(line);
    }
    let last = pieces.len() - 1;
    for (place, piece) in pieces.iter_mut().enumerate().skip(1).take(count) {
        if place == last {
            break;
        }
        let head = piece.iter().position(|octet| *octet == b'\n')? + 1;
        let (line, part) = piece.split_at(head);
        // The line end before the next boundary belongs to that (RFC 2046, 5.1.1).
        let part = part.strip_suffix(b"\r\n")?;
        let part = match part.strip_prefix(b"\r\n") {
            Some(body) => [b"\r\n", &body_with_texts("", body, prepend, append)?[..]].concat(),
            None => with_texts(part, [prepend, append])?,
        };
        *piece = [line, &part, b"\r\n"].concat();
    }
    Some(pieces.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_around_what_is_read_first_and_nowhere_else() {
        let message = "Subject: x\r\nContent-Type: multipart/mixed; boundary=\"o\"\r\n\r\n\r\n--o\r\n\
            Content-Type: text/plain\r\n\r\nHello\r\n--o\r\n\r\nother\r\n--o--\r\n";
        let with = with_texts(message.as_bytes(), [Some("Before"), Some("After")]).unwrap();
        let expected = message.replace("\r\n\r\nHello\r\n", "\r\n\r\nBefore\r\nHello\r\nAfter\r\n");
        assert_eq!(String::from_utf8(with).unwrap(), expected);
    }
}
