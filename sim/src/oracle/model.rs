//! The rules of a gateway's configuration, read a second time: who may connect, who may submit, who may relay, and
//! where a recipient's mail goes.
//!
//! Written from the articles and the RFCs (Q155683, Q155920, Q178091, Q188250, Q262945, Q193922, Q169683, RFC 5321), apart from
//! the gateway and as plainly as it can be done: lists are gone through from end to end. It knows no run.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use gateway::config::{MailboxConfig, Network, Requirement, Rule, UnknownRecipients};
use gateway::extension::{disclaimer, journal};
use gateway::release::Release;
use gateway::secret::Secret;

use crate::plan::Plan;
use crate::utf8_address::a_labels;

/// The rules of one plan's gateway.
pub struct Model<'a> {
    plan: &'a Plan,
    extension: Vec<(String, String)>,
    /// The addresses of mailboxes as they compare, and whose they are: the first that has one.
    mailboxes: BTreeMap<String, &'a MailboxConfig>,
}

/// What is decided about a host that connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is turned away.
    Reject,
    /// It must authenticate before it sends mail.
    Authenticate,
    /// It may send mail.
    Admit,
}

/// Where a recipient's mail may end up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this mailbox of the gateway.
    Mailbox(String),
    /// At one of these machines.
    Hosts(BTreeSet<IpAddr>),
    /// Here, where nobody has the address: it fails.
    Nobody,
    /// Nowhere: its domain has no host, and it fails.
    Nowhere,
}

/// What the entry of the routing table says that a domain goes by: of those that fit the one for the domain alone counts
/// first, and then the longest.
fn says(entries: &[(String, bool)], domain: &str) -> bool {
    let domain = a_labels(domain).to_ascii_lowercase();
    let fits = |entry: &str| match entry.strip_prefix('#') {
        Some(alone) => (alone == domain).then_some(usize::MAX),
        None => {
            let name = entry.trim_start_matches('.');
            let is_below = domain.strip_suffix(name).is_some_and(|above| above.ends_with('.'));
            (name == domain || is_below).then_some(name.len())
        }
    };
    let fitting = entries.iter().filter_map(|(entry, says)| Some((fits(entry)?, *says)));
    fitting.max_by_key(|(length, _)| *length).is_some_and(|(_, says)| says)
}

/// What a table says of a domain.
enum Hop {
    Here,
    Host(String),
}

impl<'a> Model<'a> {
    /// The rules of a plan.
    pub fn new(plan: &'a Plan) -> Self {
        let imcext = plan.gateway.config.extensions.iter().find(|extension| extension.name == "imcext");
        let path = imcext.and_then(|imcext| imcext.settings.get("routes")?.as_str());
        let file = plan.gateway.files.iter().find(|(at, _)| Some(at.as_os_str()) == path.map(AsRef::as_ref));
        let entries = file.iter().flat_map(|(_, text)| text.lines()).filter_map(|line| {
            let mut words = line.split(';').next()?.split_whitespace();
            Some((words.next()?.to_ascii_lowercase(), words.next()?.to_ascii_lowercase()))
        });
        let mut mailboxes = BTreeMap::new();
        for mailbox in &plan.gateway.config.mailboxes {
            for address in mailbox.aliases.iter().chain([&mailbox.address]) {
                mailboxes.entry(comparable(&address.to_string())).or_insert(mailbox);
            }
        }
        Model { plan, extension: entries.collect(), mailboxes }
    }

    /// What the rule for a host comes to, or what is required of all.
    pub fn verdict(&self, client: IpAddr) -> Verdict {
        match (self.rule(client), self.plan.gateway.config.accept.require) {
            (Some(Rule::Reject), _) => Verdict::Reject,
            (Some(Rule::Exempt), _) | (_, Requirement::Nothing | Requirement::Encryption) => Verdict::Admit,
            (
                Some(Rule::Accept) | None,
                Requirement::Authentication | Requirement::AuthenticationAndEncryption,
            ) => Verdict::Authenticate,
        }
    }

    /// Of the networks that hold a host the smallest decides (Q155920).
    fn rule(&self, client: IpAddr) -> Option<Rule> {
        let accept = &self.plan.gateway.config.accept;
        let mut found: Option<(u8, Rule)> = None;
        for host in &accept.hosts {
            if let Some(length) = length_if_within(client, &host.network.to_string())
                && found.is_none_or(|(longest, _)| length >= longest)
            {
                found = Some((length, host.rule));
            }
        }
        found.map(|(_, rule)| rule)
    }

