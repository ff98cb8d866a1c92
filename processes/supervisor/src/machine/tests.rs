//! The core without a process: every death, fence and rebuild is an input, and what is asked for is compared with the
//! sequence that the architecture document binds.

mod world;

use super::*;
use crate::config::Config;
use machine::Stepper;
use world::*;

#[test]
fn a_start_goes_wave_by_wave_with_new_epochs_and_no_rebuild() {
    let mut world = World::new(false);
    assert_eq!(world.give(Input::Boot), [Output::PersistEpoch(GATEWAY, 11)]);
    assert_eq!(spawns(&world.persisted(GATEWAY)), [GATEWAY]);
    // Each next wave begins when the one before runs.
    for (slot, next) in [(GATEWAY, FEED), (FEED, RISK), (RISK, RECORDER)] {
        let outputs = world.give(Input::ProcessReady(slot));
        assert_eq!(outputs.last(), Some(&Output::PersistEpoch(next, 11)));
        let spawned = world.persisted(next);
        assert_eq!(spawns(&spawned), [next]);
        assert!(matches!(
            spawned[place(&spawned, |o| matches!(o, Output::Spawn { .. }))],
            Output::Spawn { snapshot: false, .. }
        ));
    }
    let outputs = world.give(Input::ProcessReady(RECORDER));
    let both = [Output::PersistEpoch(FIRST, 11), Output::PersistEpoch(SECOND_STRATEGY, 11)];
    assert!(outputs.ends_with(&both));
    assert_eq!(kinds(&world.persisted(FIRST)), [(ControlKind::Epoch, Role::Strategy as u8, 0)]);
}

#[test]
fn a_start_on_an_old_journal_rebuilds_first() {
    let mut world = World::new(true);
    world.give(Input::Boot);
    world.live(GATEWAY);
    world.live(FEED);
    let epoch = world.persisted(RISK);
    assert_eq!((kinds(&epoch).len(), spawns(&epoch).len()), (1, 0));
    assert!(matches!(world.fenced(RISK)[..], [Output::SpawnRebuild { slot: RISK, epoch: 11, fenced: 1 }]));
    let outputs = world.rebuilt(RISK);
    assert!(matches!(outputs[0], Output::Spawn { slot: RISK, snapshot: true, .. }));
}

/// Death, park, epoch, fence, rebuild, start, equality, arm: for a strategy that the operator had armed.
#[test]
fn a_strategy_returns_through_the_barrier_and_is_armed_again_only_when_equal() {
    let mut world = World::running();
    assert_eq!(world.command(Command::Arm { strategy: 0 }), None);
    let death = world.dies(FIRST);
    let park = place(&death, |o| *o == Output::Park(FIRST, true));
    assert!(park < place(&death, |o| *o == Output::PersistEpoch(FIRST, 12)));
    assert_eq!(kinds(&death), [(ControlKind::Disarm, Role::Strategy as u8, 0)]);
    // Nothing is published before the epoch is durable.
    let published = world.persisted(FIRST);
    assert_eq!(kinds(&published), [(ControlKind::Epoch, Role::Strategy as u8, 0)]);
    assert!(matches!(&published[0], Output::Publish(control) if control.epoch == 12));
    // An echo of an older epoch, or of another process, is not the fence.
    let old = Input::FenceEchoed { gateway: 0, role: Role::Strategy, index: 0, epoch: 11, journal_sequence: 3 };
    assert!(world.give(old).is_empty());
    let other = Input::FenceEchoed { gateway: 0, role: Role::Strategy, index: 1, epoch: 12, journal_sequence: 3 };
    assert!(world.give(other).is_empty());
    assert!(matches!(world.fenced(FIRST)[..], [Output::SpawnRebuild { slot: FIRST, epoch: 12, fenced: 1 }]));
    let started = world.rebuilt(FIRST);
    assert!(matches!(started[0], Output::Spawn { slot: FIRST, epoch: 12, restarts: 1, snapshot: true }));
    let ready = world.give(Input::ProcessReady(FIRST));
    assert_eq!(ready[0], Output::Park(FIRST, false));
    assert!(kinds(&ready).is_empty(), "not armed before its state is known");
    assert_eq!(world.command(Command::Arm { strategy: 0 }), Some(Refusal::NotRestored));
    // A checkpoint of another moment says nothing.
    assert!(world.reported(FIRST, Restored { through: 41, hash: 1, ..STATE }).is_empty());
    assert_eq!(kinds(&world.reported(FIRST, STATE)), [(ControlKind::Arm, Role::Strategy as u8, 0)]);
    assert!(world.reported(FIRST, STATE).is_empty(), "armed once");
}

