//! What a client has shown of a password, held against what is stored of it: written from RFC 5802 and RFC 5803, apart
//! from the gateway.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway::secret::{Hash, Secret};

use super::{Case, Sheet};
use crate::keys::{hash, hmac, salted, xor};

/// What is stored, read from the text that an administrator sees.
struct Stored {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Hash,
    server_key: Hash,
}

impl Stored {
    fn of(secret: &Secret) -> Option<Self> {
        let text = secret.text();
        let fields: Vec<&str> = text.split(['$', ':']).collect();
        let [_, iterations, salt, stored_key, server_key] = fields[..] else { return None };
        Some(Stored {
            iterations: iterations.parse().ok()?,
            salt: BASE64_STANDARD.decode(salt).ok()?,
            stored_key: octets(stored_key)?,
            server_key: octets(server_key)?,
        })
    }
}

fn octets(text: &str) -> Option<Hash> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

/// Whether this is the password that the secret was made of.
pub(super) fn is_password(secret: &Secret, password: &str) -> bool {
    let is_it = |stored: Stored| {
        let client_key = hmac(&salted(password, &stored.salt, stored.iterations), b"Client Key");
        hash(&client_key) == stored.stored_key
    };
    Stored::of(secret).is_some_and(is_it)
}

/// The account that the first message of an exchange of SCRAM names.
pub(super) fn account(client_first: &str) -> String {
    let name = client_first.split(',').find_map(|field| field.strip_prefix("n=")).unwrap_or_default();
    name.replace("=2C", ",").replace("=3D", "=")
}

/// What the server must say to the last message of an exchange, if that proves that the client knows the password: it is
/// about this exchange, and about nobody else.
pub(super) fn answer(secret: &Secret, client_first: &str, challenge: &str, last: &str) -> Option<String> {
    let stored = Stored::of(secret)?;
    let mut fields = client_first.splitn(3, ',');
    let (_, other, bare) = (fields.next()?, fields.next()?, fields.next()?);
    let header = client_first.strip_suffix(bare)?;
    let nonce = challenge.split(',').next()?;
    let (without_proof, proof) = last.rsplit_once(",p=")?;
    let is_own = other.is_empty() || other.strip_prefix("a=") == bare.split(',').next()?.strip_prefix("n=");
    if !is_own || without_proof != format!("c={},{nonce}", BASE64_STANDARD.encode(header)) {
        return None;
    }
    let said = format!("{bare},{challenge},{without_proof}");
    let client_key = xor(&octets(proof)?, &hmac(&stored.stored_key, said.as_bytes()));
    let server = hmac(&stored.server_key, said.as_bytes());
    (hash(&client_key) == stored.stored_key).then(|| format!("v={}", BASE64_STANDARD.encode(server)))
}

/// Whether no challenge was given twice: an answer that was overheard would be the right one again.
pub(super) fn challenges(case: &Case<'_>, sheet: &mut Sheet) {
    let mut nonces = BTreeSet::new();
    let inbound = case.ledger.sessions.iter().filter(|session| session.is_inbound);
    let replies =
        inbound.flat_map(|session| &session.exchanges).filter_map(|exchange| exchange.reply.as_ref());
    for reply in replies.filter(|reply| reply.code == 334) {
        let Some(nonce) = said(reply.lines[0]).strip_prefix("r=").map(str::to_owned) else { continue };
        sheet.judges();
        // The client's nonces are those of its messages: only the server's makes them new.
        let nonce = nonce.split(',').next().unwrap_or_default().to_owned();
        if !nonces.insert(nonce.clone()) {
            sheet.finds("the same challenge was given twice", nonce);
        }
    }
}

/// What a line with the code 334 says.
pub(super) fn said(line: &str) -> String {
    let octets = BASE64_STANDARD.decode(line.get(4..).unwrap_or_default()).unwrap_or_default();
    String::from_utf8(octets).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const LAST: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    #[test]
    fn the_exchange_of_rfc_7677_is_right_and_no_other_with_its_proof() {
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let secret = Secret::of(&salted("pencil", &salt, 4096), &salt, 4096);
        assert!(is_password(&secret, "pencil") && !is_password(&secret, "pencils"));
        assert_eq!(account(FIRST), "user");
        let right = Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".to_owned());
        assert_eq!(answer(&secret, FIRST, CHALLENGE, LAST), right);
        for (first, challenge, last) in [
            (FIRST.replace("n,,", "y,,"), CHALLENGE.to_owned(), LAST.to_owned()),
            (FIRST.replace("n,,", "n,a=boss,"), CHALLENGE.to_owned(), LAST.to_owned()),
            (FIRST.to_owned(), CHALLENGE.replace("k0", "k1"), LAST.to_owned()),
            (FIRST.to_owned(), CHALLENGE.replace("k0", "k1"), LAST.replace("k0", "k1")),
            (FIRST.to_owned(), CHALLENGE.to_owned(), LAST.replace("dHzb", "dHzc")),
        ] {
            assert_eq!(answer(&secret, &first, &challenge, &last), None, "{first} {challenge} {last}");
        }
    }
}
