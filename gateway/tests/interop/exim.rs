//! Exim as a next hop: strict with its clients, and with a report of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use libtest_mimic::Trial;

use crate::gateway::{Gateway, MESSAGE, files};
use crate::installed::{is_root, place, runs};
use crate::machine::{Program, free_port, wait_for};
use crate::smtp_client::Client;
use crate::test;

pub(crate) fn tests() -> Vec<Trial> {
    let exim = is_root() && runs(exim(), &["-bV", "-C", "/dev/null"]);
    vec![test("exim::has_each_message_once_and_as_it_is", exim, has_each_message_once_and_as_it_is)]
}

/// Unpacked: its package and that of Postfix exclude each other.
fn exim() -> PathBuf {
    place("exim/usr/sbin/exim4")
}

fn has_each_message_once_and_as_it_is() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    let config = dir.path().join("exim.conf");
    let gateway =
        Gateway::start(&format!("[[route]]\ndomain = \"fabrikam.test\"\nto = \"127.0.0.1:{port}\""));
    let text = format!(
        r#"
exim_path = {exim}
primary_hostname = mx.fabrikam.test
spool_directory = {dir}/spool
log_file_path = {dir}/log-%slog
pid_file_path = {dir}/pid
local_interfaces = 127.0.0.1.{port}
acl_smtp_rcpt = rcpt
keep_environment =
smtputf8_advertise_hosts =
begin acl
rcpt:
  deny local_parts = never
       message = no such person
  accept
begin routers
report:
  driver = manualroute
  senders = :
  domains = contoso.test
  transport = gateway
  route_list = * 127.0.0.1
  self = send
full:
  driver = redirect
  local_parts = full
  allow_fail
  data = :fail: the mailbox is full
box:
  driver = accept
  transport = maildir
begin transports
gateway:
  driver = smtp
  port = {gateway}
  allow_localhost
maildir:
  driver = appendfile
  maildir_format
  directory = {dir}/mail
  create_directory
  user = Debian-exim
  delivery_date_add = false
"#,
        exim = exim().display(),
        dir = dir.path().display(),
        gateway = gateway.port(),
    );
    fs::write(&config, text).unwrap();
    let mut server = Command::new(exim());
    server.arg("-C").arg(&config).args(["-bdf", "-q1m"]).stdout(Stdio::null());
    let _exim = Program::listening(&mut server, ([127, 0, 0, 1], port));
    for to in [&["eve@fabrikam.test", "never@fabrikam.test"][..], &["full@fabrikam.test"]] {
        Client::connect(gateway.port()).send("alice@contoso.test", to, MESSAGE);
    }
    // One report is the gateway's, of whom Exim did not take; the other is Exim's, and comes over the gateway.
    let reports = gateway.messages("alice", 2).iter().map(|report| report.text()).collect::<Vec<_>>();
    let of = |host: &str| {
        reports.iter().find(|report| report.contains(&format!("Reporting-MTA: dns; {host}\r\n")))
    };
    let ours = of("ims.contoso.test").unwrap();
    assert!(ours.contains("Final-Recipient: rfc822; never@fabrikam.test\r\n"), "{ours}");
    assert!(ours.contains("Diagnostic-Code: smtp; 550 no such person"), "{ours}");
    assert!(
        of("mx.fabrikam.test").is_some_and(|report| report.contains("full@fabrikam.test")),
        "{reports:#?}"
    );
    let new = dir.path().join("mail/new");
    wait_for("the message", || files(&new).len() == 1);
    let stored = fs::read_to_string(&files(&new)[0]).unwrap();
    assert!(stored.ends_with(&MESSAGE.replace("\r\n", "\n")), "{stored}");
}
