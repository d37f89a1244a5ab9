//! How the gateway of a drawn scenario is set up.

use std::path::PathBuf;
use std::time::Duration;

use gateway::extension::OnFailure;
use gateway::report::Category;
use toml::{Table, Value};

use super::cast::{Cast, Host, OTHER_HOME};
use super::{Configuration, plain, table};
use crate::draw::{Dice, Seed};
use crate::plan::Mechanism;
use crate::scenario::file::{Account, DiskFile};
use crate::scenario::{SPOOL, config};
use crate::span::Span;

/// The setup, and what the rest of the scenario must know of it.
pub(super) struct Setup {
    pub(super) config: Table,
    pub(super) files: Vec<DiskFile>,
    /// What each client authenticates with, in the order of the clients.
    pub(super) accounts: Vec<Option<Account>>,
    /// The domain that the extension has as `localhost`.
    pub(super) localhost_domain: Option<&'static str>,
    /// The domains that a route or the extension sends to a host.
    pub(super) routed_domains: Vec<String>,
    /// How long a message may be under way.
    pub(super) patience: Duration,
    /// What becomes of a message over which an extension fails.
    pub(super) on_failure: OnFailure,
}

/// The domain that stands as `localhost` in the extension's file.
const LOCALHOST_DOMAIN: &str = "shop.contoso.test";

/// Draws the setup.
pub(super) fn draw(chances: &Configuration, cast: &Cast, seed: Seed) -> Setup {
    let mut dice = Dice::of(seed, "configuration");
    let mut setup = Setup {
        config: Table::new(),
        files: Vec::new(),
        accounts: vec![None; cast.clients.len()],
        localhost_domain: None,
        routed_domains: Vec::new(),
        patience: Duration::ZERO,
        on_failure: OnFailure::default(),
    };
    let administrator = dice.chance(chances.administrator);
    setup.access(chances, cast, &mut dice);
    setup.mailboxes(cast, administrator);
    setup.routing(chances, cast, &mut dice);
    setup.delivery(chances, cast, &mut dice);
    setup.connections(chances, &mut Dice::of(seed, "connections"));
    setup.limits(chances, &mut dice, &mut Dice::of(seed, "octets in hand"));
    for path in [format!("{SPOOL}/in/desktop.ini"), format!("{SPOOL}/in/STRAY001")] {
        if dice.chance(chances.stray_file) {
            let content = "no message\n".to_owned();
            setup.files.push(DiskFile { path: plain(PathBuf::from(path)), content });
        }
    }
    if administrator {
        let told = Category::ALL.into_iter().filter(|_| dice.chance(chances.notification));
        let told: Vec<Value> = told.map(|kind| Value::try_from(kind).expect("a kind has a name")).collect();
        setup.config.insert("notifications".to_owned(), table([("administrator", told.into())]));
    }
    let choices = chances.on_failure.iter().map(|(choice, weight)| (*choice, *weight));
    setup.on_failure = dice.weighted(choices).unwrap_or_default();
    let mut dice = Dice::of(seed, "mechanisms");
    for account in setup.accounts.iter_mut().flatten() {
        let choices = chances.mechanisms.iter().map(|(mechanism, weight)| (*mechanism, *weight));
        account.mechanism = dice.weighted(choices).unwrap_or_default();
    }
    setup
}

/// Puts the extension into the chain that fails as the plan says, and what becomes of the message then.
pub(super) fn add_faulty_extension(config: &mut Table, on_failure: OnFailure) {
    config::add_faulty_extension(config);
    let faulty = config.get_mut("extension").and_then(|chain| chain.get_mut(0)).and_then(Value::as_table_mut);
    let on_failure = Value::try_from(on_failure).expect("a choice has a name");
    faulty.expect("it is the first of the chain").insert("on_failure".to_owned(), on_failure);
}

impl Setup {
    fn set(&mut self, key: &str, value: Value) {
        self.config.insert(key.to_owned(), value);
    }

    /// Who may connect, who must authenticate, who may submit and relay.
    fn access(&mut self, chances: &Configuration, cast: &Cast, dice: &mut Dice) {
        let authenticate = dice.chance(chances.require_authentication);
        let mut rules = Vec::new();
        let mut relays = Vec::new();
        for (place, Host { address, .. }) in cast.clients.iter().enumerate() {
            let rule = |rule: &str| table([("network", address.to_string().into()), ("rule", rule.into())]);
            let exempt = dice.chance(chances.exempt_host);
            if exempt {
                rules.push(rule("exempt"));
            } else if dice.chance(chances.reject_host) {
                rules.push(rule("reject"));
            }
            if dice.chance(chances.relay_host) {
                relays.push(Value::from(address.to_string()));
            }
            if authenticate && !exempt && dice.chance(85) {
                let owner = place % cast.here.len() + 1;
                self.accounts[place] = Some(Account {
                    name: format!("user{owner}"),
                    password: "secret".to_owned(),
                    mechanism: Mechanism::default(),
                });
            }
        }
        // Some mail servers may have mail passed on too, and with it go round in circles.
        for server in &cast.servers {
            if dice.chance(chances.relay_host / 2) {
                relays.push(Value::from(server.host.address.to_string()));
            }
        }
        let require = if authenticate { "authentication" } else { "nothing" };
        self.set("accept", table([("require", require.into()), ("host", rules.into())]));
        self.set("relay", table([("networks", relays.into())]));
        // Each of the two restrictions asks for authentication.
        let homed = authenticate && dice.chance(chances.homed_here_only);
        let matching = authenticate && dice.chance(chances.account_matches_sender);
        let submission = [("homed_here_only", homed.into()), ("account_matches_sender", matching.into())];
        self.set("submission", table(submission));
    }