    /// Whether a host must encrypt before it sends mail: where that is asked for, all must but those that are exempt.
    pub fn must_encrypt(&self, client: IpAddr) -> bool {
        let required = self.plan.gateway.config.accept.require;
        let asks = matches!(required, Requirement::Encryption | Requirement::AuthenticationAndEncryption);
        asks && self.rule(client).is_none_or(|rule| rule == Rule::Accept)
    }

    /// Whether a client may authenticate over a connection that is encrypted, or not. Where there is no certificate it
    /// could not otherwise.
    pub fn may_authenticate(&self, is_encrypted: bool) -> bool {
        is_encrypted || self.plan.gateway.config.tls.auth_in_clear
    }

    /// Whether a recipient's mail must not leave but over TLS, with a certificate for the host: the entry of the routing
    /// table that its domain goes by says so.
    pub fn is_certified(&self, recipient: &str) -> bool {
        says(&self.plan.gateway.certified, domain(recipient))
    }

    /// What is stored of an account's password.
    pub fn secret(&self, account: &str) -> Option<&'a Secret> {
        Some(&self.owner(account)?.login.as_ref()?.secret)
    }

    fn owner(&self, account: &str) -> Option<&'a MailboxConfig> {
        let is_owner = |mailbox: &&MailboxConfig| {
            mailbox.login.as_ref().is_some_and(|login| login.account.to_lowercase() == account.to_lowercase())
        };
        self.plan.gateway.config.mailboxes.iter().find(is_owner)
    }

    /// The mailbox that has an address, as its own or as an alias; the postmaster's is the administrator's (Q201072).
    pub fn mailbox(&self, address: &str) -> Option<&'a MailboxConfig> {
        let config = &self.plan.gateway.config;
        let find = |address: &str| self.mailboxes.get(&comparable(address)).copied();
        find(address).or_else(|| {
            let (local_part, domain) = address.rsplit_once('@')?;
            let is_postmaster = local_part.eq_ignore_ascii_case("postmaster") && self.is_inbound(domain);
            find(&config.administrator.as_ref().filter(|_| is_postmaster)?.to_string())
        })
    }

    /// Why a client may not submit mail of this sender, if it may not (Q262945, Q188250).
    pub fn refusal(&self, account: Option<&str>, sender: &str) -> Option<&'static str> {
        let rules = &self.plan.gateway.config.submission;
        if sender.is_empty() {
            return None;
        }
        let mailbox = self.mailbox(sender);
        if rules.homed_here_only && mailbox.is_none_or(|mailbox| mailbox.server.is_some()) {
            return Some("mail of a sender who is not homed here");
        }
        let account = account.filter(|_| rules.account_matches_sender)?;
        let is_own = mailbox.is_some() && mailbox == self.owner(account);
        (!is_own).then_some("mail of a sender who is not the account's own")
    }

    /// Whether a recipient is one that this client may name.
    pub fn may_name(&self, client: IpAddr, account: Option<&str>, recipient: &str) -> bool {
        let domain = domain(recipient);
        self.is_inbound(domain) || says(&self.plan.gateway.public, domain) || self.may_relay(client, account)
    }

    /// Whether a recipient is to be refused since the directory has no such mailbox: that is the policy, the domain is the
    /// gateway's own, and no extension is asked where mail goes.
    pub fn refuses_as_unknown(&self, recipient: &str) -> bool {
        let config = &self.plan.gateway.config;
        let keep_routes = |name: &str| matches!(name, journal::NAME | disclaimer::NAME);
        let recipient = match recipient.eq_ignore_ascii_case("postmaster") {
            true => format!("postmaster@{}", self.plan.gateway.name),
            false => recipient.to_owned(),
        };
        config.policy.unknown_recipients == UnknownRecipients::Refuse
            && config.extensions.iter().all(|extension| keep_routes(&extension.name))
            && self.is_inbound(domain(&recipient))
            && self.mailbox(&recipient).is_none()
    }

    /// Whether this client may have mail passed on, and ask for what waits: the five steps of Q193922. Before 5.5 SP1 there
    /// were none of them; today the last is another, and nobody may for whom nothing speaks, where the original let
    /// everybody whom nothing forbade (Q260562).
    pub fn may_relay(&self, client: IpAddr, account: Option<&str>) -> bool {
        let relay = &self.plan.gateway.config.relay;
        if self.plan.release < Release::V55Sp1 {
            return true;
        }
        if is_within(client, &relay.denied) {
            return false;
        }
        if is_within(client, &relay.networks) {
            return true;
        }
        // The gateway's machine has one address: that is the one that everybody connects to.
        if is_within(self.plan.gateway.address, &relay.local_addresses) {
            return true;
        }
        if relay.authenticated && account.is_some() {
            return true;
        }
        let is_selected =
            !relay.networks.is_empty() || !relay.local_addresses.is_empty() || relay.authenticated;
        self.plan.release != Release::Current && !is_selected
    }

    /// Whether a message is of a sender who is not wanted (Q155683, Q193926, Q247296). Its From field is in one line, as
    /// the messages of a plan have it.
    pub fn is_unwanted(&self, sender: &str, content: &[u8]) -> bool {
        let content = String::from_utf8_lossy(content);
        let header = content.split("\r\n\r\n").next().unwrap_or_default();
        let from = header.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("from").then_some(value)
        });
        let author = from.map(|value| value.rsplit('<').next().unwrap_or_default().trim_matches([' ', '>']));
        let author = author.unwrap_or_default();
        self.plan.gateway.config.filter.senders.iter().map(ToString::to_string).any(|entry| match &*entry {
            "." => author.is_empty(),
            entry => [sender, author].iter().any(|address| {
                let compared = if entry.starts_with('@') {
                    address.rfind('@').map_or("", |at| &address[at..])
                } else {
                    address
                };
                entry.eq_ignore_ascii_case(compared)
            }),
        })
    }

    /// Whether the limits for one host are for this client: those that may relay have none.
    pub fn is_limited(&self, client: IpAddr) -> bool {
        !is_within(client, &self.plan.gateway.config.relay.networks)
    }

    /// Whether the mail for a domain is for this host.
    pub fn is_inbound(&self, domain: &str) -> bool {
        a_labels(domain).eq_ignore_ascii_case(&self.plan.gateway.name)
            || matches!(look_up(&self.plan.gateway.routes, domain, "<inbound>"), Some(Hop::Here))
    }

    /// Whether the mail for a domain waits until somebody asks for it (RFC 1985).
    pub fn waits(&self, domain: &str) -> bool {
        let holds = &self.plan.gateway.holds;
        look_up(&self.extension, domain, "localhost").is_none()
            && !domain.eq_ignore_ascii_case(&self.plan.gateway.name)
            && matches!(look_up(holds, domain, "until-etrn"), Some(Hop::Here))
    }

    /// Where the mail for a recipient goes. `is_rerouted`: the extension says that the recipient is of this host.
    pub fn place(&self, recipient: &str, is_rerouted: bool) -> Place {
        let domain = &a_labels(domain(recipient));
        let own = domain.eq_ignore_ascii_case(&self.plan.gateway.name).then_some(Hop::Here);
        let hop = if is_rerouted { Some(Hop::Here) } else { look_up(&self.extension, domain, "localhost") };
        let hop = hop.or(own).or_else(|| look_up(&self.plan.gateway.routes, domain, "<inbound>"));
        match hop {
            Some(Hop::Host(host)) => self.host(&host),
            Some(Hop::Here) => match self.mailbox(recipient) {
                None => Place::Nobody,
                Some(MailboxConfig { server: Some(server), .. }) => self.host(&server.host),
                Some(here) => Place::Mailbox(here.address.to_string().to_ascii_lowercase()),
            },
            None => match &self.plan.gateway.config.delivery.smart_host {
                Some(smart_host) => self.host(&smart_host.host),
                None => self.exchangers(domain),
            },
        }
    }

    /// The exchangers of a recipient's domain with their preferences, if that is how its mail goes.
    pub(super) fn exchangers_of(&self, recipient: &str, is_rerouted: bool) -> Vec<(u16, String)> {
        let domain = &a_labels(domain(recipient));
        let goes_otherwise = is_rerouted
            || look_up(&self.extension, domain, "localhost").is_some()
            || domain.eq_ignore_ascii_case(&self.plan.gateway.name)
            || look_up(&self.plan.gateway.routes, domain, "<inbound>").is_some()
            || self.plan.gateway.config.delivery.smart_host.is_some();
        if goes_otherwise {
            return Vec::new();
        }
        let names = &self.plan.names.exchangers;
        let of_domain = names.iter().filter(|(name, _)| name.as_str().eq_ignore_ascii_case(domain));
        of_domain.flat_map(|(_, list)| list).map(|mx| (mx.preference, mx.host.clone())).collect()
    }

    /// The names that are looked up for a recipient: the host that its mail is routed to, or its domain and the
    /// exchangers of that.
    pub(super) fn names_asked_for(&self, recipient: &str) -> Vec<String> {
        let domain = a_labels(domain(recipient));
        let hop = look_up(&self.extension, &domain, "localhost");
        let routed = match hop.or_else(|| look_up(&self.plan.gateway.routes, &domain, "<inbound>")) {
            Some(Hop::Host(host)) => Some(host),
            Some(Hop::Here) => {
                self.mailbox(recipient).and_then(|mailbox| Some(mailbox.server.as_ref()?.host.clone()))
            }
            None => self.plan.gateway.config.delivery.smart_host.as_ref().map(|it| it.host.clone()),
        };
        match routed {
            Some(host) => vec![without_port(&host).to_owned()],
            None => {
                let exchangers = self.exchangers_of(recipient, false).into_iter().map(|(_, host)| host);
                exchangers.chain([domain]).collect()
            }
        }
    }

    /// The address of a host.
    pub(super) fn address(&self, name: &str) -> Option<IpAddr> {
        let known = self.plan.names.addresses.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map(|(_, address)| *address)
    }

    fn exchangers(&self, domain: &str) -> Place {
        if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return self.host(literal.trim_start_matches("IPv6:"));
        }
        let names = &self.plan.names.exchangers;
        let of_domain = names.iter().filter(|(name, _)| name.as_str().eq_ignore_ascii_case(domain));
        let hosts: Vec<&str> = of_domain.flat_map(|(_, list)| list).map(|mx| mx.host.as_str()).collect();
        if hosts.is_empty() {
            return self.host(domain);
        }
        let places = hosts.iter().map(|host| self.host(host));
        let addresses = places.filter_map(|place| match place {
            Place::Hosts(addresses) => Some(addresses),
            _ => None,
        });
        Place::Hosts(addresses.flatten().collect())
    }

    /// Where a host of this name is.
    pub fn host(&self, name: &str) -> Place {
        let name = without_port(name);
        match name.parse().ok().or(self.address(name)) {
            Some(address) => Place::Hosts(BTreeSet::from([address])),
            None => Place::Nowhere,
        }
    }
}