#[test]
fn a_strategy_that_was_not_armed_stays_disarmed() {
    let mut world = World::running();
    world.dies(FIRST);
    world.persisted(FIRST);
    world.fenced(FIRST);
    world.rebuilt(FIRST);
    // The report may come before the process says that it runs.
    assert!(world.reported(FIRST, STATE).is_empty());
    assert!(kinds(&world.give(Input::ProcessReady(FIRST))).is_empty());
    assert_eq!(world.command(Command::Arm { strategy: 0 }), None);
}

#[test]
fn risk_returns_through_the_same_barrier_and_strategies_stay_armed() {
    let mut world = World::running();
    world.command(Command::Arm { strategy: 1 });
    let death = world.dies(RISK);
    assert_eq!(death[0], Output::Park(RISK, true));
    assert!(kinds(&death).is_empty(), "strategies go on; gateways cancel by risk's lease");
    assert_eq!(kinds(&world.persisted(RISK)), [(ControlKind::Epoch, Role::Risk as u8, 0)]);
    assert!(matches!(world.fenced(RISK)[..], [Output::SpawnRebuild { slot: RISK, .. }]));
    assert_eq!(spawns(&world.rebuilt(RISK)), [RISK]);
    assert_eq!(world.give(Input::ProcessReady(RISK))[0], Output::Park(RISK, false));
}

#[test]
fn feed_handler_and_recorder_need_no_barrier() {
    let mut world = World::running();
    for slot in [FEED, RECORDER] {
        let death = world.dies(slot);
        assert_eq!((death[0].clone(), kinds(&death).len()), (Output::Park(slot, true), 0));
        assert_eq!(death.last(), Some(&Output::PersistEpoch(slot, 12)));
        let outputs = world.persisted(slot);
        assert!(matches!(outputs[0], Output::Spawn { snapshot: false, epoch: 12, .. }));
        assert_eq!(world.give(Input::ProcessReady(slot))[0], Output::Park(slot, false));
    }
}

/// Fault 12: a death at each step begins the sequence anew with the next epoch, and nothing of the old one counts.
#[test]
fn a_death_during_recovery_begins_it_anew() {
    for steps in 3..=4 {
        let mut world = World::running();
        world.dies(FIRST);
        for epoch in 12..15 {
            assert_eq!(world.epoch(FIRST), epoch);
            world.persisted(FIRST);
            world.fenced(FIRST);
            world.rebuilt(FIRST);
            if steps == 4 {
                world.give(Input::ProcessReady(FIRST));
            }
            world.dies(FIRST);
            world.wait(SECOND);
        }
        // What the cut-short lives still say is of an older epoch.
        let late = Input::RebuildDone { slot: FIRST, epoch: 12, restored: Some(vec![STATE]) };
        assert!(world.give(late).is_empty());
        assert!(world.give(Input::EpochPersisted { slot: FIRST, epoch: 13, durable: true }).is_empty());
        assert!(world.reported(FIRST, STATE).is_empty());
        world.persisted(FIRST);
        world.fenced(FIRST);
        assert_eq!(spawns(&world.rebuilt(FIRST)), [FIRST]);
    }
}

#[test]
fn a_rebuild_that_fails_or_hangs_is_tried_again_with_the_next_epoch() {
    let mut world = World::running();
    world.dies(RISK);
    world.persisted(RISK);
    world.fenced(RISK);
    let failed = world.give(Input::RebuildDone { slot: RISK, epoch: 12, restored: None });
    assert!(failed.iter().all(|o| !matches!(o, Output::Spawn { .. })), "nothing starts from a failed rebuild");
    world.wait(SECOND);
    assert_eq!(world.epoch(RISK), 13);
    world.persisted(RISK);
    world.fenced(RISK);
    let outputs = world.wait(31 * SECOND);
    assert!(outputs.contains(&Output::CancelRebuild(RISK)));
}

