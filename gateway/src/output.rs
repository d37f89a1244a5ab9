//! Standard output, for which nothing waits.
//!
//! Who reads the event log may be slow or stand still, and a pipe that is full would then hold up whoever writes to it:
//! every session, and all mail. So one thread of its own writes. What it has no room for is left out, and how much that was
//! is said as soon as there is room.
#![expect(clippy::disallowed_methods, reason = "this is outside the gateway, as the clock and the disk are")]

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How many texts may wait to be written.
const WAITING: usize = 4_096;

/// How long the program, when it ends, waits for what is still to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long it waits before it looks for room again.
const A_MOMENT: Duration = Duration::from_millis(5);

/// The way to standard output.
pub struct Output {
    texts: SyncSender<Order>,
    left_out: AtomicU64,
    /// What is said of so many that were left out.
    notice: Box<dyn Fn(u64) -> String + Send + Sync>,
}

enum Order {
    Write(String),
    /// Says when all before it is written.
    Done(SyncSender<()>),
}

impl Output {
    /// Starts the thread that writes. `notice` is what is said of so many texts that were left out.
    pub fn start(notice: impl Fn(u64) -> String + Send + Sync + 'static) -> Self {
        let (texts, received) = sync_channel(WAITING);
        thread::spawn(move || write(&received));
        Output { texts, left_out: AtomicU64::new(0), notice: Box::new(notice) }
    }

    /// Has a text written. If some were left out before, the notice of their number comes first.
    pub fn write(&self, text: String) {
        let count = self.left_out.swap(0, Ordering::Relaxed);
        let text = if count > 0 { (self.notice)(count) + &text } else { text };
        if self.texts.try_send(Order::Write(text)).is_err() {
            self.left_out.fetch_add(count + 1, Ordering::Relaxed);
        }
    }

    /// Gives what is still to be written a moment, and the notice of what was left out.
    pub fn close(&self) {
        let end = Instant::now() + LAST_WORDS;
        let (done, is_done) = sync_channel(1);
        let count = self.left_out.swap(0, Ordering::Relaxed);
        let notice = (count > 0).then(|| Order::Write((self.notice)(count)));
        for order in notice.into_iter().chain([Order::Done(done)]) {
            let mut waits = Some(order);
            while let Some(order) = waits.take() {
                match self.texts.try_send(order) {
                    Err(TrySendError::Full(order)) if Instant::now() < end => {
                        thread::sleep(A_MOMENT);
                        waits = Some(order);
                    }
                    _ => {}
                }
            }
        }
        let _ = is_done.recv_timeout(end.saturating_duration_since(Instant::now()));
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
