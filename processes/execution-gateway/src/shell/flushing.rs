//! The flusher's thread: moves the tail to segment files beside the hot thread, and never shares its core.

use crate::config::Durability;
use anyhow::Context;
use journal::Flusher;
use runtime::clock::Clock;
use runtime::store::FileStore;
use runtime::wait::SHARED_NAP_US_MIN;
use runtime::{affinity, scheduler};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long it naps when there is nothing to move and orders wait for what it syncs (L2).
const NAP_WAITED_FOR: Duration = Duration::from_micros(200);
/// How long where nobody waits (L0): see [`SHARED_NAP_US_MIN`].
const NAP: Duration = Duration::from_micros(SHARED_NAP_US_MIN as u64);
/// How long a stop waits for a file system that moves nothing.
const STOP: Duration = Duration::from_secs(2);
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
    pub(super) fn start(flusher: Flusher<FileStore>, clock: Clock, durability: Durability) -> anyhow::Result<Self> {
        let nap = match durability {
            Durability::L0 => NAP,
            Durability::L2 => NAP_WAITED_FOR,
        };
        let stop_after = Arc::new(AtomicU64::new(RUNNING));
        let flag = Arc::clone(&stop_after);
        let work = move || {
            // Threads inherit the affinity of the one that makes them, which is pinned to the hot core.
            if let Err(error) = affinity::unpin().and_then(|()| scheduler::become_cold()) {
                tracing::warn!("the flusher shares the hot core: {error}");
            }
            flush(flusher, &clock, &flag, nap);
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

fn flush(mut flusher: Flusher<FileStore>, clock: &Clock, stop_after: &AtomicU64, nap: Duration) {
    let mut naps_left = STOP.as_micros() / nap.as_micros();
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
            naps_left -= 1;
            if flusher.durable_sequence() >= through || naps_left == 0 {
                // States what became durable last.
                let _ = flusher.poll(clock.now());
                return;
            }
        }
        std::thread::sleep(nap);
    }
}
