//! From the file as it is written to a [`Config`] that makes sense.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::Spanned;

use super::error::Source;
use super::file::{self, RouteFrom, Text};
use super::tls;
use super::{
    AcceptConfig, AdminConfig, Config, ConfigError, DeliveryConfig, DnsConfig, ExtensionConfig, HostRule,
    Login, MailboxConfig, MilterConfig, Network, NotificationsConfig, QuarantineConfig, Requirement,
    SubmissionConfig, clients, log,
};
use crate::address::{Address, Domain};
use crate::extension::{OnFailure, disclaimer, journal};
use crate::release::Release;
use crate::report::Category;
use crate::routing::{Entry, Route, Table, Target};
use crate::smtp::extensions::Extensions;

const ADDRESS_REMEDY: &str = "write a mailbox, such as \"alice@contoso.test\"";
const HOST_REMEDY: &str = "write a host name without a final dot, \"host:port\", or an IP address";
pub(super) const NETWORK_REMEDY: &str =
    "write an address, such as \"192.0.2.10\", or a network, such as \"192.0.2.0/24\"";
pub(super) const SECRET_REMEDY: &str = "`gateway secret` makes a secret from a password";
const ADMIN_REMEDY: &str =
    "write an IP address of this machine and a port of its own, such as \"127.0.0.1:2580\"";
const SPAN_REMEDY: &str = "write hours, minutes and seconds, such as \"48h\" or \"1h 30m\"";

/// Where name servers listen (RFC 1035, 4.2).
const DNS_PORT: u16 = 53;
/// The keys of an extension's table that are not the extension's own.
pub(super) const LINK_KEYS: [&str; 2] = ["name", "on_failure"];

/// The most connections there may be (Q156063).
const CONNECTIONS: i64 = 1_000;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

pub(super) fn config(source: &Source) -> Result<Config, ConfigError> {
    let file: file::File = toml::from_str(source.text.inner()).map_err(|error| source.unreadable(&error))?;
    let release = match &file.release {
        Some(text) => source.read(text, "name one of these releases")?,
        None => Release::Current,
    };
    let host: Domain = source.read(&file.host, "write this gateway's name, such as \"ims.contoso.test\"")?;
    // What a host calls itself is said to hosts that know nothing past ASCII (RFC 6531, 3.7.1).
    let host = host.into_ascii();
    if format!("postmaster@{host}").parse::<Address>().is_err() {
        let what = "the name is so long that its postmaster could have no address";
        return Err(source.error(file.host.span(), what, "take a shorter name (RFC 5321, 4.5.3.1)"));
    }
    let (first, rest) = host.as_str().split_once('.').unwrap_or((host.as_str(), host.as_str()));
    let second = rest.split('.').next().unwrap_or(rest);
    let config = Config {
        release,
        organization: report_name(source, file.organization.as_ref(), second)?,
        site: report_name(source, file.site.as_ref(), rest)?,
        server: report_name(source, file.server.as_ref(), &first.to_ascii_uppercase())?,
        administrator: match &file.administrator {
            Some(text) => Some(source.read(text, ADDRESS_REMEDY)?),
            None => None,
        },
        listen: match &file.listen {
            Some(text) => source.read(text, "write an IP address and a port, such as \"0.0.0.0:25\"")?,
            None => SocketAddr::from(([0, 0, 0, 0], 25)),
        },
        listen_tls: tls::listen(source, &file)?,
        spool: directory(source, &file.spool)?,
        store: directory(source, &file.store)?,
        limits: clients::limits(source, &file.limits, release)?,
        accept: accept(source, &file.accept)?,
        submission: submission(source, &file.submission, required(&file.accept))?,
        relay: clients::relay(source, &file.relay)?,
        tls: tls::config(source, &file, release)?,
        filter: clients::filter(source, &file.filter, release)?,
        policy: clients::policy(source, &file.policy, release)?,
        mailboxes: file.mailbox.iter().map(|entry| mailbox(source, entry)).collect::<Result<_, _>>()?,
        extensions: file
            .extension
            .iter()
            .map(|entry| extension(source, entry, release))
            .collect::<Result<_, _>>()?,
        routes: routes(source, &file, release)?,
        milters: milters(source, &file.milter, release)?,
        delivery: delivery(source, &file.delivery, release)?,
        dns: dns(source, &file.dns)?,
        notifications: notifications(source, file.notifications.administrator.as_deref())?,
        quarantine: QuarantineConfig {
            deaths: number(source, file.quarantine.deaths.as_ref(), 2, 1..=i64::from(u32::MAX))?,
            extension_time: span_or(source, file.quarantine.extension_time.as_ref(), 5 * MINUTE)?,
        },
        log: log::log(source, &file.log, file.spool.as_ref().as_ref())?,
        process: log::process(source, &file.process)?,
        admin: AdminConfig {
            listen: match &file.admin.listen {
                Some(text) => Some(source.read(text, ADMIN_REMEDY)?),
                None => None,
            },
        },
        host,
    };
    if let Some(text) = &file.admin.listen
        && config.admin.listen == Some(config.listen)
    {
        let what =
            format!("clients and administrators are to connect to the same address, {}", config.listen);
        return Err(source.error(text.span(), what, ADMIN_REMEDY));
    }
    if config.spool == config.store {
        let what = "the spool and the store are the same directory";
        return Err(source.error(file.store.span(), what, "give `store` a directory of its own"));
    }
    every_mailbox_is_one(source, &file.mailbox, &config)?;
    every_mailbox_here_can_be_reached(source, &file.mailbox, &config)?;
    the_administrator_has_a_mailbox_here(source, file.administrator.as_ref(), &config)?;
    tls::accounts_are_of_use(source, &file, &config.tls)?;
    Ok(config)
}

