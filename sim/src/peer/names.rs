//! The domain name system of a run, as a map: the mail exchangers that the plan names, and the address of each
//! machine.
//!
//! A plan either has a [name server](super::NameServer) tell the gateway of it, in packets, or lets the gateway look
//! into the map itself: that answers at once, and always the same. Either way, between the map and the gateway is what
//! the plan has go wrong.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use gateway::address::Domain;
use gateway::dns::{DnsError, MailExchanger, Resolver};
use gateway::env::BoxFuture;
use tokio::time::sleep;

use crate::fault::{DnsAnswer, Fault};
use crate::scene::Scene;

/// How long a resolver tries before it gives up.
const TIME_OUT: Duration = Duration::from_secs(10);
/// How long each further question of a chain takes.
const QUESTION: Duration = Duration::from_millis(30);
/// How many names lead to the right one.
pub(super) const CHAIN: u32 = 5;

/// The names of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) exchangers: BTreeMap<Domain, Vec<MailExchanger>>,
    pub(crate) addresses: BTreeMap<String, IpAddr>,
    /// The host to which false answers lead, where a fault has any.
    pub(crate) stranger: Option<(String, IpAddr)>,
}

impl Names {
    fn mail_exchangers(&self, domain: &Domain) -> Result<Vec<MailExchanger>, DnsError> {
        let known = self.exchangers.contains_key(domain) || self.addresses.contains_key(domain.as_str());
        if known {
            Ok(self.exchangers.get(domain).cloned().unwrap_or_default())
        } else {
            Err(DnsError::NoSuchName)
        }
    }

    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsError> {
        self.address_of(host).map(|address| vec![address]).ok_or(DnsError::NoSuchName)
    }

    /// The address of a host.
    pub(super) fn address_of(&self, host: &str) -> Option<IpAddr> {
        self.addresses.get(&host.to_ascii_lowercase()).copied()
    }

    /// The mail exchangers of a domain.
    pub(super) fn exchangers_of(&self, domain: &str) -> impl Iterator<Item = &MailExchanger> {
        let domain = domain.parse::<Domain>().ok();
        domain.and_then(|domain| self.exchangers.get(&domain)).into_iter().flatten()
    }

    /// Whether there is such a name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.address_of(name).is_some() || self.exchangers_of(name).next().is_some()
    }
}

/// What is said of a name now instead of the truth, if anything is: the first line that has an answer to such a
/// question.
pub(super) fn lie(scene: &Scene, name: &str, answers: impl Fn(DnsAnswer) -> bool) -> Option<DnsAnswer> {
    let now = scene.now();
    let (place, answer) = scene.faults().find_map(|(place, fault)| match fault {
        Fault::Dns { name: about, answer, at, until }
            if about.eq_ignore_ascii_case(name) && (at.0..until.0).contains(&now) && answers(*answer) =>
        {
            Some((place, *answer))
        }
        _ => None,
    })?;
    scene.bit(place);
    Some(answer)
}

/// The names as the gateway hears of them without a name server.
pub(crate) struct FaultyNames {
    scene: Scene,
}

impl FaultyNames {
    pub(crate) fn new(scene: &Scene) -> Self {
        FaultyNames { scene: scene.clone() }
    }

    async fn mail_exchangers_of(&self, domain: &Domain) -> Result<Vec<MailExchanger>, DnsError> {
        let names = &self.scene.plan.names;
        let only = |preference, host: &str| Ok(vec![MailExchanger { preference, host: host.to_owned() }]);
        let is_domain = names.exchangers.contains_key(domain);
        let answers = |answer| match answer {
            DnsAnswer::RefusingAddresses => false,
            DnsAnswer::OldHost => is_domain,
            _ => true,
        };
        match lie(&self.scene, domain.as_str(), answers) {
            Some(DnsAnswer::NoMx) => Ok(Vec::new()),
            Some(DnsAnswer::MxToItself) => only(10, &self.scene.plan.gateway.name),
            Some(DnsAnswer::NullMx) => only(0, "."),
            Some(DnsAnswer::OldHost) => only(0, names.stranger.as_ref().map_or(".", |(name, _)| name)),
            Some(lie) => self.said_of_any_name(lie).await.unwrap_or_else(|| names.mail_exchangers(domain)),
            None => names.mail_exchangers(domain),
        }
    }

    async fn addresses_of(&self, host: &str) -> Result<Vec<IpAddr>, DnsError> {
        let names = &self.scene.plan.names;
        // The clients are there, and none of them listens.
        let refuse: Vec<IpAddr> =
            self.scene.plan.clients.iter().take(2).map(|client| client.address).collect();
        let right = names.addresses(host);
        let answers = |answer| match answer {
            DnsAnswer::MxToItself | DnsAnswer::NullMx => false,
            DnsAnswer::RefusingAddresses => right.is_ok() && !refuse.is_empty(),
            DnsAnswer::OldHost => names.exchangers_of(host).next().is_none(),
            _ => true,
        };
        match lie(&self.scene, host, answers) {
            Some(DnsAnswer::NoMx) => Err(DnsError::NoSuchName),
            Some(DnsAnswer::OldHost) => Ok(names.stranger.iter().map(|(_, address)| *address).collect()),
            Some(DnsAnswer::RefusingAddresses) => Ok([refuse, right?].concat()),
            Some(lie) => self.said_of_any_name(lie).await.unwrap_or(right),
            None => right,
        }
    }

    /// What is said of a name whatever is asked about it; nothing if it is the truth, after a while.
    async fn said_of_any_name<T>(&self, lie: DnsAnswer) -> Option<Result<T, DnsError>> {
        match lie {
            DnsAnswer::Timeout => {
                sleep(TIME_OUT).await;
                Some(Err(DnsError::NoAnswer("it was silent".to_owned())))
            }
            DnsAnswer::Servfail => Some(Err(DnsError::NoAnswer("SERVFAIL".to_owned()))),
            DnsAnswer::Nxdomain => Some(Err(DnsError::NoSuchName)),
            DnsAnswer::CnameLoop => {
                sleep(QUESTION * CHAIN).await;
                Some(Err(DnsError::NoAnswer("its names lead on and on".to_owned())))
            }
            DnsAnswer::CnameChain => {
                sleep(QUESTION * CHAIN).await;
                self.scene.points.reached(super::CHAIN_FOLLOWED);
                None
            }
            // Said of one kind of question, or of packets.
            _ => None,
        }
    }
}

impl Resolver for FaultyNames {
    fn mail_exchangers<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> BoxFuture<'a, Result<Vec<MailExchanger>, DnsError>> {
        Box::pin(self.mail_exchangers_of(domain))
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        Box::pin(self.addresses_of(host))
    }
}
