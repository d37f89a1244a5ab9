//! The messages of a drawn scenario: who sends what to whom, through which client, and when.

use std::time::Duration;

use gateway::address::Address;
use serde::Deserialize;

use super::cast::Cast;
use super::configuration::Setup;
use super::{Load, plain};
use crate::draw::{Dice, Seed};
use crate::plan::{Hears, Returns};
use crate::scenario::file::{Client, Message, Shape};
use crate::span::Span;

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Sender {
    /// Somebody of another organization.
    Outside,
    /// Somebody whose mailbox is homed on the gateway; the owner of the client's account, if it has one.
    Here,
    /// Somebody whose mailbox is homed on another server of the organization.
    Elsewhere,
    /// An address of the organization that nobody has.
    Unknown,
}

/// To whom a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Recipient {
    /// A mailbox homed on the gateway.
    Here,
    /// Its alias.
    Alias,
    /// A mailbox homed on another server of the organization.
    Elsewhere,
    /// An address of the organization that nobody has.
    Unknown,
    /// Another organization.
    Partner,
    /// A domain that a route or the extension sends to a host.
    Routed,
    /// The domain that the extension has as `localhost`.
    Localhost,
    /// A domain that does not exist.
    Nowhere,
    /// The postmaster.
    Postmaster,
    /// More recipients than one message may have.
    Crowd,
}

/// Draws the clients and their messages.
pub(super) fn draw(load: &Load, cast: &Cast, setup: &Setup, seed: Seed) -> Vec<Client> {
    let mut dice = Dice::of(seed, "load");
    let mut clients: Vec<Client> = cast
        .clients
        .iter()
        .zip(&setup.accounts)
        .map(|(host, account)| Client {
            name: plain(host.name.clone()),
            address: plain(host.address),
            account: account.clone(),
            tls: None,
            message: Vec::new(),
            etrn: Vec::new(),
        })
        .collect();
    let within = dice.span(load.within);
    for number in 1..=dice.small_number(load.messages) {
        // Each message has a stream of its own: one more or less changes no other.
        let mut dice = Dice::of(seed, &format!("load m{number}"));
        let client = dice.number([0, clients.len() as u64 - 1]) as usize;
        let writer = Writer { load, cast, setup, client };
        let message = writer.message(number, within, &mut dice);
        clients[client].message.push(message);
    }
    clients
}

/// Adds a burst of messages for one domain, within seconds of each other, if there is one.
pub(super) fn add_burst(load: &Load, cast: &Cast, clients: &mut [Client], seed: Seed) {
    let mut dice = Dice::of(seed, "burst");
    if !dice.chance(load.burst) {
        return;
    }
    let within = dice.span(load.within);
    let start = dice.span([Span::ZERO, within]);
    let domain = *dice.pick(&cast.remote_domains());
    let client = dice.number([0, clients.len() as u64 - 1]) as usize;
    for number in 1..=dice.number([3, 12]) {
        let at = Span(start.0 + dice.span([Span::ZERO, Span(Duration::from_secs(12))]).0);
        let to = parse(&format!("{}@{domain}", someone(&mut dice)));
        let message = message(&format!("b{number}"), at, &clients[client], to);
        clients[client].message.push(message);
    }
}

/// A plain message of a client, which tries a few times to hand it over.
pub(super) fn message(name: &str, at: Span, client: &Client, to: Address) -> Message {
    let from = match &client.account {
        Some(account) => format!("{}@contoso.test", account.name),
        None => "alice@fabrikam.test".to_owned(),
    };
    Message {
        name: plain(name.to_owned()),
        at,
        from: Some(parse(&from)),
        to: vec![to],
        subject: format!("Message {name}"),
        body: "Nothing to see here.\n".to_owned(),
        shape: Shape::Plain,
        octets: 0,
        retry: [5, 20, 120].map(|minutes| Span(Duration::from_mins(minutes))).to_vec(),
        pipeline: false,
        chunks: 0,
        notify: None,
        ret: None,
        envid: None,
    }
}

/// Writes the messages of one client.
struct Writer<'a> {
    load: &'a Load,
    cast: &'a Cast,
    setup: &'a Setup,
    client: usize,
}

