//! TLS between the `gateway` program and what administrators have: `openssl s_client`, Python's `smtplib`, and another
//! gateway. A test whose program is not installed is named as ignored.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test is a mail client and an administrator, on the real machine"
)]

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use tempfile::TempDir;

/// How long the machine may take for what it does at once when it is not busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every kind of key that administrators have.
const KEYS: [&[&str]; 3] = [&["ed25519"], &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], &["rsa:2048"]];

const ALICE: &str = "alice@contoso.test";

fn main() {
    let runs = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let openssl = runs("openssl", &["version"]);
    let python = openssl && runs("python3", &["-c", "import smtplib, ssl"]);
    let finger = openssl && Command::new("posttls-finger").arg("-X").output().is_ok();
    let test = |name: &str, is_there: bool, test: fn()| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(!is_there)
    };
    let tests = vec![
        test("openssl::takes_mail_by_starttls_with_every_kind_of_key", openssl, every_kind_of_key),
        test("openssl::takes_mail_from_clients_of_yesterday", openssl, clients_of_yesterday),
        test("openssl::does_not_obey_what_comes_behind_starttls", openssl, injection),
        test("openssl::does_not_start_with_another_key", openssl, another_key),
        test("posttls_finger::verifies_the_certificate", finger, verified_by_postfix),
        test("smtplib::authenticates_over_tls_only", python, authenticates_over_tls_only),
        test("gateway::hands_mail_on_over_tls_or_not_at_all", openssl, over_tls_or_not_at_all),
        test("gateway::hands_mail_for_an_address_on_over_tls", openssl, over_tls_to_an_address),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

/// What `gateway secret` makes of Alice's password, which is "winter".
const SECRET: &str = "SCRAM-SHA-256$65536:ZKQTgUs2ksnsUbDXFaAgTQ==$6MpPquRFu8pSsRyQGs9Yuyk9IaOadNjDw5MBIuCf1fY=:cuHj32DyXnxHoXIuYQu3Jki3pWWjGu93zJYaK5cF0/o=";

/// A gateway with a mailbox for Alice, its files, and its certificate, which vouches for itself.
struct Host {
    dir: TempDir,
    port: u16,
    tls_port: u16,
    /// Where other hosts are spoken to.
    delivery_port: u16,
    program: Option<Child>,
}

impl Host {
    /// A host whose gateway does not run yet.
    fn new(key: &[&str]) -> Self {
        let [port, tls_port] = free_ports();
        let host =
            Host { dir: tempfile::tempdir().unwrap(), port, tls_port, delivery_port: 25, program: None };
        fs::write(host.path("openssl.cnf"), "[req]\ndistinguished_name = name\n[name]\n").unwrap();
        let mut openssl = Command::new("openssl");
        openssl.arg("req").arg("-config").arg(host.path("openssl.cnf"));
        openssl.args(["-x509", "-nodes", "-days", "2", "-subj", "/CN=ims.contoso.test", "-newkey"]);
        openssl.args(key).args(["-addext", "subjectAltName=DNS:ims.contoso.test,IP:127.0.0.1", "-keyout"]);
        openssl.arg(host.path("key.pem")).arg("-out").arg(host.path("certificate.pem"));
        let made = openssl.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The command that starts the gateway, with more in its configuration.
    fn command(&self, more: &str) -> Command {
        let text = format!(
            r#"
                host = "ims.contoso.test"
                listen = "127.0.0.1:{port}"
                listen_tls = "127.0.0.1:{tls_port}"
                spool = "{dir}/spool"
                store = "{dir}/mail"
                tls = {{ certificate = "{dir}/certificate.pem", key = "{dir}/key.pem", trust = "{dir}/trust.pem" }}
                relay = {{ networks = ["127.0.0.1"] }}
                delivery = {{ port = {delivery_port}, retry = ["1s"], expire = "2s" }}
                [[mailbox]]
                address = "alice@contoso.test"
                account = "alice"
                secret = "{SECRET}"
                [[route]]
                domain = "contoso.test"
                to = "<inbound>"
                {more}
            "#,
            port = self.port,
            tls_port = self.tls_port,
            delivery_port = self.delivery_port,
            dir = self.dir.path().display(),
        );
        if !self.path("trust.pem").exists() {
            fs::copy(self.path("certificate.pem"), self.path("trust.pem")).unwrap();
        }
        fs::write(self.path("gateway.toml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.args(["serve", "--config"]).arg(self.path("gateway.toml"));
        command
    }

    fn start(mut self, more: &str) -> Self {
        let events = fs::File::create(self.path("events.txt")).unwrap();
        self.program = Some(self.command(more).stdout(Stdio::from(events)).spawn().unwrap());
        wait_for("the gateway", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
        self
    }

    /// What `openssl s_client` hears that says all this, as a client that wants the certificate to be right.
    fn s_client(&self, arguments: &[&str], says: &str) -> String {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "ims.contoso.test"]);
        openssl.args(arguments).arg("-CAfile").arg(self.path("certificate.pem"));
        openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = openssl.spawn().unwrap();
        client.stdin.take().unwrap().write_all(says.as_bytes()).unwrap();
        let done = client.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// The messages in a mailbox.
    fn mail(&self, mailbox: &str) -> Vec<String> {
        let folder = self.path("mail").join(mailbox).join("new");
        let files = fs::read_dir(folder).into_iter().flatten();
        files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap().replace("\r\n ", " ")).collect()
    }

    fn events(&self) -> String {
        fs::read_to_string(self.path("events.txt")).unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut program) = self.program.take() {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// Two ports that nobody listens on.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A message from first to last, as a client says it that waits for nothing.
fn message(from: &str, to: &str) -> String {
    format!(
        "EHLO client.example\r\nMAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n\
         Subject: Forty chairs\r\n\r\nPlease send them.\r\n.\r\nQUIT\r\n"
    )
}

/// As Postfix would see it that asks for a certificate for the right name (`secure`).
fn verified_by_postfix() {
    for key in KEYS {
        let host = Host::new(key).start("");
        // It asks for a configuration of Postfix.
        fs::write(host.path("main.cf"), "compatibility_level = 3.6\nmyhostname = client.example\n").unwrap();
        let finger = |name: &str| {
            let mut finger = Command::new("posttls-finger");
            finger.env("MAIL_CONFIG", host.dir.path()).args(["-c", "-l", "secure", "-L", "summary", "-F"]);
            finger.arg(host.path("certificate.pem")).arg(format!("[127.0.0.1]:{}", host.port)).arg(name);
            let done = finger.output().unwrap();
            String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
        };
        let right = finger("ims.contoso.test");
        assert!(
            right.contains("Verified TLS connection established") && right.contains("TLSv1.3"),
            "{right}"
        );
        let other = finger("mail.partner.test");
        assert!(other.contains("Untrusted TLS connection established"), "{other}");
    }
}

fn every_kind_of_key() {
    for key in KEYS {
        let host = Host::new(key).start("");
        let port = format!("127.0.0.1:{}", host.port);
        let heard = host.s_client(
            &["-starttls", "smtp", "-connect", &port],
            &message("bob@example.org", "alice@contoso.test"),
        );
        assert!(
            heard.contains("250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n") && !heard.contains("250-STARTTLS"),
            "{heard}"
        );
        assert!(heard.contains("250 2.6.0 OK "), "{heard}");
        wait_for("the message", || host.mail(ALICE).len() == 1);
        let mail = &host.mail(ALICE)[0];
        assert!(mail.contains("by ims.contoso.test with ESMTPS (") && mail.contains(" tls TLS_"), "{mail}");
    }
}

/// TLS 1.2, and a curve that is none of ours by the seam.
fn clients_of_yesterday() {
    let host = Host::new(KEYS[1]).start("");
    let (port, tls_port) = (format!("127.0.0.1:{}", host.port), format!("127.0.0.1:{}", host.tls_port));
    let mail = message("bob@example.org", "alice@contoso.test");
    for (arguments, count) in [
        (&["-tls1_2", "-starttls", "smtp", "-connect", &port][..], 1),
        (&["-groups", "P-256", "-connect", &tls_port], 2),
    ] {
        let heard = host.s_client(arguments, &mail);
        assert!(heard.contains("250 2.6.0 OK "), "{heard}");
        wait_for("the message", || host.mail(ALICE).len() == count);
    }
}

fn injection() {
    let host = Host::new(KEYS[0]).start("");
    let mut client = TcpStream::connect(("127.0.0.1", host.port)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(client, "STARTTLS\r\n{}", message("eve@example.org", "alice@contoso.test")).unwrap();
    let heard = std::io::read_to_string(&client).unwrap();
    let replies: Vec<&str> = heard.lines().map(|line| &line[..3]).collect();
    assert_eq!(replies, ["220", "554"], "{heard}");
    wait_for("the event", || host.events().contains("it went on in clear behind STARTTLS"));
    assert!(host.mail(ALICE).is_empty());
}

fn another_key() {
    let (host, other) = (Host::new(KEYS[0]), Host::new(KEYS[0]));
    fs::copy(other.path("key.pem"), host.path("key.pem")).unwrap();
    let done = host.command("").output().unwrap();
    let (log, said) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(log.contains("  4085  Error  "), "{log}");
    let why = "key.pem` cannot be used for TLS: it is not the key of the certificate in `";
    assert!(log.contains(why), "{log}");
}

fn authenticates_over_tls_only() {
    const SCRIPT: &str = r#"
import smtplib, ssl, sys
port, tls_port, trust = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=trust)
text = "Subject: From Python\r\n\r\nHello.\r\n"

client = smtplib.SMTP("127.0.0.1", port)
client.ehlo()
assert not client.has_extn("auth") and client.has_extn("starttls"), client.esmtp_features
assert client.docmd("AUTH", "PLAIN AGFsaWNlAHdpbnRlcg==")[0] == 538
client.starttls(context=context)
client.ehlo()
assert client.has_extn("auth") and not client.has_extn("starttls"), client.esmtp_features
assert client.docmd("STARTTLS")[0] == 503
client.login("alice", "winter")
client.sendmail("alice@contoso.test", ["alice@contoso.test"], text)
client.quit()

client = smtplib.SMTP_SSL("127.0.0.1", tls_port, context=context)
client.login("alice", "winter")
client.sendmail("alice@contoso.test", ["alice@contoso.test"], text)
client.quit()
"#;
    let host = Host::new(KEYS[0]).start("");
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]).args([host.port, host.tls_port].map(|port| port.to_string()));
    let done = python.arg(host.path("certificate.pem")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    wait_for("both messages", || host.mail(ALICE).len() == 2);
    assert!(host.mail(ALICE).iter().all(|mail| mail.contains(" with ESMTPSA (")), "{:?}", host.mail(ALICE));
}

/// What a route with `tls = "required"` needs is a certificate of an authority that is trusted; other mail goes over TLS
/// without.
fn over_tls_or_not_at_all() {
    let dave =
        "[[mailbox]]\naddress = \"dave@next.test\"\n[[route]]\ndomain = \"next.test\"\nto = \"<inbound>\"";
    let next = Host::new(KEYS[0]).start(dave);
    let route = |tls: &str| {
        format!("[[route]]\ndomain = \"next.test\"\nto = \"127.0.0.1:{}\"\ntls = \"{tls}\"", next.port)
    };
    let mut arrived = 0;
    for (tls, trusts) in [("required", true), ("required", false), ("opportunistic", false)] {
        let host = Host::new(KEYS[0]);
        if trusts {
            fs::copy(next.path("certificate.pem"), host.path("trust.pem")).unwrap();
        }
        let host = host.start(&route(tls));
        let port = format!("127.0.0.1:{}", host.port);
        let mail = message("alice@contoso.test", "dave@next.test");
        let heard = host.s_client(&["-starttls", "smtp", "-connect", &port], &mail);
        assert!(heard.contains("250 2.6.0 OK "), "{heard}");
        if trusts || tls == "opportunistic" {
            arrived += 1;
            wait_for("the message", || next.mail("dave@next.test").len() == arrived);
        } else {
            wait_for("the report", || !host.mail(ALICE).is_empty());
            let report = &host.mail(ALICE)[0];
            assert!(report.contains("Status: 4.7.5\r\n"), "{report}");
            assert!(host.events().contains("invalid peer certificate"), "{}", host.events());
        }
    }
    let mail = next.mail("dave@next.test");
    assert!(mail.len() == 2 && mail.iter().all(|mail| mail.contains(" with ESMTPS (")), "{mail:?}");
}

fn over_tls_to_an_address() {
    let dave = "[[mailbox]]\naddress = \"dave@next.test\"\naliases = [\"dave@[127.0.0.1]\"]\n\
                [[route]]\ndomain = \"next.test\"\nto = \"<inbound>\"\n\
                [[route]]\ndomain = \"[127.0.0.1]\"\nto = \"<inbound>\"";
    let next = Host::new(KEYS[0]).start(dave);
    let mut host = Host::new(KEYS[0]);
    host.delivery_port = next.port;
    let host = host.start("");
    let port = format!("127.0.0.1:{}", host.port);
    let heard = host.s_client(&["-starttls", "smtp", "-connect", &port], &message(ALICE, "dave@[127.0.0.1]"));
    assert!(heard.contains("250 2.6.0 OK "), "{heard}");
    wait_for("the message", || next.mail("dave@next.test").len() == 1);
    let mail = next.mail("dave@next.test");
    assert!(mail[0].contains(" with ESMTPS ("), "{mail:?}");
}