#[test]
fn an_epoch_that_is_not_fenced_is_published_again() {
    let mut world = World::running();
    world.dies(RISK);
    world.persisted(RISK);
    assert_eq!(kinds(&world.wait(SECOND)), [(ControlKind::Epoch, Role::Risk as u8, 0)]);
    assert_eq!(kinds(&world.wait(SECOND)), [(ControlKind::Epoch, Role::Risk as u8, 0)]);
    assert!(matches!(world.fenced(RISK)[..], [Output::SpawnRebuild { .. }]));
}

#[test]
fn a_state_that_differs_is_killed_and_rebuilt() {
    let mut world = World::running();
    world.command(Command::Arm { strategy: 0 });
    world.dies(FIRST);
    world.persisted(FIRST);
    world.fenced(FIRST);
    world.rebuilt(FIRST);
    world.give(Input::ProcessReady(FIRST));
    let outputs = world.reported(FIRST, Restored { hash: 1, ..STATE });
    assert_eq!(outputs, [Output::KillProcess(FIRST)]);
    assert!(world.reported(FIRST, STATE).is_empty(), "it is not armed on its way out");
}

/// Fault 16: the first restart is at once, the next wait ever longer, and after `restarts_max` in the window none comes.
#[test]
fn a_crash_loop_backs_off_and_is_given_up() {
    let mut world = World::running();
    world.command(Command::Arm { strategy: 0 });
    let waits = [0, 100, 200, 400, 800];
    for wait in waits {
        let outputs = world.dies(FIRST);
        let at_once = outputs.iter().any(|o| matches!(o, Output::PersistEpoch(..)));
        assert_eq!(at_once, wait == 0);
        if wait > 0 {
            assert!(world.wait(wait * MS - 1).is_empty());
            assert!(matches!(world.wait(1)[..], [Output::PersistEpoch(FIRST, _)]));
        }
        world.persisted(FIRST);
        world.fenced(FIRST);
        world.rebuilt(FIRST);
    }
    let outputs = world.dies(FIRST);
    assert_eq!(world.phase(FIRST), Phase::GivenUp);
    assert!(outputs.contains(&Output::SetArmed(0)));
    assert!(world.wait(100 * SECOND).is_empty());
    assert_eq!(world.core.machine.state_name(), "degraded");
    assert_eq!(world.command(Command::Arm { strategy: 0 }), Some(Refusal::NotRunning));
    assert_eq!(world.command(Command::Arm { strategy: 1 }), None, "the other one trades on");
}

#[test]
fn deaths_far_apart_never_add_up() {
    let mut world = World::running();
    for _ in 0..20 {
        world.wait(61 * SECOND);
        assert!(world.dies(FEED).iter().any(|o| matches!(o, Output::PersistEpoch(FEED, _))));
        world.live(FEED);
    }
}

#[test]
fn without_risk_nobody_stays_armed() {
    let mut world = World::running();
    world.command(Command::Arm { strategy: 1 });
    let mut last = Vec::new();
    for _ in 0..6 {
        last = world.dies(RISK);
        world.wait(5 * SECOND);
        world.persisted(RISK);
        world.fenced(RISK);
        world.rebuilt(RISK);
    }
    assert_eq!(world.phase(RISK), Phase::GivenUp);
    assert!(last.contains(&Output::SetArmed(0)));
}

#[test]
fn a_gateways_death_latches_the_kill_and_stops_nothing_else() {
    let mut world = World::running();
    world.command(Command::Arm { strategy: 0 });
    // Risk is in the middle of its own barrier: it must not wait for a fence that cannot come.
    world.dies(RISK);
    world.persisted(RISK);
    let outputs = world.dies(GATEWAY);
    assert!(outputs.iter().any(|o| matches!(o, Output::LatchKill(reason) if reason.contains("execution-gateway/0"))));
    assert!(outputs.contains(&Output::SetArmed(0)));
    assert!(outputs.contains(&Output::SpawnRebuild { slot: RISK, epoch: 12, fenced: 0 }));
    assert!(outputs.iter().all(|o| !matches!(o, Output::KillProcess(_) | Output::Finish { .. })));
    let disarmed = kinds(&outputs);
    assert_eq!(disarmed, [(ControlKind::Disarm, 3, 0), (ControlKind::Disarm, 3, 1)]);
    assert_eq!(world.phase(GATEWAY), Phase::GivenUp);
    world.give(Input::KillEngaged);
    assert_eq!(world.command(Command::Arm { strategy: 0 }), Some(Refusal::Killed));
    assert_eq!(world.command(Command::CancelAll {}), Some(Refusal::NoGateway));
}

