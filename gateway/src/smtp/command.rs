//! Commands: what a client's command line says (RFC 5321, 4.1; RFC 1870, 1985, 3030, 3207, 3461, 4954, 6152, 6531).
//!
//! Paths are kept as they were written, but for a source route, which is taken off (Q140940). A service extension
//! that is not offered is an unrecognised command or an unknown parameter, here as for the client.
//!
//! This module does not know whether a command is allowed now.

use std::fmt;

use super::extensions::Extensions;
use super::reply::Reply;
use crate::address::{AddressError, Domain, ForwardPath, ReversePath};
use crate::dsn::{OriginalRecipient, RecipientRequest, Ret, Xtext};

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// HELO and what the client calls itself: one word, not checked.
    Helo(String),
    /// EHLO and what the client calls itself: one word, not checked.
    Ehlo(String),
    /// MAIL: a message begins.
    Mail(Mail),
    /// RCPT: one more recipient.
    Rcpt(Rcpt),
    /// DATA: the message itself comes next.
    Data,
    /// BDAT: a chunk of the message comes next (RFC 3030).
    Bdat {
        /// How many octets it has.
        octets: u64,
        /// Whether it is the last one.
        is_last: bool,
    },
    /// STARTTLS: what follows is encrypted (RFC 3207).
    StartTls,
    /// RSET: forget the message.
    Rset,
    /// NOOP, with or without words.
    Noop,
    /// QUIT.
    Quit,
    /// VRFY and whom to look up.
    Vrfy(String),
    /// EXPN and the list to expand.
    Expn(String),
    /// HELP and the subject, empty if there is none.
    Help(String),
    /// AUTH (RFC 4954).
    Auth {
        /// The mechanism's name in upper case, known or not.
        mechanism: String,
        /// The initial response in base64, if it came along; empty where the client wrote `=`.
        initial_response: Option<String>,
    },
    /// ETRN: start sending the mail that waits (RFC 1985).
    Etrn(Node),
}

/// Whose mail ETRN asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A domain's.
    Domain(Domain),
    /// That of a domain and of all below it: `@` stands before it.
    Below(Domain),
    /// A queue's that has a name of its own: `#` stands before it.
    Queue(String),
}

impl Node {
    /// Whether this domain's mail is among it.
    pub fn has(&self, domain: &Domain) -> bool {
        match self {
            Node::Domain(own) => own == domain,
            Node::Below(own) => {
                let rest = domain.as_str().strip_suffix(own.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Node::Queue(_) => false,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Domain(domain) => domain.fmt(f),
            Node::Below(domain) => write!(f, "@{domain}"),
            Node::Queue(name) => write!(f, "#{name}"),
        }
    }
}

/// What MAIL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// To whom a failure is reported.
    pub reverse_path: ReversePath,
    /// How many octets the client says the message has (RFC 1870). Numbers past 64 bits are taken as the greatest.
    pub size: Option<u64>,
    /// What octets the message may have (RFC 6152).
    pub body: Body,
    /// How much of the message a report is to return (RFC 3461).
    pub ret: Option<Ret>,
    /// The sender's name for this sending (RFC 3461).
    pub envelope_id: Option<Xtext>,
    /// Whether what follows may have addresses and a header past ASCII: SMTPUTF8 (RFC 6531).
    pub is_international: bool,
}

/// What RCPT says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rcpt {
    /// To whom the message goes.
    pub forward_path: ForwardPath,
    /// What is asked of reports on this recipient (RFC 3461).
    pub request: RecipientRequest,
}

impl Rcpt {
    /// Whether it may be said of a message that was not declared to be international.
    pub fn is_ascii(&self) -> bool {
        let path_is = match &self.forward_path {
            ForwardPath::Postmaster => true,
            ForwardPath::Mailbox(address) => address.is_ascii(),
        };
        path_is && self.request.original.as_ref().is_none_or(OriginalRecipient::is_ascii)
    }
}

/// The BODY parameter of MAIL (RFC 6152).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// `7BIT`, and what is meant without the parameter.
    #[default]
    SevenBit,
    /// `8BITMIME`.
    EightBitMime,
}

