//! Risk's shell over real regions, with its neighbours scripted.

mod instance;

use instance::{SLOTS, World, buy, cancel, reasons, ring};
use machine::Stepper;
use orders::snapshot::{GatewayState, IntentRing, Snapshot};
use risk::config::{Instrument, RiskConfig};
use risk::limits::Settings;
use risk::machine::{Input, Output, RingStart, Risk};
use risk::shell::ShellFault;
use runtime::duty_cycle::Agent;
use runtime::inputs::InputFault;
use shm_layout::kill_page::Engager;
use shm_layout::message::WORDS_64;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::Execution;
use shm_layout::message::order::OrderRequest;
use shm_layout::message::step::{Reference, StepKind};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::*;

/// The limits of the instance, resolved from the host file without the shell.
fn settings(world: &World) -> Settings {
    let file = world.host_file();
    let row = &file.instruments().rows()[0];
    let instrument = Instrument {
        symbol: row.symbol.clone(),
        tick_size: row.tick_size,
        lot_size: row.lot_size,
        price_max: row.price_max,
        order_qty_max: row.order_qty_max,
    };
    file.table::<RiskConfig>("risk").unwrap().resolve(&[instrument], 2, 1).unwrap()
}

#[test]
fn an_intent_is_judged_by_the_image_and_answered_once() {
    let mut world = World::new();
    let (mut shell, status) = world.risk(3, None).unwrap();
    world.quote();
    world.pass(&mut shell);
    assert!(world.intend(&buy(0, 1)).is_ok() && world.intend(&cancel(0, 2, 1)).is_ok());
    assert_eq!(world.pass(&mut shell), 2);
    let entries = world.entries();
    assert_eq!(reasons(&entries), [RejectReason::None; 2]);
    let header = entries[0].header();
    assert_eq!((header.risk_epoch, header.risk_sequence, entries[1].header().risk_sequence), (3, 1, 2));
    assert_eq!((entries[0].intent_sequence(), entries[1].intent_sequence()), (1, 2));
    let OrderRequest::NewOrderSingle(order) = entries[0] else { panic!("an order") };
    assert_eq!(order.reference_price, Price(100 * UNITS), "the mid of 99.99 and 100.01");
    assert_eq!(world.pass(&mut shell), 0);
    assert!(world.entries().is_empty());
    // The second strategy has no limits in the host file.
    world.intend(&buy(1, 1)).unwrap();
    world.pass(&mut shell);
    assert_eq!(reasons(&world.entries()), [RejectReason::LimitMissing]);
    world.now = world.now.plus(2_000_000);
    world.pass(&mut shell);
    let counters: std::collections::BTreeMap<_, _> = status.counters().iter().collect();
    let told = ["approved", "cancels", "rejected", "rejected.LimitMissing"].map(|label| counters[label]);
    assert_eq!(told, [1, 1, 1, 1]);
    let position = status.positions().find(|position| position.ring.kind == RingKind::OrderIntent).unwrap();
    assert_eq!((position.next_sequence, position.laps), (3, 0));
}

#[test]
fn a_market_that_is_not_trusted_or_went_silent_blocks_new_orders_only() {
    let mut world = World::new();
    let (mut shell, _) = world.risk(3, None).unwrap();
    let mut verdict = |world: &mut World, counter: u32| {
        world.intend(&buy(0, counter)).unwrap();
        world.intend(&cancel(0, counter + 1, counter)).unwrap();
        world.pass(&mut shell);
        let told = reasons(&world.entries());
        assert_eq!(told[1], RejectReason::None, "a cancel passes");
        told[0]
    };
    assert_eq!(verdict(&mut world, 1), RejectReason::MarketState, "nothing was ever written");
    world.quote();
    assert_eq!(verdict(&mut world, 3), RejectReason::None);
    world.image.write_channel(ChannelState::GapFill, 5, world.now);
    assert_eq!(verdict(&mut world, 5), RejectReason::StaleMarketData);
    world.quote();
    assert_eq!(verdict(&mut world, 7), RejectReason::None);
    world.now = world.now.plus(3_100_000_000);
    assert_eq!(verdict(&mut world, 9), RejectReason::StaleMarketData, "silent for more than three seconds");
}

