//! A new life from the journal: the fold through the fence, the snapshot's way through its bytes, the restored machine, and
//! I9: what is rebuilt is what lived.

use crate::desk::Desk;
use crate::settings;
use crate::trader::Trader;
use crate::world::World;
use journal::{Rebuilt, Through};
use orders::OrdersState;
use orders::snapshot::{Capacity, GatewayState, IntentRing, Snapshot};
use risk::machine::{RingStart, Risk};
use shm_layout::message::control::ControlKind;
use shm_layout::message::order::OrderRequest;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{ClOrdId, Role};
use strategy::machine::StrategyMachine;

impl World {
    /// I9: the journal, folded as far as the dead process had read, has the hash that it had.
    pub(crate) fn compare_rebuilt(&mut self, live: &OrdersState, mut state: OrdersState) {
        let through = live.through_journal_sequence();
        let rebuilt = self.env.archive.rebuild(&mut state, Through::Sequence(through));
        assert!(rebuilt.is_ok(), "the journal cannot be folded through {through}: {rebuilt:?}");
        assert_eq!(state.hash(), live.hash(), "I9: rebuilt through {through}, of a process that just died");
        self.env.checker.counts.rebuilds += 1;
    }

    fn fold(&self, state: &mut OrdersState, role: Role, index: u8, epoch: u32) -> Rebuilt {
        let rebuilt = self.env.archive.rebuild(state, Through::Fence(role, index, epoch));
        rebuilt.unwrap_or_else(|error| panic!("the rebuild of {role:?} {index} failed: {error}"))
    }

    /// The snapshot's file: written by the supervisor's child, read by the new process.
    fn through_the_file(&self, snapshot: &Snapshot, orders: usize) -> Snapshot {
        let capacity = Capacity {
            orders,
            instruments: usize::from(self.scenario.instruments),
            strategies: usize::from(self.scenario.strategies),
        };
        let read = Snapshot::decode(&snapshot.encode(), &capacity).expect("what was written can be read");
        let (wrote, found) = (&snapshot.gateways[0].state, &read.gateways[0].state);
        assert_eq!(wrote.hash(), found.hash(), "the snapshot holds the whole state");
        assert_eq!(wrote.through_journal_sequence(), found.through_journal_sequence());
        read
    }

    pub(crate) fn restore_strategy(&mut self, index: u8, epoch: u32) {
        let settings = settings::strategy(index, self.exchange.instruments());
        let mut state = StrategyMachine::orders_state(&settings);
        let rebuilt = self.fold(&mut state, Role::Strategy, index, epoch);
        let snapshot = Snapshot {
            role: Role::Strategy,
            index,
            epoch,
            last_cl_ord_id: rebuilt.last_cl_ord_ids[usize::from(index)],
            intent_rings: Vec::new(),
            gateways: vec![GatewayState { gateway: 0, state }],
        };
        let read = self.through_the_file(&snapshot, settings.orders_max);
        let expected = read.gateways[0].state.hash();
        let state = read.gateways.into_iter().next().expect("one gateway").state;
        self.env.checker.strategy_starts(index);
        let trader = Trader::start(&self.env, settings, state, epoch);
        assert_eq!(trader.machine().orders().hash(), expected, "I9: the restored strategy is the rebuilt one");
        assert!(!trader.machine().is_armed(), "a strategy comes up disarmed");
        self.strategies[usize::from(index)] = Some(trader);
        if self.supervisor.armed && self.env.bus.kill_generation == 0 {
            self.supervisor.say(&mut self.env, 3 + usize::from(index), ControlKind::Arm);
        }
    }

    pub(crate) fn restore_risk(&mut self, epoch: u32) {
        let settings = self.risk_settings();
        let mut state = Risk::orders_state(&settings);
        let rebuilt = self.fold(&mut state, Role::Risk, 0, epoch);
        let intent_rings = (0..self.scenario.strategies).map(|index| self.intent_ring(index, &rebuilt));
        let snapshot = Snapshot {
            role: Role::Risk,
            index: 0,
            epoch,
            last_cl_ord_id: ClOrdId::NONE,
            intent_rings: intent_rings.collect(),
            gateways: vec![GatewayState { gateway: 0, state }],
        };
        let read = self.through_the_file(&snapshot, settings.orders_max);
        let starts: Vec<_> = (read.intent_rings.iter())
            .map(|ring| RingStart { resume_after: ring.resume_after, fence: ring.fence })
            .collect();
        let expected = read.gateways[0].state.hash();
        let state = read.gateways.into_iter().next().expect("one gateway").state;
        let desk = Desk::start(&self.env, settings, state, epoch, &starts);
        assert_eq!(desk.machine().orders().hash(), expected, "I9: the restored risk is the rebuilt one");
        self.risk = Some(desk);
        self.env.bus.order_intent.iter().for_each(|ring| ring.park(false));
    }

    /// Up to where the dead risk forwarded, by the journal or by what is left in its ring; and up to where the rest is
    /// refused.
    fn intent_ring(&self, index: u8, rebuilt: &Rebuilt) -> IntentRing {
        let in_journal = rebuilt.last_intent_sequences[usize::from(index)];
        let in_ring = (self.env.bus.order_entry.held().iter())
            .filter_map(|(_, words)| OrderRequest::decode(words).ok())
            .filter(|request| request.header().strategy_id == u16::from(index))
            .map(|request| request.intent_sequence())
            .max();
        IntentRing {
            ring: RingId { kind: RingKind::OrderIntent, writer: Role::Strategy, index, gateway: 0 },
            resume_after: in_journal.max(in_ring.unwrap_or(0)),
            fence: self.env.bus.order_intent[usize::from(index)].published(),
        }
    }
}
