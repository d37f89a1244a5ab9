//! AUTH, the server's side: the mechanisms SCRAM-SHA-256 (RFC 7677, in [`scram`]), PLAIN (RFC 4616) and LOGIN, as SMTP
//! carries them (RFC 4954).
//!
//! [`start`] takes the mechanism and the initial response, if there is one. Each [`Step::Challenge`] is text to
//! send after `334` and the exchange that waits for the client's next line; [`Step::Account`] asks for a secret;
//! [`Step::Credentials`] and [`Step::Proven`] are the end.
//!
//! This module knows no account and no connection: whose secret is what, whether the password is right, whether the link
//! is private and how long a line may be are for the session to say.

pub mod scram;

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use self::scram::{Challenged, ClientFirst, Proof};
use crate::release::Release;
use crate::smtp::reply::Reply;

/// The mechanism that only `current` offers.
const SCRAM: &str = "SCRAM-SHA-256";

/// The mechanisms that a release offers, as the reply to EHLO lists them after `AUTH`.
pub fn mechanisms(release: Release) -> &'static [&'static str] {
    match release {
        Release::Current => &[SCRAM, "PLAIN", "LOGIN"],
        _ => &["PLAIN", "LOGIN"],
    }
}

/// Whether this names a mechanism that any release offers.
pub fn is_known(mechanism: &str) -> bool {
    mechanisms(Release::Current).iter().any(|known| known.eq_ignore_ascii_case(mechanism))
}

/// What a client says who it is with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account whose password it is (the authentication identity).
    pub account: String,
    /// The password.
    pub password: String,
    /// The account to act as, where the client names one (the authorization identity); PLAIN only.
    pub authorization: Option<String>,
}

impl fmt::Debug for Credentials {
    /// Shows everything but the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("account", &self.account)
            .field("authorization", &self.authorization)
            .finish_non_exhaustive()
    }
}

/// What comes next in an exchange.
#[derive(Debug)]
pub enum Step {
    /// Send `334`, a space and this text (in base64, and empty for PLAIN); then hand the client's line to
    /// [`Exchange::respond`].
    Challenge(String, Exchange),
    /// Find the secret of [`ClientFirst::account`], and let [`ClientFirst::challenge`] and [`Exchange::of`] go on from
    /// there.
    Account(ClientFirst),
    /// The exchange is over: see whether they are right.
    Credentials(Credentials),
    /// The exchange is over, and the client has proven that it is who it says it is, or has not.
    Proven {
        /// The account.
        account: String,
        /// Whether the proof is right.
        is_right: bool,
    },
}

/// An exchange that waits for the client's next line.
pub struct Exchange(Awaits);

enum Awaits {
    PlainMessage,
    LoginAccount,
    LoginPassword {
        account: String,
    },
    ScramAccount,
    ScramProof(Box<Challenged>),
    /// The client has the server's proof, and has nothing more to say.
    ScramEnd {
        account: String,
    },
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Awaits::PlainMessage => "PLAIN, awaiting the message",
            Awaits::LoginAccount => "LOGIN, awaiting the account",
            Awaits::LoginPassword { .. } => "LOGIN, awaiting the password",
            Awaits::ScramAccount => "SCRAM-SHA-256, awaiting the account",
            Awaits::ScramProof(_) => "SCRAM-SHA-256, awaiting the proof",
            Awaits::ScramEnd { .. } => "SCRAM-SHA-256, awaiting the end",
        })
    }
}

/// Begins an exchange with one of the mechanisms `offered`: `AUTH mechanism [initial]`. An initial response `=` is an
/// empty one (RFC 4954, section 4).
///
/// # Errors
/// The mechanism is not offered, or the initial response is wrong.
pub fn start(offered: &[&str], mechanism: &str, initial: Option<&str>) -> Result<Step, SaslError> {
    let asked = offered.iter().find(|offered| mechanism.eq_ignore_ascii_case(offered));
    let (challenge, awaits) = match asked {
        Some(&SCRAM) => ("", Awaits::ScramAccount),
        Some(&"PLAIN") => ("", Awaits::PlainMessage),
        Some(_) => ("Username:", Awaits::LoginAccount),
        None => {
            return Err(SaslError::UnknownMechanism {
                asked: mechanism.to_owned(),
                offered: offered.join(", "),
            });
        }
    };
    match initial {
        None => Ok(awaits.after(challenge)),
        Some("=") => awaits.take(String::new()),
        Some(response) => awaits.take(decode(response)?),
    }
}

