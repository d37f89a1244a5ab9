//! What is negotiated with a milter: what it may change, and which steps of the protocol it wants.
//!
//! The names and numbers are those of `libmilter/mfdef.h`, protocol version 6.

/// The version that is spoken.
pub const VERSION: u32 = 6;

/// The oldest version of a filter that is spoken with. Version 1 knew no negotiation of steps.
pub const OLDEST_VERSION: u32 = 2;

/// A set of flags as they go over the wire.
macro_rules! flags {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $flag:ident = $bit:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name(pub u32);

        impl $name {
            $($(#[$doc])* pub const $flag: $name = $name($bit);)+

            /// Every flag that is offered.
            pub const OFFERED: $name = $name($($bit)|+);

            /// Whether all of these flags are set.
            pub fn has(self, flags: $name) -> bool {
                self.0 & flags.0 == flags.0
            }

            /// Whether nothing is set that is not offered.
            pub fn is_offered(self) -> bool {
                Self::OFFERED.has(self)
            }
        }
    };
}

flags! {
    /// What a milter may do to a message (`SMFIF_*`).
    Actions {
        /// Add and insert header fields.
        ADD_HEADERS = 0x01,
        /// Replace the body.
        CHANGE_BODY = 0x02,
        /// Add recipients.
        ADD_RECIPIENTS = 0x04,
        /// Take recipients off.
        DELETE_RECIPIENTS = 0x08,
        /// Change and delete header fields.
        CHANGE_HEADERS = 0x10,
        /// Have the message set aside.
        QUARANTINE = 0x20,
        /// Change the sender.
        CHANGE_SENDER = 0x40,
        /// Add recipients with parameters.
        ADD_RECIPIENTS_WITH_PARAMETERS = 0x80,
    }
}

flags! {
    /// How the steps of the protocol differ from the full one (`SMFIP_*`).
    Steps {
        /// It is not told who connects.
        NO_CONNECT = 0x01,
        /// It is not told of HELO.
        NO_HELO = 0x02,
        /// It is not told of MAIL.
        NO_MAIL = 0x04,
        /// It is not told of RCPT.
        NO_RCPT = 0x08,
        /// It is not shown the body.
        NO_BODY = 0x10,
        /// It is not shown the header fields.
        NO_HEADERS = 0x20,
        /// It is not told of the end of the header.
        NO_END_OF_HEADERS = 0x40,
        /// It does not answer to a header field.
        NO_REPLY_TO_HEADERS = 0x80,
        /// It is not told of commands that nobody knows.
        NO_UNKNOWN = 0x100,
        /// It is not told of DATA.
        NO_DATA = 0x200,
        /// It may say that it has seen enough of the body.
        SKIP = 0x400,
        /// It is told of recipients that were refused.
        REFUSED_RECIPIENTS = 0x800,
        /// It does not answer to who connects.
        NO_REPLY_TO_CONNECT = 0x1000,
        /// It does not answer to HELO.
        NO_REPLY_TO_HELO = 0x2000,
        /// It does not answer to MAIL.
        NO_REPLY_TO_MAIL = 0x4000,
        /// It does not answer to RCPT.
        NO_REPLY_TO_RCPT = 0x8000,
        /// It does not answer to DATA.
        NO_REPLY_TO_DATA = 0x1_0000,
        /// It does not answer to commands that nobody knows.
        NO_REPLY_TO_UNKNOWN = 0x2_0000,
        /// It does not answer to the end of the header.
        NO_REPLY_TO_END_OF_HEADERS = 0x4_0000,
        /// It does not answer to a piece of the body.
        NO_REPLY_TO_BODY = 0x8_0000,
        /// The values of header fields keep the white space that they begin with.
        LEADING_SPACE = 0x10_0000,
    }
}