/// Why a command line says nothing that can be done.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommandError {
    /// The line has octets that are not printable ASCII.
    #[error("Command line is not printable ASCII")]
    NotPrintable,
    /// There is an address past ASCII in a message that was not declared to have any (RFC 6531, 3.5).
    #[error("An address past ASCII takes SMTPUTF8 with MAIL")]
    Undeclared,
    /// There is no such command here.
    #[error("Command not recognized: {0}")]
    Unrecognized(String),
    /// The command is known, and this is how it is written.
    #[error("Syntax: {0}")]
    Syntax(&'static str),
    /// The path does not hold a mailbox.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// A parameter of MAIL or RCPT that is not known here.
    #[error("Parameter not recognized: {0}")]
    UnknownParameter(String),
    /// A parameter that was given twice.
    #[error("Parameter given twice: {0}")]
    DuplicateParameter(String),
    /// A parameter whose value is missing or makes no sense.
    #[error("Bad value of parameter: {0}")]
    ParameterValue(String),
}

impl CommandError {
    /// The reply that tells the client (RFC 5321, 4.2.2 and 4.1.1.11).
    pub fn reply(&self) -> Reply {
        let (code, status) = match self {
            CommandError::NotPrintable => (500, "5.5.2"),
            CommandError::Unrecognized(_) => (500, "5.5.1"),
            CommandError::Syntax(_) => (501, "5.5.2"),
            CommandError::DuplicateParameter(_) | CommandError::ParameterValue(_) => (501, "5.5.4"),
            CommandError::Address(_) => (553, "5.1.3"),
            CommandError::Undeclared => (553, "5.6.7"),
            CommandError::UnknownParameter(_) => (555, "5.5.4"),
        };
        Reply::new(code, self.to_string()).with_status(status)
    }
}

impl Command {
    /// Reads a command line, given without its CRLF, where these service extensions are offered. Verbs and keywords are taken in any case, and white space at
    /// the end and before a path is let pass (RFC 5321, 2.4 and 4.1.1).
    ///
    /// # Errors
    /// Of what is not a command; [`CommandError::reply`] is the answer.
    pub fn parse(line: &[u8], offered: Extensions) -> Result<Command, CommandError> {
        let line = line.trim_ascii_end();
        let text = std::str::from_utf8(line).map_err(|_| CommandError::NotPrintable)?;
        let (verb, argument) = text.split_once(' ').unwrap_or((text, ""));
        let argument = argument.trim_start_matches(' ');
        let is_printable = |c: char| matches!(c, ' '..='~') || !c.is_ascii();
        if !text.chars().all(is_printable) || !text.is_ascii() && !may_pass_ascii(verb, argument, offered) {
            return Err(CommandError::NotPrintable);
        }
        match verb.to_ascii_uppercase().as_str() {
            "HELO" => Ok(Command::Helo(one_word(argument, "HELO hostname")?)),
            "EHLO" => Ok(Command::Ehlo(one_word(argument, "EHLO hostname")?)),
            "MAIL" => mail(argument, offered),
            "RCPT" => rcpt(argument, offered),
            "BDAT" if offered.chunking => bdat(argument),
            "STARTTLS" if offered.starttls => nothing(argument, Command::StartTls, "STARTTLS"),
            "DATA" => nothing(argument, Command::Data, "DATA"),
            "RSET" => nothing(argument, Command::Rset, "RSET"),
            "QUIT" => nothing(argument, Command::Quit, "QUIT"),
            "NOOP" => Ok(Command::Noop),
            "VRFY" => Ok(Command::Vrfy(something(undeclared(argument, offered), "VRFY mailbox")?)),
            "EXPN" => Ok(Command::Expn(something(undeclared(argument, offered), "EXPN list")?)),
            "HELP" => Ok(Command::Help(argument.to_owned())),
            "AUTH" => auth(argument),
            "ETRN" if offered.etrn => etrn(argument),
            _ => Err(CommandError::Unrecognized(verb.to_owned())),
        }
    }
}

/// Whether a command may have characters past ASCII (RFC 6531, 3.3 and 3.7.4).
fn may_pass_ascii(verb: &str, argument: &str, offered: Extensions) -> bool {
    let is_declared = || undeclared(argument, offered).len() < argument.len();
    offered.smtp_utf8
        && match verb.to_ascii_uppercase().as_str() {
            "MAIL" | "RCPT" => true,
            "VRFY" | "EXPN" => is_declared(),
            _ => false,
        }
}

/// What VRFY and EXPN are to look up, without the parameter behind it (RFC 6531, 3.7.4).
fn undeclared(argument: &str, offered: Extensions) -> &str {
    match argument.rsplit_once(' ') {
        Some((name, word)) if offered.smtp_utf8 && word.eq_ignore_ascii_case(SMTP_UTF8) => name.trim_end(),
        _ => argument,
    }
}

