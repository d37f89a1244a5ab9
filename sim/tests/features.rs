//! What `docs/features.md` says: each feature is in the plans of `mixed`, and what a row names is there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use gateway::address::Address;
use gateway::config::Lookups;
use gateway::release::Release;
use sim::draw::Seed;
use sim::fault::{ClientDoes, Fault, ServerDoes};
use sim::oracle::ORACLES;
use sim::plan::{Hears, Mechanism, MessagePlan, Offer, Plan};
use sim::scenario::{Library, Source};

/// The rows that are in no plan of `mixed`: what is not asked of mail, but by an administrator.
const NOT_DRAWN: [&str; 2] = [
    "message tracking; SMTP protocol log, without passwords",
    "the queue: list, show, retry, hold, release, delete; numbers for Prometheus; a reload that loses no connection; \
     a lock on the spool",
];

/// How the name of a row begins, and whether its feature is there in a plan.
type Drawn = (&'static str, fn(&Plan) -> bool);

const DRAWN: &[Drawn] = &[
    ("routes to servers behind it", |plan| plan.gateway.public.iter().any(|(_, public)| *public)),
    ("PIPELINING", |plan| any(plan, |message| message.uses.pipelining) && offers(plan, Offer::Pipelining)),
    ("SIZE; 8BITMIME", |plan| {
        let limit = plan.gateway.config.limits.message_size;
        any(plan, |message| !message.content.is_ascii())
            && any(plan, |message| limit.is_some_and(|limit| message.content.len() as u64 > limit.get()))
    }),
    ("CHUNKING", |plan| any(plan, |message| message.uses.chunks > 1)),
    ("ENHANCEDSTATUSCODES", |plan| any(plan, |_| true)),
    ("SMTPUTF8", |plan| any(plan, MessagePlan::is_international) && offers(plan, Offer::Smtputf8)),
    ("DSN", |plan| {
        let asks = |message: &MessagePlan| message.uses.notify.is_some() && message.uses.ret.is_some();
        any(plan, asks) && offers(plan, Offer::Dsn)
    }),
    ("reports of failure", |plan| {
        let is_sent = |message: &MessagePlan| !message.from.is_empty();
        any(plan, |message| is_sent(message) && has_recipient(message, "nowhere.test"))
            && any(plan, |message| {
                is_sent(message) && message.uses.notify.iter().flatten().any(|it| *it == Hears::Success)
            })
    }),
    ("copies to the administrator", |plan| {
        let config = &plan.gateway.config;
        config.administrator.is_some() && !config.notifications.administrator.is_empty()
    }),
    ("AUTH PLAIN, LOGIN", |plan| {
        let has = |mechanism| mechanisms(plan).any(|known| known == mechanism);
        has(Mechanism::Plain) && has(Mechanism::Login)
    }),
    ("AUTH SCRAM-SHA-256", |plan| mechanisms(plan).any(|known| known == Mechanism::ScramSha256)),
    ("STARTTLS", |plan| {
        plan.clients.iter().any(|client| client.tls.is_some())
            && plan.gateway.certified.iter().any(|(_, required)| *required)
            && offers(plan, Offer::Starttls)
    }),
    ("end of data", |plan| does(plan, |does| matches!(does, ClientDoes::Smuggles(_)))),
    ("time-outs", |plan| does(plan, |does| matches!(does, ClientDoes::Stalls { .. }))),
    ("retry schedule", |plan| {
        let delivery = &plan.gateway.config.delivery;
        delivery.retry.len() > 1
            && delivery.delay_notice.is_some()
            && delivery.expire < Duration::from_hours(24)
    }),
    ("MX, preference", |plan| {
        let has = |kind: fn(&IpAddr) -> bool| plan.servers.iter().any(|server| kind(&server.address));
        let preferences: BTreeSet<u16> = plan.preferences().map(|(_, preference)| preference).collect();
        has(IpAddr::is_ipv4) && has(IpAddr::is_ipv6) && preferences.len() > 1 && plan.name_server.is_some()
    }),
    ("connections kept", |plan| {
        let mut handed_over: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
        for message in plan.messages() {
            for to in &message.to {
                handed_over.entry(to.domain().to_string()).or_default().push(message.at);
            }
        }
        let is_close = |times: &mut Vec<Duration>| {
            times.sort();
            times.windows(3).any(|three| three[2] - three[0] < Duration::from_secs(5))
        };
        let lapse = |does: &ServerDoes| matches!(does, ServerDoes::LimitsMessages { .. });
        handed_over.values_mut().any(is_close) && server_does(plan, lapse)
    }),
    ("ETRN", |plan| {
        plan.gateway.holds.iter().any(|(_, until)| until == "until-etrn")
            && plan.clients.iter().any(|client| !client.asks.is_empty())
    }),
    ("hop limit", |plan| server_does(plan, |does| *does == ServerDoes::HandsBack)),
    ("relay restrictions", |plan| {
        let relay = &plan.gateway.config.relay;
        relay.authenticated && !relay.denied.is_empty() && !relay.local_addresses.is_empty()
    }),
    ("per-host rules", |plan| !plan.gateway.config.accept.hosts.is_empty()),
    ("limits for one host", |plan| {
        let limits = &plan.gateway.config.limits;
        limits.connections_per_host.is_some() && does(plan, |does| *does == ClientDoes::Floods)
    }),
    ("a recipient whom nobody is", |plan| {
        let known = |to: &Address| {
            let mailboxes = plan.gateway.config.mailboxes.iter();
            mailboxes.flat_map(|it| it.aliases.iter().chain([&it.address])).any(|address| address == to)
        };
        any(plan, |message| message.to.iter().any(|to| to.domain().as_str() == "contoso.test" && !known(to)))
    }),
    ("VRFY", |plan| plan.gateway.config.policy.vrfy == Lookups::Authenticated),
    ("message filtering by sender", |plan| !plan.gateway.config.filter.senders.is_empty()),
    ("a service that is told to stop", |plan| plan.faults.iter().any(|it| matches!(it, Fault::Stop { .. }))),
    ("journal and disclaimer", |plan| {
        ["journal", "disclaimer"]
            .iter()
            .all(|name| plan.gateway.config.extensions.iter().any(|it| it.name == *name))
    }),
    ("extensions", |plan| plan.faults.iter().any(|it| matches!(it, Fault::ExtensionHangs { .. }))),
    ("milters", |plan| plan.milters.iter().any(|milter| !milter.acts.is_empty())),
    ("file and directory", |plan| plan.faults.iter().any(|it| matches!(it, Fault::PowerCut { .. }))),
    ("a message that kills", |plan| plan.faults.iter().any(|it| matches!(it, Fault::ExtensionKills { .. }))),
];

fn any(plan: &Plan, is_it: impl Fn(&MessagePlan) -> bool) -> bool {
    plan.messages().any(is_it)
}

fn has_recipient(message: &MessagePlan, domain: &str) -> bool {
    message.to.iter().any(|to| to.domain().as_str() == domain)
}

fn offers(plan: &Plan, offer: Offer) -> bool {
    plan.servers.iter().any(|server| server.offers.contains(&offer))
}

fn mechanisms(plan: &Plan) -> impl Iterator<Item = Mechanism> {
    plan.clients.iter().filter_map(|client| Some(client.account.as_ref()?.mechanism))
}

fn does(plan: &Plan, is_it: impl Fn(&ClientDoes) -> bool) -> bool {
    plan.faults.iter().any(|fault| matches!(fault, Fault::Client { does, .. } if is_it(does)))
}

fn server_does(plan: &Plan, is_it: impl Fn(&ServerDoes) -> bool) -> bool {
    plan.faults.iter().any(|fault| matches!(fault, Fault::Server { does, .. } if is_it(does)))
}

/// The rows of the table: the feature, and what its column of scenarios, faults and oracles says.
fn rows() -> Vec<(String, String)> {
    let text = include_str!("../../docs/features.md");
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(1).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0].to_owned(), cells[3].to_owned())
    });
    rows.collect()
}