    fn mailboxes(&mut self, cast: &Cast, administrator: bool) {
        // Their accounts are to be of use where no TLS is drawn.
        self.set("tls", table([("auth_in_clear", true.into())]));
        let mut mailboxes = Vec::new();
        for (number, address) in (1..).zip(&cast.here) {
            mailboxes.push(table([
                ("address", address.as_str().into()),
                ("account", format!("user{number}").into()),
                ("password", "secret".into()),
                ("aliases", vec![Value::from(format!("u{number}@contoso.test"))].into()),
            ]));
        }
        let server = || Value::from(OTHER_HOME.to_uppercase());
        mailboxes.extend(
            cast.elsewhere
                .iter()
                .map(|address| table([("address", address.as_str().into()), ("server", server())])),
        );
        mailboxes.push(table([("address", format!("orders@{LOCALHOST_DOMAIN}").into())]));
        if administrator {
            mailboxes.push(table([("address", "administrator@contoso.test".into())]));
            self.set("administrator", "administrator@contoso.test".into());
        }
        self.set("mailbox", mailboxes.into());
    }

    /// The routing table, and the extension's file.
    fn routing(&mut self, chances: &Configuration, cast: &Cast, dice: &mut Dice) {
        let host = |dice: &mut Dice| dice.pick(&cast.servers).host.name.clone();
        let mut routes = vec![table([("domain", "contoso.test".into()), ("to", "<inbound>".into())])];
        for number in 1..=dice.number(chances.routes) {
            let domain = format!("routed{number}.test");
            routes.push(table([("domain", domain.as_str().into()), ("to", host(dice).into())]));
            self.routed_domains.push(domain);
        }
        self.set("route", routes.into());
        if !dice.chance(chances.imcext) {
            return;
        }
        let mut lines = format!("legacy.contoso.test   {}\n", host(dice));
        self.routed_domains.push("legacy.contoso.test".to_owned());
        if dice.chance(chances.localhost_route) {
            lines.push_str(&format!("{LOCALHOST_DOMAIN}   localhost\n"));
            self.localhost_domain = Some(LOCALHOST_DOMAIN);
        }
        let path = format!("{SPOOL}/Imcroute.cfg");
        self.files.push(DiskFile { path: plain(PathBuf::from(&path)), content: lines });
        let extension = table([("name", "imcext".into()), ("routes", path.into())]);
        self.set("extension", vec![extension].into());
    }

    fn delivery(&mut self, chances: &Configuration, cast: &Cast, dice: &mut Dice) {
        let mut wait = dice.span(chances.retry);
        let mut waits = Vec::new();
        for _ in 0..dice.number(chances.waits).max(1) {
            waits.push(wait);
            wait = dice.span([wait, Span(2 * wait.0)]);
        }
        let expire = dice.span(chances.expire);
        self.patience = expire.0 + waits.iter().map(|wait| wait.0).max().unwrap_or_default();
        let text = |span: Span| Value::from(whole_seconds(span));
        let mut delivery = Table::new();
        delivery.insert("retry".to_owned(), waits.into_iter().map(text).collect::<Vec<_>>().into());
        delivery.insert("expire".to_owned(), text(expire));
        if dice.chance(chances.delay_notice) {
            let soon = [Span(Duration::from_mins(5)), Span(expire.0.max(Duration::from_mins(10)))];
            delivery.insert("delay_notice".to_owned(), text(dice.span(soon)));
        }
        if dice.chance(chances.smart_host) {
            delivery.insert("smart_host".to_owned(), dice.pick(&cast.servers).host.name.clone().into());
        }
        self.set("delivery", delivery.into());
    }

    /// How many connections there may be to other hosts.
    fn connections(&mut self, chances: &Configuration, dice: &mut Dice) {
        if !dice.chance(chances.tight_limit) {
            return;
        }
        let delivery = self.config.get_mut("delivery").and_then(Value::as_table_mut);
        let delivery = delivery.expect("it was just drawn");
        for (key, range) in [("connections", [3, 6]), ("connections_per_host", [1, 2])] {
            delivery.insert(key.to_owned(), i64::try_from(dice.number(range)).unwrap_or(1).into());
        }
    }

    fn limits(&mut self, chances: &Configuration, dice: &mut Dice, of_memory: &mut Dice) {
        let mut limits = Table::new();
        let mut tight = |key: &str, range: [u64; 2], dice: &mut Dice| {
            if dice.chance(chances.tight_limit) {
                limits.insert(key.to_owned(), i64::try_from(dice.number(range)).unwrap_or(i64::MAX).into());
            }
        };
        tight("message_size", [2_000, 50_000], dice);
        tight("inbound_connections", [1, 4], dice);
        tight("hops", [3, 15], dice);
        tight("octets_in_hand", [65_536, 100_000], of_memory);
        self.set("limits", limits.into());
    }
}

/// A span as the gateway's configuration has it.
fn whole_seconds(span: Span) -> String {
    format!("{}s", span.0.as_secs())
}
