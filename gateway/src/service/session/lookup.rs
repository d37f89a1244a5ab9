//! VRFY, EXPN and HELP within a session: what a client is told of who exists, as `policy.vrfy` has it (RFC 5321, 3.5).
//!
//! The truth is for clients that have authenticated. It is told of this server's own mailboxes alone; of others the
//! gateway can only say that it would take the mail.

use super::{Go, Session};
use crate::address::Address;
use crate::config::Lookups;
use crate::directory::Mailbox;
use crate::reach::{Point, reached};
use crate::routing::Route;
use crate::smtp::reply::Reply;

/// What is said of a name that is told about in no other way.
const VAGUE: &str = "Cannot VRFY user, but will accept message and attempt delivery";

/// What is said of a mailbox that a reply, which is always in ASCII, cannot name (RFC 6531, 3.7.4).
const UNSAID: &str = "Its address cannot be said in ASCII";

/// What a name stands for.
enum Found<'a> {
    /// A mailbox, and whether the name is another than its own.
    Mailbox { mailbox: &'a Mailbox, is_alias: bool },
    /// Nobody has it.
    Nobody,
    /// It is not this server's, or no address.
    Unknown,
}

impl Session {
    pub(super) async fn vrfy(&mut self, name: &str) -> Go {
        let policy = self.core.config.policy.vrfy;
        if policy == Lookups::Refuse {
            return self.refuse(not_implemented()).await;
        }
        if policy == Lookups::Vague || self.account.is_none() {
            return self.say(252, VAGUE).await;
        }
        reached(Point::LookupAnswered);
        let reply = match self.find(name) {
            Found::Mailbox { mailbox, .. } if !mailbox.address.is_ascii() => {
                Reply::new(252, UNSAID).with_status("2.6.8")
            }
            Found::Mailbox { mailbox, .. } => {
                Reply::new(250, format!("<{}>", mailbox.address)).with_status("2.1.5")
            }
            Found::Nobody => nobody(),
            Found::Unknown => Reply::new(252, VAGUE),
        };
        self.answer(&reply).await
    }

    pub(super) async fn expn(&mut self, name: &str) -> Go {
        if !self.expands() {
            return self.refuse(not_implemented()).await;
        }
        if self.account.is_none() {
            return self
                .refuse(Reply::new(550, "Access denied: authenticate first").with_status("5.7.1"))
                .await;
        }
        reached(Point::LookupAnswered);
        let reply = match self.find(name) {
            Found::Mailbox { mailbox, is_alias: true } if !mailbox.address.is_ascii() => {
                Reply::new(550, UNSAID).with_status("5.6.8")
            }
            Found::Mailbox { mailbox, is_alias: true } => {
                Reply::new(250, format!("<{}>", mailbox.address)).with_status("2.1.5")
            }
            Found::Mailbox { .. } => Reply::new(550, "That is a mailbox, not a list").with_status("5.2.4"),
            Found::Nobody | Found::Unknown => nobody(),
        };
        self.answer(&reply).await
    }

    pub(super) async fn help(&mut self) -> Go {
        let chunks = if self.offered.chunking { " BDAT" } else { "" };
        let vrfy = if self.core.config.policy.vrfy == Lookups::Refuse { "" } else { " VRFY" };
        let expn = if self.expands() { " EXPN" } else { "" };
        let etrn = if self.offered.etrn { " ETRN" } else { "" };
        let tls = if self.offered.starttls { " STARTTLS" } else { "" };
        let commands = format!(
            "Commands: HELO EHLO MAIL RCPT DATA{chunks} RSET NOOP QUIT{vrfy}{expn} HELP AUTH{etrn}{tls}"
        );
        self.say(214, &commands).await
    }

    /// Whether there is EXPN: then EHLO offers it (RFC 5321, 3.5.2).
    pub(super) fn expands(&self) -> bool {
        self.core.config.policy.vrfy == Lookups::Authenticated
    }

    /// What a name stands for: an address with or without brackets, or the local part of one of this host.
    fn find(&self, name: &str) -> Found<'_> {
        let bare = name.trim().trim_start_matches('<').trim_end_matches('>');
        let address: Result<Address, _> = match bare.contains('@') {
            true => bare.parse(),
            false => format!("{bare}@{}", self.core.config.host).parse(),
        };
        let Ok(address) = address else { return Found::Unknown };
        if self.core.route(address.domain()) != Route::Inbound {
            return Found::Unknown;
        }
        match self.core.directory.find(&address) {
            Some(mailbox) => {
                let is_alias = !mailbox.address.to_string().eq_ignore_ascii_case(&address.to_string());
                Found::Mailbox { mailbox, is_alias }
            }
            None => Found::Nobody,
        }
    }
}

fn not_implemented() -> Reply {
    Reply::new(502, "command not implemented").with_status("5.5.1")
}

fn nobody() -> Reply {
    Reply::new(550, "Nobody here has this name").with_status("5.1.1")
}
