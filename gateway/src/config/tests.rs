use std::time::Duration;

use miette::Diagnostic;

use super::*;
use crate::routing::Route;

const EXAMPLE: &str = include_str!("../../../docs/examples/gateway.toml");

/// A configuration that makes sense, in six lines; what a test adds begins on line 7.
const SMALLEST: &str = "\
host = \"ims.contoso.test\"
spool = \"/imcdata\"
store = \"/mailboxes\"
route = [{ domain = \"contoso.test\", to = \"<inbound>\" }]
# The next line is for the keys of the top level.

";

fn parse(added: &str) -> Result<Config, ConfigError> {
    Config::parse(&format!("{SMALLEST}{added}"), "gateway.toml")
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

#[test]
fn the_example_can_be_read() {
    let config = Config::parse(EXAMPLE, "gateway.toml").unwrap();
    assert_eq!(config.listen, "127.0.0.1:2525".parse().unwrap());
    assert_eq!(config.routes.route(&"contoso.test".parse().unwrap()), Route::Inbound);
    assert_eq!(config.administrator.as_ref(), Some(&config.mailboxes[0].address));
}

#[test]
fn the_example_shows_every_key_and_the_defaults_as_they_are() {
    let is_setting = |line: &&str| line.split_once(" = ").is_some_and(|(key, _)| !key.trim().contains(' '));
    let uncommented: Vec<_> = EXAMPLE
        .lines()
        .map(|line| {
            line.strip_prefix("# ").filter(|rest| is_setting(rest) || rest.starts_with("[[")).unwrap_or(line)
        })
        // These do not go with what stands beside them.
        .filter(|line| !["server = \"IMS2\"", "hold = ", "from = "].iter().any(|key| line.starts_with(key)))
        .collect();
    let mut shown = Config::parse(&uncommented.join("\n"), "gateway.toml").unwrap();
    assert_eq!(shown.accept.hosts.len(), 1);
    let milter = MilterConfig {
        address: "inet:8891@127.0.0.1".parse().unwrap(),
        on_failure: crate::milter::OnFailure::Tempfail,
    };
    assert_eq!(shown.milters, [milter]);
    assert_eq!(shown.extensions[0].settings["routes"].as_str(), Some("./var/spool/Imcroute.cfg"));
    assert_eq!(shown.extensions[0].on_failure, OnFailure::default());
    assert_eq!(
        shown.delivery.smart_host.take().map(|host| host.to_string()).as_deref(),
        Some("relay.contoso.test")
    );
    assert_eq!(shown.admin.listen.take(), Some("127.0.0.1:2580".parse().unwrap()));
    assert_eq!(shown.dns.servers, ["192.0.2.53:53".parse().unwrap()]);
    assert_eq!(shown.listen_tls.take(), Some("0.0.0.0:465".parse().unwrap()));
    assert!(shown.tls.identity.take().is_some() && shown.tls.trust.take().is_some());
    shown.accept.hosts.clear();
    shown.extensions.clear();
    shown.dns.servers.clear();
    shown.milters.clear();
    assert_eq!(
        (shown.filter.senders.len(), shown.relay.local_addresses.len(), shown.relay.denied.len()),
        (3, 1, 1)
    );
    shown.filter.senders.clear();
    shown.relay.local_addresses.clear();
    shown.relay.denied.clear();
    assert_eq!(
        (shown.log.format.take(), shown.process.user.take()),
        (Some(Format::Json), Some("gateway".into()))
    );
    let directories = ("./var/tracking".into(), "./var/log".into());
    assert_eq!((shown.log.tracking.take().unwrap(), shown.log.protocol_directory), directories);
    shown.log.protocol_directory = "./var/spool/log".into();
    assert!(shown.mailboxes[0].login.take().is_some());
    assert_eq!(shown, Config::parse(EXAMPLE, "gateway.toml").unwrap());
}

#[test]
fn every_key_is_known_and_the_example_shows_it() {
    let keys = keys();
    let find = |name: &str| keys.iter().find(|key| key.name == name).map(|key| key.list.as_deref());
    assert_eq!((find("host"), find("delivery.retry")), (Some(None), Some(None)));
    assert_eq!((find("accept.require"), find("accept.host.rule")), (Some(None), Some(Some("accept.host"))));
    assert_eq!(
        (find("extension.on_failure"), find("route.to")),
        (Some(Some("extension")), Some(Some("route")))
    );
    assert_eq!((find("accept"), find("extension"), find("limits")), (None, None, None));
    for key in keys {
        let last = key.name.rsplit('.').next().unwrap();
        let shows = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{last} = "));
        assert!(EXAMPLE.lines().any(shows), "{}", key.name);
    }
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let config = parse("").unwrap();
    assert_eq!(config.release, Release::Current);
    assert_eq!((&*config.organization, &*config.site, &*config.server), ("contoso", "contoso.test", "IMS"));
    assert_eq!(config.listen, "0.0.0.0:25".parse().unwrap());
    assert_eq!(config.limits.message_size, NonZeroU64::new(10_485_760));
    assert_eq!(config.limits.disk_low_water, NonZeroU64::new(10_485_760));
    assert_eq!(config.limits.octets_in_hand, 67_108_864);
    assert_eq!(
        (config.limits.recipients, config.limits.inbound_connections, config.limits.hops),
        (100, 30, 30)
    );
    assert_eq!(config.accept, AcceptConfig { require: Requirement::Nothing, hosts: vec![] });
    assert_eq!(
        (config.listen_tls, config.tls),
        (None, TlsConfig { identity: None, trust: None, auth_in_clear: false })
    );
    assert_eq!(config.submission, SubmissionConfig::default());
    let nothing = || Vec::new();
    let relay = RelayConfig {
        authenticated: true,
        networks: nothing(),
        local_addresses: nothing(),
        denied: nothing(),
    };
    assert_eq!(config.relay, relay);
    assert_eq!(config.delivery.retry, [15, 30, 60, 240].map(minutes));
    assert_eq!((config.delivery.expire, config.delivery.port), (minutes(48 * 60), 25));
    assert_eq!((config.delivery.connections, config.delivery.connections_per_host), (20, 5));
    assert_eq!(config.dns.servers, []);
    assert_eq!((config.delivery.smart_host, config.administrator), (None, None));
    assert_eq!(config.notifications.administrator, BTreeSet::from(Category::ALL));
    assert_eq!((config.quarantine.deaths, config.quarantine.extension_time), (2, minutes(5)));
    let protocol_directory = "/imcdata/log".into();
    let log = LogConfig { format: None, tracking: None, protocol: ProtocolLevel::None, protocol_directory };
    assert_eq!((config.log, config.process.user), (log, None));
}

#[test]
fn what_is_written_down_is_read() {
    let config = parse(
        "[log]\nformat = \"journald\"\ntracking = \"/t\"\nprotocol = \"maximum\"\nprotocol_directory = \"/p\"\n\
         [process]\nuser = \"mail\"\n",
    )
    .unwrap();
    let log = LogConfig {
        format: Some(Format::Journald),
        tracking: Some("/t".into()),
        protocol: ProtocolLevel::Maximum,
        protocol_directory: "/p".into(),
    };
    assert_eq!((config.log, config.process.user.as_deref()), (log, Some("mail")));
}

#[test]
fn every_setting_is_read() {
    let config = parse(
        r##"release = "5.5 RTM"
        [limits]
        message_size = 0
        recipients = 500
        [accept]
        require = "authentication"
        [[accept.host]]
        network = "192.0.2.10"
        rule = "exempt"
        [submission]
        homed_here_only = true
        [[mailbox]]
        address = "bob@fabrikam.test"
        server = "IMS2"
        account = "bob"
        secret = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        [[extension]]
        name = "imcext"
        routes = "/imcdata/Imcroute.cfg"
        [delivery]
        retry = ["90s", "1h 30m"]
        smart_host = "192.0.2.25:2525"
        [notifications]
        administrator = ["host-not-found", "submission-refused"]"##,
    )
    .unwrap();
    assert_eq!(config.release, Release::V55Rtm);
    assert_eq!((config.limits.message_size, config.limits.recipients), (None, 500));
    assert_eq!(config.accept.require, Requirement::Authentication);
    let exempt = HostRule { network: "192.0.2.10/32".parse().unwrap(), rule: Rule::Exempt };
    assert_eq!(config.accept.hosts, [exempt]);
    assert!(config.submission.homed_here_only && !config.submission.account_matches_sender);
    assert_eq!(config.mailboxes[0].server, Some("IMS2".parse().unwrap()));
    assert!(config.mailboxes[0].login.as_ref().is_some_and(|login| login.secret.iterations() == 4096));
    assert_eq!(config.extensions[0].settings.len(), 1);
    assert_eq!(config.delivery.retry, [Duration::from_secs(90), minutes(90)]);
    let smart_host = NextHop { host: "192.0.2.25".to_owned(), port: Some(2525) };
    assert_eq!(config.delivery.smart_host, Some(smart_host));
    let told = [Category::HostNotFound, Category::SubmissionRefused];
    assert_eq!(config.notifications.administrator, BTreeSet::from(told));
}

/// What is added to the smallest configuration, the line with the mistake, what is wrong, the remedy.
#[rustfmt::skip]
const MISTAKES: &[(&str, usize, &str, &str)] = &[
    ("listen = ", 7, "quoted", "toml.io"),
    ("listen = \"a", 7, "basic string", "toml.io"),
    ("spool = \"/other\"", 7, "duplicate key", "gateway.toml"),
    ("hots = \"ims\"", 7, "there is no key `hots`", "`host`"),
    ("[limits]\nmessagesize = 1", 8, "there is no key `messagesize`", "`message_size`"),
    ("[[accept.host]]\nnetwork = \"192.0.2.1\"", 7, "`rule` is missing", "add `rule`"),
    ("[[mailbox]]\nserver = \"IMS2\"", 7, "`address` is missing", "add `address`"),
    ("release = \"6.0\"", 7, "`6.0` is not a release", "name one of"),
    ("release = 5.5", 7, "floating point `5.5`", "a text in quotes"),
    ("site = \"a:b\"", 7, "\"a:b\" cannot stand in a report line", "without colons"),
    ("organization = \"a\\nb\"", 7, "cannot stand in a report line", "control characters"),
    ("listen = \"0.0.0.0\"", 7, "socket address", "\"0.0.0.0:25\""),
    ("administrator = \"administrator\"", 7, "`administrator` is not a mailbox", "\"alice@contoso.test\""),
    ("administrator = \"x@contoso.test\"", 7, "has no mailbox", "add a [[mailbox]]"),
    ("administrator = \"x@contoso.test\"\n[[mailbox]]\naddress = \"x@contoso.test\"\nserver = \"IMS2\"", 7, "is on ims2", "mailbox of this server"),
    ("[limits]\nmessage_size = -1", 8, "-1 is out of range", "0 or more"),
    ("[limits]\nmessage_size = \"10M\"", 8, "string \"10M\"", "a whole number"),
    ("[limits]\nrecipients = 99", 8, "99 is out of range", "from 100 to 32766"),
    ("[limits]\ninbound_connections = 0", 8, "0 is out of range", "from 1 to 100000"),
    ("[limits]\ndisk_low_water = -1", 8, "-1 is out of range", "0 or more"),
    ("[limits]\noctets_in_hand = 65535", 8, "65535 is out of range", "65536 or more"),
    ("[limits]\nhops = 0", 8, "0 is out of range", "from 1 to 1000"),
    ("[limits]\nconnections_per_host = -1", 8, "-1 is out of range", "from 0 to 1000000"),
    ("release = \"5.5 SP3\"\n[limits]\nmessages_per_minute = 5", 9, "5.5 SP3 knows no `messages_per_minute`", "release = \"current\""),
    ("[accept]\nrequire = \"encrypted\"", 8, "unknown variant `encrypted`", "`encryption`"),
    ("[[accept.host]]\nnetwork = \"192.0.2.0/33\"\nrule = \"reject\"", 8, "`192.0.2.0/33` is not a network", "\"192.0.2.0/24\""),
    ("[[accept.host]]\nnetwork = \"192.0.2.9/24\"\nrule = \"reject\"", 8, "one host in the network", "\"192.0.2.0/24\""),
    ("[[accept.host]]\nnetwork = \"192.0.2.9\"\nrule = \"refuse\"", 9, "unknown variant `refuse`", "`reject`"),
    ("[[accept.host]]\nnetwork = \"192.0.2.9\"\nrule = \"reject\"\n[[accept.host]]\nnetwork = \"192.0.2.9/32\"\nrule = \"accept\"", 11, "another rule for 192.0.2.9/32", "one rule"),
    ("[submission]\nhomed_here_only = true", 8, "needs clients to authenticate (Q262945)", "require = \"authentication\""),
    ("[submission]\naccount_matches_sender = true", 8, "needs clients to authenticate", "account_matches_sender = false"),
    ("[submission]\nhomed_here_only = \"yes\"", 8, "string \"yes\"", "true or false"),
    ("[relay]\nnetworks = [\n\"192.0.2.0/24\",\n\"here\"]", 10, "`here` is not a network", "\"192.0.2.0/24\""),
    ("[relay]\nnetworks = \"192.0.2.0/24\"", 8, "string \"192.0.2.0/24\"", "a list in brackets"),
    ("[relay]\ndenied = [\"192.0.2.9/24\"]", 8, "one host in the network", "\"192.0.2.0/24\""),
    ("[relay]\nlocal_addresses = [\"eth0\"]", 8, "`eth0` is not a network", "\"192.0.2.10\""),
    ("[filter]\nsenders = [\"joe\"]", 8, "`joe` is not a mailbox", "\"@spam.test\""),
    ("[filter]\naction = \"drop\"", 8, "unknown variant `drop`", "`set-aside`"),
    ("release = \"5.0 SP2\"\n[filter]\nsenders = [\"@spam.test\"]", 9, "5.0 SP2 does not filter domains (Q155683)", "a later `release`"),
    ("release = \"5.5 SP1\"\n[filter]\nsenders = [\".\"]", 9, "came with 5.5 SP2", "a later `release`"),
    ("release = \"5.5 SP3\"\n[filter]\naction = \"refuse\"", 9, "5.5 SP3 refuses no mail", "\"set-aside\""),
    ("[policy]\nvrfy = \"yes\"", 8, "unknown variant `yes`", "`vague`"),
    ("[policy]\nunknown_recipients = \"bounce\"", 8, "unknown variant `bounce`", "`report`"),
    ("release = \"5.5 SP3\"\n[policy]\nunknown_recipients = \"refuse\"", 9, "5.5 SP3 takes mail for anybody", "release = \"current\""),
    ("release = \"5.5 SP3\"\n[policy]\nvrfy = \"refuse\"", 9, "5.5 SP3 has no choice", "release = \"current\""),
    ("[[mailbox]]\naddress = \"alice@contoso.test\"\naccount = \"alice\"", 9, "no secret", "`gateway secret` makes"),
    ("[[mailbox]]\naddress = \"alice@contoso.test\"\nsecret = \"x\"", 9, "no account", "add `account`"),
    ("[[mailbox]]\naddress = \"alice@contoso.test\"\naccount = \"\"\nsecret = \"x\"", 9, "the account is empty", "name the account"),
    ("[[mailbox]]\naddress = \"alice@contoso.test\"\naccount = \"alice\"\npassword = \"hunter2\"", 10, "never stands in the configuration", "`gateway secret` makes"),
    ("[[mailbox]]\naddress = \"alice@contoso.test\"\naccount = \"alice\"\nsecret = \"hunter2\"", 10, "this is not `SCRAM-SHA-256$<iterations>:", "`gateway secret` makes"),
    ("[[mailbox]]\naddress = \"alice@contoso.test\"\naccount = \"alice\"\nsecret = \"SCRAM-SHA-256$1000:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\"", 10, "has 1000 iterations, not 4096 to", "`gateway secret` makes"),
    ("[[mailbox]]\naddress = \"alice@contoso.test\"\naliases = [\"Alice@CONTOSO.test\"]", 9, "already an address of alice@contoso.test", "addresses of its own"),
    ("[[mailbox]]\naddress = \"a@contoso.test\"\n[[mailbox]]\naddress = \"A@contoso.test\"", 10, "already an address of a@contoso.test", "addresses of its own"),
    ("[[mailbox]]\naddress = \"a@contoso.test\"\naccount = \"a\"\nsecret = \"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\"\n[[mailbox]]\naddress = \"b@contoso.test\"\naccount = \"A\"\nsecret = \"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\"", 13, "already has a mailbox", "account of its own"),
    ("[[mailbox]]\naddress = \"alice@contoso.test\"\nserver = \"\"", 9, "`` is no host to route to", "take the key out"),
    ("[[mailbox]]\naddress = \"alice@contoso.test\"\nserver = \"EXCH.01\"", 9, "its name ends in a number", "a host name"),
    ("[[mailbox]]\naddress = \"alice@contoso.test\"\nserver = \"IMS 2\"", 9, "`IMS 2` is no host to route to", "a host name"),
    ("[[mailbox]]\naddress = \"a@fabrikam.test\"", 8, "no route sends `fabrikam.test` inbound", "`domain = \"fabrikam.test\"`"),
    ("[[mailbox]]\naddress = \"a@contoso.test\"\naliases = [\"a@notcontoso.test\"]", 9, "no route sends `notcontoso.test` inbound", "[[route]]"),
    ("[[extension]]\nroutes = \"Imcroute.cfg\"", 7, "no name", "add `name`"),
    ("[[extension]]\nname = 7", 7, "no name", "in quotes"),
    (
        "[[extension]]\nname = \"imcext\"\non_failure = \"ignore\"",
        7,
        "`on_failure` of the extension `imcext` cannot be \"ignore\"",
        "\"bypass\"",
    ),
    ("[[milter]]\naddress = \"unix:/run/filter\"", 8, "`unix:/run/filter` is no address of a milter", "\"inet:8891@127.0.0.1\""),
    ("[[milter]]\non_failure = \"accept\"", 7, "`address` is missing", "add `address`"),
    ("[[milter]]\naddress = \"inet:1@a\"\non_failure = \"discard\"", 9, "unknown variant `discard`", "`accept`"),
    ("release = \"5.5 RTM\"\n[[milter]]\naddress = \"inet:1@a\"", 9, "5.5 RTM knows no milters", "release = \"current\""),
    ("[tls]\ncertificate = \"a.pem\"", 8, "the certificate has no key", "add `key`"),
    ("[tls]\nkey = \"a.pem\"", 8, "the key has no certificate", "add `certificate`"),
    ("[tls]\ntrust = \"\"", 8, "no file is named", "in PEM"),
    ("[[mailbox]]\naddress = \"alice@contoso.test\"\naccount = \"alice\"\nsecret = \"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\"", 9, "nobody could authenticate as `alice`", "a certificate and its key in [tls]"),
    ("listen_tls = \"0.0.0.0:465\"", 7, "without a certificate", "a certificate and its key in [tls]"),
    ("listen_tls = \"465\"\ntls = { certificate = \"a\", key = \"b\" }", 7, "", "an IP address and a port"),
    ("accept.require = \"encryption\"", 7, "without a certificate", "a certificate and its key in [tls]"),
    ("release = \"5.5 SP3\"\n[tls]\ntrust = \"a.pem\"", 9, "5.5 SP3 has no TLS here", "release = \"current\""),
    ("tls = { certificate = \"a\", key = \"b\" }\naccept.require = \"encryption\"\nsubmission.homed_here_only = true", 9, "needs clients to authenticate", "require = \"authentication\""),
    ("[delivery]\nretry = []", 8, "no wait between tries", "at least one"),
    ("[delivery]\nretry = [\"15m\",\n\"0s\"]", 9, "`0s` is not a span of time", "\"1h 30m\""),
    ("[delivery]\nretry = [\"soon\"]", 8, "`soon` is not a span of time", "\"48h\""),
    ("[delivery]\nexpire = \"-2h\"", 8, "`-2h` is not a span of time", "\"1h 30m\""),
    ("[delivery]\nexpire = \"2d\"", 8, "`2d` is not a span of time", "hours, minutes"),
    ("[delivery]\nexpire = 48", 8, "integer `48`", "a text in quotes"),
    ("[delivery]\nsmart_host = \"<inbound>\"", 8, "`<inbound>` is no host to route to", "IP address"),
    ("[delivery]\nsmart_host = \"relay:0\"", 8, "its port is not a number from 1 to 65535", "\"host:port\""),
    ("[delivery]\nconnections = 0", 8, "0 is out of range", "from 1 to 1000"),
    ("[delivery]\nconnections_per_host = 1001", 8, "1001 is out of range", "from 1 to 1000"),
    ("[delivery]\nport = 65536", 8, "65536 is out of range", "from 1 to 65535"),
    ("[notifications]\nadministrator = [\"none\"]", 8, "`none` is no kind of notification", "\"protocol-error\""),
    ("[dns]\nservers = [\"127.0.0.1:5353\", \"ns.test\"]", 8, "`ns.test` is not the address of", "192.0.2.53"),
    ("[quarantine]\ndeaths = 0", 8, "0 is out of range", "from 1 to"),
    ("[quarantine]\nextension_time = \"0s\"", 8, "`0s` is not a span of time", "\"1h 30m\""),
    ("[log]\nformat = \"xml\"", 8, "unknown variant `xml`", "`json`"),
    ("[log]\nprotocol = \"5\"", 8, "unknown variant `5`", "`medium`"),
    ("[log]\ntracking = \"\"", 8, "no directory is named", "path of a directory"),
    ("[process]\nuser = \"root\"", 8, "not to go on as root", "no special rights"),
];

#[test]
fn every_mistake_is_reported_with_its_line_and_its_remedy() {
    for (added, line, what, remedy) in MISTAKES {
        let error = parse(added).expect_err(added);
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("gateway.toml:{line}: ")), "{added}\n{shown}");
        assert!(shown.contains(what), "{added}\n{shown}");
        let help = error.help().unwrap().to_string();
        assert!(help.contains(remedy), "{added}\n{help}");
        assert!(error.source_code().is_some() && error.labels().is_some());
    }
}

/// Like [`MISTAKES`], for the routing table: the whole of it, with lines counted from its own first.
#[rustfmt::skip]
const ROUTING_MISTAKES: &[(&str, usize, &str, &str)] = &[
    ("[[route]]\ndomain = \"contoso.test\"", 1, "`to` is missing", "add `to`"),
    ("[[route]]\ndomain = \"b.test\"\nto = \"<inbound>\"\nfrom = \"anybody\"", 4, "is taken from anybody as it is", "take `from` out"),
    ("release = \"5.5 SP3\"\n[[route]]\ndomain = \"b.test\"\nto = \"c.test\"\nfrom = \"anybody\"", 5, "for those who may relay alone", "release = \"current\""),
    ("[[route]]\ndomain = \"contoso.test.\"\nto = \"<inbound>\"", 2, "`contoso.test.` is not a domain", "without a final dot"),
    ("[[route]]\ndomain = \"contoso.test \"\nto = \"<inbound>\"", 2, "is not a domain", "without spaces"),
    ("[[route]]\ndomain = \"#\"\nto = \"<inbound>\"", 2, "`#` is not a domain", "\"contoso.test\""),
    ("[[route]]\ndomain = \"a.test\"\nto = \"b\"\n[[route]]\ndomain = \"A.test\"\nto = \"c\"", 5, "another route for `a.test`", "one route"),
    ("[[route]]\ndomain = \"a.test\"\nto = \"inbound>\"", 3, "`inbound>` is no host to route to", "\"<inbound>\""),
    ("[[route]]\ndomain = \"a.test\"\nto = \"relay.test.\"", 3, "`relay.test.` is no host to route to", "without a final dot"),
    ("[[route]]\ndomain = \"a.test\"\nto = \"relay.test:smtp\"", 3, "its port is not a number from 1 to 65535", "\"host:port\""),
    ("[[route]]\ndomain = \"a.test\"\nto = \"b\"\nhold = \"for-ever\"", 4, "unknown variant `for-ever`", "`until-etrn`"),
    ("[[route]]\ndomain = \"a.test\"\nto = \"<inbound>\"\nhold = \"until-etrn\"", 4, "waits for nobody", "take `hold` out"),
    ("[[route]]\ndomain = \"a.test\"\nto = \"b\"\ntls = \"required\"", 4, "nothing to verify the host's certificate by", "`trust` of [tls]"),
    ("[[route]]\ndomain = \"a.test\"\nto = \"<inbound>\"\ntls = \"required\"", 4, "needs no TLS on its way out", "take `tls` out"),
    ("[[route]]\ndomain = \"a.test\"\nto = \"192.0.2.256\"", 3, "`192.0.2.256` is no host to route to", "IP address"),
];

#[test]
fn every_mistake_in_the_routing_table_is_reported_with_its_line_and_its_remedy() {
    let top = "host = \"ims.contoso.test\"\nspool = \"/imcdata\"\nstore = \"/mailboxes\"\n";
    for (routes, line, what, remedy) in ROUTING_MISTAKES {
        let error = Config::parse(&format!("{top}{routes}"), "gateway.toml").expect_err(routes);
        assert_eq!(error.line(), line + 3, "{error}");
        assert!(error.what().contains(what), "{error}");
        assert!(error.remedy().contains(remedy), "{}", error.remedy());
    }
}

#[test]
fn the_keys_without_a_default_are_asked_for() {
    for (text, key) in [
        ("spool = \"a\"\nstore = \"b\"", "`host`"),
        ("host = \"a\"\nstore = \"b\"", "`spool`"),
        ("host = \"a\"\nspool = \"b\"", "`store`"),
    ] {
        let error = Config::parse(text, "gateway.toml").expect_err(key);
        assert_eq!(error.to_string(), format!("gateway.toml:1: the key {key} is missing"));
        assert!(error.remedy().starts_with(&format!("add {key}")));
    }
}

#[test]
fn the_spool_and_the_store_are_apart() {
    let error =
        Config::parse("host = \"a\"\nspool = \"/mail\"\nstore = \"/mail\"", "gateway.toml").unwrap_err();
    assert_eq!((error.line(), error.what()), (3, "the spool and the store are the same directory"));
    assert_eq!(error.remedy(), "give `store` a directory of its own");
}

#[test]
fn a_directory_has_a_name() {
    let error = Config::parse("host = \"a\"\nspool = \"\"\nstore = \"/mail\"", "gateway.toml").unwrap_err();
    assert_eq!((error.line(), error.what()), (2, "no directory is named"));
    assert_eq!(error.remedy(), "write the path of a directory");
}

#[test]
fn journals_and_disclaimers_came_with_5_5() {
    let on = |release: &str| {
        let link = "[[extension]]\nname = \"journal\"";
        let text = format!("host = \"a\"\nspool = \"b\"\nstore = \"c\"\nrelease = \"{release}\"\n{link}");
        Config::parse(&text, "gateway.toml")
    };
    let error = on("5.0 SP2").unwrap_err();
    assert_eq!(error.what(), "5.0 SP2 knows no extension `journal`: it came with 5.5 (Q262122)");
    assert!(on("5.5 RTM").is_ok());
}

#[test]
fn a_domain_has_one_route_however_it_is_written() {
    for (one, other) in [("b\u{fc}cher.test", "xn--bcher-kva.test"), ("sea.test", ".sea.test")] {
        let route = |domain| format!("[[route]]\ndomain = \"{domain}\"\nto = \"<inbound>\"\n");
        let text = format!("host = \"a\"\nspool = \"b\"\nstore = \"c\"\n{}{}", route(one), route(other));
        assert!(
            Config::parse(&text, "gateway.toml").unwrap_err().what().starts_with("there is another route")
        );
    }
}

#[test]
fn exact_entries_came_with_5_0_sp2() {
    let on = |release: &str| {
        let routes = "[[route]]\ndomain = \"#contoso.test\"\nto = \"<inbound>\"";
        let text = format!("host = \"a\"\nspool = \"b\"\nstore = \"c\"\nrelease = \"{release}\"\n{routes}");
        Config::parse(&text, "gateway.toml")
    };
    let error = on("5.0 SP1").unwrap_err();
    assert_eq!(error.line(), 6);
    assert_eq!(error.what(), "5.0 SP1 knows no `#` entries: they came with 5.0 SP2 (Q169683)");
    assert!(error.remedy().contains("write \"contoso.test\""));
    let table = on("5.0 SP2").unwrap().routes;
    assert_eq!(table.route(&"sales.contoso.test".parse().unwrap()), Route::Onward);
}

#[test]
fn mail_that_waits_for_etrn_came_with_5_5() {
    let on = |release: &str| {
        let route = "[[route]]\ndomain = \"branch.test\"\nto = \"mail.branch.test\"\nhold = \"until-etrn\"";
        let text = format!("host = \"a\"\nspool = \"b\"\nstore = \"c\"\nrelease = \"{release}\"\n{route}");
        Config::parse(&text, "gateway.toml")
    };
    let error = on("5.0 SP2").unwrap_err();
    assert_eq!((error.line(), error.what()), (8, "5.0 SP2 knows no ETRN: it came with 5.5 (Q262986)"));
    let config = on("5.5 RTM").unwrap();
    let held = Route::Held("mail.branch.test".parse().unwrap());
    assert_eq!(config.routes.route(&"x.branch.test".parse().unwrap()), held);
    assert_eq!(config.delivery.connections_per_host, 10);
}

#[test]
fn each_link_of_the_chain_says_what_becomes_of_a_message_over_which_it_fails() {
    let chain = ["quarantine", "bypass", "retry", "report"]
        .map(|choice| format!("[[extension]]\nname = \"imcext\"\non_failure = \"{choice}\"\n"));
    let config = parse(&chain.concat()).unwrap();
    let read: Vec<_> = config.extensions.iter().map(|link| link.on_failure).collect();
    assert_eq!(read, [OnFailure::Quarantine, OnFailure::Bypass, OnFailure::Retry, OnFailure::Report]);
    assert!(config.extensions.iter().all(|link| link.settings.is_empty()));
}

#[test]
fn an_extension_may_take_in_mail_that_the_routing_table_does_not() {
    let mailbox = "[[mailbox]]\naddress = \"a@fabrikam.test\"\n";
    assert!(parse(mailbox).is_err());
    assert!(parse(&format!("{mailbox}[[extension]]\nname = \"imcext\"")).is_ok());
}

#[test]
fn passwords_are_asked_for_over_tls_unless_it_is_said_otherwise() {
    let certificate = "[tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"\n";
    assert!(!parse("").unwrap().tls.auth_in_clear);
    assert!(parse("release = \"5.5 SP3\"").unwrap().tls.auth_in_clear);
    assert!(!parse(certificate).unwrap().tls.auth_in_clear);
    assert!(parse(&format!("{certificate}auth_in_clear = true")).unwrap().tls.auth_in_clear);
}

#[test]
fn the_most_specific_route_says_whether_its_mail_needs_a_certificate() {
    let route =
        |domain: &str, tls: &str| format!("[[route]]\ndomain = \"{domain}\"\nto = \"mail.test\"\n{tls}\n");
    let required = "tls = \"required\"";
    let table =
        [route("bank.test", required), route("lab.bank.test", ""), route("#x.lab.bank.test", required)];
    let top = "host = \"a\"\nspool = \"b\"\nstore = \"c\"\ntls = { trust = \"roots.pem\" }\n";
    let routes = Config::parse(&format!("{top}{}", table.concat()), "gateway.toml").unwrap().routes;
    let needs = |domain: &str| routes.is_certified(&domain.parse().unwrap());
    assert!(needs("bank.test") && needs("www.bank.test") && needs("x.lab.bank.test"));
    assert!(!needs("lab.bank.test") && !needs("y.lab.bank.test") && !needs("riverbank.test"));
}

#[test]
fn a_secret_is_never_shown() {
    let secret = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    let mailbox = format!(
        "[[mailbox]]\naddress = \"a@contoso.test\"\naccount = \"a\"\nsecret = \"{secret}\"\n[tls]\nauth_in_clear = true"
    );
    let shown = format!("{:?}", parse(&mailbox).unwrap());
    assert!(shown.contains("Secret(not shown)") && !shown.contains("WG5d8oPm"), "{shown}");
}

#[test]
fn a_host_is_no_longer_than_its_postmasters_address_may_be() {
    let host = |labels: usize| {
        format!("host = \"{}test\"\nspool = \"/s\"\nstore = \"/m\"\n", "a23456789.".repeat(labels))
    };
    let config = Config::parse(&host(23), "gateway.toml").unwrap();
    assert!(config.identity().postmaster.to_string().starts_with("postmaster@a23456789."));
    let error = Config::parse(&host(25), "gateway.toml").unwrap_err();
    assert!(error.to_string().contains("the name is so long"), "{error}");
}
