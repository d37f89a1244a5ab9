//! The client restrictions: for which senders a client may submit mail. Checked at end of data.
//!
//! This module knows the envelope and the session's account. It does not read the content: the original compared a
//! `Sender:` header where there was one (Q188250), this gateway compares the reverse path only.

use crate::address::{Address, ReversePath};
use crate::config::SubmissionConfig;
use crate::directory::{Directory, Home};
use crate::report::Reason;

/// Why a message is not taken. Shown as the text of the reply, without its code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The sender has no mailbox that is homed on this server (Q262945).
    #[error("Mailbox is not local: <{sender}>")]
    NotHomedHere {
        /// The sender.
        sender: Address,
    },
    /// The sender's mailbox is not that of the account (Q188250); logged as event 4151.
    #[error("Originator address does not match authentication credentials")]
    AccountMismatch {
        /// The account that the session authenticated as.
        account: String,
        /// The sender.
        sender: Address,
    },
}

impl Refusal {
    /// The code of the reply: the transaction failed (Q262945).
    pub const CODE: u16 = 554;

    /// Why no recipient has the message.
    pub fn reason(&self) -> Reason {
        match self {
            Refusal::NotHomedHere { sender } => {
                Reason::MailboxNotLocal { sender: ReversePath::Mailbox(sender.clone()) }
            }
            Refusal::AccountMismatch { .. } => Reason::SubmissionRefused { why: self.to_string() },
        }
    }
}

/// Whether a client that authenticated as `account`, or not at all, may submit mail of this sender.
///
/// A client that is exempt from authentication is not exempt from the homed check (Q178091). There is no account to
/// compare its sender with, so the account check lets it pass. The null reverse path is nobody's, and passes both.
/// An alias counts as its mailbox.
///
/// # Errors
/// Why it may not. The homed check is made first.
pub fn check(
    submission: &SubmissionConfig,
    directory: &Directory,
    account: Option<&str>,
    reverse_path: &ReversePath,
) -> Result<(), Refusal> {
    let ReversePath::Mailbox(sender) = reverse_path else { return Ok(()) };
    let mailbox = directory.find(sender);
    if submission.homed_here_only && mailbox.is_none_or(|mailbox| mailbox.home != Home::Here) {
        return Err(Refusal::NotHomedHere { sender: sender.clone() });
    }
    match account {
        Some(account)
            if submission.account_matches_sender
                && (mailbox.is_none() || mailbox != directory.owner(account)) =>
        {
            Err(Refusal::AccountMismatch { account: account.to_owned(), sender: sender.clone() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn directory() -> Directory {
        let text = r#"
            host = "ims.contoso.test"
            spool = "/imcdata"
            store = "/mailboxes"
            tls.auth_in_clear = true
            [[mailbox]]
            address = "alice@contoso.test"
            aliases = ["a@contoso.test"]
            account = "alice"
            secret = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
            [[mailbox]]
            address = "bob@contoso.test"
            server = "IMS2"
            account = "bob"
            secret = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
            [[route]]
            domain = "contoso.test"
            to = "<inbound>"
        "#;
        Directory::new(&Config::parse(text, "gateway.toml").unwrap())
    }

    fn reply(homed_here_only: bool, account_matches_sender: bool, account: &str, sender: &str) -> String {
        let submission = SubmissionConfig { homed_here_only, account_matches_sender };
        let account = Some(account).filter(|account| !account.is_empty());
        let reverse_path = match sender {
            "" => ReversePath::Null,
            sender => ReversePath::Mailbox(sender.parse().unwrap()),
        };
        match check(&submission, &directory(), account, &reverse_path) {
            Ok(()) => "taken".to_owned(),
            Err(refusal) => format!("{} {refusal}", Refusal::CODE),
        }
    }

    const MISMATCH: &str = "554 Originator address does not match authentication credentials";

    #[test]
    fn without_restrictions_any_sender_may_submit() {
        for (account, sender) in [("", "eve@fabrikam.test"), ("alice", "bob@contoso.test"), ("bob", "")] {
            assert_eq!(reply(false, false, account, sender), "taken", "{account} as {sender}");
        }
    }

    #[test]
    fn homed_here_only_takes_senders_with_a_mailbox_on_this_server() {
        for (account, sender, expected) in [
            ("alice", "alice@contoso.test", "taken"),
            ("bob", "A@contoso.test", "taken"),
            ("", "alice@contoso.test", "taken"),
            ("", "", "taken"),
            ("bob", "bob@contoso.test", "554 Mailbox is not local: <bob@contoso.test>"),
            ("alice", "eve@fabrikam.test", "554 Mailbox is not local: <eve@fabrikam.test>"),
            ("", "eve@fabrikam.test", "554 Mailbox is not local: <eve@fabrikam.test>"),
        ] {
            assert_eq!(reply(true, false, account, sender), expected, "{account} as {sender}");
        }
    }

    #[test]
    fn account_matches_sender_takes_senders_that_are_the_accounts_own() {
        for (account, sender, expected) in [
            ("alice", "alice@contoso.test", "taken"),
            ("ALICE", "a@contoso.test", "taken"),
            ("bob", "bob@contoso.test", "taken"),
            ("alice", "", "taken"),
            ("", "eve@fabrikam.test", "taken"),
            ("alice", "bob@contoso.test", MISMATCH),
            ("alice", "eve@fabrikam.test", MISMATCH),
            ("mallory", "alice@contoso.test", MISMATCH),
            ("mallory", "eve@fabrikam.test", MISMATCH),
        ] {
            assert_eq!(reply(false, true, account, sender), expected, "{account} as {sender}");
        }
    }

    #[test]
    fn with_both_restrictions_the_homed_check_speaks_first() {
        assert_eq!(reply(true, true, "alice", "alice@contoso.test"), "taken");
        assert_eq!(reply(true, true, "bob", "alice@contoso.test"), MISMATCH);
        assert_eq!(
            reply(true, true, "alice", "bob@contoso.test"),
            "554 Mailbox is not local: <bob@contoso.test>"
        );
    }
}
