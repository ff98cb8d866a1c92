//! The flusher's thread: moves the tail to segment files beside the hot thread, and never shares its core.

use crate::config::Durability;
use anyhow::Context;
use journal::Flusher;
use runtime::clock::Clock;
use runtime::store::FileStore;
use runtime::wait::{SHARED_NAP_US_MIN, WaitStrategy};
use runtime::{affinity, scheduler};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// How long it naps, in microseconds, when there is nothing to move and orders wait for what it syncs (L2), beside hot
/// processes that have their CPUs to themselves.
const NAP_WAITED_FOR_US: u32 = 200;
/// How long a stop waits for a file system that moves nothing, in nanoseconds.
const STOP_NS: u64 = 2_000_000_000;
/// Value of the flag while the gateway runs.
const RUNNING: u64 = u64::MAX;

/// The thread, and how it is told to end.
#[derive(Debug)]
pub(super) struct Flushing {
    /// Sequence to flush through before the thread ends, or [`RUNNING`].
    stop_after: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Flushing {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system refuses one more thread.
    pub(super) fn start(
        flusher: Flusher<FileStore>,
        clock: Clock,
        durability: Durability,
        hot: WaitStrategy,
    ) -> anyhow::Result<Self> {
        let wait = wait(durability, hot);
        let stop_after = Arc::new(AtomicU64::new(RUNNING));
        let flag = Arc::clone(&stop_after);
        let work = move || {
            // Threads inherit the affinity of the one that makes them, which is pinned to the hot core.
            if let Err(error) = affinity::unpin().and_then(|()| scheduler::become_cold()) {
                tracing::warn!("the flusher shares the hot core: {error}");
            }
            flush(flusher, &clock, &flag, wait);
        };
        let thread = std::thread::Builder::new().name("flusher".to_owned()).spawn(work);
        let thread = Some(thread.context("cannot start the flusher's thread")?);
        Ok(Self { stop_after, thread })
    }

    /// Waits until everything through `last_sequence` is synced to files, or cannot be, and the thread has ended.
    pub(super) fn finish(&mut self, last_sequence: u64) {
        self.stop_after.store(last_sequence, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the flusher panicked; the journal's tail keeps what it had not moved");
        }
    }
}

impl Drop for Flushing {
    fn drop(&mut self) {
        // A shell that is dropped without its end still leaves no thread behind.
        self.finish(0);
    }
}

/// How it waits beside a hot thread that waits like this. Where CPUs are shared and orders wait for it, it yields as the hot
/// processes do: what waits is worth more than a turn, and short naps would starve the kernel's own threads
/// ([`SHARED_NAP_US_MIN`]), which sync the files.
const fn wait(durability: Durability, hot: WaitStrategy) -> WaitStrategy {
    match (durability, hot) {
        (Durability::L0, _) => WaitStrategy::Nap(SHARED_NAP_US_MIN),
        (Durability::L2, WaitStrategy::Yield) => WaitStrategy::Yield,
        (Durability::L2, _) => WaitStrategy::Nap(NAP_WAITED_FOR_US),
    }
}

fn flush(mut flusher: Flusher<FileStore>, clock: &Clock, stop_after: &AtomicU64, wait: WaitStrategy) {
    let mut stop_by = None;
    loop {
        // Before the poll: what was committed before the flag was set is then seen by it.
        let through = stop_after.load(Ordering::Acquire);
        match flusher.poll(clock.now()) {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => {
                tracing::error!("the journal's files have failed: {error}; nothing that opens risk is sent any more");
                return;
            }
        }
        if through != RUNNING {
            let now = clock.now();
            let stop_by = *stop_by.get_or_insert(now.plus(STOP_NS));
            if flusher.durable_sequence() >= through || now >= stop_by {
                // States what became durable last.
                let _ = flusher.poll(clock.now());
                return;
            }
        }
        wait.idle(0);
    }
}
