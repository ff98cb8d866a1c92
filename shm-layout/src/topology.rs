//! Who writes which ring, who reads it, and who may hold its writer back: the whole flow in one table.
//!
//! Compile-time checks below it: one writer role per ring and role, and no cycle over gating edges (a cycle of gating
//! readers can deadlock; taps cannot).

use crate::types::{Role, byte_code};

byte_code! {
    /// A kind of ring, named for its content.
    RingKind {
        /// Feed handler to strategies: 64-byte slots.
        MarketData = 1,
        /// One (strategy, gateway) pair to risk: 128-byte slots.
        OrderIntent = 2,
        /// Risk to one gateway: 128-byte slots.
        OrderEntry = 3,
        /// Gateway to everyone, the only way back: 128-byte slots.
        Execution = 4,
        /// Supervisor to everyone: 64-byte slots.
        Control = 5,
        /// What a machine was given: 64-byte slots.
        Step = 6,
        /// Bytes to and from a venue: 128-byte slots.
        Wire = 7,
    }
}

/// How a reader stands to its writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attach {
    /// The writer waits for it: `Full`.
    Gating,
    /// The writer never waits: the reader may be `Lapped`.
    Tap,
}

/// A ring of the topology.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// The ring.
    pub ring: RingKind,
    /// Its one writer's role; each process of the role writes a ring of its own.
    pub writer: Role,
    /// Its registered readers.
    pub readers: &'static [(Role, Attach)],
}

use Attach::{Gating, Tap};
use Role::{ExecutionGateway, FeedHandler, Recorder, Risk, Strategy, Supervisor};

/// The topology. The recorder taps every ring; a host file may make it gating (`recorder = "gating"`).
pub const TOPOLOGY: [Edge; 11] = [
    Edge { ring: RingKind::MarketData, writer: FeedHandler, readers: &[(Strategy, Tap), (Recorder, Tap)] },
    Edge { ring: RingKind::OrderIntent, writer: Strategy, readers: &[(Risk, Gating), (Recorder, Tap)] },
    Edge { ring: RingKind::OrderEntry, writer: Risk, readers: &[(ExecutionGateway, Gating), (Recorder, Tap)] },
    Edge {
        ring: RingKind::Execution,
        writer: ExecutionGateway,
        readers: &[(Strategy, Tap), (Risk, Tap), (Recorder, Tap)],
    },
    Edge {
        ring: RingKind::Control,
        writer: Supervisor,
        readers: &[(FeedHandler, Tap), (Strategy, Tap), (Risk, Tap), (ExecutionGateway, Tap), (Recorder, Tap)],
    },
    Edge { ring: RingKind::Step, writer: FeedHandler, readers: &[(Recorder, Tap)] },
    Edge { ring: RingKind::Step, writer: Strategy, readers: &[(Recorder, Tap)] },
    Edge { ring: RingKind::Step, writer: Risk, readers: &[(Recorder, Tap)] },
    Edge { ring: RingKind::Step, writer: ExecutionGateway, readers: &[(Recorder, Tap)] },
    Edge { ring: RingKind::Wire, writer: FeedHandler, readers: &[(Recorder, Tap)] },
    Edge { ring: RingKind::Wire, writer: ExecutionGateway, readers: &[(Recorder, Tap)] },
];

const ROLES: usize = 8;

const fn single_writer() -> bool {
    let mut i = 0;
    while i < TOPOLOGY.len() {
        let mut j = i + 1;
        while j < TOPOLOGY.len() {
            let same_ring = TOPOLOGY[i].ring as u8 == TOPOLOGY[j].ring as u8;
            let same_writer = TOPOLOGY[i].writer as u8 == TOPOLOGY[j].writer as u8;
            let per_writer = matches!(TOPOLOGY[i].ring, RingKind::Step | RingKind::Wire);
            if same_ring && (same_writer || !per_writer) {
                return false;
            }
            j += 1;
        }
        i += 1;
    }
    true
}

/// Removes roles that no remaining gating edge enters, until nothing changes; what is left is a cycle.
const fn gating_edges_are_acyclic() -> bool {
    let mut removed = [false; ROLES];
    let mut round = 0;
    while round < ROLES {
        let mut role = 0;
        while role < ROLES {
            if !removed[role] && !has_gating_source(role, &removed) {
                removed[role] = true;
            }
            role += 1;
        }
        round += 1;
    }
    let mut role = 0;
    while role < ROLES {
        if !removed[role] {
            return false;
        }
        role += 1;
    }
    true
}

const fn has_gating_source(role: usize, removed: &[bool; ROLES]) -> bool {
    let mut i = 0;
    while i < TOPOLOGY.len() {
        let mut r = 0;
        while r < TOPOLOGY[i].readers.len() {
            let (reader, attach) = TOPOLOGY[i].readers[r];
            if matches!(attach, Gating) && reader as usize == role && !removed[TOPOLOGY[i].writer as usize] {
                return true;
            }
            r += 1;
        }
        i += 1;
    }
    false
}

