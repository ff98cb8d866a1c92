//! When to send a heartbeat, and when to give the peer up.

use super::buffer::{SendBuffer, Unsent};

/// The two periods of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A heartbeat goes out after this long without sending, in nanoseconds.
    pub heartbeat_ns: u64,
    /// The peer is dead after this long without receiving anything, in nanoseconds.
    pub dead_ns: u64,
}

impl Default for Timing {
    /// The specification's: 1 s and 15 s.
    fn default() -> Self {
        Self { heartbeat_ns: 1_000_000_000, dead_ns: 15_000_000_000 }
    }
}

/// One side's view of the connection's life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness {
    timing: Timing,
    sent_ns: u64,
    received_ns: u64,
}

impl Liveness {
    pub(super) const fn new(timing: Timing, now_ns: u64) -> Self {
        Self { timing, sent_ns: now_ns, received_ns: now_ns }
    }

    pub(super) const fn received(&mut self, now_ns: u64) {
        self.received_ns = now_ns;
    }

    /// Appends a frame and notes when.
    pub(super) fn send(
        &mut self,
        now_ns: u64,
        packet_type: u8,
        payload: &[u8],
        out: &mut SendBuffer,
    ) -> Result<(), Unsent> {
        out.append(packet_type, payload)?;
        self.sent_ns = now_ns;
        Ok(())
    }

    pub(super) const fn is_dead(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.received_ns) >= self.timing.dead_ns
    }

    /// Appends a heartbeat when one is due.
    pub(super) fn heartbeat(&mut self, now_ns: u64, packet_type: u8, out: &mut SendBuffer) {
        if now_ns.saturating_sub(self.sent_ns) >= self.timing.heartbeat_ns {
            // A full buffer needs no heartbeat: what waits in it is a sign of life once the connection takes it.
            let _ = out.append(packet_type, &[]);
            self.sent_ns = now_ns;
        }
    }

    /// When the peer will be dead, unless it is heard.
    pub(super) const fn dead_deadline(&self) -> u64 {
        self.received_ns.saturating_add(self.timing.dead_ns)
    }

    /// When a heartbeat is due, unless something is sent.
    pub(super) const fn heartbeat_deadline(&self) -> u64 {
        self.sent_ns.saturating_add(self.timing.heartbeat_ns)
    }
}
