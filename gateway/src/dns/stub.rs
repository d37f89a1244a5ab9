//! A stub resolver (RFC 1034, 5.3.1): asks name servers that do the searching, over UDP and, when an answer does not
//! fit, over TCP. What it hears it keeps for as long as the answer says.
//!
//! An answer counts only if it comes from the server that was asked, with the number and the question of what was
//! asked. Names that lead to names are followed for a few steps.
//!
//! It knows no mail.

use std::net::{IpAddr, SocketAddr};

use futures_util::future::join;
use hickory_resolver::Resolver as Library;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::{DnsError as Refusal, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::runtime::Connections;
use super::{DnsError, MailExchanger, Resolver};
use crate::address::Domain;
use crate::config::DnsConfig;
use crate::env::{BoxFuture, Env};

/// How many answers are kept.
const CACHE: u64 = 1024;

/// Asks name servers over the network of a machine.
pub struct StubResolver(Library<Connections>);

/// Why there is nobody to ask.
#[derive(Debug, thiserror::Error)]
#[error("no names can be looked up: {0}; see /etc/resolv.conf, or name servers in [dns]")]
pub struct StubError(String);

impl StubResolver {
    /// Asks the name servers of the configuration; those of this machine, and its file of hosts before them, if the
    /// configuration has none.
    ///
    /// # Errors
    /// The machine has no name servers, or its settings cannot be read.
    pub fn new(config: &DnsConfig, env: &Env) -> Result<Self, StubError> {
        let unusable = |error: NetError| StubError(error.to_string());
        let connections = Connections::of(env);
        let mut builder = if config.servers.is_empty() {
            Library::builder(connections).map_err(unusable)?
        } else {
            let servers = config.servers.iter().map(server).collect();
            let mut builder =
                Library::builder_with_config(ResolverConfig::from_name_servers(servers), connections);
            builder.options_mut().use_hosts_file = ResolveHosts::Never;
            builder
        };
        builder.options_mut().cache_size = CACHE;
        builder.build().map(StubResolver).map_err(unusable)
    }

    /// The records of one type that a name has; none if it exists without any.
    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, DnsError> {
        // What cannot be written as a name is the name of nothing.
        let mut name = Name::from_ascii(name).map_err(|_| DnsError::NoSuchName)?;
        // With the final dot it is the whole name: no search list is tried (Q150969).
        name.set_fqdn(true);
        match self.0.lookup(name.clone(), kind).await {
            Ok(answer) => {
                let answers = answer.answers().iter().filter(|record| record.record_type() == kind);
                Ok(answers.map(|record| record.data.clone()).collect())
            }
            Err(error) => match nothing(&name, error)? {
                Nothing::Here => Ok(Vec::new()),
                Nothing::At(end) if self.is_alias(&end).await? => {
                    Err(DnsError::NoAnswer("its names lead on and on".to_owned()))
                }
                Nothing::At(_) => Ok(Vec::new()),
            },
        }
    }

    /// Whether a name leads to another.
    async fn is_alias(&self, name: &Name) -> Result<bool, DnsError> {
        match self.0.lookup(name.clone(), RecordType::CNAME).await {
            Ok(answer) => Ok(answer.answers().iter().any(|record| record.record_type() == RecordType::CNAME)),
            Err(error) => nothing(name, error).map(|_| false),
        }
    }
}

/// Over UDP, and over TCP what does not fit.
fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(|protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// Where there are no records.
enum Nothing {
    /// At the name that was asked for, or at the end of the names to which it leads.
    Here,
    /// At a name to which it leads, and this may lead on: the library stops after a few.
    At(Name),
}

/// What an answer without the records says. That there are none is one thing, that there is no such name another
/// (RFC 2308). A server that only refers to others has not answered. One that has the names of its neighbours from a file,
/// as dnsmasq does, says of none of them who answers for it.
fn nothing(name: &Name, error: NetError) -> Result<Nothing, DnsError> {
    let NetError::Dns(Refusal::NoRecordsFound(NoRecords { query, response_code, soa, ns, .. })) = &error
    else {
        return Err(DnsError::NoAnswer(error.to_string()));
    };
    let why = match response_code {
        ResponseCode::NXDomain => return Err(DnsError::NoSuchName),
        ResponseCode::NoError if soa.is_none() && ns.is_some() => "it only refers to other name servers",
        ResponseCode::NoError if soa.is_none() && query.name() != name => {
            return Ok(Nothing::At(query.name().clone()));
        }
        ResponseCode::NoError => return Ok(Nothing::Here),
        code => return Err(DnsError::NoAnswer(code.to_string())),
    };
    Err(DnsError::NoAnswer(why.to_owned()))
}

impl Resolver for StubResolver {
    fn mail_exchangers<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> BoxFuture<'a, Result<Vec<MailExchanger>, DnsError>> {
        Box::pin(async move {
            let records = self.records(domain.as_str(), RecordType::MX).await?;
            Ok(records.iter().filter_map(mail_exchanger).collect())
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        Box::pin(async move {
            let (v4, v6) =
                join(self.records(host, RecordType::A), self.records(host, RecordType::AAAA)).await;
            match (v4, v6) {
                (Ok(v4), Ok(v6)) => Ok(v4.iter().chain(&v6).filter_map(RData::ip_addr).collect()),
                // Half an answer is one, unless it says that there is nothing.
                (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => {
                    Ok(found.iter().filter_map(RData::ip_addr).collect())
                }
                (Err(error @ DnsError::NoAnswer(_)), _) | (_, Err(error)) | (Err(error), _) => Err(error),
            }
        })
    }
}

fn mail_exchanger(record: &RData) -> Option<MailExchanger> {
    let RData::MX(mx) = record else { return None };
    let host = mx.exchange.to_ascii().trim_end_matches('.').to_owned();
    Some(MailExchanger { preference: mx.preference, host })
}
