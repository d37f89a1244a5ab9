//! The passwords of a scenario. A scenario says what an account's password is, in its gateway's configuration as in its
//! clients; the gateway is given what it stores of it, for it takes no password.

use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use crate::keys;

/// Puts in place of each mailbox's `password` its `secret`.
pub(crate) fn store(config: &mut Table) {
    let mailboxes = config.get_mut("mailbox").and_then(Value::as_array_mut);
    for mailbox in mailboxes.into_iter().flatten().filter_map(Value::as_table_mut) {
        if let Some(Value::String(password)) = mailbox.get("password") {
            let account = mailbox.get("account").and_then(Value::as_str).unwrap_or_default();
            let secret = keys::secret(account, password).text();
            mailbox.remove("password");
            mailbox.insert("secret".to_owned(), secret.into());
        }
    }
}

/// The text of a configuration with its secrets stored.
pub(super) struct Stored {
    pub(super) text: String,
    /// What stands for what, in their order: the place in the text before, and in this one.
    moved: Vec<[Range<usize>; 2]>,
}

impl Stored {
    /// Of a text in which passwords stand. A text that is no TOML stays as it is.
    pub(super) fn of(text: &str) -> Self {
        let mut stored = Stored { text: String::with_capacity(text.len()), moved: Vec::new() };
        let mut rest = 0;
        for (place, secret) in passwords(text).unwrap_or_default() {
            stored.text += &text[rest..place.start];
            let start = stored.text.len();
            stored.text += &format!("secret = \"{secret}\"");
            rest = place.end;
            stored.moved.push([place, start..stored.text.len()]);
        }
        stored.text += &text[rest..];
        stored
    }

    /// Where a place of this text was in the text before.
    pub(super) fn before(&self, place: Range<usize>) -> Range<usize> {
        let at = |at: usize| {
            let [before, now] =
                self.moved.iter().rfind(|[_, now]| now.start <= at).cloned().unwrap_or_default();
            if at < now.end { before.start } else { before.end + (at - now.end) }
        };
        at(place.start)..at(place.end)
    }
}

/// Each password with its key, and the secret that is stored of it.
fn passwords(text: &str) -> Option<Vec<(Range<usize>, String)>> {
    let root = DeTable::parse(text).ok()?;
    let DeValue::Array(mailboxes) = root.get_ref().get("mailbox")?.get_ref() else { return None };
    let password = |mailbox: &toml::Spanned<DeValue<'_>>| {
        let DeValue::Table(mailbox) = mailbox.get_ref() else { return None };
        let (key, password) = mailbox.get_key_value("password")?;
        let account = mailbox.get("account").and_then(|account| account.get_ref().as_str());
        let secret = keys::secret(account.unwrap_or_default(), password.get_ref().as_str()?);
        Some((key.span().start..password.span().end, secret.text()))
    };
    Some(mailboxes.iter().filter_map(password).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_behind_a_secret_is_found_where_it_was() {
        let text = "mailbox = [{ account = \"a\", password = \"x\", aliases = [7] }]\n[[route]]\n";
        let stored = Stored::of(text);
        assert!(stored.text.contains("account = \"a\", secret = \"SCRAM-SHA-256$4096:"), "{}", stored.text);
        for wanted in ["mailbox", "account", "aliases", "[7]", "route"] {
            let find = |text: &str| text.find(wanted).map(|start| start..start + wanted.len()).unwrap();
            assert_eq!(stored.before(find(&stored.text)), find(text), "{wanted}");
        }
        assert_eq!(&text[stored.before(stored.text.find("SCRAM").map(|at| at..at + 90).unwrap())], "");
    }
}
