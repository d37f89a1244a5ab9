//! What a configuration says of TLS, checked: the table `[tls]`, `listen_tls`, and `tls` of a route.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::error::Source;
use super::file::{self, File, RouteTls, Text, Tls};
use super::{ConfigError, TlsConfig, TlsIdentity};
use crate::release::Release;
use crate::routing::Target;

const CERTIFICATE_REMEDY: &str = "name the files of a certificate and its key in [tls]";

/// `[tls]`, and what needs it.
pub(super) fn config(source: &Source, file: &File, release: Release) -> Result<TlsConfig, ConfigError> {
    let Tls { certificate, key, trust, auth_in_clear } = &file.tls;
    if let Some(first) = [certificate, key, trust].into_iter().flatten().next()
        && release != Release::Current
    {
        let what = format!("{release} has no TLS here");
        return Err(source.error(first.span(), what, "take [tls] out, or write `release = \"current\"`"));
    }
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            Some(TlsIdentity { certificate: path(source, certificate)?, key: path(source, key)? })
        }
        (None, None) => None,
        (Some(alone), None) => {
            return Err(source.error(alone.span(), "the certificate has no key", "add `key` with its file"));
        }
        (None, Some(alone)) => {
            let remedy = "add `certificate` with its file";
            return Err(source.error(alone.span(), "the key has no certificate", remedy));
        }
    };
    if let (Some(required), None) = (&file.accept.require, &identity)
        && required.as_ref().encryption()
    {
        let what = "clients cannot be required to encrypt without a certificate";
        return Err(source.error(required.span(), what, CERTIFICATE_REMEDY));
    }
    // The historical releases knew no TLS: their passwords go in clear.
    let auth_in_clear = auth_in_clear.unwrap_or(release != Release::Current);
    Ok(TlsConfig {
        auth_in_clear,
        trust: trust.as_ref().map(|trust| path(source, trust)).transpose()?,
        identity,
    })
}

/// Where there are accounts, somebody can authenticate.
pub(super) fn accounts_are_of_use(source: &Source, file: &File, tls: &TlsConfig) -> Result<(), ConfigError> {
    let account = file.mailbox.iter().find_map(|mailbox| mailbox.account.as_ref());
    let (Some(account), None, false) = (account, &tls.identity, tls.auth_in_clear) else { return Ok(()) };
    let what = format!("nobody could authenticate as `{}`: there is no certificate", account.as_ref());
    let remedy = format!(
        "{CERTIFICATE_REMEDY}; or let passwords go over the network in clear, with `auth_in_clear = true` there"
    );
    Err(source.error(account.span(), what, remedy))
}

/// `listen_tls`.
pub(super) fn listen(source: &Source, file: &File) -> Result<Option<SocketAddr>, ConfigError> {
    let Some(text) = &file.listen_tls else { return Ok(None) };
    if file.tls.certificate.is_none() {
        let what = "clients cannot be spoken to in TLS without a certificate";
        return Err(source.error(text.span(), what, CERTIFICATE_REMEDY));
    }
    source.read(text, "write an IP address and a port, such as \"0.0.0.0:465\"").map(Some)
}

/// Whether the mail of a route goes over TLS with a certificate that was verified, or not at all.
pub(super) fn certified(
    source: &Source,
    entry: &file::Route,
    to: &Target,
    own: &Tls,
) -> Result<bool, ConfigError> {
    let Some(tls) = entry.tls.as_ref().filter(|tls| *tls.as_ref() == RouteTls::Required) else {
        return Ok(false);
    };
    if *to == Target::Inbound {
        let what = "mail for this server needs no TLS on its way out";
        return Err(source.error(tls.span(), what, "take `tls` out"));
    }
    if own.trust.is_none() {
        let what = "there is nothing to verify the host's certificate by";
        let remedy = "name a PEM file of the authorities to trust in `trust` of [tls]";
        return Err(source.error(tls.span(), what, remedy));
    }
    Ok(true)
}

fn path(source: &Source, text: &Text) -> Result<PathBuf, ConfigError> {
    match text.as_ref().as_str() {
        "" => Err(source.error(text.span(), "no file is named", "write the path of a file in PEM")),
        path => Ok(PathBuf::from(path)),
    }
}