/// An address as mailboxes compare: without case, and the domain in A-labels (RFC 5890).
fn comparable(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local_part, domain)) => format!("{}@{}", local_part.to_ascii_lowercase(), a_labels(domain)),
        None => address.to_ascii_lowercase(),
    }
}

fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

/// What a routing table says of a domain: `#` stands before an entry for that domain alone, any other is for what is
/// below it too, and the longest that fits wins (Q169683, Q217217).
fn look_up(table: &[(String, String)], domain: &str, here: &str) -> Option<Hop> {
    let domain = a_labels(domain);
    let mut found: Option<(usize, &str)> = None;
    for (entry, target) in table {
        let entry = match entry.strip_prefix('#') {
            Some(name) => format!("#{}", a_labels(name)),
            None => a_labels(entry),
        };
        let rank = match entry.strip_prefix('#') {
            Some(name) if name == domain => usize::MAX,
            Some(_) => continue,
            None => {
                let name = entry.trim_start_matches('.');
                let is_below =
                    domain.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                if !is_below {
                    continue;
                }
                name.len()
            }
        };
        if found.is_none_or(|(best, _)| rank > best) {
            found = Some((rank, target));
        }
    }
    found.map(|(_, target)| match target.eq_ignore_ascii_case(here) {
        true => Hop::Here,
        false => Hop::Host(target.to_ascii_lowercase()),
    })
}

fn is_within(host: IpAddr, networks: &[Network]) -> bool {
    networks.iter().any(|network| length_if_within(host, &network.to_string()).is_some())
}

/// The length of a network's prefix, if the host is in it. Both as their bits.
fn length_if_within(host: IpAddr, network: &str) -> Option<u8> {
    let (address, length) = network.split_once('/')?;
    let (address, length): (IpAddr, u8) = (address.parse().ok()?, length.parse().ok()?);
    let (host, address, bits) = match (host.to_canonical(), address) {
        (IpAddr::V4(host), IpAddr::V4(address)) => (host.to_bits().into(), address.to_bits().into(), 32),
        (IpAddr::V6(host), IpAddr::V6(address)) => (host.to_bits(), address.to_bits(), 128),
        _ => return None,
    };
    let differs: u128 = host ^ address;
    let beyond = u32::from(bits - length.min(bits));
    (differs.checked_shr(beyond).unwrap_or_default() == 0).then_some(length)
}