/// A name for the report line, where a control character or a colon would break what is around it.
fn report_name(source: &Source, text: Option<&Text>, default: &str) -> Result<String, ConfigError> {
    let Some(text) = text else { return Ok(default.to_owned()) };
    let name = text.as_ref().as_str();
    if name.is_empty() || name.contains(|c: char| c.is_control() || c == ':') {
        let what = format!("{name:?} cannot stand in a report line");
        return Err(source.error(text.span(), what, "write a name without colons and control characters"));
    }
    Ok(name.to_owned())
}

pub(super) fn directory(source: &Source, text: &Text) -> Result<PathBuf, ConfigError> {
    if text.as_ref().is_empty() {
        return Err(source.error(text.span(), "no directory is named", "write the path of a directory"));
    }
    Ok(PathBuf::from(text.as_ref()))
}

/// A number within a range, which fits the type asked for.
pub(super) fn number<T: TryFrom<i64>>(
    source: &Source,
    given: Option<&Spanned<i64>>,
    default: i64,
    range: std::ops::RangeInclusive<i64>,
) -> Result<T, ConfigError> {
    let (value, place) = given.map_or((default, 0..0), |given| (*given.as_ref(), given.span()));
    let fits = if range.contains(&value) { T::try_from(value).ok() } else { None };
    fits.ok_or_else(|| {
        let remedy = match *range.end() {
            i64::MAX => format!("write a whole number of {} or more", range.start()),
            end => format!("write a whole number from {} to {end}", range.start()),
        };
        source.error(place, format!("{value} is out of range"), remedy)
    })
}

fn accept(source: &Source, accept: &file::Accept) -> Result<AcceptConfig, ConfigError> {
    let mut seen = BTreeSet::new();
    let mut hosts = Vec::new();
    for entry in &accept.host {
        let network: Network = source.read(&entry.network, NETWORK_REMEDY)?;
        if !seen.insert(network) {
            let what = format!("there is another rule for {network}");
            return Err(source.error(entry.network.span(), what, "keep one rule for each network"));
        }
        hosts.push(HostRule { network, rule: entry.rule });
    }
    Ok(AcceptConfig { require: required(accept), hosts })
}

fn required(accept: &file::Accept) -> Requirement {
    accept.require.as_ref().map(|given| *given.as_ref()).unwrap_or_default()
}

fn submission(
    source: &Source,
    submission: &file::Submission,
    require: Requirement,
) -> Result<SubmissionConfig, ConfigError> {
    let restriction = |key: &str, given: &Option<Spanned<bool>>| match given {
        Some(given) if *given.as_ref() && !require.authentication() => {
            let what = format!("`{key}` needs clients to authenticate (Q262945)");
            let remedy = format!("set `require = \"authentication\"` in [accept], or `{key} = false`");
            Err(source.error(given.span(), what, remedy))
        }
        given => Ok(given.as_ref().is_some_and(|given| *given.as_ref())),
    };
    Ok(SubmissionConfig {
        homed_here_only: restriction("homed_here_only", &submission.homed_here_only)?,
        account_matches_sender: restriction("account_matches_sender", &submission.account_matches_sender)?,
    })
}

