//! What is stored of a password: enough to know it again, not enough to use it (RFC 5803, with SHA-256).
//!
//! `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, the last three in base64: as PostgreSQL has it. With it
//! a client can prove that it knows the password and hear the same proof of the server (SCRAM, RFC 5802), and a
//! password that is given (PLAIN, LOGIN) can be held against it.
//!
//! This module knows no account but the one that it makes a secret up for, and no protocol.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The octets of a hash.
pub type Hash = [u8; 32];

/// The fewest iterations that a secret may have (RFC 7677, section 4), and the most: a client that gives a password
/// makes the server go through all of them.
pub const ITERATIONS: std::ops::RangeInclusive<u32> = 4_096..=10_000_000;
/// How many the program `gateway` makes a secret with.
pub const USUAL_ITERATIONS: u32 = 65_536;
/// The octets of the salts that are made here.
pub const SALT: usize = 16;

/// The beginning of a secret's text.
const SCHEME: &str = "SCRAM-SHA-256$";

/// What is stored of a password. It is never shown but by [`Secret::text`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Hash,
    server_key: Hash,
}

impl Secret {
    /// The secret of a password that was [salted] like this.
    pub fn of(salted: &Hash, salt: &[u8], iterations: u32) -> Self {
        Secret {
            iterations,
            salt: salt.to_owned(),
            stored_key: Sha256::digest(hmac(salted, b"Client Key")).into(),
            server_key: hmac(salted, b"Server Key"),
        }
    }

    /// A secret that no password has, for an account that is not there: the same each time, and to look at like one of
    /// `models`; none if there are none.
    pub fn for_a_stranger(models: &[Secret], account: &str) -> Option<Self> {
        let key = &models.first()?.server_key;
        let drawn = |what: &str| hmac(key, format!("{what} of {account}").as_bytes());
        let place =
            drawn("model").iter().fold(0, |place, octet| (place << 8 | usize::from(*octet)) % models.len());
        let model = &models[place];
        let salt = ["salt", "more salt"].map(drawn).concat();
        Some(Secret {
            iterations: model.iterations,
            salt: salt.iter().copied().cycle().take(model.salt.len()).collect(),
            stored_key: drawn("stored key"),
            server_key: drawn("server key"),
        })
    }

    /// How often the password was hashed.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// What the password was hashed with.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Whether the password that was salted is the secret's. Takes as long for a wrong one as for the right one.
    pub fn is_of(&self, salted: &Hash) -> bool {
        self.is_key(&hmac(salted, b"Client Key"))
    }

    /// Whether this proves that a client knows the password (`ClientProof`; RFC 5802, section 3).
    pub fn is_proven(&self, proof: &Hash, exchange: &str) -> bool {
        let mut client_key = hmac(&self.stored_key, exchange.as_bytes());
        client_key.iter_mut().zip(proof).for_each(|(octet, proof)| *octet ^= proof);
        self.is_key(&client_key)
    }

    fn is_key(&self, client_key: &Hash) -> bool {
        Sha256::digest(client_key).ct_eq(&self.stored_key).into()
    }

    /// The proof that the server knows the secret (`ServerSignature`).
    pub fn server_signature(&self, exchange: &str) -> Hash {
        hmac(&self.server_key, exchange.as_bytes())
    }

    /// The secret as it stands in a configuration.
    pub fn text(&self) -> String {
        let [salt, stored, server] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(|octets| BASE64_STANDARD.encode(octets));
        format!("{SCHEME}{}:{salt}${stored}:{server}", self.iterations)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

impl FromStr for Secret {
    type Err = NotASecret;

    fn from_str(text: &str) -> Result<Self, NotASecret> {
        let read = || {
            let (kept, keys) = text.strip_prefix(SCHEME)?.split_once('$')?;
            let ((iterations, salt), (stored, server)) = (kept.split_once(':')?, keys.split_once(':')?);
            let octets = |text: &str| BASE64_STANDARD.decode(text).ok();
            let key = |text: &str| octets(text)?.try_into().ok();
            let salt = octets(salt).filter(|salt| !salt.is_empty())?;
            let (stored_key, server_key) = (key(stored)?, key(server)?);
            Some(Secret { iterations: iterations.parse().ok()?, salt, stored_key, server_key })
        };
        let secret = read().ok_or(NotASecret::Shape)?;
        if ITERATIONS.contains(&secret.iterations) {
            Ok(secret)
        } else {
            Err(NotASecret::Iterations { given: secret.iterations })
        }
    }
}

/// A text that is no secret. The text is not shown: it may be a password.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotASecret {
    /// It does not look like one.
    #[error("this is not `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`")]
    Shape,
    /// It was made with too few iterations, or too many.
    #[error("the secret has {given} iterations, not {} to {}", ITERATIONS.start(), ITERATIONS.end())]
    Iterations {
        /// How many it has.
        given: u32,
    },
}

/// The password as it is hashed, whatever keyboard it was typed on (SASLprep, RFC 4013); none if it has a character
/// that no password may have, or is empty.
pub fn prepared(password: &str) -> Option<Cow<'_, str>> {
    stringprep::saslprep(password).ok().filter(|prepared| !prepared.is_empty())
}

