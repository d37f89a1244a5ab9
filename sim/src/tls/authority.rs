//! The authority that certifies the hosts of every scenario, and the certificates that it gives.
//!
//! A host's key is made of its name, so that the same name has the same certificate in every run, with Ed25519
//! signatures, which draw nothing. They are valid from 1980 to 2100, but for those that are to have run out. Nobody but a
//! simulated host is to trust them: who reads this has every key.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway::config::{TlsConfig, TlsIdentity};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ED25519, SerialNumber,
    date_time_ymd,
};
use ring::digest;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// What the authority is called.
pub(super) const AUTHORITY: &str = "Simulated Authority";

/// Another authority, which no gateway is told to trust.
pub(super) const NO_AUTHORITY: &str = "Nobody's Authority";

/// A certificate.
#[derive(Clone, Copy)]
pub(super) struct Certificate<'a> {
    /// The host that it is for.
    pub(super) host: &'a str,
    /// Who has given it.
    pub(super) authority: &'a str,
    pub(super) runs: Runs,
}

/// Until when a certificate is valid.
#[derive(Clone, Copy)]
pub(super) enum Runs {
    /// For longer than any run.
    On,
    /// It was, before every run.
    Out,
}

/// The head of an Ed25519 key in PKCS #8 (RFC 8410, 7), before its 32 octets.
const PKCS8_HEAD: [u8; 16] = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];

/// The files that a gateway of this name needs, as its configuration has them.
pub(crate) fn files(config: &TlsConfig, host: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    if let Some(TlsIdentity { certificate: at, key: key_at }) = &config.identity {
        let own = Certificate { host, authority: AUTHORITY, runs: Runs::On };
        files.push((at.clone(), pem("CERTIFICATE", &own.made())));
        files.push((key_at.clone(), pem("PRIVATE KEY", key(host).secret_pkcs8_der())));
    }
    files.extend(config.trust.iter().map(|at| (at.clone(), pem("CERTIFICATE", &authority()))));
    files
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let lines = BASE64_STANDARD.encode(der);
    let lines = lines.as_bytes().chunks(64).map(|line| format!("{}\n", String::from_utf8_lossy(line)));
    format!("-----BEGIN {label}-----\n{}-----END {label}-----\n", lines.collect::<String>())
}

/// The authority's own certificate.
pub(super) fn authority() -> CertificateDer<'static> {
    let certificate = authority_params(AUTHORITY).self_signed(&key_pair(AUTHORITY));
    certificate.expect("nothing in it depends on anything").der().clone()
}

impl Certificate<'_> {
    /// The certificate itself.
    pub(super) fn made(self) -> CertificateDer<'static> {
        let Certificate { host, authority, runs } = self;
        let mut params = params(host);
        params.subject_alt_names = CertificateParams::new([host.to_owned()])
            .map(|named| named.subject_alt_names)
            .unwrap_or_default();
        if matches!(runs, Runs::Out) {
            params.not_after = date_time_ymd(1990, 1, 1);
        }
        let issuer = Issuer::new(authority_params(authority), key_pair(authority));
        let certificate = params.signed_by(&key_pair(host), &issuer);
        certificate.expect("a host's name can stand in a certificate").der().clone()
    }
}

/// The key of a host.
pub(super) fn key(host: &str) -> PrivatePkcs8KeyDer<'static> {
    let made = digest::digest(&digest::SHA256, host.as_bytes());
    [&PKCS8_HEAD[..], made.as_ref()].concat().into()
}

fn key_pair(name: &str) -> KeyPair {
    KeyPair::from_pkcs8_der_and_sign_algo(&key(name), &PKCS_ED25519).expect("any 32 octets are such a key")
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(1980, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params.serial_number = Some(SerialNumber::from(1));
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
