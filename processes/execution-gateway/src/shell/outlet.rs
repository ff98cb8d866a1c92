//! Carrying the machine's outputs out, strictly in the order in which it gives them.

use super::connection::Connection;
use super::leases::Guards;
use crate::io::Output;
use journal::{AppendError, TailWriter};
use shm_layout::failpoint::Failpoint;
use shm_layout::message::WORDS_128;
use shm_layout::message::execution::Execution;
use shm_layout::ring::RingWriter;
use shm_layout::status::{FenceEcho, KillEcho, StateCheckpoint, StatusWriter};
use shm_layout::types::Nanos;

/// A record is journaled, and what it stands for has not happened.
pub(super) static AFTER_JOURNAL: Failpoint = Failpoint::new("gateway.journal.after_append");

/// Why the outputs of a machine could not be carried out: the process ends with it, and its supervisor engages the kill.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OutletFault {
    /// The journal took no record, although there was room when the input was given.
    #[error("journal record {sequence} was not taken: {error}")]
    Journal {
        /// Its sequence.
        sequence: u64,
        /// Why.
        error: AppendError,
    },
    /// A gating reader of `execution` has stopped reading.
    #[error("execution: its reader does not read; journal record {journal_sequence} was not published")]
    Execution {
        /// Sequence of its record.
        journal_sequence: u64,
    },
}

/// Everything that outputs go to.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) tail: TailWriter,
    pub(super) execution: RingWriter<WORDS_128>,
    pub(super) connection: Connection,
    pub(super) guards: Guards,
    pub(super) status: StatusWriter,
    pub(super) gateway: u8,
    pub(super) finished: bool,
    pub(super) fault: Option<OutletFault>,
}

impl Outlet {
    /// Carries one output out. After a fault nothing more is done: what follows an output rests on it.
    pub(super) fn take(&mut self, now: Nanos, output: &Output) {
        if self.fault.is_some() {
            return;
        }
        match output {
            Output::Journal { sequence, record } => match self.tail.append(record) {
                Ok(appended) => {
                    assert_eq!(appended, *sequence, "machine and journal count differently");
                    AFTER_JOURNAL.hit();
                }
                Err(error) => self.fault = Some(OutletFault::Journal { sequence: *sequence, error }),
            },
            Output::Publish(execution) => self.publish(execution),
            Output::Send(sending) => self.connection.send(sending, &self.guards),
            Output::Connect => self.connection.connect(),
            Output::Disconnect => self.connection.drop_connection(),
            Output::KillEcho { generation, journal_sequence } => {
                let (generation, journal_sequence) = (*generation, *journal_sequence);
                self.status.echo_kill(KillEcho { generation, echoed_ns: now, journal_sequence });
            }
            Output::FenceEcho { role, index, epoch, journal_sequence } => {
                let (role, index, journal_sequence) = (*role, *index, *journal_sequence);
                self.status.echo_fence(FenceEcho { role, index, epoch: u64::from(*epoch), journal_sequence });
            }
            Output::Finished => self.finished = true,
        }
    }

    fn publish(&mut self, execution: &Execution) {
        let journal_sequence = execution.journal_sequence();
        if self.execution.push(&execution.encode()).is_err() {
            self.fault = Some(OutletFault::Execution { journal_sequence });
            return;
        }
        if let Execution::Checkpoint(checkpoint) = execution {
            let (gateway, state_hash) = (self.gateway, checkpoint.state_hash);
            self.status.publish_checkpoint(StateCheckpoint { gateway, journal_sequence, state_hash });
        }
    }
}