#[test]
fn a_full_gateway_holds_orders_back_and_lets_cancels_into_the_reserve() {
    let mut world = World::new();
    let (mut shell, _) = world.risk(3, None).unwrap();
    world.quote();
    for counter in 1..=60 {
        world.intend(&buy(0, counter)).unwrap();
    }
    for counter in 1..=30 {
        world.intend(&cancel(1, counter, 1_000)).unwrap();
    }
    while world.pass(&mut shell) != 0 {}
    let first = world.entries();
    // 64 slots, 16 of them in reserve: 48 orders, then cancels of the other strategy to the brim.
    let cancels = first.iter().filter(|request| matches!(request, OrderRequest::OrderCancelRequest(_))).count();
    assert_eq!((first.len(), cancels), (SLOTS, 16));
    let mut answered = first;
    while world.pass(&mut shell) != 0 {
        answered.extend(world.entries());
    }
    answered.extend(world.entries());
    let mut sequences: Vec<Vec<u64>> = vec![Vec::new(); 2];
    for request in &answered {
        sequences[usize::from(request.header().strategy_id)].push(request.intent_sequence());
    }
    assert_eq!(sequences[0], (1..=60).collect::<Vec<_>>(), "each once, in order");
    assert_eq!(sequences[1], (1..=30).collect::<Vec<_>>());
    let risk: Vec<u64> = answered.iter().map(|request| request.header().risk_sequence).collect();
    assert_eq!(risk, (1..=90).collect::<Vec<_>>());
}

#[test]
fn a_kill_is_echoed_refuses_orders_and_its_release_lets_them_pass() {
    let mut world = World::new();
    let (mut shell, status) = world.risk(3, None).unwrap();
    world.quote();
    world.pass(&mut shell);
    assert_eq!(status.kill_echo().unwrap().generation, 0);
    let generation = world.kill.engage(Engager::Operator, world.now, "drill").unwrap();
    world.intend(&buy(0, 1)).unwrap();
    world.pass(&mut shell);
    assert_eq!(reasons(&world.entries()), [RejectReason::Killed]);
    let echo = status.kill_echo().unwrap();
    assert_eq!((echo.generation, echo.echoed_ns), (generation, world.now));
    world.kill.release(Engager::Operator, world.now).unwrap();
    world.intend(&buy(0, 2)).unwrap();
    world.pass(&mut shell);
    assert_eq!(reasons(&world.entries()), [RejectReason::None]);
    assert_eq!(status.kill_echo().unwrap().generation, 0);
}

#[test]
fn a_stop_is_obeyed_but_not_one_of_an_earlier_life() {
    let mut world = World::new();
    world.tell(ControlKind::Stop, Some(Role::Risk), 0);
    world.tell(ControlKind::Epoch, Some(Role::Risk), 4);
    let (mut shell, status) = world.risk(4, None).unwrap();
    world.quote();
    world.pass(&mut shell);
    assert!(!shell.finished());
    world.tell(ControlKind::Stop, Some(Role::ExecutionGateway), 0);
    world.pass(&mut shell);
    assert!(!shell.finished(), "another's");
    world.intend(&buy(0, 1)).unwrap();
    let sequence = world.tell(ControlKind::Stop, None, 0);
    world.pass(&mut shell);
    assert!(shell.finished() && shell.outcome().is_ok());
    assert_eq!(status.last_control_sequence(), sequence);
    assert_eq!(world.entries().len(), 1, "what it had read is answered");
    let (mut other, _) = world.risk(5, None).unwrap();
    other.stop();
    world.pass(&mut other);
    assert!(other.finished());
}

