//! The gateway's passes allocate nothing: a binary of its own, because the count is the process's.

mod instance;

use execution_gateway::shell::Shell;
use instance::{World, buy, cancel};
use runtime::alloc::{self, CountingAllocator};
use runtime::duty_cycle::Agent;
use shm_layout::kill_page::Engager;
use shm_layout::message::control::ControlKind;
use shm_layout::types::Role;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Passes and the venue in turn until `done`; allocations of the passes alone.
fn counted(world: &mut World, shell: &mut Shell, done: impl Fn(&Shell) -> bool) -> u64 {
    let mut allocations = 0;
    for _ in 0..20_000 {
        alloc::start_counting();
        world.pass(shell);
        alloc::stop_counting();
        allocations += alloc::allocations();
        world.venue.poll();
        if done(shell) {
            return allocations;
        }
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
    panic!("it never came to that: {:?}", shell.machine().counters());
}

#[test]
fn no_pass_allocates_until_it_is_told_to() {
    let mut world = World::new();
    let (mut shell, _) = world.gateway(9).unwrap();
    let mut allocations = counted(&mut world, &mut shell, |shell| shell.machine().session_open());
    world.venue.fills = 3;
    for round in 0..20 {
        world.enter(buy(2 * round + 1));
        allocations +=
            counted(&mut world, &mut shell, |shell| shell.machine().counters().fills == u64::from(round) + 1);
        world.enter(cancel(2 * round + 2, 2 * round + 1));
        allocations += counted(&mut world, &mut shell, |shell| shell.machine().orders().live_count() == 0);
    }
    world.venue.fills = 0;
    world.enter(buy(100));
    allocations += counted(&mut world, &mut shell, |shell| shell.machine().counters().accepted == 21);
    world.kill.engage(Engager::Operator, world.clock.now(), "drill").unwrap();
    allocations += counted(&mut world, &mut shell, |shell| shell.machine().orders().live_count() == 0);
    world.kill.release(Engager::Operator, world.clock.now()).unwrap();
    world.venue.hang_up();
    allocations += counted(&mut world, &mut shell, |shell| shell.machine().counters().disconnects == 1);
    allocations += counted(&mut world, &mut shell, |shell| shell.machine().session_open());
    assert_eq!(allocations, 0);
    world.tell(ControlKind::AllocateOnce, Some(Role::ExecutionGateway), 0);
    alloc::start_counting();
    world.pass(&mut shell);
    alloc::stop_counting();
    assert_eq!(alloc::allocations(), 1, "the counter counts");
    world.tell(ControlKind::Stop, Some(Role::ExecutionGateway), 0);
    counted(&mut world, &mut shell, Shell::finished);
}
