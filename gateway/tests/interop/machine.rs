//! The machine that the tests run on: programs, ports and waiting.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long the machine may take for what it does at once when it is not busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something comes.
pub(crate) fn wait_for(what: &str, has_come: impl Fn() -> bool) {
    wait_until(has_come, || format!("{what} did not come"));
}

/// Waits until something is so, or says what is wrong.
pub(crate) fn wait_until(is_so: impl Fn() -> bool, wrong: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{}", wrong());
        thread::sleep(Duration::from_millis(10));
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A program that ends with the test.
pub(crate) struct Program(Child);

impl Program {
    /// Starts a program and waits until it listens.
    pub(crate) fn listening(command: &mut Command, address: impl Into<SocketAddr>) -> Self {
        let address = address.into();
        let program = Program::start(command);
        let name = format!("{} on {address}", command.get_program().display());
        wait_for(&name, || TcpStream::connect(address).is_ok());
        program
    }

    /// Starts a program.
    pub(crate) fn start(command: &mut Command) -> Self {
        Program(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a program said, and whether it succeeded.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        Said { success: output.status.success(), code: output.status.code(), text }
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Said {
    command.stdin(Stdio::null()).output().unwrap().into()
}