/// The parameter that declares a message to be international (RFC 6531, 3.1).
pub(super) const SMTP_UTF8: &str = "SMTPUTF8";

/// The longest command line that begins so, in octets with its CRLF, where these service extensions are offered: 512 (RFC
/// 5321, 4.5.3.1.4), and what they add to MAIL and RCPT.
pub fn limit(line: &[u8], offered: Extensions) -> usize {
    const SHORTEST: usize = 512;
    /// `SIZE=` (RFC 1870, 3), and `AUTH=` (RFC 4954, 5).
    const SIZE_AND_AUTH: usize = 26 + 500;
    /// `BODY=` (RFC 6152, 2).
    const BODY: usize = 17;
    /// ` RET=FULL` and ` ENVID=` with 100 octets, ` NOTIFY=SUCCESS,FAILURE,DELAY` and ` ORCPT=` with 500 (RFC 3461, 4).
    const DSN: [usize; 2] = [9 + 107, 29 + 507];
    /// ` SMTPUTF8` (RFC 6531, 3.1).
    const INTERNATIONAL: usize = 10;
    let verb = line.split(|octet| *octet == b' ').next().unwrap_or_default();
    let [of_mail, of_rcpt] = if offered.dsn { DSN } else { [0, 0] };
    SHORTEST
        + match verb.to_ascii_uppercase().as_slice() {
            b"MAIL" => {
                let body = if offered.eight_bit_mime { BODY } else { 0 };
                SIZE_AND_AUTH + of_mail + body + if offered.smtp_utf8 { INTERNATIONAL } else { 0 }
            }
            b"RCPT" => of_rcpt,
            _ => 0,
        }
}

fn nothing(argument: &str, command: Command, syntax: &'static str) -> Result<Command, CommandError> {
    if argument.is_empty() { Ok(command) } else { Err(CommandError::Syntax(syntax)) }
}

fn something(argument: &str, syntax: &'static str) -> Result<String, CommandError> {
    if argument.is_empty() { Err(CommandError::Syntax(syntax)) } else { Ok(argument.to_owned()) }
}

fn one_word(argument: &str, syntax: &'static str) -> Result<String, CommandError> {
    if argument.contains(' ') { Err(CommandError::Syntax(syntax)) } else { something(argument, syntax) }
}

fn auth(argument: &str) -> Result<Command, CommandError> {
    const SYNTAX: CommandError = CommandError::Syntax("AUTH mechanism [initial-response]");
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let mechanism = words.next().ok_or(SYNTAX)?.to_ascii_uppercase();
    let initial_response =
        words.next().map(|response| if response == "=" { "" } else { response }.to_owned());
    if words.next().is_some() {
        return Err(SYNTAX);
    }
    Ok(Command::Auth { mechanism, initial_response })
}

fn etrn(argument: &str) -> Result<Command, CommandError> {
    const SYNTAX: &str = "ETRN domain, or ETRN @domain";
    let word = one_word(argument, SYNTAX)?;
    let domain = |name: &str| name.parse::<Domain>().map_err(|_| CommandError::Syntax(SYNTAX));
    Ok(Command::Etrn(match word.split_at_checked(1) {
        Some(("@", name)) => Node::Below(domain(name)?),
        Some(("#", name)) => Node::Queue(something(name, SYNTAX)?),
        _ => Node::Domain(domain(&word)?),
    }))
}

fn bdat(argument: &str) -> Result<Command, CommandError> {
    const SYNTAX: CommandError = CommandError::Syntax("BDAT octets [LAST]");
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let octets = words.next().and_then(size).ok_or(SYNTAX)?;
    let is_last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(SYNTAX),
    };
    if words.next().is_some() {
        return Err(SYNTAX);
    }
    Ok(Command::Bdat { octets, is_last })
}

