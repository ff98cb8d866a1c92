//! Nothing is allocated between the first pass and the last, whatever is read. A test file of its own, because the
//! counting allocator counts one thread of the process.

mod instance;

use instance::{World, buy, cancel};
use runtime::alloc::{self, CountingAllocator};
use shm_layout::kill_page::Engager;
use shm_layout::message::control::ControlKind;
use shm_layout::types::Role;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Allocations of the passes alone: the scripted neighbours may allocate.
fn counted(world: &mut World, shell: &mut risk::shell::RiskShell) -> u64 {
    world.now = world.now.plus(1_100_000);
    alloc::start_counting();
    for _ in 0..3 {
        world.pass(shell);
    }
    alloc::stop_counting();
    alloc::allocations()
}

#[test]
fn no_pass_allocates_until_it_is_told_to() {
    let mut world = World::new();
    let (mut shell, _) = world.risk(3, None).unwrap();
    let mut allocations = counted(&mut world, &mut shell);
    for round in 0..40 {
        world.quote();
        world.intend(&buy(0, round * 2 + 1)).unwrap();
        world.intend(&cancel(0, round * 2 + 2, round * 2 + 1)).unwrap();
        world.intend(&buy(1, round + 1)).unwrap();
        world.tell(ControlKind::Arm, Some(Role::Strategy), 0);
        if round == 20 {
            world.kill.engage(Engager::Operator, world.now, "drill").unwrap();
        }
        allocations += counted(&mut world, &mut shell);
        let entries = world.entries();
        assert_eq!(entries.len(), 3);
        if round < 20 {
            world.report_pending(&entries[0]);
        }
        world.checkpoint(1);
    }
    assert_eq!(shell.machine().counters().approved, 20);
    assert_eq!(shell.machine().orders().live_orders().count(), 20);
    assert_eq!(allocations, 0);
    world.tell(ControlKind::AllocateOnce, Some(Role::Risk), 0);
    assert_eq!(counted(&mut world, &mut shell), 1, "the counter counts");
}
