//! The hosts around the gateway: clients that hand mail over, servers that take it, milters that are asked about it, and
//! the names of all.
//!
//! They are written apart from the gateway and share no code with it but the seam, so that the two check each other.
//! They behave, but for what the plan has them do.
//!
//! | module | what it knows |
//! |---|---|
//! | `dialogue` | lines and replies |
//! | `server`, `lapses` | taking mail, and failing to |
//! | `encryption` | STARTTLS at a server |
//! | `hand_back` | a routing loop |
//! | `client`, `mischief` | handing mail over, and doing harm |
//! | `authentication`, `scram` | saying who one is, and who one is not |
//! | `milter`, `packets` | saying what becomes of mail, and failing to |
//! | `names` | which names there are, and what is said of them instead |
//! | `name_server` | saying it in packets |

mod authentication;
mod client;
mod dialogue;
mod encryption;
mod flood;
mod hand_back;
mod lapses;
mod milter;
mod mischief;
mod name_server;
mod names;
mod packets;
mod scram;
mod server;

pub(crate) use client::Client;
pub(crate) use milter::Milter;
pub(crate) use name_server::{NameServer, TTL};
pub(crate) use names::{FaultyNames, Names};
pub(crate) use server::{Server, Taken};

const KEPT_AND_BROKE_OFF: &str = "a server kept a message and the answer was lost";
const HANDED_BACK: &str = "a server handed a message back";
const LOST_AT_THE_FINAL_DOT: &str = "a client lost the answer to its final dot";
const TRIED_AGAIN: &str = "a client tried again and was answered";
const CHAIN_FOLLOWED: &str = "a chain of names was followed to its end";
const ASKED_AGAIN: &str = "a name server that gave no proper answer was asked again";
const ASKED_OVER_TCP: &str = "a truncated answer was asked for again over TCP";
const FORGED_FIRST: &str = "a forged answer came before the right one";
const ANSWERED_LATE: &str = "a name server answered late";

const GREETED_WITH_HELO: &str = "a server that knows no EHLO was greeted with HELO";
const SILENCE_GIVEN_UP: &str = "a silent server was given up";
const REPLY_CUT_OFF: &str = "a reply without an end was cut off";
const WENT_ON_AFTER_A_STALL: &str = "a server went on after a stall and had the whole message";
const RESET_UNREAD: &str = "a client closed its connection with a reply unread";
const SMUGGLER_REFUSED: &str = "a message with another hidden in it was refused";
const GUESSER_THROWN_OUT: &str = "a client that guessed passwords was thrown out";
const SERVER_PROVEN: &str = "a client heard the proof of a server that knows its secret";
const REPLAY_REFUSED: &str = "a proof that was overheard was refused";
const ALL_AT_ONCE_TAKEN: &str = "a message sent in one go with its commands was taken";
const FILTERING_ABORTED: &str = "a milter was told that a message was not to be";
const FILTER_WAITED_FOR: &str = "a milter that took its time was waited for";

const CLIENT_ENCRYPTED: &str = "a client encrypted its connection";
const INJECTION_REFUSED: &str = "a client that went on in clear behind STARTTLS was parted from";
const SERVER_ENCRYPTED: &str = "a server encrypted a connection";
const CHUNKS_INTERRUPTED: &str = "a client said other commands between the chunks of a message";
const SEVERAL_ON_ONE_CONNECTION: &str = "a server was given more than one message over a connection";
const MAIL_ASKED_FOR: &str = "a client asked for the mail that waited and was told that it comes";
const DATA_GRANTED_IN_VAIN: &str = "a server granted DATA without a recipient";

/// The points of the peers.
pub(crate) const POINTS: &[&str] = &[
    KEPT_AND_BROKE_OFF,
    HANDED_BACK,
    LOST_AT_THE_FINAL_DOT,
    TRIED_AGAIN,
    CHAIN_FOLLOWED,
    ASKED_AGAIN,
    ASKED_OVER_TCP,
    FORGED_FIRST,
    ANSWERED_LATE,
    GREETED_WITH_HELO,
    SILENCE_GIVEN_UP,
    REPLY_CUT_OFF,
    WENT_ON_AFTER_A_STALL,
    RESET_UNREAD,
    SMUGGLER_REFUSED,
    GUESSER_THROWN_OUT,
    SERVER_PROVEN,
    REPLAY_REFUSED,
    ALL_AT_ONCE_TAKEN,
    CHUNKS_INTERRUPTED,
    DATA_GRANTED_IN_VAIN,
    CLIENT_ENCRYPTED,
    INJECTION_REFUSED,
    SERVER_ENCRYPTED,
    SEVERAL_ON_ONE_CONNECTION,
    MAIL_ASKED_FOR,
    FILTERING_ABORTED,
    FILTER_WAITED_FOR,
];