fn mailbox(source: &Source, entry: &file::Mailbox) -> Result<MailboxConfig, ConfigError> {
    let login = match (&entry.account, &entry.secret) {
        (Some(account), Some(secret)) => {
            if account.as_ref().is_empty() {
                let remedy = "name the account, or take the key out";
                return Err(source.error(account.span(), "the account is empty", remedy));
            }
            Some(Login { account: account.as_ref().clone(), secret: source.read(secret, SECRET_REMEDY)? })
        }
        (None, None) => None,
        (Some(alone), None) => {
            let remedy = format!("add `secret`, or take `account` out; {SECRET_REMEDY}");
            return Err(source.error(alone.span(), "the account has no secret", remedy));
        }
        (None, Some(alone)) => {
            let remedy = "add `account`, or take `secret` out";
            return Err(source.error(alone.span(), "the secret has no account", remedy));
        }
    };
    Ok(MailboxConfig {
        address: source.read(&entry.address, ADDRESS_REMEDY)?,
        server: match &entry.server {
            Some(server) => Some(source.read(server, &format!("{HOST_REMEDY}; or take the key out"))?),
            None => None,
        },
        login,
        aliases: entry
            .aliases
            .iter()
            .map(|text| source.read(text, ADDRESS_REMEDY))
            .collect::<Result<_, _>>()?,
    })
}

fn routes(source: &Source, file: &file::File, release: Release) -> Result<Table, ConfigError> {
    let mut seen = BTreeSet::new();
    let mut routes = Vec::new();
    for entry in &file.route {
        let domain = entry.domain.as_ref().to_ascii_lowercase();
        let place = || entry.domain.span();
        let plain = domain.strip_prefix('#').unwrap_or_else(|| domain.strip_prefix('.').unwrap_or(&domain));
        let Ok(parsed) = plain.parse::<Domain>() else {
            let remedy = "write a domain without spaces and without a final dot, such as \"contoso.test\"";
            return Err(source.error(place(), format!("`{domain}` is not a domain"), remedy));
        };
        if domain.starts_with('#') && release < Release::V50Sp2 {
            let what = format!("{release} knows no `#` entries: they came with 5.0 SP2 (Q169683)");
            let remedy =
                format!("write \"{plain}\", which takes the domains below it too, or a later `release`");
            return Err(source.error(place(), what, remedy));
        }
        if !seen.insert((domain.starts_with('#'), parsed)) {
            let what = format!("there is another route for `{domain}`");
            return Err(source.error(place(), what, "keep one route for each domain"));
        }
        let to: Target =
            source.read(&entry.to, &format!("{HOST_REMEDY}, or \"<inbound>\" for this server"))?;
        let to = match &entry.hold {
            Some(hold) => held(source, to, hold, release)?,
            None => to,
        };
        let certified = tls::certified(source, entry, &to, &file.tls)?;
        let public = public(source, entry, &to, release)?;
        routes.push((domain, Entry { target: to, certified, public }));
    }
    Ok(Table::new(routes).expect("every entry was checked"))
}

/// Whether every client may send what goes to another host.
fn public(source: &Source, entry: &file::Route, to: &Target, release: Release) -> Result<bool, ConfigError> {
    let given = entry.from.as_ref().filter(|from| *from.as_ref() == RouteFrom::Anybody);
    let Some(given) = given else { return Ok(false) };
    if release != Release::Current {
        let what = format!("{release} passes mail on to other hosts for those who may relay alone");
        return Err(source.error(given.span(), what, "take `from` out, or write `release = \"current\"`"));
    }
    if *to == Target::Inbound {
        let what = "mail for this server is taken from anybody as it is";
        return Err(source.error(given.span(), what, "take `from` out"));
    }
    Ok(true)
}

/// The target of a route whose mail waits.
fn held(
    source: &Source,
    to: Target,
    hold: &Spanned<file::Hold>,
    release: Release,
) -> Result<Target, ConfigError> {
    let file::Hold::UntilEtrn = hold.as_ref();
    if !Extensions::of(release).etrn {
        let what = format!("{release} knows no ETRN: it came with 5.5 (Q262986)");
        return Err(source.error(hold.span(), what, "take `hold` out, or write a later `release`"));
    }
    match to {
        Target::Host(next_hop) | Target::Held(next_hop) => Ok(Target::Held(next_hop)),
        Target::Inbound => {
            let remedy = "take `hold` out, or name the host in `to` that is called when somebody asks";
            Err(source.error(hold.span(), "mail for this server waits for nobody", remedy))
        }
    }
}