const _: () = {
    assert!(single_writer(), "a ring has two writers");
    assert!(gating_edges_are_acyclic(), "gating readers form a cycle: a full ring could wait for itself");
};

impl RingKind {
    /// Bytes of a slot: fixed per kind of ring.
    #[must_use]
    pub const fn slot_bytes(self) -> usize {
        match self {
            Self::MarketData | Self::Control | Self::Step => 64,
            Self::OrderIntent | Self::OrderEntry | Self::Execution | Self::Wire => 128,
        }
    }

    /// The name used in files and in the host file: `market_data`.
    #[must_use]
    pub const fn snake_name(self) -> &'static str {
        match self {
            Self::MarketData => "market_data",
            Self::OrderIntent => "order_intent",
            Self::OrderEntry => "order_entry",
            Self::Execution => "execution",
            Self::Control => "control",
            Self::Step => "step",
            Self::Wire => "wire",
        }
    }
}

/// One ring of an instance: kind, writer role, writer index, and the gateway for `order_intent` and `order_entry`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RingId {
    /// Kind of ring.
    pub kind: RingKind,
    /// Role of its writer.
    pub writer: Role,
    /// Index of its writer.
    pub index: u8,
    /// Gateway that its orders are for (`order_intent`, `order_entry`); else 0.
    pub gateway: u8,
}

impl RingId {
    /// The ring as the `u32` of steps and captures: kind, writer role, index, gateway, from the most significant byte.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        (self.kind as u32) << 24 | (self.writer as u32) << 16 | (self.index as u32) << 8 | self.gateway as u32
    }

    /// The ring of a `u32`; `None` when its kind or role is not in the tables.
    #[must_use]
    pub const fn from_u32(value: u32) -> Option<Self> {
        match (RingKind::from_u8((value >> 24) as u8), Role::from_u8((value >> 16) as u8)) {
            (Some(kind), Some(writer)) => Some(Self { kind, writer, index: (value >> 8) as u8, gateway: value as u8 }),
            _ => None,
        }
    }

    /// The name: `market_data.0`, `order_intent.0-0` (strategy, gateway), `order_entry.0` (gateway), `control`,
    /// `step.risk.0`, `wire.feed-handler.0`. Its region file is this plus `.ring`.
    #[must_use]
    pub fn name(self) -> String {
        let kind = self.kind.snake_name();
        match self.kind {
            RingKind::MarketData | RingKind::Execution => format!("{kind}.{}", self.index),
            RingKind::OrderIntent => format!("{kind}.{}-{}", self.index, self.gateway),
            RingKind::OrderEntry => format!("{kind}.{}", self.gateway),
            RingKind::Control => kind.to_owned(),
            RingKind::Step | RingKind::Wire => format!("{kind}.{}.{}", self.writer.folder(), self.index),
        }
    }
}

/// How many processes of each role an instance has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Feed handlers.
    pub feed_handlers: u8,
    /// Strategies.
    pub strategies: u8,
    /// Execution gateways. There is one risk process and one recorder.
    pub gateways: u8,
}

/// Every ring of an instance with these counts, in data-flow order.
#[must_use]
pub fn rings(counts: Counts) -> Vec<RingId> {
    let mut rings = Vec::new();
    for edge in TOPOLOGY {
        let ring = |index, gateway| RingId { kind: edge.ring, writer: edge.writer, index, gateway };
        match (edge.ring, edge.writer) {
            (RingKind::OrderIntent, _) => {
                for strategy in 0..counts.strategies {
                    rings.extend((0..counts.gateways).map(|gateway| ring(strategy, gateway)));
                }
            }
            (RingKind::OrderEntry, _) => rings.extend((0..counts.gateways).map(|gateway| ring(0, gateway))),
            (_, FeedHandler) => rings.extend((0..counts.feed_handlers).map(|index| ring(index, 0))),
            (_, Strategy) => rings.extend((0..counts.strategies).map(|index| ring(index, 0))),
            (_, ExecutionGateway) => rings.extend((0..counts.gateways).map(|index| ring(index, 0))),
            _ => rings.push(ring(0, 0)),
        }
    }
    rings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_ids_round_trip() {
        let all = rings(Counts { feed_handlers: 2, strategies: 3, gateways: 2 });
        let mut names: Vec<String> = all.iter().map(|ring| ring.name()).collect();
        for ring in &all {
            assert_eq!(RingId::from_u32(ring.to_u32()), Some(*ring));
        }
        let total = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), total);
        // 2 market data, 3×2 intents, 2 entries, 2 executions, control, 2+3+1+2 steps, 2+2 wires
        assert_eq!(total, 2 + 6 + 2 + 2 + 1 + 8 + 4);
        assert!(names.contains(&"order_intent.2-1".to_owned()));
    }
}