fn mail(argument: &str, offered: Extensions) -> Result<Command, CommandError> {
    const SYNTAX: &str = "MAIL FROM:<address> [SIZE=octets] [BODY=7BIT|8BITMIME]";
    let (path, parameters) = path(argument, "FROM:").ok_or(CommandError::Syntax(SYNTAX))?;
    let reverse_path = match path {
        "" => ReversePath::Null,
        path => ReversePath::Mailbox(without_source_route(path)?.parse()?),
    };
    let mut mail = Mail {
        reverse_path,
        size: None,
        body: Body::SevenBit,
        ret: None,
        envelope_id: None,
        is_international: false,
    };
    for_each_parameter(parameters, |keyword, value| {
        match (keyword, value) {
            ("SIZE", value) => mail.size = Some(value.and_then(size).ok_or(BadParameter::Value)?),
            ("BODY", value) => mail.body = value.and_then(body).ok_or(BadParameter::Value)?,
            // Whom the client says it authenticated (RFC 4954, 5): not trusted, so not kept.
            ("AUTH", value) => drop(value.filter(|who| !who.is_empty()).ok_or(BadParameter::Value)?),
            ("RET", value) if offered.dsn => mail.ret = Some(parsed(value)?),
            ("ENVID", value) if offered.dsn => mail.envelope_id = Some(parsed(value)?),
            (SMTP_UTF8, None) if offered.smtp_utf8 => mail.is_international = true,
            (SMTP_UTF8, Some(_)) if offered.smtp_utf8 => return Err(BadParameter::Value),
            _ => return Err(BadParameter::Unknown),
        }
        Ok(())
    })?;
    if !mail.is_international && !mail.reverse_path.is_ascii() {
        return Err(CommandError::Undeclared);
    }
    Ok(Command::Mail(mail))
}

fn rcpt(argument: &str, offered: Extensions) -> Result<Command, CommandError> {
    let (path, parameters) = path(argument, "TO:").ok_or(CommandError::Syntax("RCPT TO:<address>"))?;
    let forward_path = without_source_route(path)?.parse()?;
    let mut request = RecipientRequest::default();
    for_each_parameter(parameters, |keyword, value| {
        match keyword {
            "NOTIFY" if offered.dsn => request.notify = Some(parsed(value)?),
            "ORCPT" if offered.dsn => request.original = Some(parsed(value)?),
            _ => return Err(BadParameter::Unknown),
        }
        Ok(())
    })?;
    Ok(Command::Rcpt(Rcpt { forward_path, request }))
}

/// What is wrong with a parameter.
enum BadParameter {
    Unknown,
    Value,
}

/// Reads the parameters behind a path: each keyword, in upper case, with its value if it has one.
fn for_each_parameter<'a>(
    parameters: &'a str,
    mut read: impl FnMut(&str, Option<&'a str>) -> Result<(), BadParameter>,
) -> Result<(), CommandError> {
    let mut seen = Vec::new();
    for parameter in parameters.split(' ').filter(|parameter| !parameter.is_empty()) {
        let (keyword, value) = match parameter.split_once('=') {
            Some((keyword, value)) => (keyword.to_ascii_uppercase(), Some(value)),
            None => (parameter.to_ascii_uppercase(), None),
        };
        if seen.contains(&keyword) {
            return Err(CommandError::DuplicateParameter(keyword));
        }
        read(&keyword, value).map_err(|bad| match bad {
            BadParameter::Unknown => CommandError::UnknownParameter(keyword.clone()),
            BadParameter::Value => CommandError::ParameterValue(parameter.to_owned()),
        })?;
        seen.push(keyword);
    }
    Ok(())
}

fn parsed<T: std::str::FromStr>(value: Option<&str>) -> Result<T, BadParameter> {
    value.and_then(|value| value.parse().ok()).ok_or(BadParameter::Value)
}

/// At most twenty digits (RFC 1870, 4).
fn size(value: &str) -> Option<u64> {
    let is_number = (1..=20).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| value.parse().unwrap_or(u64::MAX))
}

fn body(value: &str) -> Option<Body> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Some(Body::SevenBit),
        "8BITMIME" => Some(Body::EightBitMime),
        _ => None,
    }
}

/// Cuts `FROM:<path> parameters` into what is between the brackets and what follows them. A `>` in a quoted local
/// part closes nothing.
fn path<'a>(argument: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (start, rest) = argument.split_at_checked(keyword.len())?;
    if !start.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let rest = rest.trim_start().strip_prefix('<')?;
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = rest.bytes().position(|octet| {
        let closes = octet == b'>' && !is_quoted;
        is_quoted ^= octet == b'"' && !is_escaped;
        is_escaped = is_quoted && octet == b'\\' && !is_escaped;
        closes
    })?;
    let (path, after) = (&rest[..end], &rest[end + 1..]);
    (after.is_empty() || after.starts_with(' ')).then_some((path, after))
}