fn extension(
    source: &Source,
    entry: &Spanned<toml::Table>,
    release: Release,
) -> Result<ExtensionConfig, ConfigError> {
    let mut settings = entry.as_ref().clone();
    let [name, on_failure] = LINK_KEYS.map(|key| settings.remove(key));
    let name = match name {
        Some(toml::Value::String(name)) if !name.is_empty() => name,
        _ => {
            return Err(source.error(
                entry.span(),
                "the extension has no name",
                "add `name` with the extension's name in quotes, such as `name = \"imcext\"`",
            ));
        }
    };
    if release < Release::V55Rtm && [disclaimer::NAME, journal::NAME].contains(&name.as_str()) {
        let what = format!("{release} knows no extension `{name}`: it came with 5.5 (Q262122)");
        return Err(source.error(
            entry.span(),
            what,
            "take the [[extension]] out, or name a later `release`",
        ));
    }
    let on_failure = match on_failure {
        None => OnFailure::default(),
        Some(given) => OnFailure::deserialize(given.clone()).map_err(|_| {
            let what = format!("`on_failure` of the extension `{name}` cannot be {given}");
            source.error(entry.span(), what, "write \"quarantine\", \"bypass\", \"retry\" or \"report\"")
        })?,
    };
    Ok(ExtensionConfig { name, on_failure, settings })
}

fn milters(
    source: &Source,
    entries: &[file::Milter],
    release: Release,
) -> Result<Vec<MilterConfig>, ConfigError> {
    if let Some(first) = entries.first().filter(|_| release != Release::Current) {
        let what = format!("{release} knows no milters: they came later than any historical release");
        let remedy = "take the [[milter]] tables out, or write `release = \"current\"`";
        return Err(source.error(first.address.span(), what, remedy));
    }
    let milter = |entry: &file::Milter| {
        let remedy = "write a port and a host, such as \"inet:8891@127.0.0.1\"";
        let address = source.read(&entry.address, remedy)?;
        Ok(MilterConfig { address, on_failure: entry.on_failure })
    };
    entries.iter().map(milter).collect()
}

fn delivery(
    source: &Source,
    delivery: &file::Delivery,
    release: Release,
) -> Result<DeliveryConfig, ConfigError> {
    let retry = match &delivery.retry {
        Some(waits) if waits.as_ref().is_empty() => {
            let remedy =
                "write at least one wait, such as [\"15m\"]; the last repeats until the message expires";
            return Err(source.error(waits.span(), "there is no wait between tries", remedy));
        }
        Some(waits) => waits.as_ref().iter().map(|wait| span(source, wait)).collect::<Result<_, _>>()?,
        None => [15 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR].map(Duration::from_secs).to_vec(),
    };
    Ok(DeliveryConfig {
        retry,
        expire: span_or(source, delivery.expire.as_ref(), 48 * HOUR)?,
        delay_notice: match &delivery.delay_notice {
            Some(text) if text.as_ref() == "never" => None,
            Some(text) => Some(span(source, text)?),
            None => Some(Duration::from_secs(4 * HOUR)),
        }
        .filter(|_| release == Release::Current),
        smart_host: match &delivery.smart_host {
            Some(text) => Some(source.read(text, HOST_REMEDY)?),
            None => None,
        },
        port: number(source, delivery.port.as_ref(), 25, 1..=i64::from(u16::MAX))?,
        connections: number(source, delivery.connections.as_ref(), 20, 1..=CONNECTIONS)?,
        connections_per_host: number(
            source,
            delivery.connections_per_host.as_ref(),
            if release == Release::Current { 5 } else { 10 },
            1..=CONNECTIONS,
        )?,
    })
}

fn dns(source: &Source, dns: &file::Dns) -> Result<DnsConfig, ConfigError> {
    let server = |text: &Text| {
        let address = text.as_ref().parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
        address.or_else(|_| text.as_ref().parse()).map_err(|_| {
            let what = format!("`{}` is not the address of a name server", text.as_ref());
            let remedy =
                "write an IP address, such as \"192.0.2.53\", or one with a port, such as \"127.0.0.1:5353\"";
            source.error(text.span(), what, remedy)
        })
    };
    Ok(DnsConfig { servers: dns.servers.iter().map(server).collect::<Result<_, _>>()? })
}

/// A span of time, or so many seconds where none is given.
fn span_or(source: &Source, text: Option<&Text>, default: u64) -> Result<Duration, ConfigError> {
    text.map_or(Ok(Duration::from_secs(default)), |text| span(source, text))
}

