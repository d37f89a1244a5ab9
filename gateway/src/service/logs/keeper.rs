//! The keeper of the logs: the one task that writes them.
//!
//! The protocol log has a file for each connection, `L0000001.LOG` and so on. There are so many of them at most, and each
//! has so many octets at most: the oldest goes when another is begun. A process goes on with the numbers of the last one.
//!
//! What cannot be written is left out, and the file is opened anew for the next line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::civil::Date;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::config::LogConfig;
use crate::env::{Disk, DiskError, File};
use crate::eventlog::Event;
use crate::tracking;

/// The most files of the protocol log.
const FILES: usize = 1_000;

/// The most octets of one of them.
const OCTETS: usize = 1 << 20;

/// How many octets may wait to be written. More are left out.
pub(super) const WAITING: usize = 4 << 20;

/// How long the start of the service waits to hear which files there are.
const LISTING: Duration = Duration::from_secs(5);

/// What the keeper is to write.
pub(super) enum Order {
    /// A record of the tracking log.
    Tracked { day: Date, text: String },
    /// A conversation begins.
    Begun { number: u64 },
    /// A line of a conversation.
    Said { number: u64, text: String },
    /// A conversation is over.
    Ended { number: u64 },
    /// The service ends.
    Close(oneshot::Sender<()>),
}

impl Order {
    pub(super) fn octets(&self) -> usize {
        match self {
            Order::Tracked { text, .. } | Order::Said { text, .. } => size_of::<Order>() + text.len(),
            _ => size_of::<Order>(),
        }
    }

    pub(super) fn log(&self) -> Log {
        if matches!(self, Order::Tracked { .. }) { Log::Tracking } else { Log::Protocol }
    }

    /// Whether it closes what would stay open without it.
    pub(super) fn is_an_end(&self) -> bool {
        matches!(self, Order::Ended { .. } | Order::Close(_))
    }
}

/// One of the two logs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    Tracking,
    Protocol,
}

/// What the keeper and those who write know together.
#[derive(Default)]
pub(super) struct Shared {
    /// How many octets wait to be written.
    pub(super) waiting: AtomicUsize,
    tracking_failed: AtomicBool,
    protocol_failed: AtomicBool,
}

impl Shared {
    fn flag(&self, log: Log) -> &AtomicBool {
        match log {
            Log::Tracking => &self.tracking_failed,
            Log::Protocol => &self.protocol_failed,
        }
    }

    /// Something was left out. Said once, until something is written again.
    pub(super) fn failed(&self, log: Log, why: &str) {
        if !self.flag(log).swap(true, Ordering::Relaxed) {
            let why = why.to_owned();
            match log {
                Log::Tracking => Event::TrackingFailed { why }.log(),
                Log::Protocol => Event::ProtocolLogFailed { why }.log(),
            }
        }
    }

    /// Something was written, and what waits is little: all is well again.
    fn written(&self, log: Log) {
        if self.waiting.load(Ordering::Relaxed) < WAITING / 2 {
            self.flag(log).store(false, Ordering::Relaxed);
        }
    }
}

/// A file and how much is in it.
struct Sheet {
    file: Option<Box<dyn File>>,
    octets: usize,
}

/// The keeper.
pub(super) struct Keeper {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    orders: mpsc::UnboundedReceiver<Order>,
    tracking: Option<PathBuf>,
    protocol: PathBuf,
    /// The file of the tracking log that is open, and its day.
    today: Option<(Date, Box<dyn File>)>,
    /// The files of the conversations that go on.
    open: BTreeMap<u64, Sheet>,
    /// The files of the protocol log that there are.
    files: BTreeSet<u64>,
}

