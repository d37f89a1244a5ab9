//! What a fault says of those around the gateway: name servers, mail servers, clients and milters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::span::Span;

/// What the gateway hears from a name server that does not say what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DnsAnswer {
    /// Nothing.
    Timeout,
    /// SERVFAIL, at once.
    Servfail,
    /// There is no such name.
    Nxdomain,
    /// The domain is there, without mail exchangers and without addresses.
    NoMx,
    /// The only exchanger is the gateway.
    MxToItself,
    /// Names that lead to names: the right answer at the end of a chain, after several questions.
    CnameChain,
    /// The domain takes no mail (RFC 7505).
    NullMx,
    /// Several addresses, of which all but the last refuse connections.
    RefusingAddresses,
    /// A referral to other name servers, as of a domain that the server asked does not have.
    Lame,
    /// Over UDP, that the answer does not fit; over TCP the right one.
    Truncated,
    /// The right answer under another number than the question's.
    WrongId,
    /// The right answer to another question.
    WrongQuestion,
    /// An answer that breaks off.
    Malformed,
    /// A forged answer under a guessed number, and then the right one.
    Spoofed,
    /// The right answer, late.
    Slow,
}

impl DnsAnswer {
    /// Whether it is one that only packets can show.
    pub fn needs_packets(self) -> bool {
        matches!(
            self,
            DnsAnswer::Lame
                | DnsAnswer::Truncated
                | DnsAnswer::WrongId
                | DnsAnswer::WrongQuestion
                | DnsAnswer::Malformed
                | DnsAnswer::Spoofed
                | DnsAnswer::Slow
        )
    }
}

/// A stage of a conversation at which a peer does something else than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The greeting.
    Connection,
    /// EHLO or HELO.
    Ehlo,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The middle of the message.
    Content,
    /// The final dot.
    FinalDot,
    /// QUIT.
    Quit,
}

impl Stage {
    /// Every stage, in their order.
    pub const ALL: [Stage; 8] = [
        Stage::Connection,
        Stage::Ehlo,
        Stage::Mail,
        Stage::Rcpt,
        Stage::Data,
        Stage::Content,
        Stage::FinalDot,
        Stage::Quit,
    ];
}

/// What a mail server does that it should not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ServerDoes {
    /// It takes the connection and never says a word.
    SaysNothing,
    /// It closes the connection instead of answering.
    Drops(Stage),
    /// It answers with this.
    Replies {
        /// To what.
        to: Stage,
        /// The whole reply, code first; its lines parted by line feeds. After 421 it closes.
        #[schemars(example = "450 4.2.1 busy", example = "550 5.1.1 no such user")]
        reply: String,
    },
    /// It answers the first recipient of each message with this, and takes the others.
    RefusesOne {
        /// The whole reply, code first.
        #[schemars(example = "450 4.2.1 busy")]
        reply: String,
    },
    /// It answers with what is no reply.
    Garbles(Stage),
    /// Its reply has line after line without an end.
    RepliesForever(Stage),
    /// Its reply is a line longer than any limit.
    RepliesTooLong(Stage),
    /// Its replies have `%s` and `%n` in them.
    PercentReplies,
    /// It answers twice where one reply is due.
    RepliesTwice(Stage),
    /// It resets the connection after the final dot.
    ResetsAfterFinalDot {
        /// Whether it has taken the message.
        kept: bool,
    },
    /// It stops reading in the middle of a message.
    Stalls {
        /// For how long.
        by: Span,
    },
    /// It writes one octet at a time.
    Drips,
    /// It does not know EHLO.
    KnowsNoEhlo,
    /// It offers PIPELINING, and grants DATA though it has refused every recipient (RFC 2920, 3.1).
    GrantsData,
    /// It takes a message and hands it back to the gateway for the same recipients: a routing loop.
    HandsBack,
}

/// What a client does that it should not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ClientDoes {
    /// It closes the connection at this stage.
    Drops(Stage),
    /// It resets the connection at this stage, by closing it with replies unread.
    Resets(Stage),
    /// It falls silent at this stage.
    Stalls {
        /// Where.
        at: Stage,
        /// For how long.
        by: Span,
    },
    /// It sends one octet at a time.
    Drips,
    /// Its message holds an end of data in disguise, and behind it the commands of a second message.
    Smuggles(FalseEnd),
    /// It sends all its commands at once, without waiting for a reply.
    Pipelines,
    /// It sends a command line longer than any limit.
    LongCommand,
    /// Its message has a line longer than any limit.
    LongLine,
    /// It has `%s` and `%n` in every field.
    Percent,
    /// It ends its commands in LF alone.
    BareLf,
    /// It sends its commands in the wrong order, and some that nobody knows, before the right ones.
    Misorders,
    /// It breaks an authentication off, and then goes on trying with a wrong password.
    GuessesPasswords,
    /// It pauses for minutes after each of many pieces of its message.
    Dawdles,
    /// It says NOOP more than a hundred times before it comes to the matter.
    Chatters,
    /// It says HELO, and knows no extension of the protocol.
    SaysHelo,
    /// It sends the message in chunks, and between them commands that cannot be said there (RFC 3030).
    InterruptsChunks,
}

/// What a milter does that it should not. Its first stage is the negotiation; `content` is all of the message before its
/// end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum MilterFails {
    /// It refuses the connection.
    IsDown,
    /// It never answers at this stage.
    SaysNothing(Stage),
    /// It closes the connection instead of answering.
    Drops(Stage),
    /// It answers with what is no packet.
    Garbles(Stage),
    /// It answers with a letter that means something else.
    AnswersAmiss(Stage),
    /// It answers twice.
    AnswersTwice(Stage),
    /// It says that it speaks a version that nobody knows.
    WrongVersion,
    /// It takes its time before it answers, and says meanwhile that it is still working.
    Lingers {
        /// Where.
        at: Stage,
        /// How long.
        by: Span,
    },
}

/// What resembles the end of data and is none (RFC 5321, 4.1.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FalseEnd {
    /// LF `.` LF.
    LfDotLf,
    /// LF `.` CRLF.
    LfDotCrlf,
    /// CRLF `.` LF.
    CrlfDotLf,
    /// CR `.` CR.
    CrDotCr,
    /// CRLF `.` CR.
    CrlfDotCr,
    /// CR `.` CRLF.
    CrDotCrlf,
}

impl FalseEnd {
    /// Every kind.
    pub const ALL: [FalseEnd; 6] = [
        FalseEnd::LfDotLf,
        FalseEnd::LfDotCrlf,
        FalseEnd::CrlfDotLf,
        FalseEnd::CrDotCr,
        FalseEnd::CrlfDotCr,
        FalseEnd::CrDotCrlf,
    ];

    /// Its octets.
    pub fn octets(self) -> &'static [u8] {
        match self {
            FalseEnd::LfDotLf => b"\n.\n",
            FalseEnd::LfDotCrlf => b"\n.\r\n",
            FalseEnd::CrlfDotLf => b"\r\n.\n",
            FalseEnd::CrDotCr => b"\r.\r",
            FalseEnd::CrlfDotCr => b"\r\n.\r",
            FalseEnd::CrDotCrlf => b"\r.\r\n",
        }
    }
}