#[test]
fn a_lost_message_of_control_or_execution_ends_it() {
    let mut world = World::new();
    let (mut shell, _) = world.risk(3, None).unwrap();
    world.pass(&mut shell);
    for _ in 0..=SLOTS {
        world.tell(ControlKind::CancelAll, None, 0);
    }
    world.pass(&mut shell);
    let Err(ShellFault::Input(InputFault::Lapped { ring, .. })) = shell.outcome() else { panic!("a fault") };
    assert!(shell.finished());
    assert_eq!(ring.kind, RingKind::Control);

    let mut world = World::new();
    let (mut shell, _) = world.risk(3, None).unwrap();
    world.report_pending(&buy(0, 1));
    world.pass(&mut shell);
    for counter in 2..=SLOTS as u32 + 3 {
        world.report_pending(&buy(0, counter));
    }
    world.pass(&mut shell);
    let fault = shell.outcome().unwrap_err().to_string();
    assert!(fault.contains("execution.0: lapped"), "{fault}");

    // A report that does not follow: an order that was never pending.
    let mut world = World::new();
    let (mut shell, _) = world.risk(3, None).unwrap();
    let Execution::Report(mut report) = world.report_pending(&buy(0, 1)) else { panic!("a report") };
    report.cum_qty = Qty(5);
    report.journal_sequence = 2;
    world.execution.push(&Execution::Report(report).encode()).unwrap();
    world.pass(&mut shell);
    assert!(matches!(shell.outcome(), Err(ShellFault::Void(_))));
}

/// Writes a snapshot of `executions` for the life `epoch`, and returns its state's hash.
fn snapshot(world: &World, epoch: u32, executions: &[Execution], resume_after: u64, fence: u64) -> u64 {
    let mut state = Risk::orders_state(&settings(world));
    for execution in executions {
        state.apply(execution).unwrap();
    }
    let hash = state.hash();
    let entry = |index| {
        let ring = ring(RingKind::OrderIntent, Role::Strategy, index);
        if index == 0 {
            IntentRing { ring, resume_after, fence }
        } else {
            IntentRing { ring, resume_after: 0, fence: 0 }
        }
    };
    let snapshot = Snapshot {
        role: Role::Risk,
        index: 0,
        epoch,
        last_cl_ord_id: ClOrdId::NONE,
        intent_rings: vec![entry(0), entry(1)],
        gateways: vec![GatewayState { gateway: 0, state }],
    };
    std::fs::write(world.path("risk.snapshot"), snapshot.encode()).unwrap();
    hash
}

#[test]
fn a_restarted_risk_goes_on_after_the_snapshot_and_refuses_what_was_left_lying() {
    let mut world = World::new();
    let (mut shell, _) = world.risk(3, None).unwrap();
    world.quote();
    for counter in 1..=2 {
        world.intend(&buy(0, counter)).unwrap();
    }
    world.pass(&mut shell);
    let taken: Vec<Execution> = world.entries().iter().map(|request| world.report_pending(request)).collect();
    drop(shell);
    // Dead: two intents are written, the second after the fence.
    world.intend(&buy(0, 3)).unwrap();
    world.intend(&buy(0, 4)).unwrap();
    let hash = snapshot(&world, 4, &taken, 2, 3);
    let path = Some(world.path("risk.snapshot"));
    assert!(world.risk(5, path.clone()).is_err(), "a snapshot of another life");
    let (mut shell, status) = world.risk(4, path).unwrap();
    let start: Vec<_> = status.checkpoints().collect();
    assert_eq!((start[0].journal_sequence, start[0].state_hash), (2, hash));
    world.quote();
    world.report_pending(&buy(0, 3));
    let told = world.checkpoint(0);
    world.pass(&mut shell);
    let entries = world.entries();
    assert_eq!(reasons(&entries), [RejectReason::StaleIntent, RejectReason::None]);
    assert_eq!((entries[0].intent_sequence(), entries[0].header().risk_epoch), (3, 4));
    assert_eq!(shell.machine().counters().executions_repeated, 2, "the ring repeats what the snapshot holds");
    assert_eq!(shell.machine().orders().live_orders().count(), 3);
    let last = status.checkpoints().max_by_key(|checkpoint| checkpoint.journal_sequence).unwrap();
    assert_eq!(last.journal_sequence, told.journal_sequence());
    assert_eq!(last.state_hash, shell.machine().orders().hash());
}

