//! The machine against its naive twin and against a venue, in random interleavings of everything that can happen.

mod world;

use proptest::prelude::*;
use shm_layout::types::Side;
use world::{INSTRUMENTS, STRATEGIES, World, actions};

fn assert_reserved_covers(world: &World) {
    for strategy in 0..STRATEGIES {
        for instrument in 0..INSTRUMENTS {
            let row = world.risk.exposures().row(usize::from(strategy), instrument as usize).unwrap();
            let exposure = world.risk.exposures().exposure(row);
            for (side, reserved) in [(Side::Buy, exposure.open_buy), (Side::Sell, exposure.open_sell)] {
                let held = world.may_hold(strategy, instrument, side);
                assert!(reserved >= i128::from(held), "strategy {strategy}, {side:?}: {reserved} < {held}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Same verdict, same reason, same exposure as the naive twin (compared in every step), and I3: what is reserved is
    /// never less than what the venue may hold. Once everything has arrived, it is exactly that.
    #[test]
    fn agrees_with_the_naive_twin_and_covers_the_venue(actions in actions(300)) {
        let mut world = World::new();
        let busted = actions.iter().any(|action| matches!(action, world::Action::Bust { .. }));
        for action in &actions {
            world.step(action);
            assert_reserved_covers(&world);
        }
        world.settle();
        prop_assert!(!world.in_doubt());
        for strategy in 0..STRATEGIES {
            for instrument in 0..INSTRUMENTS {
                let row = world.risk.exposures().row(usize::from(strategy), instrument as usize).unwrap();
                let exposure = *world.risk.exposures().exposure(row);
                let mine = |pair: &&world::Pair| (pair.order.strategy_id, pair.order.instrument_id.0) == (strategy, instrument);
                let position: i64 = world.pairs.iter().filter(mine).map(|p| p.venue.cum * p.order.side.sign()).sum();
                prop_assert_eq!(exposure.position, i128::from(position));
                prop_assert_eq!(exposure.open_buy, i128::from(world.may_hold(strategy, instrument, Side::Buy)));
                prop_assert_eq!(exposure.open_sell, i128::from(world.may_hold(strategy, instrument, Side::Sell)));
                // Only a broken trade can carry a position past its limit.
                if !busted {
                    prop_assert!(exposure.position.abs() <= 100 * i128::from(world::ONE));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// A risk rebuilt from the journal at any moment has the positions and reservations that the venue may hold.
    #[test]
    fn a_rebuilt_risk_has_the_same_exposure(actions in actions(200)) {
        let mut world = World::new();
        actions.iter().for_each(|action| world.step(action));
        // What the gateway had not journaled when risk died is fenced; what it had is in the rebuild.
        world.entries.clear();
        let mut state = world.risk.orders().clone();
        for execution in &world.executions {
            state.apply(execution).unwrap();
        }
        let rings = [risk::machine::RingStart::default(); STRATEGIES as usize];
        let (hash, now) = (state.hash(), world.now);
        world.risk = risk::machine::Risk::restore(world::settings(), state, 6, &rings, now);
        assert_eq!(world.risk.orders().hash(), hash);
        assert_reserved_covers(&world);
    }
}

/// The generator reaches what it is meant to reach: approvals, fills, replaces and most reasons.
#[test]
fn the_random_streams_reach_most_reasons() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut rejected = [0_u64; 32];
    let (mut approved, mut cancels, mut traded) = (0, 0, 0);
    for _ in 0..200 {
        let stream = actions(300).new_tree(&mut runner).unwrap().current();
        let mut world = World::new();
        stream.iter().for_each(|action| world.step(action));
        let counters = world.risk.counters();
        approved += counters.approved;
        cancels += counters.cancels;
        traded += world.risk.orders().counts().trades;
        rejected.iter_mut().zip(counters.rejected).for_each(|(sum, count)| *sum += count);
    }
    assert!(approved > 500 && cancels > 500 && traded > 200, "{approved} {cancels} {traded}");
    // Killed to Capacity, without TickSize (8), which a price in cents cannot break often, and StaleIntent (14).
    for code in [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17] {
        assert!(rejected[code] > 0, "reason {code} was never reached: {rejected:?}");
    }
}
