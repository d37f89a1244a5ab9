//! What a fault says of those around the gateway: name servers, mail servers, clients and milters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::span::Span;

/// What the gateway hears from a name server that does not say what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DnsAnswer {
    /// Nothing; the resolver gives up after 15 seconds. With `names = "map"` it takes ten.
    Timeout,
    /// SERVFAIL, at once.
    Servfail,
    /// There is no such name.
    Nxdomain,
    /// The name is there, without mail exchangers and without addresses.
    NoMx,
    /// Of a domain: the only exchanger is the gateway.
    MxToItself,
    /// Names that lead to names: the right answer at the end of a chain, after five more questions. With `names = "map"`
    /// each takes 30 ms.
    CnameChain,
    /// Names that lead to each other, without an end.
    CnameLoop,
    /// What was right before the domain changed its exchanger, or the host its address: `stranger.test`, which takes any
    /// mail. Whoever hears of it may keep that for a minute.
    OldHost,
    /// Of a domain: it takes no mail (RFC 7505).
    NullMx,
    /// Of a host: the addresses of up to two clients, where nobody listens, before the right one.
    RefusingAddresses,
    /// A referral to other name servers, as of a domain that the server asked does not have.
    Lame,
    /// Over UDP, that the answer does not fit; over TCP the right one.
    Truncated,
    /// An answer under another number than the question's, and a false one: it leads to `stranger.test`, a host that takes
    /// any mail and is nobody's exchanger.
    WrongId,
    /// An answer to another question, false in the same way.
    WrongQuestion,
    /// An answer that breaks off.
    Malformed,
    /// A forged answer under a guessed number, false in the same way, and then the right one.
    Spoofed,
    /// The right answer, after three seconds.
    Slow,
}

impl DnsAnswer {
    /// Whether it leads to a host that is nobody's exchanger, or no longer.
    pub fn leads_astray(self) -> bool {
        use DnsAnswer::{OldHost, Spoofed, WrongId, WrongQuestion};
        matches!(self, WrongId | WrongQuestion | Spoofed | OldHost)
    }

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
    /// The greeting; of a milter, the negotiation, or else who connects.
    Connection,
    /// EHLO or HELO.
    Ehlo,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The middle of the message; what a server says here is all that it says of that message. Of a milter, the first
    /// answer that it gives between DATA and the end of the message.
    Content,
    /// The final dot. A message whose final dot gets another answer than 250 is not kept.
    FinalDot,
    /// QUIT; a milter has none.
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
    /// Its reply has line after line without an end, one each second, until the gateway has had enough.
    RepliesForever(Stage),
    /// Its reply is a line longer than any limit: 100,000 octets.
    RepliesTooLong(Stage),
    /// Its replies have `%s%n%x%d` in them.
    PercentReplies,
    /// It answers twice where one reply is due; never at `content`, where none is.
    RepliesTwice(Stage),
    /// It resets the connection after the final dot.
    ResetsAfterFinalDot {
        /// Whether it has taken the message.
        kept: bool,
    },
    /// It stops reading in the middle of a message, and then goes on.
    Stalls {
        /// For how long.
        by: Span,
    },
    /// It writes the first 400 octets one at a time, 20 ms apart.
    Drips,
    /// It answers EHLO with 502, and HELO as it should.
    KnowsNoEhlo,
    /// It has no STARTTLS, though it offers it otherwise.
    RefusesStartTls {
        /// Whether it offers it all the same, and answers 454; otherwise the offer is missing.
        offered: bool,
    },
    /// It offers STARTTLS, and no handshake comes of it.
    BreaksHandshake(BrokenHandshake),
    /// It shows the certificate of another host.
    WrongCertificate,
    /// It shows a certificate for its name, of an authority that nobody knows.
    UnknownAuthority,
    /// It shows a certificate for its name that has run out long ago.
    ExpiredCertificate,
    /// It offers PIPELINING, and grants DATA though it has refused every recipient (RFC 2920, 3.1).
    GrantsData,
    /// It closes the connection without a word when it has taken a message and is told of no other.
    ClosesBetweenMessages {
        /// How long it waits; `"0s"` for not at all.
        after: Span,
    },
    /// It answers MAIL with 421 when it has taken so many messages over the connection.
    LimitsMessages {
        /// How many.
        to: u64,
    },
    /// It offers SMTPUTF8, and refuses each address past ASCII with 553 5.6.7 (RFC 6531, 3.5).
    RefusesUtf8,
    /// It offers no SMTPUTF8, though it did before or will again.
    WithdrawsUtf8,
    /// It takes a message, and five seconds later hands it back to the gateway for the same recipients: a routing loop.
    HandsBack,
}

