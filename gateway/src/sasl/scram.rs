//! SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677), without channel binding.
//!
//! Two messages of the client, two of the server: the client names its account, the server gives it the salt and a
//! nonce; the client proves that it knows the password, and the server that it knows the secret. This module knows the
//! messages as they are before base64. Whose secret it is, and where a nonce comes from, is for the caller to say.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::SaslError;
use crate::secret::Secret;

/// The longest nonce of a client: what it is answered with must fit into a line.
const NONCE_LIMIT: usize = 1_000;

/// What a client begins with: who it is.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientFirst {
    /// The account whose password it knows (the authentication identity).
    account: String,
    /// Whether it would act as another account than this (the authorization identity).
    is_for_another: bool,
    /// The header, with its last comma: what the client must repeat.
    header: String,
    /// The message without the header.
    bare: String,
    nonce: String,
}

/// An exchange in which the client's proof is awaited.
pub struct Challenged {
    first: ClientFirst,
    secret: Secret,
    nonce: String,
    server_first: String,
}

/// What a client's proof is worth.
#[derive(Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is right. With it comes the server's, to be sent.
    Right(String),
    /// It is wrong, or one of another exchange.
    Wrong,
}

impl ClientFirst {
    /// Reads `client-first-message`.
    ///
    /// # Errors
    /// It is malformed, or asks for what is not offered.
    pub(super) fn read(message: &str) -> Result<Self, SaslError> {
        let mut fields = message.splitn(3, ',');
        let mut field =
            || fields.next().ok_or(SaslError::Malformed("SCRAM begins with a header and two fields"));
        let (binding, authorization, bare) = (field()?, field()?, field()?);
        // `y`: the client knows channel binding and sees that it is not offered, which is true.
        if binding != "n" && binding != "y" {
            return Err(SaslError::Malformed("channel binding is not offered: use the flag n or y"));
        }
        let authorization = match authorization {
            "" => None,
            text => Some(name(text.strip_prefix("a=")).ok_or(WRONG_NAME)?),
        };
        let mut fields = bare.split(',');
        if bare.starts_with("m=") {
            return Err(SaslError::Malformed("a mandatory extension is not known"));
        }
        let account = name(fields.next().and_then(|field| field.strip_prefix("n="))).ok_or(WRONG_NAME)?;
        let nonce = fields.next().and_then(|field| field.strip_prefix("r=")).unwrap_or_default();
        if nonce.is_empty()
            || nonce.len() > NONCE_LIMIT
            || !nonce.bytes().all(|octet| octet.is_ascii_graphic())
        {
            return Err(SaslError::Malformed("there is no nonce, or a wrong one"));
        }
        Ok(ClientFirst {
            is_for_another: authorization.is_some_and(|other| other != account),
            header: message[..message.len() - bare.len()].to_owned(),
            nonce: nonce.to_owned(),
            bare: bare.to_owned(),
            account,
        })
    }

    /// The account that it names.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Challenges the client to prove that it knows the secret's password. `nonce` must be new, and must not be one
    /// that anybody can foresee.
    pub fn challenge(self, secret: Secret, nonce: [u8; 18]) -> Challenged {
        let nonce = format!("{}{}", self.nonce, BASE64_STANDARD.encode(nonce));
        let server_first =
            format!("r={nonce},s={},i={}", BASE64_STANDARD.encode(secret.salt()), secret.iterations());
        Challenged { first: self, secret, nonce, server_first }
    }
}

const WRONG_NAME: SaslError = SaslError::Malformed("there is no account, or a wrong one");

/// `saslname`: not empty, with `=2C` for a comma and `=3D` for an equals sign.
fn name(text: Option<&str>) -> Option<String> {
    let mut parts = text.filter(|text| !text.is_empty() && !text.contains('\0'))?.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) = part.split_at_checked(2)?;
        name.push(match sign {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        name.push_str(rest);
    }
    Some(name)
}

impl Challenged {
    /// `server-first-message`: what is sent to the client.
    pub(super) fn message(&self) -> &str {
        &self.server_first
    }

    /// The account whose password is to be proven.
    pub(super) fn account(&self) -> &str {
        &self.first.account
    }

