//! What each host has asked for of late, and the limits for one host (`[limits]`), after Postfix' anvil.
//!
//! The connections that a host has open are counted, and what it asks for in a minute: connections, messages and
//! recipients. The minute begins with the first of them. A limit is for hosts that are not in `relay.networks`.
//!
//! A host with no connection open is forgotten after its minute; so is, of too many, the one whose minute began first. It
//! then begins anew: a flood from many addresses makes the limits laxer, and never costs more memory than this.
//!
//! This module knows no session: it counts what it is told of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Config, LimitsConfig, Network};
use crate::eventlog::Event;

/// The time in which is counted what a limit is "per minute" of.
const MINUTE: Duration = Duration::from_mins(1);
/// How many hosts with no connection open are remembered.
const REMEMBERED: usize = 10_000;

/// What a host has asked for too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// Connections at one time.
    Open,
    /// Connections in a minute.
    Connections,
    /// Messages in a minute.
    Messages,
    /// Recipients in a minute.
    Recipients,
}

impl Excess {
    /// What there is too much of, for the client and for the event log.
    pub(super) fn what(self) -> &'static str {
        match self {
            Excess::Open => "connections at one time",
            Excess::Connections => "connections in a minute",
            Excess::Messages => "messages in a minute",
            Excess::Recipients => "recipients in a minute",
        }
    }
}

/// The hosts that are counted.
pub(super) struct Hosts {
    limits: LimitsConfig,
    exempt: Vec<Network>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    tallies: BTreeMap<IpAddr, Tally>,
    /// The hosts with no connection open, the one first whose minute began first.
    idle: BTreeSet<(Instant, IpAddr)>,
}

/// What one host has asked for.
struct Tally {
    open: usize,
    minute_began: Instant,
    connections: u32,
    messages: u32,
    recipients: u32,
    /// Whether the event log has been told in this minute that it asks for too much.
    is_told: bool,
}

/// A host that has connected. Its connection is open until this is dropped.
pub(super) struct Guest {
    hosts: Arc<Hosts>,
    /// None of a host that is not counted.
    host: Option<IpAddr>,
}

impl Hosts {
    pub(super) fn new(config: &Config) -> Arc<Self> {
        Arc::new(Hosts {
            limits: config.limits.clone(),
            exempt: config.relay.networks.clone(),
            table: Mutex::default(),
        })
    }

    /// Whether they are counted as this configuration says.
    pub(super) fn are_as(&self, config: &Config) -> bool {
        self.limits == config.limits && self.exempt == config.relay.networks
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client connects.
    ///
    /// # Errors
    /// Its host has asked for too much: it is to be turned away.
    pub(super) fn connect(self: &Arc<Self>, client: IpAddr) -> Result<Guest, Excess> {
        let LimitsConfig { connections_per_host, connections_per_minute, .. } = self.limits;
        let is_counted = connections_per_host.is_some()
            || connections_per_minute.is_some()
            || self.limits.messages_per_minute.is_some()
            || self.limits.recipients_per_minute.is_some();
        if !is_counted || self.exempt.iter().any(|network| network.contains(client)) {
            return Ok(Guest { hosts: Arc::clone(self), host: None });
        }
        let host = host_of(client);
        let mut table = self.table();
        table.forget_the_old();
        let Table { tallies, idle } = &mut *table;
        let tally = tallies.entry(host).or_insert_with(Tally::new);
        if tally.open == 0 {
            idle.remove(&(tally.minute_began, host));
        }
        tally.goes_on();
        tally.connections = tally.connections.saturating_add(1);
        let excess = if is_past(tally.connections, connections_per_minute) {
            Some(Excess::Connections)
        } else {
            let open = u32::try_from(tally.open + 1).unwrap_or(u32::MAX);
            is_past(open, connections_per_host).then_some(Excess::Open)
        };
        match excess {
            None => tally.open += 1,
            Some(excess) => tally.tell(host, excess),
        }
        table.may_be_idle(host);
        match excess {
            None => Ok(Guest { hosts: Arc::clone(self), host: Some(host) }),
            Some(excess) => Err(excess),
        }
    }
}

impl Guest {
    /// It begins a message.
    ///
    /// # Errors
    /// Its host has begun too many.
    pub(super) fn begins_message(&self) -> Result<(), Excess> {
        let limit = self.hosts.limits.messages_per_minute;
        self.asks(limit, Excess::Messages, |tally| &mut tally.messages)
    }

    /// It names a recipient.
    ///
    /// # Errors
    /// Its host has named too many.
    pub(super) fn names_recipient(&self) -> Result<(), Excess> {
        let limit = self.hosts.limits.recipients_per_minute;
        self.asks(limit, Excess::Recipients, |tally| &mut tally.recipients)
    }