#[test]
fn mixed_draws_each_feature_that_the_table_has() {
    let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let Some(Source::Profile(mixed)) = library.find("mixed") else { panic!("it is a profile") };
    let plans: Vec<Plan> = (0..1500)
        .map(|seed| mixed.scenario(Seed(seed), Release::Current).plan(Release::Current, Seed(seed)))
        .collect();
    let rows = rows();
    for (name, is_there) in DRAWN {
        assert!(rows.iter().any(|(row, _)| row.starts_with(name)), "no row begins with {name}");
        let count = plans.iter().filter(|plan| is_there(plan)).count();
        assert!(count >= 3, "{name} is in {count} of 1500 plans");
    }
    let unasked = rows.iter().map(|(row, _)| row.as_str());
    let unasked = unasked.filter(|row| !DRAWN.iter().any(|(name, _)| row.starts_with(name)));
    assert_eq!(unasked.collect::<Vec<_>>(), NOT_DRAWN);
}

/// Words in backquotes that look like a kind of fault are one, and words in italics are oracles.
#[test]
fn the_faults_and_the_oracles_of_the_table_are_there() {
    let kinds: BTreeSet<&str> = sim::fault::Family::ALL.iter().flat_map(|it| it.kinds()).copied().collect();
    let mut without = Vec::new();
    for (row, shown) in rows() {
        let quoted = shown.split('`').skip(1).step_by(2);
        let families = ["client-", "server-", "dns-", "extension-", "milter-", "power-cut-", "stop"];
        for kind in quoted.filter(|word| families.iter().any(|family| word.starts_with(family))) {
            assert!(kinds.contains(kind), "{row}: there is no fault {kind}");
        }
        let oracles: Vec<&str> = shown.split('*').skip(1).step_by(2).collect();
        for oracle in &oracles {
            assert!(ORACLES.iter().any(|known| known.name == *oracle), "{row}: there is no oracle {oracle}");
        }
        if oracles.is_empty() {
            without.push(row);
        }
    }
    assert_eq!(without, NOT_DRAWN);
}
