//! Why a recipient will not have a message, in the three languages of a report: the status code of RFC 3463, the
//! code and text of the original, and a sentence for people.
//!
//! The original's codes are those that Knowledge Base articles print. The number in brackets named the place in its
//! source; where no article prints one, there is none here.

use std::fmt;

use super::Category;
use super::harmless;
use crate::address::ReversePath;
use crate::smtp::international::PastAscii;
use crate::smtp::reply::status_of;
use crate::tls::Shortfall;

/// A reply of another host (RFC 5321, 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteReply {
    /// The host's name.
    pub host: String,
    /// The reply code.
    pub code: u16,
    /// What follows the code; the lines of a long reply parted by line ends or spaces.
    pub text: String,
}

impl RemoteReply {
    /// The longest text quoted, in characters: a reply line has 512 octets (RFC 5321, 4.5.3.1.5).
    const LIMIT: usize = 512;

    /// The reply's enhanced status code (RFC 2034), or the class of its reply code and no more.
    fn status(&self) -> String {
        let class = if self.code / 100 == 4 { "4" } else { "5" };
        status_of(self.code, &self.text).map_or_else(|| format!("{class}.0.0"), str::to_owned)
    }
}

impl fmt::Display for RemoteReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, harmless::ascii(&self.text, Self::LIMIT))
    }
}

/// Why a recipient will not have a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No mailbox here has the address.
    UnknownRecipient,
    /// The recipient's domain has no host.
    HostUnknown,
    /// The recipient's domain says that it takes no mail: a null MX (RFC 7505).
    TakesNoMail,
    /// The message has passed through too many hosts.
    TooManyHops,
    /// The message grew too old in the queue.
    Expired {
        /// How often it was tried again.
        retries: u32,
        /// What came in the way of the last try.
        last: Option<String>,
        /// Whether that was a want of TLS, which the message needs.
        shortfall: Option<Shortfall>,
    },
    /// Another host refused the recipient or the message for good.
    Refused(RemoteReply),
    /// It has something past ASCII, and the recipient's hosts do not offer what that takes (RFC 6531, 3.2; RFC 6152, 3).
    PastAscii {
        /// What of it.
        what: PastAscii,
        /// The host that was asked last.
        host: String,
    },
    /// The sender is not homed on this server, and only those who are may submit (Q262945).
    MailboxNotLocal {
        /// The sender.
        sender: ReversePath,
    },
    /// The client restrictions do not let this client submit for this sender (Q188250).
    SubmissionRefused {
        /// What the client was told.
        why: String,
    },
    /// The gateway could not process the message.
    NotProcessed {
        /// What went wrong.
        why: String,
    },
}

impl Reason {
    /// The status code (RFC 3463).
    pub fn status(&self) -> String {
        match self {
            Reason::UnknownRecipient => "5.1.1".to_owned(),
            Reason::HostUnknown => "5.1.2".to_owned(),
            Reason::TakesNoMail => "5.1.10".to_owned(),
            Reason::TooManyHops => "5.4.6".to_owned(),
            Reason::Expired { shortfall: Some(Shortfall::NotOffered), .. } => "4.7.4".to_owned(),
            Reason::Expired { shortfall: Some(Shortfall::NotVerified), .. } => "4.7.5".to_owned(),
            Reason::Expired { shortfall: None, .. } => "4.4.7".to_owned(),
            Reason::Refused(reply) => reply.status(),
            Reason::PastAscii { what: PastAscii::Address, .. } => "5.6.7".to_owned(),
            Reason::PastAscii { what: PastAscii::Header, .. } => "5.6.9".to_owned(),
            Reason::PastAscii { what: PastAscii::Content, .. } => "5.6.3".to_owned(),
            Reason::MailboxNotLocal { .. } | Reason::SubmissionRefused { .. } => "5.7.1".to_owned(),
            Reason::NotProcessed { .. } => "5.3.0".to_owned(),
        }
    }

    /// The original's code, the place in its source where that is known, and its text. A reply N of another host,
    /// or of this one, is code 3000 + N.
    pub fn code(&self) -> String {
        match self {
            // Q246881
            Reason::UnknownRecipient => "0 (000C05A6) Unknown Recipient".to_owned(),
            // Q164457, Q168557
            Reason::HostUnknown => "3902 Host Unknown".to_owned(),
            // The reply and the text of RFC 7505, 4.2.
            Reason::TakesNoMail => "3556 556 Recipient address has null MX".to_owned(),
            // Q190021
            Reason::TooManyHops => "0 (00120270) Too Many Hops".to_owned(),
            Reason::Expired { retries, last, .. } => {
                let last =
                    last.as_ref().map(|last| format!("; {}", harmless::line(last, RemoteReply::LIMIT)));
                let last = last.unwrap_or_default();
                format!("0 Message time-out exceeded after {retries} retries{last}")
            }
            Reason::Refused(reply) => format!("{} {reply}", 3000 + u32::from(reply.code)),
            Reason::PastAscii { what, host } => {
                format!(
                    "3550 550 {what} is past ASCII, and {} offers no {}",
                    harmless::ascii(host, 255),
                    what.extension()
                )
            }
            // The reply that the session gives: Q262945.
            Reason::MailboxNotLocal { sender } => {
                format!(
                    "3554 554 Mailbox is not local: {}",
                    harmless::line(&sender.to_string(), harmless::ADDRESS)
                )
            }
            Reason::SubmissionRefused { why } => {
                format!("3554 554 {}", harmless::line(why, RemoteReply::LIMIT))
            }
            Reason::NotProcessed { why } => format!("0x80004005 {}", harmless::line(why, RemoteReply::LIMIT)),
        }
    }

    /// A sentence for people, without a full stop, as in the original's reports.
    pub fn sentence(&self) -> &'static str {
        match self {
            Reason::UnknownRecipient | Reason::HostUnknown => "The recipient name is not recognized",
            Reason::TakesNoMail => "The recipient's domain does not accept mail",
            Reason::TooManyHops => "The message has passed through too many hosts",
            Reason::Expired { shortfall: Some(_), .. } => {
                "The message may only be sent over a secure connection, and there was none"
            }
            Reason::Expired { .. } => "Unable to deliver the message due to a communications failure",
            Reason::Refused(_) => "The destination host refused the message",
            Reason::PastAscii { .. } => "The destination host takes no message like this one",
            Reason::MailboxNotLocal { .. } | Reason::SubmissionRefused { .. } => {
                "The sender may not submit messages to this server"
            }
            Reason::NotProcessed { .. } => "The message could not be processed",
        }
    }

    /// What another host said, where one did.
    pub fn reply(&self) -> Option<&RemoteReply> {
        match self {
            Reason::Refused(reply) => Some(reply),
            _ => None,
        }
    }

    /// The kind of notification that tells the administrator of it.
    pub fn category(&self) -> Category {
        match self {
            Reason::UnknownRecipient => Category::AddressNotFound,
            Reason::HostUnknown | Reason::TakesNoMail => Category::HostNotFound,
            Reason::Expired { .. } => Category::MessageTimeOut,
            Reason::Refused(_) | Reason::PastAscii { .. } => Category::ProtocolError,
            Reason::MailboxNotLocal { .. } | Reason::SubmissionRefused { .. } => Category::SubmissionRefused,
            Reason::TooManyHops | Reason::NotProcessed { .. } => Category::ProcessingFailed,
        }
    }
}
