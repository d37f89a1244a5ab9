//! SCRAM-SHA-256, the client's side (RFC 5802, RFC 7677).
//!
//! The messages as they are before base64, and nothing of the conversation around them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::keys::{hash, hmac, salted, xor};
use crate::plan::Account;

/// One exchange.
pub(super) struct Scram<'a> {
    account: &'a Account,
    nonce: String,
}

/// What a client answers to the server's challenge.
pub(super) struct Answer {
    /// Its proof that it knows the password, in its last message.
    pub(super) message: String,
    /// What the server must then say, to prove that it knows the secret.
    pub(super) server: String,
}

impl<'a> Scram<'a> {
    /// An exchange under a nonce that says what it is for.
    pub(super) fn new(account: &'a Account, what_for: &str) -> Self {
        Scram { account, nonce: BASE64_STANDARD.encode(what_for) }
    }

    fn bare(&self) -> String {
        let name = self.account.name.replace('=', "=3D").replace(',', "=2C");
        format!("n={name},r={}", self.nonce)
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    /// The answer to the server's first message; none if that is no challenge to this exchange.
    pub(super) fn answer(&self, challenge: &str) -> Option<Answer> {
        let mut fields = challenge.split(',');
        let mut field = |key| fields.next()?.strip_prefix(key);
        let (nonce, salt, iterations) = (field("r=")?, field("s=")?, field("i=")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return None;
        }
        let salt = BASE64_STANDARD.decode(salt).ok()?;
        let salted = salted(&self.account.password, &salt, iterations.parse().ok()?);
        let without_proof = format!("c={},r={nonce}", BASE64_STANDARD.encode("n,,"));
        let said = format!("{},{challenge},{without_proof}", self.bare());
        let client_key = hmac(&salted, b"Client Key");
        let proof = xor(&client_key, &hmac(&hash(&client_key), said.as_bytes()));
        let server = hmac(&hmac(&salted, b"Server Key"), said.as_bytes());
        Some(Answer {
            message: format!("{without_proof},p={}", BASE64_STANDARD.encode(proof)),
            server: format!("v={}", BASE64_STANDARD.encode(server)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Mechanism;

    #[test]
    fn the_client_of_rfc_7677_says_what_stands_there() {
        let account =
            Account { name: "user".into(), password: "pencil".into(), mechanism: Mechanism::ScramSha256 };
        let scram = Scram { account: &account, nonce: "rOprNGfwEbeRWgbNEkqO".into() };
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let answer = scram.answer(&format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")).unwrap();
        assert_eq!(
            answer.message,
            format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        );
        assert_eq!(answer.server, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(scram.answer("r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").is_none());
    }
}