impl Exchange {
    /// Goes on from the challenge that was made for a client's account.
    pub fn of(challenged: Challenged) -> Step {
        let message = challenged.message().to_owned();
        Awaits::ScramProof(Box::new(challenged)).after(&message)
    }

    /// Takes the client's line, without its CRLF.
    ///
    /// # Errors
    /// The client cancels with `*`, or the response is wrong. The exchange is over either way.
    pub fn respond(self, line: &str) -> Result<Step, SaslError> {
        if line == "*" {
            return Err(SaslError::Cancelled);
        }
        self.0.take(decode(line)?)
    }
}

impl Awaits {
    fn after(self, challenge: &str) -> Step {
        Step::Challenge(BASE64_STANDARD.encode(challenge), Exchange(self))
    }

    fn take(self, response: String) -> Result<Step, SaslError> {
        match self {
            Awaits::PlainMessage => plain(&response).map(Step::Credentials),
            Awaits::LoginAccount => {
                let account = login_field(response)?;
                Ok(Awaits::LoginPassword { account }.after("Password:"))
            }
            Awaits::LoginPassword { account } => {
                let password = login_field(response)?;
                Ok(Step::Credentials(Credentials { account, password, authorization: None }))
            }
            Awaits::ScramAccount => ClientFirst::read(&response).map(Step::Account),
            Awaits::ScramProof(challenged) => {
                let account = challenged.account().to_owned();
                Ok(match challenged.judge(&response)? {
                    Proof::Right(ours) => Awaits::ScramEnd { account }.after(&ours),
                    Proof::Wrong => Step::Proven { account, is_right: false },
                })
            }
            Awaits::ScramEnd { account } if response.is_empty() => {
                Ok(Step::Proven { account, is_right: true })
            }
            Awaits::ScramEnd { .. } => Err(SaslError::Malformed("SCRAM is at its end: send an empty line")),
        }
    }
}

fn decode(response: &str) -> Result<String, SaslError> {
    let octets = BASE64_STANDARD.decode(response).map_err(|_| SaslError::NotBase64)?;
    String::from_utf8(octets).map_err(|_| SaslError::Malformed("it is not UTF-8"))
}

/// `message = [authzid] NUL authcid NUL passwd`, where the last two are not empty (RFC 4616, section 2).
fn plain(message: &str) -> Result<Credentials, SaslError> {
    let fields: Vec<&str> = message.split('\0').collect();
    let &[authorization, account, password] = fields.as_slice() else {
        return Err(SaslError::Malformed("PLAIN takes three fields with NUL between them"));
    };
    if account.is_empty() || password.is_empty() {
        return Err(SaslError::Malformed("the account or the password is empty"));
    }
    Ok(Credentials {
        account: account.to_owned(),
        password: password.to_owned(),
        authorization: (!authorization.is_empty()).then(|| authorization.to_owned()),
    })
}

/// An account or a password of LOGIN, which no RFC describes: the rules that PLAIN has for its fields.
fn login_field(response: String) -> Result<String, SaslError> {
    match response {
        empty if empty.is_empty() => Err(SaslError::Malformed("the account or the password is empty")),
        with_nul if with_nul.contains('\0') => Err(SaslError::Malformed("it has a NUL")),
        field => Ok(field),
    }
}

/// An exchange that ended without credentials.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SaslError {
    /// The client asked for a mechanism that is not there.
    #[error("unknown authentication mechanism `{asked}`; use one of {offered}")]
    UnknownMechanism {
        /// What it asked for.
        asked: String,
        /// What there is.
        offered: String,
    },
    /// A response is not base64.
    #[error("the authentication response is not base64")]
    NotBase64,
    /// A response does not have the mechanism's shape.
    #[error("malformed authentication response: {0}")]
    Malformed(&'static str),
    /// The client sent `*`.
    #[error("authentication cancelled by the client")]
    Cancelled,
}

