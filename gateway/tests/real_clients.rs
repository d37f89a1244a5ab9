//! The `gateway` program and a mail client that others wrote: msmtp, whose SCRAM is GNU SASL's. Where it is not installed,
//! or was built without SCRAM, the tests are named as ignored.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test is a mail client and an administrator, on the real machine"
)]

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};

/// How long the machine may take for what it does at once when it is not busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Not ASCII, and with a character that is prepared away: what is typed is not what is hashed.
const PASSWORD: &str = "Wint\u{ad}er \u{2168} ü";

fn main() {
    let said =
        Command::new("msmtp").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let has_scram = String::from_utf8_lossy(&said).contains("scram-sha-256");
    let test = |name: &str, mechanism: &'static str, password: &'static str, is_let_in: bool| {
        let run = move || {
            authenticates(mechanism, password, is_let_in);
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(!has_scram)
    };
    let tests = vec![
        test("msmtp::is_let_in_with_scram", "scram-sha-256", PASSWORD, true),
        test("msmtp::is_let_in_with_plain", "plain", PASSWORD, true),
        test("msmtp::is_let_in_with_login", "login", PASSWORD, true),
        test("msmtp::is_not_let_in_with_scram_and_another_password", "scram-sha-256", "summer", false),
        test("msmtp::is_not_let_in_with_plain_and_another_password", "plain", "summer", false),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

/// Whoever ends the test ends the program.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn gateway() -> Command {
    Command::new(env!("CARGO_BIN_EXE_gateway"))
}

/// What the program says to this on its standard input.
fn fed(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// A gateway that takes mail of those alone who authenticate.
fn serve(dir: &Path) -> (Program, SocketAddr) {
    let made = fed(gateway().arg("secret"), &format!("{PASSWORD}\n"));
    let secret = String::from_utf8(made.stdout).unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        r#"
            host = "ims.contoso.test"
            listen = "{address}"
            spool = "{spool}"
            store = "{store}"
            accept.require = "authentication"
            tls.auth_in_clear = true
            route = [{{ domain = "contoso.test", to = "<inbound>" }}]
            mailbox = [{{ address = "alice@contoso.test", account = "alice", secret = "{secret}" }}]
        "#,
        spool = dir.join("spool").display(),
        store = dir.join("mail").display(),
        secret = secret.trim(),
    );
    let config = dir.join("gateway.toml");
    fs::write(&config, text).unwrap();
    let mut serve = gateway();
    serve.args(["serve", "--config"]).arg(config).stdout(Stdio::null());
    let program = Program(serve.spawn().unwrap());
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "nobody listens on {address}");
        sleep(Duration::from_millis(10));
    }
    (program, address)
}

fn authenticates(mechanism: &str, password: &str, is_let_in: bool) {
    let dir = tempfile::tempdir().unwrap();
    let (_program, address) = serve(dir.path());
    let settings = dir.path().join("msmtprc");
    fs::write(&settings, "defaults\n").unwrap();
    let mut msmtp = Command::new("msmtp");
    msmtp.arg(format!("--file={}", settings.display()));
    msmtp.args(["--host=127.0.0.1", "--tls=off", "--user=alice", "--domain=client.example", "--debug"]);
    msmtp.args([format!("--port={}", address.port()), format!("--auth={mechanism}")]);
    msmtp.arg(format!("--passwordeval=printf %s '{password}'"));
    msmtp.args(["--from=alice@contoso.test", "alice@contoso.test"]);
    let sent = fed(&mut msmtp, "Subject: Forty chairs\n\nPlease.\n");
    let said = String::from_utf8_lossy(&sent.stderr) + String::from_utf8_lossy(&sent.stdout);
    assert_eq!(sent.status.success(), is_let_in, "{said}");
    assert!(said.contains(if is_let_in { "235 2.7.0" } else { "535 5.7.8" }), "{said}");
    let new = dir.path().join("mail/alice@contoso.test/new");
    let deadline = Instant::now() + PATIENCE;
    let has_mail = || fs::read_dir(&new).is_ok_and(|mut files| files.next().is_some());
    while is_let_in && !has_mail() {
        assert!(Instant::now() < deadline, "no mail in {}", new.display());
        sleep(Duration::from_millis(10));
    }
    assert!(is_let_in || !has_mail());
}