    fn asks(
        &self,
        limit: Option<NonZeroU32>,
        excess: Excess,
        count: impl FnOnce(&mut Tally) -> &mut u32,
    ) -> Result<(), Excess> {
        let Some(host) = self.host else { return Ok(()) };
        let mut table = self.hosts.table();
        let tally = table.tallies.get_mut(&host).expect("a host with a connection open is remembered");
        tally.goes_on();
        let count = count(tally);
        *count = count.saturating_add(1);
        if !is_past(*count, limit) {
            return Ok(());
        }
        tally.tell(host, excess);
        Err(excess)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some(host) = self.host else { return };
        let mut table = self.hosts.table();
        if let Some(tally) = table.tallies.get_mut(&host) {
            tally.open -= 1;
        }
        table.may_be_idle(host);
    }
}

impl Table {
    /// Forgets the idle hosts whose minute is over, and those that are too many.
    fn forget_the_old(&mut self) {
        let now = Instant::now();
        while let Some((began, host)) = self.idle.first().copied()
            && (now >= began + MINUTE || self.idle.len() > REMEMBERED)
        {
            self.idle.pop_first();
            self.tallies.remove(&host);
        }
    }

    /// Lists a host as idle if it is.
    fn may_be_idle(&mut self, host: IpAddr) {
        if let Some(tally) = self.tallies.get(&host).filter(|tally| tally.open == 0) {
            self.idle.insert((tally.minute_began, host));
        }
    }
}

impl Tally {
    fn new() -> Self {
        let minute_began = Instant::now();
        Tally { open: 0, minute_began, connections: 0, messages: 0, recipients: 0, is_told: false }
    }

    /// Begins a new minute if the last is over. Not to be done to a host that is listed as idle.
    fn goes_on(&mut self) {
        if Instant::now() >= self.minute_began + MINUTE {
            *self = Tally { open: self.open, ..Tally::new() };
        }
    }

    /// Tells the event log, once in a minute.
    fn tell(&mut self, host: IpAddr, excess: Excess) {
        if !std::mem::replace(&mut self.is_told, true) {
            Event::HostOverLimit { host, what: excess.what() }.log();
        }
    }
}

fn is_past(count: u32, limit: Option<NonZeroU32>) -> bool {
    limit.is_some_and(|limit| count > limit.get())
}

/// The host that an address stands for: of IPv6 the 64 bits of its network, since a single host has all the rest.
fn host_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        host @ IpAddr::V4(_) => host,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn hosts(limits: &str) -> Arc<Hosts> {
        let text = format!(
            "host = \"gw.test\"\nspool = \"/spool\"\nstore = \"/store\"\n\
             relay.networks = [\"10.0.0.0/8\"]\n[limits]\n{limits}"
        );
        Hosts::new(&Config::parse(&text, "gateway.toml").unwrap())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_has_so_many_connections_open_and_another_has_its_own() {
        let hosts = hosts("connections_per_host = 2");
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let first = hosts.connect(one).ok().unwrap();
        let _second = hosts.connect(one).ok().unwrap();
        assert_eq!(hosts.connect(one).err(), Some(Excess::Open));
        assert!(hosts.connect(other).is_ok());
        drop(first);
        assert!(hosts.connect(one).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_for_in_a_minute_is_counted_from_its_first() {
        let hosts = hosts("connections_per_minute = 2\nmessages_per_minute = 1\nrecipients_per_minute = 3");
        let one = address("192.0.2.1");
        let guest = hosts.connect(one).ok().unwrap();
        assert_eq!(guest.begins_message(), Ok(()));
        assert_eq!(guest.begins_message(), Err(Excess::Messages));
        let named: Vec<bool> = (0..4).map(|_| guest.names_recipient().is_ok()).collect();
        assert_eq!(named, [true, true, true, false]);
        drop(hosts.connect(one).ok().unwrap());
        assert_eq!(hosts.connect(one).err(), Some(Excess::Connections));
        advance(MINUTE).await;
        assert_eq!((guest.begins_message(), guest.names_recipient()), (Ok(()), Ok(())));
        assert!(hosts.connect(one).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_networks_that_may_relay_have_no_limits() {
        let hosts = hosts("connections_per_host = 1\nmessages_per_minute = 1");
        let guests: Vec<Guest> = (0..5).map(|_| hosts.connect(address("10.1.2.3")).ok().unwrap()).collect();
        assert!(guests.iter().all(|guest| guest.begins_message().is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_host_of_ipv6_is_its_network() {
        let hosts = hosts("connections_per_host = 1");
        let _guest = hosts.connect(address("2001:db8::1")).ok().unwrap();
        assert_eq!(hosts.connect(address("2001:db8::ffff:2")).err(), Some(Excess::Open));
        assert!(hosts.connect(address("2001:db8:0:1::1")).is_ok());
        let _guest = hosts.connect(address("192.0.2.1")).ok().unwrap();
        assert_eq!(hosts.connect(address("::ffff:192.0.2.1")).err(), Some(Excess::Open));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_from_many_addresses_is_forgotten_and_a_host_that_is_here_is_not() {
        let hosts = hosts("connections_per_host = 1\nconnections_per_minute = 9");
        let guest = hosts.connect(address("192.0.2.1")).ok().unwrap();
        for number in 0..50_000_u32 {
            drop(hosts.connect(IpAddr::from((0xC600_0000 + number).to_be_bytes())).ok().unwrap());
        }
        let remembered = || {
            let table = hosts.table();
            (table.tallies.len(), table.idle.len())
        };
        assert_eq!(remembered(), (REMEMBERED + 2, REMEMBERED + 1));
        assert_eq!(hosts.connect(address("192.0.2.1")).err(), Some(Excess::Open));
        advance(MINUTE).await;
        drop(guest);
        drop(hosts.connect(address("192.0.2.1")).ok().unwrap());
        assert_eq!(remembered(), (1, 1));
    }
}
