//! The gateway's process: how it is started, what it says, how it ends.
#![expect(clippy::disallowed_methods, reason = "a live run is on the real machine")]

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use gateway::eventlog::Entry;
use gateway::exception::Exception;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::record::Service;

/// The programs that a gateway's process can be of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// `gateway`, as it ships.
    pub gateway: PathBuf,
    /// `postmortem`: the same gateway with the extension that fails.
    pub postmortem: PathBuf,
}

/// What the program says of itself before the service has anything to say: where it listens. A simulated service is in no
/// program.
const LISTENS: u16 = 1003;

/// A running process. It ends at the latest when this is dropped.
pub(super) struct Process {
    child: Child,
    /// What it says. It ends with the process.
    pub(super) said: UnboundedReceiver<Said>,
    complaints: PathBuf,
    came_up: bool,
    last_exception: Option<Exception>,
}

/// What a process says: a line of its event log in JSON, or of the [stand-in](super::stand_in).
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Said {
    /// An event.
    Event { id: u16, severity: String, category: String, text: String },
    /// The line at this place in the plan has changed what happens.
    Bit {
        #[serde(rename = "bit")]
        fault: usize,
    },
}

impl Process {
    /// Starts it. What it writes on standard error goes into the file `complaints`.
    pub(super) fn start(mut command: Command, complaints: PathBuf) -> io::Result<Self> {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&complaints)?).spawn()?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let said = read(stdout);
        Ok(Process { child, said, complaints, came_up: false, last_exception: None })
    }

    /// It has logged an event.
    pub(super) fn logged(&mut self, event: &Entry) {
        const STARTED: u16 = 1000;
        self.came_up |= event.id == STARTED;
        self.last_exception = exception(&event.description).or(self.last_exception.take());
    }

    /// Kills it.
    pub(super) fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Tells it to stop.
    pub(super) fn tell_to_stop(&self) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::TERM)?)
    }

    /// How it ended, once nothing more comes from it.
    pub(super) fn end(mut self) -> io::Result<Service> {
        let status: ExitStatus = self.child.wait()?;
        let complaint = std::fs::read_to_string(&self.complaints).unwrap_or_default();
        Ok(match exception(&complaint).or(self.last_exception.take()) {
            _ if status.success() => Service::Stopped,
            Some(exception) if self.came_up => Service::Died(exception),
            _ => Service::Refused(format!("{status}: {}", complaint.trim())),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and is waited for all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads standard output on a thread of its own, until the process closes its end.
fn read(stdout: ChildStdout) -> UnboundedReceiver<Said> {
    let (says, said) = unbounded_channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let Ok(line) = serde_json::from_str(&line) else { continue };
            if matches!(line, Said::Event { id: LISTENS, .. }) {
                continue;
            }
            if says.send(line).is_err() {
                return;
            }
        }
    });
    said
}

/// The last exception that a text shows, in the words of [`Exception`].
fn exception(text: &str) -> Option<Exception> {
    let (_, shown) = text.rsplit_once("Code: 0x")?;
    let (code, rest) = shown.split_once(" Flags: 0x")?;
    let (flags, rest) = rest.split_once(" Address: 0x")?;
    let (address, rest) = rest.split_at_checked(8)?;
    let hex = |digits| u32::from_str_radix(digits, 16).ok();
    let said = rest.strip_prefix(" (").and_then(|rest| rest.rsplit_once(')'));
    let message = said.map(|(message, _)| message.to_owned());
    Some(Exception { code: hex(code)?, flags: hex(flags)?, address: hex(address)?, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_read_as_it_is_shown() {
        let panic = Exception { code: 0xe06d_7363, flags: 1, address: 0, message: Some("no (x)".to_owned()) };
        for shown in [Exception::access_violation(0x0040_2674), panic] {
            assert_eq!(exception(&format!("It has occurred. {shown}")), Some(shown.clone()));
            assert_eq!(exception(&format!("raised an exception, {shown}.\n")), Some(shown));
        }
        assert_eq!(exception("the disk is full"), None);
    }
}