impl Writer<'_> {
    fn message(&self, number: u64, within: Span, dice: &mut Dice) -> Message {
        let load = self.load;
        let from = (!dice.chance(load.null_sender)).then(|| self.sender(dice));
        let weights = load.to.iter().map(|(kind, weight)| (*kind, *weight));
        let mut to: Vec<Address> = Vec::new();
        for _ in 0..dice.small_number(load.recipients) {
            let kind = dice.weighted(weights.clone()).unwrap_or(Recipient::Here);
            let drawn = match to.last() {
                // Who writes to somebody writes to a colleague too.
                Some(last) if !last.domain().as_str().ends_with("contoso.test") && dice.chance(25) => {
                    vec![parse(&format!("{}@{}", someone(dice), last.domain()))]
                }
                _ => self.recipients(kind, dice),
            };
            for address in drawn {
                if !to.contains(&address) {
                    to.push(address);
                }
            }
        }
        let shape = dice.weighted(load.shape.iter().map(|(shape, weight)| (*shape, *weight)));
        let retry: &[u64] = if dice.chance(load.impatient) { &[] } else { &[5, 10, 20, 60, 120, 240] };
        Message {
            name: plain(format!("m{number}")),
            at: dice.span([Span::ZERO, within]),
            from,
            to,
            subject: format!("Number {number}"),
            body: "Nothing to see here.\n".to_owned(),
            shape: shape.unwrap_or(Shape::Plain),
            octets: dice.small_number(load.octets) as usize,
            retry: retry.iter().map(|minutes| Span(Duration::from_mins(*minutes))).collect(),
            pipeline: dice.chance(load.extensions),
            chunks: if dice.chance(load.extensions) { dice.number([1, 4]) as usize } else { 0 },
            notify: dice.chance(load.extensions).then(|| hears(dice)),
            ret: dice
                .chance(load.extensions)
                .then(|| if dice.chance(50) { Returns::Full } else { Returns::Headers }),
            envid: dice.chance(load.extensions).then(|| plain(format!("ENV{number}"))),
        }
    }

    fn sender(&self, dice: &mut Dice) -> Address {
        let kind = dice.weighted(self.load.from.iter().map(|(kind, weight)| (*kind, *weight)));
        let account = self.setup.accounts[self.client].as_ref();
        let address = match kind.unwrap_or(Sender::Outside) {
            Sender::Here => match account {
                Some(account) if dice.chance(80) => format!("{}@contoso.test", account.name),
                _ => dice.pick(&self.cast.here).clone(),
            },
            Sender::Elsewhere if !self.cast.elsewhere.is_empty() => dice.pick(&self.cast.elsewhere).clone(),
            Sender::Unknown => "nobody@contoso.test".to_owned(),
            Sender::Outside | Sender::Elsewhere => {
                format!("{}@fabrikam.test", dice.pick(&["alice", "bob", "carol"]))
            }
        };
        parse(&address)
    }

    fn recipients(&self, kind: Recipient, dice: &mut Dice) -> Vec<Address> {
        let address = match kind {
            Recipient::Elsewhere if !self.cast.elsewhere.is_empty() => {
                dice.pick(&self.cast.elsewhere).clone()
            }
            Recipient::Alias => dice.pick(&self.cast.here).replace("user", "u"),
            Recipient::Unknown => "nobody@contoso.test".to_owned(),
            Recipient::Partner => format!("{}@{}", someone(dice), dice.pick(&self.cast.remote_domains())),
            Recipient::Routed if !self.setup.routed_domains.is_empty() => {
                format!("{}@{}", someone(dice), dice.pick(&self.setup.routed_domains))
            }
            Recipient::Localhost => match self.setup.localhost_domain {
                Some(domain) => format!("{}@{domain}", dice.pick(&["orders", "orders", "returns"])),
                None => dice.pick(&self.cast.here).clone(),
            },
            Recipient::Nowhere => "gina@nowhere.test".to_owned(),
            Recipient::Postmaster => "postmaster@contoso.test".to_owned(),
            Recipient::Crowd => return (1..=101).map(|n| parse(&format!("staff{n}@contoso.test"))).collect(),
            Recipient::Here | Recipient::Elsewhere | Recipient::Routed => dice.pick(&self.cast.here).clone(),
        };
        vec![parse(&address)]
    }
}

fn hears(dice: &mut Dice) -> Vec<Hears> {
    [Hears::Success, Hears::Failure, Hears::Delay].into_iter().filter(|_| dice.chance(50)).collect()
}

pub(super) fn someone(dice: &mut Dice) -> &'static str {
    ["dave", "erin", "frank"][dice.number([0, 2]) as usize]
}

pub(super) fn parse(address: &str) -> Address {
    address.parse().expect("an address of ours is one")
}
