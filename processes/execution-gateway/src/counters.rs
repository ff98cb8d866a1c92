//! What the gateway counts. The shell publishes it.

use shm_layout::types::RejectReason;

/// Room for every code of [`RejectReason`].
pub const REASONS: usize = 256;

/// Counters, each since the process started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counters {
    /// New orders handed to the socket.
    pub orders_sent: u64,
    /// Replaces handed to the socket.
    pub replaces_sent: u64,
    /// Cancels handed to the socket, the gateway's own too.
    pub cancels_sent: u64,
    /// Mass cancels handed to the socket.
    pub mass_cancels_sent: u64,
    /// Cancels that the gateway made itself: kill, lease, stop, cancel all.
    pub own_cancels: u64,
    /// Requests refused (by risk, the gateway or the venue), by code of the reason.
    pub rejected: [u64; REASONS],
    /// Requests known not to have been sent after their intent was journaled.
    pub not_sent: u64,
    /// Slots of `order_entry` that are not a request: dropped, since there is nothing to answer.
    pub malformed_entries: u64,
    /// Requests under an id that names an order already: dropped, since an answer would be taken for that order's.
    pub misidentified: u64,
    /// Orders accepted by the venue.
    pub accepted: u64,
    /// Replaces confirmed by the venue.
    pub replaced: u64,
    /// Cancels confirmed by the venue, in whole or in part, asked for or not.
    pub canceled: u64,
    /// Executions applied.
    pub fills: u64,
    /// Executions broken.
    pub broken: u64,
    /// Executions that were applied before, by their match number.
    pub repeated_executions: u64,
    /// Broken executions that are not known.
    pub unmatched_broken: u64,
    /// Executions of orders that had ended, or of more than was left.
    pub anomalies: u64,
    /// Venue messages that do not fit the state of their order: journaled, without effect.
    pub illegal: u64,
    /// Venue messages about an order that is not in the table any more.
    pub evicted_evidence: u64,
    /// Orders that the venue holds and the journal did not.
    pub adopted: u64,
    /// Venue messages about a UserRefNum that nothing is known of.
    pub unattributed: u64,
    /// Venue messages that are not OUCH.
    pub malformed_messages: u64,
    /// Venue messages of a type or meaning that changes nothing here.
    pub informational: u64,
    /// Sequenced messages that were received before.
    pub repeated_messages: u64,
    /// Messages that the orders state refused: they had no effect.
    pub fold_errors: u64,
    /// Logins accepted.
    pub logins: u64,
    /// Logins refused.
    pub logins_refused: u64,
    /// Connections lost or given up.
    pub disconnects: u64,
    /// Connections given up because the venue broke the protocol.
    pub violations: u64,
    /// Connections given up because nothing was heard.
    pub silences: u64,
    /// Logins that cannot be reconciled: another session's name, or a sequence beyond the one asked for.
    pub unreconcilable: u64,
    /// Sessions given up because the account query or the probe had no answer.
    pub unanswered: u64,
    /// Orders in doubt now that the evidence did not resolve.
    pub unresolved: u64,
    /// Orders that went into doubt.
    pub in_doubt: u64,
    /// Requests proven void after a lost session.
    pub voided: u64,
    /// Kills latched.
    pub kills: u64,
    /// Leases lost.
    pub leases_lost: u64,
    /// Fences journaled.
    pub fences: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Live orders when a stop ran out of time.
    pub stopped_with_live: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            orders_sent: 0,
            replaces_sent: 0,
            cancels_sent: 0,
            mass_cancels_sent: 0,
            own_cancels: 0,
            rejected: [0; REASONS],
            not_sent: 0,
            malformed_entries: 0,
            misidentified: 0,
            accepted: 0,
            replaced: 0,
            canceled: 0,
            fills: 0,
            broken: 0,
            repeated_executions: 0,
            unmatched_broken: 0,
            anomalies: 0,
            illegal: 0,
            evicted_evidence: 0,
            adopted: 0,
            unattributed: 0,
            malformed_messages: 0,
            informational: 0,
            repeated_messages: 0,
            fold_errors: 0,
            logins: 0,
            logins_refused: 0,
            disconnects: 0,
            violations: 0,
            silences: 0,
            unreconcilable: 0,
            unanswered: 0,
            unresolved: 0,
            in_doubt: 0,
            voided: 0,
            kills: 0,
            leases_lost: 0,
            fences: 0,
            checkpoints: 0,
            stopped_with_live: 0,
        }
    }
}

impl Counters {
    /// Requests refused, of every reason.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// Requests refused for one reason.
    #[must_use]
    pub const fn rejected_for(&self, reason: RejectReason) -> u64 {
        self.rejected[reason as usize]
    }

    pub(crate) const fn reject(&mut self, reason: RejectReason) {
        self.rejected[reason as usize] += 1;
    }
}