impl Keeper {
    /// A keeper, and the number of the first conversation.
    pub(super) async fn open(
        config: &LogConfig,
        disk: Arc<dyn Disk>,
        shared: Arc<Shared>,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> (Self, u64) {
        let protocol = config.protocol_directory.clone();
        // What cannot be listed is found to be unusable when it is written to.
        let found = timeout(LISTING, disk.list(&protocol)).await;
        let found = found.ok().and_then(Result::ok).unwrap_or_default();
        let files: BTreeSet<u64> = found.iter().filter_map(|name| number(name)).collect();
        let first = files.last().map_or(1, |last| last.saturating_add(1));
        let tracking = config.tracking.clone();
        let (today, open) = (None, BTreeMap::new());
        (Keeper { disk, shared, orders, tracking, protocol, today, open, files }, first)
    }

    /// Writes for ever.
    pub(super) async fn run(mut self) {
        while let Some(order) = self.orders.recv().await {
            self.shared.waiting.fetch_sub(order.octets(), Ordering::Relaxed);
            let log = order.log();
            match self.obey(order).await {
                Ok(true) => self.shared.written(log),
                Ok(false) => {}
                Err(error) => self.shared.failed(log, &error.to_string()),
            }
        }
    }

    /// Whether something was written.
    async fn obey(&mut self, order: Order) -> Result<bool, DiskError> {
        match order {
            Order::Tracked { day, text } => self.track(day, &text).await.map(|()| true),
            Order::Begun { number } => {
                self.open.insert(number, Sheet { file: None, octets: 0 });
                self.make_room().await.map(|()| false)
            }
            Order::Said { number, text } => self.say(number, text).await,
            Order::Ended { number } => {
                self.open.remove(&number);
                Ok(false)
            }
            Order::Close(done) => {
                // Who waited for it may have gone.
                let _ = done.send(());
                Ok(false)
            }
        }
    }

    async fn track(&mut self, day: Date, text: &str) -> Result<(), DiskError> {
        let Some(directory) = &self.tracking else { return Ok(()) };
        let path = directory.join(tracking::file_name(day));
        let mut file = match self.today.take() {
            Some((open, file)) if open == day => file,
            _ => append(&*self.disk, directory, &path).await?,
        };
        file.write_all(text.as_bytes()).await.map_err(DiskError::of("write", &path))?;
        self.today = Some((day, file));
        Ok(())
    }

    async fn say(&mut self, number: u64, text: String) -> Result<bool, DiskError> {
        let Some(sheet) = self.open.get_mut(&number) else { return Ok(false) };
        if sheet.octets >= OCTETS {
            return Ok(false);
        }
        sheet.octets += text.len();
        let text = if sheet.octets < OCTETS { text } else { "The rest is not logged.\r\n".to_owned() };
        let path = self.protocol.join(file_name(number));
        let mut file = match sheet.file.take() {
            Some(file) => file,
            None => append(&*self.disk, &self.protocol, &path).await?,
        };
        self.files.insert(number);
        file.write_all(text.as_bytes()).await.map_err(DiskError::of("write", &path))?;
        sheet.file = Some(file);
        Ok(true)
    }

    /// Removes the oldest files until there is room for another.
    async fn make_room(&mut self) -> Result<(), DiskError> {
        while self.files.len() >= FILES {
            let Some(oldest) = self.files.pop_first() else { return Ok(()) };
            let path = self.protocol.join(file_name(oldest));
            match self.disk.remove(&path).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    self.files.insert(oldest);
                    return Err(DiskError::of("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Opens a file at its end, in a directory that is made if it is not there.
async fn append(disk: &dyn Disk, directory: &Path, path: &Path) -> Result<Box<dyn File>, DiskError> {
    disk.create_dir_all(directory).await.map_err(DiskError::of("make", directory))?;
    disk.append(path).await.map_err(DiskError::of("open", path))
}

/// The name of the file of a conversation.
pub(super) fn file_name(number: u64) -> String {
    format!("L{number:07}.LOG")
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix('L')?.strip_suffix(".LOG")?;
    let number = digits.parse().ok()?;
    (file_name(number) == name).then_some(number)
}