impl SaslError {
    /// What the client is told (RFC 4954, sections 4 and 6).
    pub fn reply(&self) -> Reply {
        let (code, status) = match self {
            SaslError::UnknownMechanism { .. } => (504, "5.5.4"),
            SaslError::NotBase64 | SaslError::Malformed(_) => (501, "5.5.2"),
            SaslError::Cancelled => (501, "5.7.0"),
        };
        Reply::new(code, self.to_string()).with_status(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays the client's `lines` after `AUTH mechanism initial`; gives the challenges sent and the end.
    fn play(
        mechanism: &str,
        initial: Option<&str>,
        lines: &[&str],
    ) -> (Vec<String>, Result<Credentials, SaslError>) {
        let mut challenges = Vec::new();
        let mut lines = lines.iter();
        let mut step = start(&["PLAIN", "LOGIN"], mechanism, initial);
        loop {
            match step {
                Ok(Step::Challenge(text, exchange)) => {
                    challenges.push(text);
                    step = exchange.respond(lines.next().expect("the client has a line for each challenge"));
                }
                Ok(Step::Credentials(credentials)) => return (challenges, Ok(credentials)),
                Ok(Step::Account(_) | Step::Proven { .. }) => unreachable!("SCRAM is not offered"),
                Err(error) => return (challenges, Err(error)),
            }
        }
    }

    fn jane(authorization: Option<&str>) -> Result<Credentials, SaslError> {
        Ok(Credentials {
            account: "jane".to_owned(),
            password: "secret".to_owned(),
            authorization: authorization.map(str::to_owned),
        })
    }

    // base64 of NUL jane NUL secret; boss NUL jane NUL secret; jane; secret.
    const PLAIN_JANE: &str = "AGphbmUAc2VjcmV0";
    const PLAIN_JANE_AS_BOSS: &str = "Ym9zcwBqYW5lAHNlY3JldA==";
    const JANE: &str = "amFuZQ==";
    const SECRET: &str = "c2VjcmV0";

    #[test]
    fn credentials_come_with_each_mechanism_with_and_without_an_initial_response() {
        let (username, password) = ("VXNlcm5hbWU6", "UGFzc3dvcmQ6");
        for (mechanism, initial, lines, challenges, authorization) in [
            ("PLAIN", Some(PLAIN_JANE), &[][..], &[][..], None),
            ("plain", None, &[PLAIN_JANE], &[""], None),
            ("PLAIN", Some(PLAIN_JANE_AS_BOSS), &[], &[], Some("boss")),
            ("LOGIN", None, &[JANE, SECRET], &[username, password], None),
            ("Login", Some(JANE), &[SECRET], &[password], None),
        ] {
            let (sent, end) = play(mechanism, initial, lines);
            assert_eq!(sent, challenges, "{mechanism} {initial:?}");
            assert_eq!(end, jane(authorization), "{mechanism} {initial:?}");
        }
    }

    #[test]
    fn an_exchange_that_goes_wrong_ends_with_the_reply_code_of_the_standard() {
        for (mechanism, initial, lines, reply_code, reason) in [
            ("NTLM", None, &[][..], 504, "unknown authentication mechanism `NTLM`; use one of PLAIN, LOGIN"),
            ("PLAIN", Some("="), &[], 501, "PLAIN takes three fields"),
            ("PLAIN", Some("!"), &[], 501, "not base64"),
            ("PLAIN", Some("AGphbmU"), &[], 501, "not base64"),
            ("PLAIN", Some("AGphbmU="), &[], 501, "PLAIN takes three fields"),
            ("PLAIN", Some("AGphbmUA"), &[], 501, "is empty"),
            ("PLAIN", Some("AABzZWNyZXQ="), &[], 501, "is empty"),
            ("PLAIN", Some("AP8AcA=="), &[], 501, "not UTF-8"),
            ("PLAIN", None, &["*"], 501, "cancelled"),
            ("PLAIN", None, &["="], 501, "not base64"),
            ("LOGIN", Some("="), &[], 501, "is empty"),
            ("LOGIN", None, &["*"], 501, "cancelled"),
            ("LOGIN", None, &[JANE, "*"], 501, "cancelled"),
            ("LOGIN", None, &[JANE, ""], 501, "is empty"),
            ("LOGIN", None, &["amEAbmU="], 501, "NUL"),
            ("LOGIN", None, &["jane"], 501, "not UTF-8"),
        ] {
            let error = play(mechanism, initial, lines).1.unwrap_err();
            assert_eq!(error.reply().code(), reply_code, "{mechanism} {initial:?} {lines:?}");
            assert!(error.to_string().contains(reason), "{mechanism} {initial:?} {lines:?}: {error}");
        }
    }

    #[test]
    fn nothing_that_is_printed_of_an_exchange_shows_the_password() {
        let shown = format!("{:?}", start(&["PLAIN"], "PLAIN", Some(PLAIN_JANE)));
        assert!(shown.contains("jane") && !shown.contains("secret") && !shown.contains(SECRET), "{shown}");
    }
}
