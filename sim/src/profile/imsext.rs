//! Journals and disclaimers of a drawn scenario: the links of the extension chain that copy messages and add to them.
//!
//! They have a stream of their own: where they are not drawn nothing else is different.

use toml::{Table, Value};

use super::cast::Cast;
use crate::draw::{Dice, Seed};
use crate::scenario;

/// Who hears of copies that could not be delivered.
const REPORTS_TO: &str = "journal-reports@contoso.test";

/// A journal on the gateway.
const HERE: &str = "journal@contoso.test";

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    Table::from_iter(entries.map(|(key, value)| (key.to_owned(), value)))
}

/// Draws them.
pub(super) fn draw(chance: u64, cast: &Cast, config: &mut Table, seed: Seed) {
    let mut dice = Dice::of(seed, "journal and disclaimer");
    if !dice.chance(chance) {
        return;
    }
    let mut links = Vec::new();
    if dice.chance(70) {
        let elsewhere = format!("journal@{}", dice.pick(&cast.remote_domains()));
        let mut journal = table([("name", "journal".into()), ("reports_to", REPORTS_TO.into())]);
        for way in ["inbound", "outbound"] {
            if dice.chance(70) {
                let to = if dice.chance(60) { HERE } else { &elsewhere };
                journal.insert(way.to_owned(), to.into());
            }
        }
        links.push(journal);
        let mailboxes = config.get_mut("mailbox").and_then(Value::as_array_mut);
        let own = [HERE, REPORTS_TO].map(|address| table([("address", address.into())]).into());
        mailboxes.into_iter().for_each(|mailboxes| mailboxes.extend(own.clone()));
    }
    if dice.chance(70) {
        let mut disclaimer = table([("name", "disclaimer".into())]);
        for way in ["inbound", "outbound"] {
            let mut texts = Table::new();
            if dice.chance(25) {
                // Most messages begin with it: they have it already.
                texts.insert("prepend".to_owned(), scenario::file::usual_body().trim_end().into());
                disclaimer.insert(way.to_owned(), texts.into());
                continue;
            }
            if dice.chance(40) {
                texts.insert("prepend".to_owned(), format!("This is {way} mail.").into());
            }
            if dice.chance(70) {
                let text = format!("--\n{way} mail is nobody's opinion,\nnot even ours.\n");
                texts.insert("append".to_owned(), text.into());
            }
            disclaimer.insert(way.to_owned(), texts.into());
        }
        links.push(disclaimer);
    }
    let chain = config.entry("extension").or_insert_with(|| Value::Array(Vec::new()));
    if let Some(chain) = chain.as_array_mut() {
        chain.extend(links.into_iter().map(Value::from));
    }
}
