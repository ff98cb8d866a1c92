//! Which entry, cursor and reader belongs to whom: pure functions of the topology and the counts, the same in every
//! process.

use shm_layout::control_page::ROSTER;
use shm_layout::status::GATING_CURSORS;
use shm_layout::topology::{Attach, Counts, RingId, RingKind, TOPOLOGY, rings};
use shm_layout::types::Role;

/// Every process that the supervisor starts, in the order of its roster: along the path of an order, the recorder last.
#[must_use]
pub fn processes(counts: Counts) -> Vec<(Role, u8)> {
    let of = |role, count| (0..count).map(move |index| (role, index));
    of(Role::FeedHandler, counts.feed_handlers)
        .chain(of(Role::Strategy, counts.strategies))
        .chain(of(Role::Risk, 1))
        .chain(of(Role::ExecutionGateway, counts.gateways))
        .chain(of(Role::Recorder, 1))
        .collect()
}

/// Roster entry (and parked word) of a process; `None` for one that is not in the roster.
#[must_use]
pub fn roster_slot(counts: Counts, role: Role, index: u8) -> Option<usize> {
    processes(counts).iter().position(|process| *process == (role, index))
}

/// Every registered reader of a ring. A recorder that gates (`recorder_gates`) gates the rings of orders on their way out,
/// whose writers wait for a reader anyway; every other writer never waits for anyone.
#[must_use]
pub fn readers(counts: Counts, recorder_gates: bool, ring: RingId) -> Vec<(Role, u8, Attach)> {
    let edge = TOPOLOGY.iter().find(|edge| edge.ring == ring.kind && edge.writer == ring.writer);
    let Some(edge) = edge else { return Vec::new() };
    let all = processes(counts);
    let mut readers = Vec::new();
    for (role, attach) in edge.readers {
        let outward = matches!(ring.kind, RingKind::OrderIntent | RingKind::OrderEntry);
        let gates = recorder_gates && outward && *role == Role::Recorder;
        let attach = if gates { Attach::Gating } else { *attach };
        let reads =
            |index: u8| ring.kind != RingKind::OrderEntry || *role != Role::ExecutionGateway || index == ring.gateway;
        let of_role = all.iter().filter(|(other, index)| other == role && reads(*index));
        readers.extend(of_role.map(|(role, index)| (*role, *index, attach)));
    }
    readers
}

/// Every ring that a process is a registered reader of, in the topology's order.
#[must_use]
pub fn rings_read_by(counts: Counts, recorder_gates: bool, role: Role, index: u8) -> Vec<(RingId, Attach)> {
    let as_reader = |ring: &RingId| {
        let readers = readers(counts, recorder_gates, *ring);
        let me = readers.into_iter().find(|(other, other_index, _)| (*other, *other_index) == (role, index));
        me.map(|(_, _, attach)| (*ring, attach))
    };
    rings(counts).iter().filter_map(as_reader).collect()
}

/// Gating cursor of a process for a ring, in its status region; `None` when it does not gate that ring.
#[must_use]
pub fn cursor_slot(counts: Counts, recorder_gates: bool, role: Role, index: u8, ring: RingId) -> Option<usize> {
    let read = rings_read_by(counts, recorder_gates, role, index);
    read.iter().filter(|(_, attach)| *attach == Attach::Gating).position(|(other, _)| *other == ring)
}

/// What the counts ask for beyond what the pages hold: a message, or `None` when all fits.
#[must_use]
pub fn excess(counts: Counts, recorder_gates: bool) -> Option<String> {
    let all = processes(counts);
    if all.len() > ROSTER {
        return Some(format!("{} processes are over {ROSTER}", all.len()));
    }
    all.into_iter().find_map(|(role, index)| {
        let read = rings_read_by(counts, recorder_gates, role, index);
        let gating = read.iter().filter(|(_, attach)| *attach == Attach::Gating).count();
        let name = role.folder();
        (gating > GATING_CURSORS).then(|| format!("{name}/{index} would gate {gating} rings, over {GATING_CURSORS}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: Counts = Counts { feed_handlers: 2, strategies: 3, gateways: 2 };

    #[test]
    fn every_reader_is_wired_once_and_to_its_own_gateway() {
        let entry = RingId { kind: RingKind::OrderEntry, writer: Role::Risk, index: 0, gateway: 1 };
        let expected = [(Role::ExecutionGateway, 1, Attach::Gating), (Role::Recorder, 0, Attach::Tap)];
        assert_eq!(readers(COUNTS, false, entry), expected);
        let intent = RingId { kind: RingKind::OrderIntent, writer: Role::Strategy, index: 2, gateway: 1 };
        assert_eq!(cursor_slot(COUNTS, false, Role::Risk, 0, intent), Some(5), "the sixth of 3 × 2");
        assert_eq!(cursor_slot(COUNTS, false, Role::Risk, 0, entry), None);
        assert_eq!(cursor_slot(COUNTS, false, Role::ExecutionGateway, 1, entry), Some(0));
        assert_eq!(rings_read_by(COUNTS, false, Role::Recorder, 0).len(), rings(COUNTS).len(), "it taps every ring");
        let slots: Vec<_> = processes(COUNTS).iter().map(|(role, index)| roster_slot(COUNTS, *role, *index)).collect();
        assert_eq!(slots, (0..9).map(Some).collect::<Vec<_>>());
        assert_eq!(roster_slot(COUNTS, Role::Supervisor, 0), None);
    }

    #[test]
    fn what_does_not_fit_the_pages_is_said() {
        assert_eq!(excess(COUNTS, false), None);
        assert_eq!(excess(COUNTS, true), None, "3 × 2 intents and 2 entries");
        let wide = Counts { feed_handlers: 1, strategies: 16, gateways: 1 };
        assert!(excess(wide, true).unwrap().contains("recorder/0 would gate 17"));
        assert_eq!(excess(Counts { feed_handlers: 1, strategies: 1, gateways: 1 }, true), None);
        let many = Counts { feed_handlers: 30, strategies: 10, gateways: 30 };
        assert!(excess(many, false).unwrap().contains("72 processes"));
        let wide = Counts { feed_handlers: 1, strategies: 17, gateways: 1 };
        assert!(excess(wide, false).unwrap().contains("risk/0 would gate 17"));
    }
}
