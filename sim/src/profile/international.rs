//! International mail of a drawn scenario (RFC 6531): addresses and headers past ASCII, servers that take them and
//! others that do not, and the faults that attack that.
//!
//! It changes what the others have drawn, from a stream of its own: where it is not drawn nothing else is different.

use gateway::address::Address;
use toml::{Table, Value};

use super::Faults;
use super::cast::Cast;
use super::perturbation::period;
use crate::draw::{Dice, Seed};
use crate::fault::{ClientDoes, Fault, ServerDoes};
use crate::plan::Offer;
use crate::scenario::file::{Client, Message, Shape};

/// The kinds of fault that are drawn here alone.
pub(super) const KINDS: [&str; 3] = ["server-refuses-utf8", "server-withdraws-utf8", "client-hides-utf8"];

/// The domain of a mail server, as name servers know it: `bücher.test`.
const DOMAIN: &str = "xn--bcher-kva.test";

const SENDERS: [&str; 4] =
    ["jürgen@contoso.test", "pelé@fabrikam.test", "\"señor x\"@fabrikam.test", "info@bücher.test"];

/// Mailboxes of the gateway, nobody's, and other people's: with a letter and its accent in one code point and in two, and
/// the same domain in either form.
const RECIPIENTS: [&str; 9] = [
    "jürgen@contoso.test",
    "用户@contoso.test",
    "nobødy@contoso.test",
    "δοκιμή@partner1.test",
    "ju\u{308}rgen@partner1.test",
    "info@bücher.test",
    "jürgen+liste@bücher.test",
    "info@xn--bcher-kva.test",
    "गीता@nowhere.test",
];

/// What there is of it.
pub(super) struct International(Option<Dice>);

impl International {
    /// Draws whether there is any.
    pub(super) fn of(chance: u64, seed: Seed) -> Self {
        let mut dice = Dice::of(seed, "international");
        International(dice.chance(chance).then_some(dice))
    }

    /// What the servers offer, and the domain that one of them has.
    pub(super) fn cast(&mut self, cast: &mut Cast) {
        let Some(dice) = &mut self.0 else { return };
        for server in &mut cast.servers {
            if dice.chance(60) {
                server.offers.push(Offer::Smtputf8);
            }
        }
        let place = dice.number([0, cast.servers.len() as u64 - 1]) as usize;
        cast.servers[place].domains.push(DOMAIN.to_owned());
    }

    /// A mailbox of the gateway.
    pub(super) fn configuration(&self, config: &mut Table) {
        if self.0.is_none() {
            return;
        }
        let aliases = vec![Value::from(RECIPIENTS[1])];
        let mailbox = [("address", Value::from(RECIPIENTS[0])), ("aliases", aliases.into())];
        let mailbox = Table::from_iter(mailbox.map(|(key, value)| (key.to_owned(), value)));
        if let Some(mailboxes) = config.get_mut("mailbox").and_then(Value::as_array_mut) {
            mailboxes.push(mailbox.into());
        }
    }

    /// Who writes to whom, and what.
    pub(super) fn load(&mut self, clients: &mut [Client]) {
        let Some(dice) = &mut self.0 else { return };
        for message in clients.iter_mut().flat_map(|client| &mut client.message) {
            if dice.chance(30) && message.from.is_some() {
                message.from = Some(one_of(&SENDERS, dice));
            }
            if dice.chance(50) {
                address(message, dice);
            }
            if dice.chance(20) {
                message.shape = Shape::Utf8Header;
            }
        }
    }

    /// What goes wrong with it.
    pub(super) fn faults(&mut self, faults: &Faults, cast: &Cast, clients: &[Client]) -> Vec<Fault> {
        let Some(dice) = &mut self.0 else { return Vec::new() };
        let mut drawn = Vec::new();
        for does in [ServerDoes::RefusesUtf8, ServerDoes::WithdrawsUtf8] {
            if dice.chance(40) {
                let (at, until) = period(faults, dice);
                let connection = dice.chance(30).then(|| dice.number([1, 4]));
                let servers = cast.servers.iter();
                let meant = servers.filter(|server| server.domains.iter().any(|domain| domain == DOMAIN));
                let meant: Vec<_> = meant.collect();
                let server = match dice.chance(70) {
                    true => dice.pick(&meant).host.name.clone(),
                    false => dice.pick(&cast.servers).host.name.clone(),
                };
                drawn.push(Fault::Server { server, connection, at, until, does });
            }
        }
        let messages: Vec<&Message> = clients.iter().flat_map(|client| &client.message).collect();
        if dice.chance(40) {
            let message = dice.pick(&messages).name.as_ref().clone();
            drawn.push(Fault::Client { message, attempt: 1, does: ClientDoes::HidesUtf8 });
        }
        drawn
    }
}

/// Has a message go to somebody past ASCII, besides or instead of another.
fn address(message: &mut Message, dice: &mut Dice) {
    let recipient = one_of(&RECIPIENTS, dice);
    if message.to.contains(&recipient) {
        return;
    }
    if dice.chance(50) {
        message.to.push(recipient);
    } else {
        message.to[0] = recipient;
    }
}

fn one_of(addresses: &[&str], dice: &mut Dice) -> Address {
    dice.pick(addresses).parse().expect("an address of ours is one")
}