#[test]
fn a_kill_disarms_and_also_stops_what_was_to_be_armed_again() {
    let mut world = World::running();
    world.command(Command::Arm { strategy: 0 });
    world.dies(FIRST);
    world.persisted(FIRST);
    world.fenced(FIRST);
    world.rebuilt(FIRST);
    world.give(Input::ProcessReady(FIRST));
    assert!(world.give(Input::KillEngaged).contains(&Output::SetArmed(0)));
    assert!(kinds(&world.reported(FIRST, STATE)).is_empty());
    world.give(Input::KillReleased);
    assert_eq!(world.command(Command::KillReleased {}), None);
    assert_eq!(world.command(Command::Arm { strategy: 0 }), None, "armed by the operator alone");
}

#[test]
fn stale_and_livelocked_processes_are_killed_once() {
    let mut world = World::running();
    assert_eq!(world.give(Input::HeartbeatStale(RISK)), [Output::KillProcess(RISK)]);
    assert!(world.give(Input::HeartbeatStale(RISK)).is_empty());
    assert_eq!(world.give(Input::ProgressStalled(FIRST)), [Output::KillProcess(FIRST)]);
    // Nothing is repaired before the death is proven.
    assert_eq!(world.phase(RISK), Phase::Running);
    assert_eq!(world.dies(RISK)[0], Output::Park(RISK, true));
}

#[test]
fn a_process_that_hangs_in_its_start_is_killed() {
    let mut world = World::running();
    world.dies(FEED);
    world.persisted(FEED);
    assert!(world.give(Input::HeartbeatStale(FEED)).is_empty(), "a start has its own bound");
    assert_eq!(world.wait(10 * SECOND), [Output::KillProcess(FEED)]);
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    let mut world = World::new(false);
    world.give(Input::Boot);
    world.live(GATEWAY);
    world.persisted(FEED);
    let outputs = world.give(Input::ProcessExited(FEED, Exit::Code(78)));
    assert!(outputs.contains(&Output::KillProcess(GATEWAY)));
    assert!(!outputs.iter().any(|o| matches!(o, Output::Finish { .. })), "the gateway still lives");
    assert_eq!(world.dies(GATEWAY).last(), Some(&Output::Finish { code: 78, clean: true }));
}

#[test]
fn an_epoch_that_cannot_be_made_durable_is_never_used() {
    let mut world = World::running();
    world.dies(FIRST);
    let outputs = world.give(Input::EpochPersisted { slot: FIRST, epoch: 12, durable: false });
    assert!(kinds(&outputs).is_empty() && spawns(&outputs).is_empty());
    assert_eq!(world.phase(FIRST), Phase::GivenUp);
}

#[test]
fn the_last_epoch_is_the_end() {
    let slots = ROLES.iter().map(|(role, index)| Slot::new(*role, *index, EPOCH_MAX, 0)).collect();
    let core = Supervisor::new(Config::default().timing(), slots, false);
    let mut world = World { core: Stepper::new(core, Nanos(0)), now: Nanos(0) };
    let outputs = world.give(Input::Boot);
    assert_eq!(outputs, [Output::Finish { code: EX_SOFTWARE, clean: true }]);
}

