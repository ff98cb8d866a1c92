//! Control 11: the message throttle, a generic cell rate algorithm whose whole state is one `u64`.
//!
//! The bucket holds `burst` messages and refills at the configured rate. Orders may use all but the last
//! `cancel_reserve` tokens; a cancel always passes and takes a token when there is one, so it is the orders that wait.

use shm_layout::types::Nanos;

/// Rate and burst of a strategy's messages, as durations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ThrottleLimit {
    /// Nanoseconds that one message costs: 1e9 / messages per second, rounded up.
    pub interval_ns: u64,
    /// Backlog beyond which an order is refused: (burst − cancel_reserve) × interval.
    pub order_backlog_ns: u64,
    /// Backlog that cancels can drive it to: burst × interval.
    pub backlog_ns_max: u64,
}

impl ThrottleLimit {
    /// From messages per second, burst and the part of the burst kept for cancels; `None` when they contradict each
    /// other or overflow.
    #[must_use]
    pub fn new(messages_per_second: u32, burst: u32, cancel_reserve: u32) -> Option<Self> {
        let for_orders = burst.checked_sub(cancel_reserve).filter(|tokens| *tokens > 0)?;
        let interval_ns = 1_000_000_000_u64.checked_next_multiple_of(u64::from(messages_per_second))?
            / u64::from(messages_per_second);
        Some(Self {
            interval_ns,
            order_backlog_ns: interval_ns.checked_mul(u64::from(for_orders))?,
            backlog_ns_max: interval_ns.checked_mul(u64::from(burst))?,
        })
    }
}

/// The bucket's state: the time at which it will be empty again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Throttle {
    empty_at: Nanos,
}

impl Throttle {
    /// A bucket with no token for an order, as a restarted process must assume.
    #[must_use]
    pub const fn exhausted(limit: &ThrottleLimit, now: Nanos) -> Self {
        Self { empty_at: now.plus(limit.backlog_ns_max) }
    }

    /// True when an order may pass now. Changes nothing.
    #[must_use]
    pub fn admits_order(&self, limit: &ThrottleLimit, now: Nanos) -> bool {
        self.empty_at.max(now).plus(limit.interval_ns).0 <= now.plus(limit.order_backlog_ns).0
    }

    /// Takes a token; the backlog stays within the burst.
    pub fn take(&mut self, limit: &ThrottleLimit, now: Nanos) {
        self.empty_at = self.empty_at.max(now).plus(limit.interval_ns).min(now.plus(limit.backlog_ns_max));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_and_cancels_never_wait() {
        let limit = ThrottleLimit::new(1000, 10, 4).unwrap();
        let mut throttle = Throttle::default();
        let start = Nanos(1_000_000_000);
        let passed = (0..20)
            .filter(|_| {
                throttle.admits_order(&limit, start) && {
                    throttle.take(&limit, start);
                    true
                }
            })
            .count();
        assert_eq!(passed, 6);
        // A millisecond refills one token at 1,000 a second.
        assert!(!throttle.admits_order(&limit, start.plus(999_999)));
        assert!(throttle.admits_order(&limit, start.plus(1_000_000)));
        (0..1000).for_each(|_| throttle.take(&limit, start));
        // However many cancels passed, the backlog is the burst: orders return after cancel_reserve + 1 intervals.
        assert!(!throttle.admits_order(&limit, start.plus(4_999_999)));
        assert!(throttle.admits_order(&limit, start.plus(5_000_000)));
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(ThrottleLimit::new(0, 10, 0), None);
        assert_eq!(ThrottleLimit::new(10, 10, 10), None);
        assert_eq!(ThrottleLimit::new(10, 0, 1), None);
    }
}