    /// Judges `client-final-message`.
    ///
    /// # Errors
    /// It is malformed.
    pub(super) fn judge(&self, message: &str) -> Result<Proof, SaslError> {
        let malformed = SaslError::Malformed("SCRAM ends with c=, r= and p=");
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(malformed.clone())?;
        let proof = BASE64_STANDARD.decode(proof).ok().and_then(|octets| octets.try_into().ok());
        let proof = proof.ok_or(SaslError::Malformed("the proof is not 32 octets in base64"))?;
        let mut fields = without_proof.split(',');
        let mut field = |key| fields.next().and_then(|field| field.strip_prefix(key));
        let (header, nonce) = (field("c=").ok_or(malformed.clone())?, field("r=").ok_or(malformed)?);
        let exchange = format!("{},{},{without_proof}", self.first.bare, self.server_first);
        let is_right = self.secret.is_proven(&proof, &exchange)
            && nonce == self.nonce
            && header == BASE64_STANDARD.encode(&self.first.header)
            // Nobody may act as another.
            && !self.first.is_for_another;
        Ok(match is_right {
            true => {
                Proof::Right(format!("v={}", BASE64_STANDARD.encode(self.secret.server_signature(&exchange))))
            }
            false => Proof::Wrong,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::salted;

    fn secret() -> Secret {
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        Secret::of(&salted("pencil", &salt, 4096), &salt, 4096)
    }

    /// RFC 7677, section 3. Its server's nonce is no base64, so it is put in by hand.
    fn of_the_rfc(header: &str, account: &str) -> Challenged {
        let first = ClientFirst::read(&format!("{header}n={account},r=rOprNGfwEbeRWgbNEkqO")).unwrap();
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned();
        let server_first = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        Challenged { first, secret: secret(), nonce, server_first }
    }

    const FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    #[test]
    fn the_exchange_of_rfc_7677_goes_as_it_stands_there() {
        let right = Proof::Right("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".to_owned());
        assert_eq!(of_the_rfc("n,,", "user").judge(FINAL), Ok(right));
    }

    #[test]
    fn a_proof_of_anything_else_is_wrong() {
        for (header, account, changed, into) in [
            ("y,,", "user", "", ""),
            ("n,a=boss,", "user", "", ""),
            ("n,,", "usor", "", ""),
            ("n,,", "user", "c=biws", "c=eSws"),
            ("n,,", "user", "k0,p", "k1,p"),
            ("n,,", "user", "dHzb", "dHzc"),
        ] {
            let message = FINAL.replacen(changed, into, 1);
            assert_eq!(of_the_rfc(header, account).judge(&message), Ok(Proof::Wrong), "{header} {message}");
        }
    }

    #[test]
    fn the_first_message_says_who_it_is() {
        for (message, account, is_for_another) in [
            ("n,,n=user,r=abc", "user", false),
            ("y,,n=user,r=abc,x=ignored", "user", false),
            ("n,a=user,n=user,r=abc", "user", false),
            ("n,a=boss,n=user,r=abc", "user", true),
            ("n,,n=CONTOSO\\a=2Cb=3Dc,r=abc", "CONTOSO\\a,b=c", false),
        ] {
            let first = ClientFirst::read(message).unwrap();
            assert_eq!((first.account(), first.is_for_another), (account, is_for_another), "{message}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let long = format!("n,,n=user,r={}", "a".repeat(NONCE_LIMIT + 1));
        for message in [
            "",
            "n",
            "n,,",
            "n,,n=user",
            "n,,n=,r=abc",
            "n,,n=a=2Xb,r=abc",
            "n,,n=a=,r=abc",
            "n,,n=user,r=",
            "n,,n=user,r=a b",
            "n,,m=x,n=user,r=abc",
            "n,b=user,n=user,r=abc",
            "p=tls-server-end-point,,n=user,r=abc",
            "x,,n=user,r=abc",
            &long,
        ] {
            assert!(matches!(ClientFirst::read(message), Err(SaslError::Malformed(_))), "{message}");
        }
        for cut in ["", "c=biws", "c=biws,r=abc", "r=abc,c=biws,p=AAAA", &FINAL[..FINAL.len() - 4]] {
            assert!(matches!(of_the_rfc("n,,", "user").judge(cut), Err(SaslError::Malformed(_))), "{cut}");
        }
    }
}