#[test]
fn an_adopting_supervisor_restarts_the_dead_and_arms_nobody_itself() {
    let slots = ROLES.iter().map(|(role, index)| Slot::new(*role, *index, 10, 2)).collect();
    let core = Supervisor::adopt(Config::default().timing(), slots, &[RECORDER], 0b01);
    let mut world = World { core: Stepper::new(core, Nanos(0)), now: Nanos(0) };
    assert!(world.give(Input::Boot).is_empty());
    let outputs = world.give(Input::ProcessExited(FIRST, Exit::Unknown));
    assert_eq!(outputs.last(), Some(&Output::PersistEpoch(FIRST, 11)));
    world.persisted(FIRST);
    world.fenced(FIRST);
    world.rebuilt(FIRST);
    world.give(Input::ProcessReady(FIRST));
    assert_eq!(kinds(&world.reported(FIRST, STATE)), [(ControlKind::Arm, 3, 0)], "the operator's wish is adopted too");
    assert_eq!(world.phase(RECORDER), Phase::GivenUp);
}

#[test]
fn a_clean_stop_ends_everyone_in_order() {
    let mut world = World::running();
    world.command(Command::Arm { strategy: 0 });
    let outputs = world.give(Input::Stop);
    let expected = [(ControlKind::Disarm, 3, 0), (ControlKind::Disarm, 3, 1), (ControlKind::CancelAll, 0, 0)];
    assert_eq!(kinds(&outputs), expected);
    assert!(outputs.contains(&Output::SetArmed(0)));
    assert!(world.give(Input::OpenOrders(0)).is_empty(), "orders may be under way");
    world.wait(100 * MS);
    assert!(world.give(Input::OpenOrders(3)).is_empty());
    let outputs = world.give(Input::OpenOrders(0));
    let traders = [(ControlKind::Stop, 3, 0), (ControlKind::Stop, 3, 1), (ControlKind::Stop, 4, 0)];
    assert_eq!(kinds(&outputs), traders);
    let ends = |world: &mut World, slot| world.give(Input::ProcessExited(slot, Exit::Code(0)));
    ends(&mut world, FIRST);
    ends(&mut world, SECOND_STRATEGY);
    assert_eq!(kinds(&ends(&mut world, RISK)), [(ControlKind::CancelAll, 0, 0)]);
    assert_eq!(kinds(&world.give(Input::OpenOrders(0))), [(ControlKind::Stop, 5, 0)]);
    assert_eq!(kinds(&ends(&mut world, GATEWAY)), [(ControlKind::Stop, 2, 0)]);
    assert_eq!(kinds(&ends(&mut world, FEED)), [(ControlKind::Stop, 6, 0)]);
    assert_eq!(ends(&mut world, RECORDER).last(), Some(&Output::Finish { code: 0, clean: true }));
}

#[test]
fn a_stop_is_bounded_step_by_step() {
    let mut world = World::running();
    world.give(Input::Stop);
    world.give(Input::OpenOrders(2));
    assert_eq!(kinds(&world.wait(5 * SECOND)).len(), 3, "orders stay open: the traders are stopped all the same");
    let killed = world.wait(5 * SECOND);
    assert_eq!(killed, [Output::KillProcess(FIRST), Output::KillProcess(SECOND_STRATEGY), Output::KillProcess(RISK)]);
    for slot in [FIRST, SECOND_STRATEGY, RISK] {
        world.dies(slot);
    }
    world.give(Input::OpenOrders(0));
    for slot in [GATEWAY, FEED, RECORDER] {
        world.give(Input::ProcessExited(slot, Exit::Code(0)));
    }
    assert_eq!(world.core.machine.state_name(), "stopped");
    // And a process that cannot be killed does not hold the end up.
    let mut world = World::running();
    world.give(Input::Stop);
    world.wait(5 * SECOND);
    world.wait(5 * SECOND);
    assert_eq!(world.wait(5 * SECOND).last(), Some(&Output::Finish { code: 1, clean: false }));
}

#[test]
fn a_stop_in_the_middle_of_a_restart_starts_nothing_more() {
    let mut world = World::running();
    world.dies(FIRST);
    world.persisted(FIRST);
    world.fenced(FIRST);
    let outputs = world.give(Input::Command { request_id: 9, command: Command::Stop {} });
    assert!(outputs.contains(&Output::CancelRebuild(FIRST)));
    assert!(outputs.contains(&Output::Reply { request_id: 9, refused: None }));
    assert!(spawns(&world.rebuilt(FIRST)).is_empty());
    assert_eq!(world.command(Command::Arm { strategy: 1 }), Some(Refusal::Stopping));
}

