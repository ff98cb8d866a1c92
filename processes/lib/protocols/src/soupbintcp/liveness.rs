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

    /// The deadline was reached: appends a heartbeat of `beat` when one is due (`None`: a side that has nothing to say yet).
    /// False when the peer is dead.
    pub(super) fn on_timer(&mut self, now_ns: u64, beat: Option<u8>, out: &mut SendBuffer) -> bool {
        if now_ns.saturating_sub(self.received_ns) >= self.timing.dead_ns {
            return false;
        }
        if let Some(packet_type) = beat
            && now_ns.saturating_sub(self.sent_ns) >= self.timing.heartbeat_ns
        {
            // A full buffer needs no heartbeat: what waits in it is a sign of life once the connection takes it.
            let _ = out.append(packet_type, &[]);
            self.sent_ns = now_ns;
        }
        true
    }

    /// When the peer will be dead unless it is heard or, of a side that beats, a heartbeat is due unless something is sent.
    pub(super) const fn deadline(&self, beats: bool) -> u64 {
        let dead = self.received_ns.saturating_add(self.timing.dead_ns);
        let heartbeat = self.sent_ns.saturating_add(self.timing.heartbeat_ns);
        if beats && heartbeat < dead { heartbeat } else { dead }
    }
}
