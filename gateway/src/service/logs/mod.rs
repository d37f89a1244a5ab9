//! The logs that are files: the message tracking log, and the SMTP protocol log.
//!
//! Nothing waits for them. A line is handed to the [`keeper`], a task of its own that writes it; where the disk is too
//! slow, too full or not there, lines are left out, with one event until they can be written again. Mail goes its way.

mod keeper;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use self::keeper::{Keeper, Order, Shared, WAITING};
use crate::config::{Config, ProtocolLevel};
use crate::env::{Env, WallClock};
use crate::eventlog::Event;
use crate::smtp::transcript::{Opening, Transcript};
use crate::tracking::{self, Facts, Record};

/// How long the service, when it ends, waits for what is still to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The logs of a service.
pub(super) struct Logs {
    gateway: String,
    clock: Arc<dyn WallClock>,
    tracks: bool,
    protocol: ProtocolLevel,
    pen: Option<Pen>,
    /// The number of the next file of the protocol log.
    next: Arc<AtomicU64>,
}

/// What hands lines to the keeper.
#[derive(Clone)]
struct Pen {
    orders: mpsc::UnboundedSender<Order>,
    shared: Arc<Shared>,
}

impl Pen {
    /// Whether it will be written.
    fn write(&self, order: Order) -> bool {
        let waiting = self.shared.waiting.fetch_add(order.octets(), Ordering::Relaxed);
        if waiting > WAITING && !order.is_an_end() {
            self.shared.waiting.fetch_sub(order.octets(), Ordering::Relaxed);
            self.shared.failed(order.log(), "the disk is too slow for it");
            return false;
        }
        // The keeper lives as long as the process.
        self.orders.send(order).is_ok()
    }
}

impl Logs {
    /// The logs that are configured. Their keeper is started if there is any.
    pub(super) async fn open(config: &Config, env: &Env) -> Self {
        let (tracks, protocol) = (config.log.tracking.is_some(), config.log.protocol);
        let mut next = Arc::default();
        let is_any = tracks || protocol != ProtocolLevel::None;
        let pen = if is_any {
            let (orders, received) = mpsc::unbounded_channel();
            let shared = Arc::new(Shared::default());
            let keeper = Keeper::open(&config.log, Arc::clone(&env.disk), Arc::clone(&shared), received);
            let (keeper, first) = keeper.await;
            env.spawn.spawn("keeper of the logs", Box::pin(keeper.run()));
            next = Arc::new(AtomicU64::new(first));
            Some(Pen { orders, shared })
        } else {
            None
        };
        if protocol != ProtocolLevel::None {
            let directory = config.log.protocol_directory.display().to_string();
            Event::ProtocolLogOn { directory }.log();
        }
        Logs { gateway: config.host.to_string(), clock: Arc::clone(&env.clock), tracks, protocol, pen, next }
    }

    /// What the tracking log has of a message's content, if there is such a log.
    pub(super) fn facts(&self, beginning: &[u8], octets: u64) -> Option<Facts> {
        self.tracks.then(|| Facts::of(beginning, octets))
    }

    /// Writes a record of the tracking log.
    pub(super) fn track(&self, record: Record<'_>) {
        if let Some(pen) = self.pen.as_ref().filter(|_| self.tracks) {
            let now = self.clock.now();
            let text = record.text(&self.gateway, now);
            pen.write(Order::Tracked { day: tracking::day(now), text });
        }
    }

    /// The transcript of a conversation with a client, if there is to be one.
    pub(super) fn accepted(&self, from: IpAddr) -> Option<Transcript> {
        self.begin(&Opening::Accepted(from.to_string())).map(|(transcript, _)| transcript)
    }

    /// The transcript of a conversation with another host, if there is to be one.
    pub(super) fn established(&self, host: &str, address: SocketAddr) -> Option<Transcript> {
        let (transcript, file) = self.begin(&Opening::Established(address.ip().to_string()))?;
        Event::Connected { host: host.to_owned(), address, file }.log();
        Some(transcript)
    }

    fn begin(&self, opening: &Opening) -> Option<(Transcript, String)> {
        let pen = self.pen.clone().filter(|_| self.protocol != ProtocolLevel::None)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if !pen.write(Order::Begun { number }) {
            return None;
        }
        let sheet = Sheet { pen, number, clock: Arc::clone(&self.clock) };
        let lines = Box::new(move |line: String| sheet.write(&line));
        Some((Transcript::begin(self.protocol, opening, lines), keeper::file_name(number)))
    }

    /// Gives what is still to be written a moment.
    pub(super) async fn close(&self) {
        let Some(pen) = &self.pen else { return };
        let (done, is_done) = oneshot::channel();
        pen.write(Order::Close(done));
        let _ = timeout(LAST_WORDS, is_done).await;
    }
}

/// The file of one conversation.
struct Sheet {
    pen: Pen,
    number: u64,
    clock: Arc<dyn WallClock>,
}

impl Sheet {
    fn write(&self, line: &str) {
        let time = self.clock.now().strftime("%-m/%-d/%y %-I:%M:%S %p").to_string();
        self.pen.write(Order::Said { number: self.number, text: format!("{time} : {line}\r\n") });
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        self.pen.write(Order::Ended { number: self.number });
    }
}
