//! What risk counts. The shell publishes it.

use shm_layout::types::RejectReason;

/// Reject reasons that are risk's own, and a place for none.
pub const REASONS: usize = 32;

/// Counters, each since the process started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// New orders and replaces approved.
    pub approved: u64,
    /// Cancels forwarded.
    pub cancels: u64,
    /// Requests refused, by code of the reason.
    pub rejected: [u64; REASONS],
    /// Slots that are not a request: dropped, since there is nothing to answer.
    pub malformed: u64,
    /// Requests in another strategy's name, or with a ClOrdID that does not grow: dropped, since an answer would be taken
    /// for an answer about the order that owns the id.
    pub misidentified: u64,
    /// Requests forwarded before this process started.
    pub already_forwarded: u64,
    /// Executions applied.
    pub executions: u64,
    /// Executions that the state already held.
    pub executions_repeated: u64,
    /// Executions of a strategy or instrument that is not configured.
    pub unattributed: u64,
    /// Orders reserved that risk did not approve.
    pub adopted: u64,
    /// Orders that could not be tracked; their quantity is held for good.
    pub no_room: u64,
    /// Rejects that named a live order without being about it.
    pub foreign_rejects: u64,
    /// Executions that the order state refused to fold.
    pub fold_errors: u64,
    /// References of instruments that are not configured.
    pub references_unknown: u64,
}

impl Counters {
    /// Requests refused, of every reason.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// Requests refused for one reason.
    #[must_use]
    pub fn rejected_for(&self, reason: RejectReason) -> u64 {
        self.rejected.get(reason as usize).copied().unwrap_or(0)
    }
}
