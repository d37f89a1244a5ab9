//! The points of the simulated machines and the links between them: what a tester would want to have happened at least once.

pub(crate) const KILLED_WITH_CONNECTIONS: &str = "a process was killed with connections open";
pub(crate) const KILLED_DURING_RECOVERY: &str = "a process was killed while it was starting again";
pub(crate) const CUT_WITH_CONNECTIONS: &str = "the power was cut with connections open";
pub(crate) const CUT_DURING_RECOVERY: &str = "the power was cut while the service was starting again";
pub(crate) const CUT_WHILE_DOWN: &str = "the power was cut while the service was down";
pub(crate) const WRITE_TORN: &str = "a write was torn";
pub(crate) const BYTES_LOST: &str = "bytes were lost before they were synchronised";
pub(crate) const RENAME_LOST: &str = "a rename was lost";
pub(crate) const DISK_FAILED: &str = "the disk failed";
pub(crate) const DISK_FULL: &str = "the disk was full";
pub(crate) const LITTLE_ROOM: &str = "the gateway was told that the disk has little room";
pub(crate) const SYNC_SLOW: &str = "a synchronisation was slow";
pub(crate) const FILE_VANISHED: &str = "a file vanished from under the gateway";
pub(crate) const CLOCK_SET_BACK: &str = "the gateway's clock was set back";
pub(crate) const SERVER_STOPPED: &str = "a mail server was stopped";
pub(crate) const CONNECTIONS_RESET: &str = "the network reset the connections between two machines";
pub(crate) const LINK_CUT: &str = "a segment was lost on a link that was cut";
pub(crate) const LINK_HELD: &str = "a segment was held on its way";
pub(crate) const LINK_SLOW: &str = "a segment went over a slow link";
pub(crate) const LINK_LOSES: &str = "a segment was lost on a bad link";

/// All of them.
pub(crate) const POINTS: &[&str] = &[
    KILLED_WITH_CONNECTIONS,
    KILLED_DURING_RECOVERY,
    CUT_WITH_CONNECTIONS,
    CUT_DURING_RECOVERY,
    CUT_WHILE_DOWN,
    WRITE_TORN,
    BYTES_LOST,
    RENAME_LOST,
    DISK_FAILED,
    DISK_FULL,
    LITTLE_ROOM,
    SYNC_SLOW,
    FILE_VANISHED,
    CLOCK_SET_BACK,
    SERVER_STOPPED,
    CONNECTIONS_RESET,
    LINK_CUT,
    LINK_HELD,
    LINK_SLOW,
    LINK_LOSES,
];