/// The password after so many iterations (`SaltedPassword`, PBKDF2). It is slow, and meant to be: whoever steals a
/// secret pays it for each guess.
#[must_use]
pub fn salted(password: &str, salt: &[u8], iterations: u32) -> Hash {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt, iterations)
}

fn hmac(key: &[u8], text: &[u8]) -> Hash {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    hmac.update(text);
    hmac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::slice;

    use super::*;

    /// What `gsasl --mkpasswd --mechanism SCRAM-SHA-256 --password pencil --iteration-count 4096
    /// --salt W22ZaJ0SNY7soEsUEjb6gQ==` makes: the salt and the password of RFC 7677, section 3.
    const PENCIL: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                          wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn a_secret_is_made_as_others_make_it() {
        let read: Secret = PENCIL.parse().unwrap();
        let made = Secret::of(&salted("pencil", read.salt(), 4096), read.salt(), 4096);
        assert_eq!(made.text(), PENCIL);
        assert!(read.is_of(&salted("pencil", read.salt(), 4096)));
        assert!(!read.is_of(&salted("pencils", read.salt(), 4096)));
    }

    #[test]
    fn a_password_is_the_same_on_every_keyboard() {
        // RFC 4013, section 3: a soft hyphen is nothing, ª is a, Ⅸ is IX, and a control character is prohibited.
        for (typed, meant) in [("I\u{ad}X", "IX"), ("\u{aa}", "a"), ("\u{2168}", "IX"), ("user", "user")] {
            assert_eq!(prepared(typed).as_deref(), Some(meant), "{typed:?}");
        }
        for none in ["\u{7}", "\u{627}\u{31}", "", "\u{ad}"] {
            assert_eq!(prepared(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_stranger_gets_the_same_secret_each_time_and_another_than_the_next() {
        let model: Secret = PENCIL.parse().unwrap();
        let of = |account| Secret::for_a_stranger(slice::from_ref(&model), account).unwrap();
        assert_eq!(of("eve"), of("eve"));
        assert_ne!(of("eve").salt(), of("mallory").salt());
        assert_eq!((of("eve").iterations(), of("eve").salt().len()), (4096, SALT));
        assert_eq!(Secret::for_a_stranger(&[], "eve"), None);
    }

    #[test]
    fn strangers_are_as_different_as_accounts_are() {
        let models = [(4096, &[1; 16][..]), (65_536, &[1; 40])]
            .map(|(iterations, salt)| Secret::of(&[0; 32], salt, iterations));
        let looks = |account: usize| {
            let secret = Secret::for_a_stranger(&models, &account.to_string()).unwrap();
            (secret.iterations(), secret.salt().len())
        };
        let seen: BTreeSet<_> = (0..50).map(looks).collect();
        assert_eq!(seen, BTreeSet::from([(4096, 16), (65_536, 40)]));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_shown() {
        for wrong in [
            "hunter2",
            "SCRAM-SHA-256$",
            "SCRAM-SHA-1$4096:AAAA$AAAA:AAAA",
            "SCRAM-SHA-256$4096:AAAA$AAAA:AAAA",
            &PENCIL.replace("W22ZaJ0SNY7soEsUEjb6gQ==", ""),
            &PENCIL[..PENCIL.len() - 1],
            &PENCIL.replace("4096", "-1"),
        ] {
            let error = wrong.parse::<Secret>().unwrap_err();
            assert!(error == NotASecret::Shape && !error.to_string().contains("hunter2"), "{wrong}");
        }
        for count in [0, 1, 4_095, 10_000_001, u32::MAX] {
            let text = PENCIL.replace("4096", &count.to_string());
            assert_eq!(text.parse::<Secret>(), Err(NotASecret::Iterations { given: count }));
        }
    }
}
