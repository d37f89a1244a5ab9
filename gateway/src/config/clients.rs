//! What clients may do: the tables `[limits]`, `[relay]`, `[filter]` and `[policy]`, from the file to values that make
//! sense.

use std::num::{NonZeroU32, NonZeroU64};

use toml::Spanned;

use super::check::{NETWORK_REMEDY, number};
use super::error::Source;
use super::file::{self, Text};
use super::{ConfigError, FilterConfig, LimitsConfig, Network, PolicyConfig, RelayConfig};
use crate::config::{FilterAction, Lookups, UnknownRecipients};
use crate::release::Release;
use crate::turf::Sender;

const CURRENT_REMEDY: &str = "take the key out, or write `release = \"current\"`";

pub(super) fn limits(
    source: &Source,
    limits: &file::Limits,
    release: Release,
) -> Result<LimitsConfig, ConfigError> {
    let size: u64 = number(source, limits.message_size.as_ref(), 10 << 20, 0..=i64::MAX)?;
    let low_water: u64 = number(source, limits.disk_low_water.as_ref(), 10 << 20, 0..=i64::MAX)?;
    let per_host = |key: &str, given: &Option<Spanned<i64>>| {
        if let Some(given) = given.as_ref().filter(|_| release != Release::Current) {
            let what =
                format!("{release} knows no `{key}`: its limits were for all hosts together (Q146562)");
            return Err(source.error(given.span(), what, CURRENT_REMEDY));
        }
        number(source, given.as_ref(), 0, 0..=1_000_000).map(NonZeroU32::new)
    };
    Ok(LimitsConfig {
        message_size: NonZeroU64::new(size),
        recipients: number(source, limits.recipients.as_ref(), 100, 100..=32_766)?,
        inbound_connections: number(source, limits.inbound_connections.as_ref(), 30, 1..=100_000)?,
        connections_per_host: per_host("connections_per_host", &limits.connections_per_host)?,
        connections_per_minute: per_host("connections_per_minute", &limits.connections_per_minute)?,
        messages_per_minute: per_host("messages_per_minute", &limits.messages_per_minute)?,
        recipients_per_minute: per_host("recipients_per_minute", &limits.recipients_per_minute)?,
        hops: number(source, limits.hops.as_ref(), 30, 1..=1_000)?,
        disk_low_water: NonZeroU64::new(low_water),
        octets_in_hand: number(source, limits.octets_in_hand.as_ref(), 64 << 20, 1 << 16..=i64::MAX)?,
    })
}

pub(super) fn relay(source: &Source, relay: &file::Relay) -> Result<RelayConfig, ConfigError> {
    let networks = |list: &[Text]| -> Result<Vec<Network>, ConfigError> {
        list.iter().map(|text| source.read(text, NETWORK_REMEDY)).collect()
    };
    Ok(RelayConfig {
        authenticated: relay.authenticated.unwrap_or(true),
        networks: networks(&relay.networks)?,
        denied: networks(&relay.denied)?,
        local_addresses: networks(&relay.local_addresses)?,
    })
}

pub(super) fn filter(
    source: &Source,
    filter: &file::Filter,
    release: Release,
) -> Result<FilterConfig, ConfigError> {
    let mut senders = Vec::new();
    for text in &filter.senders {
        let remedy =
            "write a mailbox, \"joe@spam.test\", a domain, \"@spam.test\", or \".\" for a From that is empty";
        let sender: Sender = source.read(text, remedy)?;
        let (what, since) = match sender {
            Sender::Mailbox(_) => ("mailboxes (Q155683)", Release::V50Rtm),
            Sender::Domain(_) => ("domains (Q155683)", Release::V55Rtm),
            Sender::Nobody => ("an empty From (Q247296)", Release::V55Sp2),
        };
        if release < since {
            let what = format!("{release} does not filter {what}: that came with {since}");
            return Err(source.error(text.span(), what, "take the entry out, or write a later `release`"));
        }
        senders.push(sender);
    }
    let action = filter.action.as_ref().map_or(FilterAction::default(), |action| *action.as_ref());
    if let Some(given) = filter.action.as_ref().filter(|_| release != Release::Current)
        && action == FilterAction::Refuse
    {
        let what = format!("{release} refuses no mail for its sender: it is set aside, or deleted (Q245465)");
        let remedy = "write \"set-aside\" or \"delete\", or `release = \"current\"`";
        return Err(source.error(given.span(), what, remedy));
    }
    Ok(FilterConfig { senders, action })
}

pub(super) fn policy(
    source: &Source,
    policy: &file::Policy,
    release: Release,
) -> Result<PolicyConfig, ConfigError> {
    let is_current = release == Release::Current;
    if let Some(given) = policy.vrfy.as_ref().filter(|_| !is_current) {
        let what = format!("{release} has no choice of what it answers to VRFY and EXPN");
        return Err(source.error(given.span(), what, CURRENT_REMEDY));
    }
    let refuses =
        policy.unknown_recipients.as_ref().filter(|given| *given.as_ref() == UnknownRecipients::Refuse);
    if let Some(given) = refuses.filter(|_| !is_current) {
        let what = format!("{release} takes mail for anybody in its domains, and reports it");
        return Err(source.error(given.span(), what, CURRENT_REMEDY));
    }
    let unknown = if is_current { UnknownRecipients::Refuse } else { UnknownRecipients::Report };
    Ok(PolicyConfig {
        vrfy: policy.vrfy.as_ref().map_or(Lookups::default(), |given| *given.as_ref()),
        unknown_recipients: policy.unknown_recipients.as_ref().map_or(unknown, |given| *given.as_ref()),
    })
}
