//! Keys that are made of passwords, each of them once in a process.
//!
//! PBKDF2 is slow on purpose, and a seed's whole run costs little more than a few derivations. What it gives depends on
//! nothing but what it is given, so whoever asks again, the gateway, a client or an oracle, in this run or another, is
//! given what was worked out before. There are few passwords: those of plans, and the guesses of clients.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, PoisonError};

use gateway::env::{BoxFuture, KeyDerivation};
use gateway::secret::{self, Hash, Secret};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The password, the salt and the iterations.
type Recipe = (String, Vec<u8>, u32);

static KNOWN: Mutex<BTreeMap<Recipe, Hash>> = Mutex::new(BTreeMap::new());

/// `SaltedPassword` (RFC 5802, section 3).
pub(crate) fn salted(password: &str, salt: &[u8], iterations: u32) -> Hash {
    let recipe: Recipe = (password.to_owned(), salt.to_owned(), iterations);
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(hash) = known().get(&recipe) {
        return *hash;
    }
    let hash = secret::salted(password, salt, iterations);
    known().insert(recipe, hash);
    hash
}

/// HMAC with SHA-256.
pub(crate) fn hmac(key: &[u8], text: &[u8]) -> Hash {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    hmac.update(text);
    hmac.finalize().into_bytes().into()
}

/// SHA-256.
pub(crate) fn hash(text: &[u8]) -> Hash {
    Sha256::digest(text).into()
}

/// Each octet of one with that of the other.
pub(crate) fn xor(one: &Hash, other: &Hash) -> Hash {
    std::array::from_fn(|place| one[place] ^ other[place])
}

/// What a gateway stores of an account's password: the same in each run.
pub(crate) fn secret(account: &str, password: &str) -> Secret {
    let salt = &hash(account.as_bytes())[..secret::SALT];
    let iterations = *secret::ITERATIONS.start();
    let prepared = secret::prepared(password);
    Secret::of(&salted(prepared.as_deref().unwrap_or(password), salt, iterations), salt, iterations)
}

/// How the gateway's machine derives keys: in no time.
pub struct Recalled;

impl KeyDerivation for Recalled {
    fn salted<'a>(&'a self, password: &'a str, salt: &'a [u8], iterations: u32) -> BoxFuture<'a, Hash> {
        Box::pin(ready(salted(password, salt, iterations)))
    }
}