fn span(source: &Source, text: &Text) -> Result<Duration, ConfigError> {
    let span = text.as_ref().parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.filter(|span| !span.is_zero()).ok_or_else(|| {
        let what = format!("`{}` is not a span of time longer than nothing", text.as_ref());
        source.error(text.span(), what, SPAN_REMEDY)
    })
}

fn notifications(source: &Source, chosen: Option<&[Text]>) -> Result<NotificationsConfig, ConfigError> {
    let mut administrator = BTreeSet::new();
    for text in chosen.unwrap_or_default() {
        if text.as_ref() == "all" {
            administrator.extend(Category::ALL);
            continue;
        }
        let kind = Category::deserialize(text.as_ref().as_str().into_deserializer());
        administrator.insert(kind.map_err(|_: serde::de::value::Error| {
            let what = format!("`{}` is no kind of notification", text.as_ref());
            let remedy = "write \"all\", or some of \"address-not-found\", \"host-not-found\", \
                          \"message-time-out\", \"protocol-error\", \"submission-refused\", \"processing-failed\"";
            source.error(text.span(), what, remedy)
        })?);
    }
    if chosen.is_none() {
        administrator.extend(Category::ALL);
    }
    Ok(NotificationsConfig { administrator })
}

/// A mailbox's addresses, its own first, with their places in the text.
fn addresses<'a>(
    entry: &'a file::Mailbox,
    mailbox: &'a MailboxConfig,
) -> impl Iterator<Item = (&'a Address, Range<usize>)> {
    let places = std::iter::once(&entry.address).chain(&entry.aliases).map(Spanned::span);
    std::iter::once(&mailbox.address).chain(&mailbox.aliases).zip(places)
}

fn every_mailbox_is_one(
    source: &Source,
    entries: &[file::Mailbox],
    config: &Config,
) -> Result<(), ConfigError> {
    let mut owners = BTreeMap::new();
    let mut accounts = BTreeSet::new();
    for (entry, mailbox) in entries.iter().zip(&config.mailboxes) {
        for (address, place) in addresses(entry, mailbox) {
            if let Some(owner) = owners.insert(address.comparable(), &mailbox.address) {
                let what = format!("`{address}` is already an address of {owner}");
                return Err(source.error(place, what, "give every mailbox addresses of its own"));
            }
        }
        if let Some(account) = &entry.account
            && !accounts.insert(account.as_ref().to_lowercase())
        {
            let what = format!("the account `{}` already has a mailbox", account.as_ref());
            return Err(source.error(account.span(), what, "give every mailbox an account of its own"));
        }
    }
    Ok(())
}

/// An extension may take a domain inbound that the table does not, so with one there is nothing to check.
fn every_mailbox_here_can_be_reached(
    source: &Source,
    entries: &[file::Mailbox],
    config: &Config,
) -> Result<(), ConfigError> {
    let here = entries.iter().zip(&config.mailboxes).filter(|(_, mailbox)| mailbox.server.is_none());
    for (address, place) in here.flat_map(|(entry, mailbox)| addresses(entry, mailbox)) {
        let domain = address.domain();
        if config.extensions.is_empty() && config.routes.route(domain) != Route::Inbound {
            let what = format!("mail for `{address}` never reaches it: no route sends `{domain}` inbound");
            let remedy = format!("add a [[route]] with `domain = \"{domain}\"` and `to = \"<inbound>\"`");
            return Err(source.error(place, what, remedy));
        }
    }
    Ok(())
}

fn the_administrator_has_a_mailbox_here(
    source: &Source,
    text: Option<&Text>,
    config: &Config,
) -> Result<(), ConfigError> {
    let (Some(text), Some(administrator)) = (text, &config.administrator) else { return Ok(()) };
    let wanted = administrator.to_string();
    let has = |address: &Address| address.comparable() == administrator.comparable();
    let mut mailboxes = config.mailboxes.iter();
    match mailboxes.find(|mailbox| has(&mailbox.address) || mailbox.aliases.iter().any(has)) {
        Some(MailboxConfig { server: None, .. }) => Ok(()),
        Some(MailboxConfig { server: Some(server), .. }) => {
            let what = format!("the administrator's mailbox, `{wanted}`, is on {server}");
            let remedy = "name a mailbox of this server: notifications do not leave it";
            Err(source.error(text.span(), what, remedy))
        }
        None => {
            let what = format!("the administrator, `{wanted}`, has no mailbox");
            let remedy =
                format!("add a [[mailbox]] with `address = \"{wanted}\"`, or name one that there is");
            Err(source.error(text.span(), what, remedy))
        }
    }
}
