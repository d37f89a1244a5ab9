//! Standard output, for which nothing waits.
//!
//! Who reads the event log may be slow or stand still, and a pipe that is full would then hold up whoever writes to it:
//! every session, and all mail. So one thread of its own writes. What it has no room for is left out, and how much that was
//! is said as soon as there is room.
#![expect(clippy::disallowed_methods, reason = "this is outside the gateway, as the clock and the disk are")]

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// How many texts may wait to be written.
const WAITING: usize = 4_096;

/// How long the program, when it ends, waits for what is still to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The way to standard output.
pub struct Output {
    texts: SyncSender<Order>,
    left_out: AtomicU64,
}

enum Order {
    Write(String),
    /// Says when all before it is written.
    Done(SyncSender<()>),
}

impl Output {
    /// Starts the thread that writes.
    pub fn start() -> Self {
        let (texts, received) = sync_channel(WAITING);
        thread::spawn(move || write(&received));
        Output { texts, left_out: AtomicU64::new(0) }
    }

    /// Has a text written. If some were left out before, what `left_out` says of their number comes first.
    pub fn write(&self, text: String, left_out: impl FnOnce(u64) -> String) {
        let count = self.left_out.swap(0, Ordering::Relaxed);
        let text = if count > 0 { left_out(count) + &text } else { text };
        if self.texts.try_send(Order::Write(text)).is_err() {
            self.left_out.fetch_add(count + 1, Ordering::Relaxed);
        }
    }

    /// Gives what is still to be written a moment.
    pub fn close(&self) {
        let (done, is_done) = sync_channel(1);
        if self.texts.try_send(Order::Done(done)).is_ok() {
            let _ = is_done.recv_timeout(LAST_WORDS);
        }
    }
}

fn write(orders: &Receiver<Order>) {
    for order in orders {
        match order {
            // Whether anybody reads it is no reason to stop.
            Order::Write(text) => {
                let _ = io::stdout().write_all(text.as_bytes());
            }
            Order::Done(done) => {
                let _ = io::stdout().flush();
                let _ = done.send(());
            }
        }
    }
}
