//! Work for many seeds, side by side: each seed is taken in its turn by whichever thread is free.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

/// Does `work` for each seed, on so many threads, and hands over what comes out as it comes, until all is done or `enough`
/// says so. What has been begun is then ended: the seeds that were worked on have no gap.
pub(crate) fn side_by_side<T: Send>(
    seeds: Range<u64>,
    jobs: NonZeroUsize,
    work: impl Fn(u64) -> T + Sync,
    mut enough: impl FnMut(T) -> bool,
) {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let (outcomes, come) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.get() {
            let (outcomes, next, stop, work) = (outcomes.clone(), &next, &stop, &work);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || outcomes.send(work(seed)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(outcomes);
        for outcome in come {
            if enough(outcome) {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
}