/// What a client does that it should not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ClientDoes {
    /// It closes the connection while it waits for the answer at this stage; at `connection`, `content` and `quit`, before
    /// it says more.
    Drops(Stage),
    /// It resets the connection at this stage, by closing it with replies unread; at `content`, half of the message later.
    Resets(Stage),
    /// It falls silent at this stage, and then goes on.
    Stalls {
        /// Where.
        at: Stage,
        /// For how long.
        by: Span,
    },
    /// It writes the first 400 octets one at a time, 20 ms apart.
    Drips,
    /// Its message holds an end of data in disguise, and behind it the commands of a second message, `NAME-smuggled`.
    Smuggles(FalseEnd),
    /// It sends everything at once, the message too, and then reads the replies.
    Pipelines,
    /// It sends a command of 5,000 octets before the right ones.
    LongCommand,
    /// Its message has a line of 5,000 octets.
    LongLine,
    /// It has `%s%n%x%d` in commands before the right ones, and in the header of its message.
    Percent,
    /// It ends its commands in LF alone.
    BareLf,
    /// It says RCPT and DATA too early, what nobody knows, and MAIL twice; then RSET, and all in order.
    Misorders,
    /// It breaks an authentication off, tries a wrong password ten times, and then goes. Where SCRAM is offered it first
    /// sends messages that are cut off, and a right proof of another exchange, as it was and under the nonce of this one.
    GuessesPasswords,
    /// It sends the second half of its message in twenty pieces, and waits four minutes before each.
    Dawdles,
    /// It says NOOP 120 times before it comes to the matter.
    Chatters,
    /// It says HELO, and neither authenticates nor uses any extension.
    SaysHelo,
    /// It asks with ETRN for mail that it may not have, in many ways, and then over and over for that of its recipients
    /// (RFC 1985).
    AsksForMail,
    /// Behind STARTTLS, where it is offered, come a greeting and a message, `NAME-injected`, all in clear and at once: as
    /// from somebody on the way (CVE-2011-0411).
    InjectsBeforeTls,
    /// It begins TLS, where that is offered, and no handshake comes of it.
    BreaksHandshake(BrokenHandshake),
    /// It sends the message in chunks, and between them commands that cannot be said there (RFC 3030).
    InterruptsChunks,
    /// It opens twelve connections at once and begins four messages on each, ten seconds before it hands its own over, and
    /// keeps the connections for a while.
    Floods,
    /// It asks who exists (VRFY, EXPN and HELP), before it authenticates and after it.
    Harvests,
    /// It does not declare SMTPUTF8, whatever its message has (RFC 6531, 3.4).
    HidesUtf8,
}

/// How a side breaks a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BrokenHandshake {
    /// It sends what is none.
    Garbage,
    /// It says nothing for five minutes.
    Silence,
    /// It closes the connection.
    HangsUp,
}

impl BrokenHandshake {
    /// Every way.
    pub const ALL: [BrokenHandshake; 3] =
        [BrokenHandshake::Garbage, BrokenHandshake::Silence, BrokenHandshake::HangsUp];
    /// A record of a handshake that says nothing.
    pub(crate) const GARBAGE: &[u8] = b"\x16\x03\x03\x00\x05hello";
}

/// What a milter does that it should not. Its first stage is the negotiation; `content` is all of the message before its
/// end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum MilterFails {
    /// It refuses connections, whichever they are.
    IsDown,
    /// It never answers at this stage.
    SaysNothing(Stage),
    /// It closes the connection instead of answering.
    Drops(Stage),
    /// It answers with what is no packet.
    Garbles(Stage),
    /// It gives an answer that is none there.
    AnswersAmiss(Stage),
    /// It answers twice; at `final-dot` the gateway does not listen to the second.
    AnswersTwice(Stage),
    /// It says that it speaks version 99.
    WrongVersion,
    /// It takes its time before it answers, and says every 20 seconds that it is still working.
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