#[test]
fn a_snapshot_that_the_ring_no_longer_reaches_is_refused() {
    let mut world = World::new();
    let mut taken = Vec::new();
    for counter in 1..=SLOTS as u32 + 10 {
        taken.push(world.report_pending(&buy(0, counter)));
    }
    snapshot(&world, 4, &taken[..5], 0, 0);
    let (mut shell, _) = world.risk(4, Some(world.path("risk.snapshot"))).unwrap();
    world.pass(&mut shell);
    assert!(matches!(shell.outcome(), Err(ShellFault::Input(InputFault::Discontinuous { through: 5, .. }))));
    snapshot(&world, 5, &taken[..30], 0, 0);
    let (mut shell, _) = world.risk(5, Some(world.path("risk.snapshot"))).unwrap();
    while world.pass(&mut shell) != 0 {}
    assert_eq!(shell.outcome(), Ok(()));
    assert_eq!(shell.machine().orders().through_journal_sequence(), taken.len() as u64);
}

/// Gives a fresh machine what the step log says, from the rings that it names, and returns what it says.
fn replay(world: &World, machine: Risk, epoch: u32) -> Vec<OrderRequest> {
    let (mut steps, mut out) = (world.steps().into_iter(), Vec::new());
    let start = steps.next().unwrap();
    assert_eq!((start.kind(), start.value[0]), (StepKind::Start, i64::from(epoch)));
    let mut stepper = Stepper::new(machine, start.now_ns);
    for step in steps {
        let mut give = |input: &Input| {
            stepper.input(step.now_ns, input, &mut |Output::Entry { request, .. }| out.push(request));
        };
        match step.kind() {
            StepKind::Reference => give(&Input::Reference(Reference::from_step(&step).unwrap())),
            StepKind::Kill => give(&Input::Kill { generation_sum: step.value[0] as u64 }),
            StepKind::Poll => {
                let ring = RingId::from_u32(step.ring).unwrap();
                for sequence in step.through_sequence + 1 - u64::from(step.count)..=step.through_sequence {
                    let index = sequence as usize - 1;
                    match ring.kind {
                        RingKind::Control => {
                            let words = world.read_all::<WORDS_64>(ring)[index];
                            give(&Input::Control(Control::decode(&words).unwrap()));
                        }
                        RingKind::Execution => {
                            give(&Input::Execution(Execution::decode(&world.read_all(ring)[index]).unwrap()));
                        }
                        _ => {
                            let request = OrderRequest::decode(&world.read_all(ring)[index]);
                            give(&Input::Intent { strategy: ring.index, sequence, request });
                        }
                    }
                }
            }
            other => panic!("risk records no {other:?}"),
        }
    }
    out
}

#[test]
fn its_step_log_and_rings_replay_to_the_same_answers() {
    let mut world = World::new();
    let (mut shell, _) = world.risk(3, None).unwrap();
    world.quote();
    let mut answered = Vec::new();
    for round in 0..12_u32 {
        world.intend(&buy(0, round * 2 + 1)).unwrap();
        world.intend(&cancel(0, round * 2 + 2, round * 2 + 1)).unwrap();
        match round {
            3 => drop(world.kill.engage(Engager::Supervisor, world.now, "drill").unwrap()),
            5 => drop(world.kill.release(Engager::Supervisor, world.now).unwrap()),
            6 => drop(world.tell(ControlKind::Disarm, Some(Role::Strategy), 0)),
            8 => drop(world.tell(ControlKind::Arm, Some(Role::Strategy), 0)),
            _ => world.quote(),
        }
        world.pass(&mut shell);
        let entries = world.entries();
        let approved = |request: &&OrderRequest| matches!(request, OrderRequest::NewOrderSingle(order) if order.header.reject_reason == 0);
        for request in entries.iter().filter(approved) {
            world.report_pending(request);
        }
        answered.extend(entries);
    }
    world.pass(&mut shell);
    let settings = settings(&world);
    let start = world.steps()[0].now_ns;
    let state = Risk::orders_state(&settings);
    let replayed = replay(&world, Risk::restore(settings, state, 3, &[RingStart::default(); 2], start), 3);
    assert_eq!(replayed, answered);
    assert!(
        reasons(&answered).contains(&RejectReason::Killed) && reasons(&answered).contains(&RejectReason::NotPermitted)
    );
}
