//! The program, and the administrator who starts it.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long the machine may take for what it does soon when it is not busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// An address that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits until `is_so`.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it took too long until {what}");
        sleep(Duration::from_millis(10));
    }
}

/// The names of the files in a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// A gateway with a mailbox for Bob, everything below `dir`, that passes other mail on to `next_hop`.
pub(crate) fn configure(
    dir: &Path,
    listen: SocketAddr,
    next_hop: SocketAddr,
    routes: &str,
    more: &str,
) -> PathBuf {
    let text = format!(
        r#"
            host = "ims.contoso.test"
            listen = "{listen}"
            spool = "{spool}"
            store = "{store}"
            route = [{{ domain = "contoso.test", to = "<inbound>" }}, {routes}]
            mailbox = [{{ address = "bob@contoso.test" }}]
            relay = {{ networks = ["127.0.0.1"] }}
            delivery = {{ smart_host = "{next_hop}", retry = ["1s"], connections_per_host = 20 }}
            {more}
        "#,
        spool = dir.join("spool").display(),
        store = dir.join("mail").display(),
    );
    let config = dir.join("gateway.toml");
    fs::write(&config, text).unwrap();
    config
}

/// A running program. Whoever ends the test kills it.
pub(crate) struct Program {
    child: Child,
    config: PathBuf,
    listen: SocketAddr,
}

impl Program {
    pub(crate) fn start(config: &Path, listen: SocketAddr) -> Self {
        let mut program = Program { child: spawn(config), config: config.to_owned(), listen };
        program.wait();
        program
    }

    /// Kills it and starts it again.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.config);
        self.wait();
    }

    /// SIGKILL: nothing of it is asked.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait(&mut self) {
        wait_until("the program listens", || {
            assert_eq!(self.child.try_wait().unwrap(), None, "the program has ended");
            TcpStream::connect(self.listen).is_ok()
        });
    }
}

fn spawn(config: &Path) -> Child {
    let mut serve = Command::new(env!("CARGO_BIN_EXE_gateway"));
    serve.args(["serve", "--config"]).arg(config).stdout(Stdio::null());
    serve.spawn().unwrap()
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