#[test]
fn commands_are_published_with_their_id_before_the_reply() {
    let mut world = World::running();
    let outputs = world.give(Input::Command { request_id: 7, command: Command::Arm { strategy: 1 } });
    let published = place(&outputs, |o| matches!(o, Output::Publish(control) if control.request_id == 7));
    assert!(published < place(&outputs, |o| matches!(o, Output::Reply { .. })));
    assert_eq!(world.command(Command::Arm { strategy: 2 }), Some(Refusal::Unknown));
    assert_eq!(world.command(Command::Disarm { strategy: 1 }), None);
    assert_eq!(world.command(Command::AllocateOnce { role: Role::Risk, index: 0 }), None);
    assert_eq!(world.command(Command::AllocateOnce { role: Role::Risk, index: 1 }), Some(Refusal::Unknown));
    assert_eq!(world.command(Command::CancelAll {}), None);
}

#[test]
fn commands_are_read_from_json_and_nothing_else_is() {
    let read = |text: &str| serde_json::from_str::<Command>(text).ok();
    assert_eq!(read(r#"{"command":"arm","strategy":3}"#), Some(Command::Arm { strategy: 3 }));
    assert_eq!(read(r#"{"command":"cancel_all"}"#), Some(Command::CancelAll {}));
    assert_eq!(read(r#"{"command":"kill_released"}"#), Some(Command::KillReleased {}));
    let once = Command::AllocateOnce { role: Role::FeedHandler, index: 1 };
    assert_eq!(read(r#"{"command":"allocate_once","role":"feed-handler","index":1}"#), Some(once));
    for bad in [r#"{"command":"arm"}"#, r#"{"command":"arm","strategy":300}"#, r#"{"command":"sell"}"#, "arm 0", "[]"] {
        assert_eq!(read(bad), None, "{bad}");
    }
    assert_eq!(read(r#"{"command":"stop","now":true}"#), None, "unknown keys are refused");
}

/// What was said for the log since, with a stage of 3 ms before each input.
fn said(world: &mut World, input: Input) -> Vec<String> {
    world.now = world.now.plus(3 * MS);
    let mut outputs = Vec::new();
    world.core.input(world.now, &input, &mut |output| outputs.push(output));
    outputs.into_iter().filter_map(|output| if let Output::Say(text) = output { Some(text) } else { None }).collect()
}

#[test]
fn a_restart_says_how_long_each_of_its_stages_took_and_where_it_is() {
    let mut world = World::running();
    assert_eq!(world.command(Command::Arm { strategy: 0 }), None);
    let stage = |world: &World| world.core.machine.slots()[FIRST].stage();
    assert_eq!(stage(&world), None);
    assert_eq!(said(&mut world, Input::HeartbeatStale(FIRST)), ["strategy/0: killed: its heartbeat stopped"]);
    assert_eq!(stage(&world), Some("killed"));
    let ended = said(&mut world, Input::ProcessExited(FIRST, Exit::Signal(9)));
    assert_eq!(ended, ["strategy/0: ended: Signal(9), proven 3.000 ms after the kill"]);
    let epoch = world.epoch(FIRST);
    let (role, index) = ROLES[FIRST];
    let steps = [
        (
            "persisting_epoch",
            Input::EpochPersisted { slot: FIRST, epoch, durable: true },
            "epoch 12 synced after 3.000 ms",
        ),
        (
            "fencing",
            Input::FenceEchoed { gateway: 0, role, index, epoch, journal_sequence: 40 },
            "fenced by every living gateway after 3.000 ms",
        ),
        (
            "rebuilding",
            Input::RebuildDone { slot: FIRST, epoch, restored: Some(vec![STATE]) },
            "rebuilt after 3.000 ms",
        ),
        ("starting", Input::ProcessReady(FIRST), "started and runs (12.000 ms after its death), after 3.000 ms"),
        (
            "proving_state",
            Input::StateReported { slot: FIRST, state: STATE },
            "state proven and armed again after 3.000 ms",
        ),
    ];
    for (before, input, words) in steps {
        assert_eq!(stage(&world), Some(before));
        assert_eq!(said(&mut world, input), [format!("strategy/0: {words}")]);
    }
    assert_eq!(stage(&world), None);
}