/// Takes the `@a,@b:` off a path. Each part must be a domain, and is then ignored (RFC 5321, appendix C; Q140940).
fn without_source_route(path: &str) -> Result<&str, CommandError> {
    if !path.starts_with('@') {
        return Ok(path);
    }
    const SYNTAX: CommandError = CommandError::Syntax("a source route is <@domain,@domain:address>");
    let (route, mailbox) = path.split_once(':').ok_or(SYNTAX)?;
    for hop in route.split(',') {
        hop.strip_prefix('@').ok_or(SYNTAX)?.parse::<Domain>()?;
    }
    Ok(mailbox)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Release;

    fn parse(line: &str) -> Result<Command, CommandError> {
        Command::parse(line.as_bytes(), Extensions::of(Release::Current))
    }

    fn code(line: &str) -> u16 {
        parse(line).expect_err(line).reply().code()
    }

    fn mail_from(path: &str) -> Mail {
        let reverse_path = match path {
            "" => ReversePath::Null,
            path => ReversePath::Mailbox(path.parse().unwrap()),
        };
        let (size, body, is_international) = (None, Body::SevenBit, false);
        Mail { reverse_path, size, body, ret: None, envelope_id: None, is_international }
    }

    fn rcpt_to(forward_path: ForwardPath) -> Command {
        Command::Rcpt(Rcpt { forward_path, request: RecipientRequest::default() })
    }

    #[test]
    fn verbs_are_taken_in_any_case_and_with_white_space_at_the_end() {
        assert_eq!(parse("ehlo Client.example \t"), Ok(Command::Ehlo("Client.example".to_owned())));
        assert_eq!(parse("HELO [192.0.2.1]"), Ok(Command::Helo("[192.0.2.1]".to_owned())));
        assert_eq!(parse("Data"), Ok(Command::Data));
        assert_eq!(parse("NOOP whatever this is"), Ok(Command::Noop));
        assert_eq!(parse("HELP"), Ok(Command::Help(String::new())));
        assert_eq!(parse("VRFY  Jones, A."), Ok(Command::Vrfy("Jones, A.".to_owned())));
    }

    #[test]
    fn mail_carries_the_reverse_path_and_what_the_client_declares() {
        let declared = Mail { size: Some(5_000), body: Body::EightBitMime, ..mail_from("a@example.com") };
        assert_eq!(parse("mail from:<a@example.com> size=5000 Body=8bitmime"), Ok(Command::Mail(declared)));
        assert_eq!(parse("MAIL FROM: <a@example.com>"), Ok(Command::Mail(mail_from("a@example.com"))));
        assert_eq!(parse("MAIL FROM:<> AUTH=<>"), Ok(Command::Mail(mail_from(""))));
    }

    #[test]
    fn a_quoted_local_part_may_hold_brackets_and_blanks_and_keeps_its_quotes() {
        let quoted = r#""a> \" b"@example.com"#;
        assert_eq!(parse(&format!("MAIL FROM:<{quoted}> BODY=7BIT")), Ok(Command::Mail(mail_from(quoted))));
    }

    #[test]
    fn a_source_route_is_taken_off() {
        let direct = rcpt_to(ForwardPath::Mailbox("user@c.example".parse().unwrap()));
        assert_eq!(parse("RCPT TO:<@a.example,@b.example:user@c.example>"), Ok(direct));
        assert_eq!(
            parse("MAIL FROM:<@a.example:user@c.example>"),
            Ok(Command::Mail(mail_from("user@c.example")))
        );
        assert_eq!(code("RCPT TO:<@a.example,b.example:user@c.example>"), 501);
        assert_eq!(code("RCPT TO:<@a.example>"), 501);
        assert_eq!(code("RCPT TO:<@a..example:user@c.example>"), 553);
    }

    #[test]
    fn the_postmaster_needs_no_domain_and_only_as_a_recipient() {
        assert_eq!(parse("RCPT TO:<PostMaster>"), Ok(rcpt_to(ForwardPath::Postmaster)));
        assert_eq!(code("RCPT TO:<webmaster>"), 553);
        assert_eq!(code("MAIL FROM:<postmaster>"), 553);
    }

    #[test]
    fn what_is_wrong_decides_the_code_of_the_reply() {
        for line in ["", "XYZZY", "TURN", "MAILFROM:<a@example.com>", "NOOP \0", "EHLO \u{fc}.example"] {
            assert_eq!(code(line), 500, "{line}");
        }
        let without = Extensions { starttls: false, ..Extensions::of(Release::Current) };
        assert_eq!(Command::parse(b"STARTTLS", without).unwrap_err().reply().code(), 500);
        assert_eq!((parse("starttls"), code("STARTTLS now")), (Ok(Command::StartTls), 501));
        for line in [
            "HELO",
            "EHLO two words",
            "DATA now",
            "VRFY",
            "AUTH",
            "AUTH PLAIN a b",
            "MAIL",
            "MAIL TO:<a@example.com>",
            "MAIL FROM:a@example.com",
            "MAIL FROM:<a@example.com",
            "MAIL FROM:<a@example.com>SIZE=1",
            "MAIL FROM:<a@example.com> SIZE=1 size=1",
            "MAIL FROM:<a@example.com> SIZE",
            "MAIL FROM:<a@example.com> SIZE=-1",
            "MAIL FROM:<a@example.com> BODY=BINARYMIME",
            "RCPT FROM:<a@example.com>",
            "MAIL FROM:<a@example.com> RET=SOME",
            "MAIL FROM:<a@example.com> ENVID=",
            "RCPT TO:<a@example.com> NOTIFY=NEVER,SUCCESS",
            "RCPT TO:<a@example.com> ORCPT=a@example.com",
            "BDAT",
            "BDAT -1",
            "BDAT 10 FIRST",
            "BDAT 10 LAST now",
            "ETRN",
            "ETRN two words",
            "ETRN @",
            "ETRN #",
            "ETRN a..example",
        ] {
            assert_eq!(code(line), 501, "{line}");
        }
        for line in ["MAIL FROM:<a>", "MAIL FROM:<a@b@c.example>", "RCPT TO:<>", "RCPT TO:<a..b@example.com>"]
        {
            assert_eq!(code(line), 553, "{line}");
        }
        for line in ["MAIL FROM:<a@example.com> BY=120;R", "RCPT TO:<a@example.com> SIZE=5"] {
            assert_eq!(code(line), 555, "{line}");
        }
    }

    #[test]
    fn what_is_asked_of_reports_comes_with_the_paths() {
        let asked = Mail {
            ret: Some(Ret::Headers),
            envelope_id: Some("QQ314159".parse().unwrap()),
            ..mail_from("a@example.com")
        };
        assert_eq!(parse("MAIL FROM:<a@example.com> RET=hdrs ENVID=QQ314159"), Ok(Command::Mail(asked)));
        let Ok(Command::Rcpt(Rcpt { request, .. })) =
            parse("RCPT TO:<b@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@example.com")
        else {
            panic!("it is a recipient");
        };
        assert_eq!(request.notify.unwrap().to_string(), "SUCCESS,DELAY");
        assert_eq!(request.original.unwrap().to_string(), "rfc822;Bob@example.com");
    }

    #[test]
    fn what_is_not_offered_is_not_known() {
        let parse = |line: &str| Command::parse(line.as_bytes(), Extensions::of(Release::V50Rtm));
        for (line, code) in [
            ("MAIL FROM:<a@example.com> RET=FULL", 555),
            ("RCPT TO:<a@example.com> NOTIFY=NEVER", 555),
            ("BDAT 10 LAST", 500),
            ("ETRN a.example", 500),
            ("MAIL FROM:<a@example.com> SMTPUTF8", 555),
            ("MAIL FROM:<\u{fc}@example.com>", 500),
        ] {
            assert_eq!(parse(line).unwrap_err().reply().code(), code, "{line}");
        }
    }

    #[test]
    fn an_address_past_ascii_takes_a_declaration() {
        let declared = Mail { is_international: true, ..mail_from("j\u{fc}rgen@b\u{fc}cher.example") };
        assert_eq!(
            parse("MAIL FROM:<j\u{fc}rgen@b\u{fc}cher.example> smtputf8"),
            Ok(Command::Mail(declared))
        );
        let undeclared =
            parse("MAIL FROM:<j\u{fc}rgen@example.com> SIZE=5").unwrap_err().reply().with_status("5.6.7");
        assert_eq!(undeclared.code(), 553);
        assert_eq!(code("MAIL FROM:<a@example.com> SMTPUTF8=YES"), 501);
        assert_eq!(code("RCPT TO:<a@example.com> SMTPUTF8"), 555);
        let rcpt = |line: &str| match parse(line) {
            Ok(Command::Rcpt(rcpt)) => rcpt.is_ascii(),
            other => panic!("{line}: {other:?}"),
        };
        assert!(rcpt("RCPT TO:<a@example.com> ORCPT=utf-8;\\x{FC}@example.com"));
        assert!(!rcpt("RCPT TO:<a@example.com> ORCPT=utf-8;\u{fc}@example.com"));
        assert!(!rcpt("RCPT TO:<a@b\u{fc}cher.example>"));
        assert_eq!(parse("VRFY j\u{fc}rgen SMTPUTF8"), Ok(Command::Vrfy("j\u{fc}rgen".to_owned())));
        assert_eq!(parse("EXPN staff smtputf8"), Ok(Command::Expn("staff".to_owned())));
        assert_eq!(parse("VRFY SMTPUTF8"), Ok(Command::Vrfy("SMTPUTF8".to_owned())));
        for line in
            ["VRFY j\u{fc}rgen", "NOOP \u{fc} SMTPUTF8", "AUTH \u{fc}", "MAIL FROM:<a@example.com> \t"]
        {
            assert!(parse(line).is_err() || line.ends_with('\t'), "{line}");
        }
        assert_eq!(
            Command::parse(b"MAIL FROM:<\xfc@example.com> SMTPUTF8", Extensions::of(Release::Current)),
            Err(CommandError::NotPrintable)
        );
        assert_eq!(
            Command::parse(b"RCPT TO:<\xc0\xafx@example.com>", Extensions::of(Release::Current)),
            Err(CommandError::NotPrintable)
        );
        assert_eq!(code("RCPT TO:<a\u{202e}b@example.com>"), 553);
    }

    #[test]
    fn a_chunk_has_a_length_and_may_be_the_last() {
        assert_eq!(parse("bdat 86"), Ok(Command::Bdat { octets: 86, is_last: false }));
        assert_eq!(parse("BDAT 0 last"), Ok(Command::Bdat { octets: 0, is_last: true }));
    }

    #[test]
    fn a_node_is_a_domain_or_that_and_all_below_it_or_a_queue() {
        let node = |words: &str| match parse(words) {
            Ok(Command::Etrn(node)) => node,
            other => panic!("{words}: {other:?}"),
        };
        let has = |words: &str, domain: &str| node(words).has(&domain.parse().unwrap());
        for (words, domain, expected) in [
            ("ETRN Branch.example", "branch.example", true),
            ("ETRN branch.example", "x.branch.example", false),
            ("etrn @branch.example", "branch.example", true),
            ("ETRN @branch.example", "x.branch.example", true),
            ("ETRN @branch.example", "mybranch.example", false),
            ("ETRN #branch.example", "branch.example", false),
        ] {
            assert_eq!(has(words, domain), expected, "{words}, {domain}");
        }
        assert_eq!(node("ETRN @Branch.example").to_string(), "@branch.example");
    }

    #[test]
    fn a_line_may_be_as_long_as_its_verb_and_what_is_offered_make_it() {
        let current = Extensions::of(Release::Current);
        assert_eq!(limit(b"MAIL FROM:<>", current), crate::smtp::line::COMMAND_LIMIT);
        assert_eq!(limit(b"rcpt TO:<a@b>", current), 512 + 536);
        assert_eq!(limit(b"NOOP", current), 512);
        assert_eq!(limit(b"RCPT TO:<a@b>", Extensions::of(Release::V50Rtm)), 512);
    }

    #[test]
    fn a_size_past_every_bound_is_still_a_size() {
        let huge = Mail { size: Some(u64::MAX), ..mail_from("") };
        assert_eq!(parse("MAIL FROM:<> SIZE=99999999999999999999"), Ok(Command::Mail(huge)));
        assert_eq!(code("MAIL FROM:<> SIZE=999999999999999999999"), 501);
    }

    #[test]
    fn authentication_may_begin_with_a_response_and_the_response_may_be_empty() {
        let auth = |initial_response: Option<&str>| Command::Auth {
            mechanism: "PLAIN".to_owned(),
            initial_response: initial_response.map(str::to_owned),
        };
        assert_eq!(parse("AUTH plain"), Ok(auth(None)));
        assert_eq!(parse("AUTH PLAIN AGEAYg=="), Ok(auth(Some("AGEAYg=="))));
        assert_eq!(parse("AUTH PLAIN ="), Ok(auth(Some(""))));
    }
}
