//! Room in memory: how much of the messages that are in hand is there at one time.
//!
//! A message is whole in memory while milters see it, while it is sorted and while it is carried. Many large ones at once
//! would be more than a machine has, so each of the three has room for so many octets, and large messages wait for
//! some of it, one behind the other. A small one takes up none: those at once are limited by their number. One that is larger
//! than all the room goes alone.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::reach::{Point, reached};
use crate::spool::{EntryName, Folder, Message, ReadError, Spool};

/// What is counted at once, in octets.
const UNIT: u64 = 1024;

/// The room of each of the three.
pub(super) struct Rooms {
    pub(super) filtering: Room,
    pub(super) sorting: Room,
    pub(super) carrying: Room,
}

impl Rooms {
    /// Rooms of so many octets each.
    pub(super) fn new(octets: u64) -> Arc<Self> {
        let [filtering, sorting, carrying] = std::array::from_fn(|_| Room::new(octets));
        Arc::new(Rooms { filtering, sorting, carrying })
    }
}

/// Room for messages.
pub(super) struct Room {
    units: u32,
    free: Arc<Semaphore>,
}

/// What a message takes up. It is free again when this is dropped.
pub(super) struct Taken {
    _units: Option<OwnedSemaphorePermit>,
}

impl Room {
    fn new(octets: u64) -> Self {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let units = u32::try_from(octets.div_ceil(UNIT)).unwrap_or(most).clamp(1, most);
        Room { units, free: Arc::new(Semaphore::new(units as usize)) }
    }

    /// The most octets of a message that is small.
    fn small(&self) -> u64 {
        u64::from(self.units) * UNIT / 64
    }

    /// How much a message of so many octets takes up.
    fn units(&self, octets: u64) -> u32 {
        u32::try_from(octets.div_ceil(UNIT)).unwrap_or(self.units).min(self.units)
    }

    /// Room for a message of so many octets, when there is some.
    pub(super) async fn take(&self, octets: u64) -> Taken {
        if octets <= self.small() {
            return Taken { _units: None };
        }
        let free = Arc::clone(&self.free);
        let units = free.acquire_many_owned(self.units(octets)).await.expect("it is never closed");
        Taken { _units: Some(units) }
    }

    /// Reads a message when there is room for it.
    ///
    /// # Errors
    /// Those of [`Spool::read`].
    pub(super) async fn read(
        &self,
        spool: &Spool,
        folder: Folder,
        name: &EntryName,
    ) -> Result<(Message, Taken), ReadError> {
        match spool.read_if_small(folder, name, self.small()).await? {
            Ok(message) => Ok((message, Taken { _units: None })),
            Err(octets) => {
                let taken = self.take(octets).await;
                Ok((spool.read(folder, name).await?, taken))
            }
        }
    }

    /// Reads a message if there is room for it now; else says how many octets it has.
    ///
    /// # Errors
    /// Those of [`Spool::read`].
    pub(super) async fn read_now(
        &self,
        spool: &Spool,
        folder: Folder,
        name: &EntryName,
    ) -> Result<Result<(Message, Taken), u64>, ReadError> {
        let octets = match spool.read_if_small(folder, name, self.small()).await? {
            Ok(message) => return Ok(Ok((message, Taken { _units: None }))),
            Err(octets) => octets,
        };
        let Ok(units) = Arc::clone(&self.free).try_acquire_many_owned(self.units(octets)) else {
            reached(Point::NoRoomInMemory);
            return Ok(Err(octets));
        };
        Ok(Ok((spool.read(folder, name).await?, Taken { _units: Some(units) })))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn there_is_room_for_so_many_octets_and_for_any_one_message() {
        let room = Room::new(1 << 20);
        let half = || room.take(512 << 10).now_or_never();
        let (first, second) = (half().unwrap(), half().unwrap());
        assert!(half().is_none());
        assert!(room.take(16 << 10).now_or_never().is_some(), "a small one");
        drop(first);
        assert!(half().is_some());
        assert!(room.take(1 << 40).now_or_never().is_none());
        drop(second);
        let alone = room.take(1 << 40).now_or_never().unwrap();
        assert!(half().is_none());
        drop(alone);
        assert!(half().is_some());
    }
}
