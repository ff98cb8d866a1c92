//! Inputs that are in no ring, as steps: with the rings and the `wire` bytes they replay a gateway.
//!
//! | input | kind | code | index | value |
//! | --- | --- | --- | --- | --- |
//! | Connected, Disconnected | Effect | 1, 2 | 0 | zero |
//! | Sent | Effect | 3 | 0 | UserRefNum, send_ns, write_ns |
//! | CancelSent | Effect | 7 | 0 | UserRefNum, send_ns |
//! | NotSent | Effect | 4 | reason | UserRefNum |
//! | Durable | Effect | 5 | 0 | journal sequence |
//! | Journal | Effect | 6 | 0 | 1 available, 0 not |
//! | Kill | Kill | 0 | 0 | generation |
//! | Lease | Lease | role | index | 1 held, 0 lost |

use crate::io::Input;
use machine::Nanos;
use shm_layout::message::step::{Step, StepKind};
use shm_layout::types::{RejectReason, Role};

/// The step of an input given at `now`; `None` for inputs that a ring or the wire holds.
#[must_use]
pub fn to_step(input: &Input, now: Nanos) -> Option<Step> {
    let effect =
        |code, index, value| Step { kind: StepKind::Effect as u8, code, index, now_ns: now, value, ..Step::default() };
    Some(match *input {
        Input::Connected => effect(1, 0, [0; 3]),
        Input::Disconnected => effect(2, 0, [0; 3]),
        Input::Sent { user_ref_num, send_ns, write_ns } => {
            effect(3, 0, [i64::from(user_ref_num), send_ns.0 as i64, i64::from(write_ns)])
        }
        Input::CancelSent { user_ref_num, send_ns } => effect(7, 0, [i64::from(user_ref_num), send_ns.0 as i64, 0]),
        Input::NotSent { user_ref_num, reason } => effect(4, reason as u16, [i64::from(user_ref_num), 0, 0]),
        Input::Durable { journal_sequence } => effect(5, 0, [journal_sequence as i64, 0, 0]),
        Input::Journal { available } => effect(6, 0, [i64::from(available), 0, 0]),
        Input::Kill { generation } => {
            Step { kind: StepKind::Kill as u8, now_ns: now, value: [generation as i64, 0, 0], ..Step::default() }
        }
        Input::Lease { role, index, held } => Step {
            kind: StepKind::Lease as u8,
            code: role as u8,
            index: u16::from(index),
            now_ns: now,
            value: [i64::from(held), 0, 0],
            ..Step::default()
        },
        Input::Entry { .. } | Input::Control(_) | Input::Received(_) => return None,
    })
}

/// The input of a step; `None` for steps of another kind, or with a value that no gateway records.
#[must_use]
pub fn from_step(step: &Step) -> Option<Input> {
    let number = u32::try_from(step.value[0]).ok();
    match (StepKind::from_u8(step.kind)?, step.code) {
        (StepKind::Kill, _) => Some(Input::Kill { generation: step.value[0] as u64 }),
        (StepKind::Lease, code) => {
            Some(Input::Lease { role: Role::from_u8(code)?, index: step.index as u8, held: step.value[0] == 1 })
        }
        (StepKind::Effect, 1) => Some(Input::Connected),
        (StepKind::Effect, 2) => Some(Input::Disconnected),
        (StepKind::Effect, 3) => {
            let write_ns = u32::try_from(step.value[2]).ok()?;
            Some(Input::Sent { user_ref_num: number?, send_ns: Nanos(step.value[1] as u64), write_ns })
        }
        (StepKind::Effect, 7) => {
            Some(Input::CancelSent { user_ref_num: number?, send_ns: Nanos(step.value[1] as u64) })
        }
        (StepKind::Effect, 4) => {
            let reason = u8::try_from(step.index).ok().and_then(RejectReason::from_u8)?;
            Some(Input::NotSent { user_ref_num: number?, reason })
        }
        (StepKind::Effect, 5) => Some(Input::Durable { journal_sequence: step.value[0] as u64 }),
        (StepKind::Effect, 6) => Some(Input::Journal { available: step.value[0] == 1 }),
        _ => None,
    }
}
