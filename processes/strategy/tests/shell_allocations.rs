//! Nothing is allocated between the first pass and the last, whatever is read. A test file of its own, because the
//! counting allocator counts one thread of the process.

mod instance;

use instance::{SLOTS, World, new_orders};
use runtime::alloc::{self, CountingAllocator};
use shm_layout::message::control::ControlKind;
use shm_layout::types::Role;
use strategy::shell::StrategyShell;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Allocations of the passes alone: the scripted neighbours may allocate.
fn counted(world: &mut World, shell: &mut StrategyShell) -> u64 {
    alloc::start_counting();
    world.pass(shell);
    alloc::stop_counting();
    alloc::allocations()
}

#[test]
fn no_pass_allocates_until_it_is_told_to() {
    let mut world = World::new();
    let (mut shell, _) = world.strategy(3, None).unwrap();
    let mut allocations = counted(&mut world, &mut shell);
    world.tell(ControlKind::Arm, Role::Strategy, 0);
    for round in 0_i64..120 {
        let shift = [0, 1, 0, 1, -40, -10, 30, 5][round as usize % 8];
        world.quote(9_999 + shift, 10_001 + shift);
        if round % 50 == 20 {
            (0..SLOTS).for_each(|_| world.quote(9_990, 9_992));
        }
        allocations += counted(&mut world, &mut shell);
        for order in new_orders(&world.intents()) {
            world.fill(&order);
        }
        if round % 10 == 0 {
            world.checkpoint();
        }
    }
    assert!(shell.outcome().is_ok());
    let counters = *shell.machine().counters();
    assert!(counters.orders > 2 && counters.fills == counters.orders && counters.reloads > 1, "{counters:?}");
    assert_eq!(allocations, 0);
    world.tell(ControlKind::AllocateOnce, Role::Strategy, 0);
    assert_eq!(counted(&mut world, &mut shell), 1, "the counter counts");
}
