//! The strategy's shell over real regions, with its neighbours scripted.

mod instance;

use instance::{CENT, MS, SLOTS, World, counters, is_cancel, new_orders, ring, symbol};
use machine::Stepper;
use orders::snapshot::{GatewayState, Snapshot};
use runtime::duty_cycle::Agent;
use runtime::inputs::InputFault;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::Execution;
use shm_layout::message::market_data::MarketData;
use shm_layout::message::order::OrderRequest;
use shm_layout::message::step::{Reference, StepKind};
use shm_layout::message::{WORDS_64, WORDS_128};
use shm_layout::ring::sync::Ordering;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::*;
use strategy::config::{Instrument, Settings, StrategyConfig};
use strategy::machine::{Input, Output, StrategyMachine};
use strategy::shell::ShellFault;

fn settings(world: &World) -> Settings {
    let rows: Vec<StrategyConfig> = world.host_file().tables("strategy").unwrap();
    let row = &world.host_file().instruments().rows()[0];
    rows[0].resolve(0, &[Instrument { symbol: row.symbol.clone(), lot_size: row.lot_size }]).unwrap()
}

#[test]
fn it_comes_up_disarmed_trades_when_armed_and_shows_what_it_did() {
    let mut world = World::new();
    // What was said to an earlier life.
    world.tell(ControlKind::Arm, Role::Strategy, 0);
    world.tell(ControlKind::Epoch, Role::Strategy, 3);
    let (mut shell, status) = world.strategy(3, None).unwrap();
    world.fall(&mut shell);
    assert!(!status.armed() && !shell.machine().is_armed());
    world.calm(&mut shell, 1);
    assert!(world.intents().is_empty());
    let sequence = world.tell(ControlKind::Arm, Role::Strategy, 0);
    world.fall(&mut shell);
    assert!(status.armed());
    assert_eq!(status.last_control_sequence(), sequence);
    let orders = new_orders(&world.intents());
    assert_eq!(orders.len(), 1);
    let header = orders[0].header;
    assert_eq!((header.side(), orders[0].price), (Side::Buy, Price(9_951 * CENT)), "far from the mean: at the ask");
    assert_eq!((header.cl_ord_id.epoch(), header.cl_ord_id.strategy(), header.cl_ord_id.counter()), (3, 0, 1));
    assert_eq!((u64::from(header.strategy_delta_ns), header.account_id), (MS, 1));
    world.fill(&orders[0]);
    world.pass(&mut shell);
    world.now = world.now.plus(2 * MS);
    world.pass(&mut shell);
    let told = counters(&status);
    let of = ["armed", "new_orders", "fills", "intents", "laps", "position.AAAA", "bought.AAAA", "sold.AAAA"];
    let qty = orders[0].order_qty.0 as u64;
    assert_eq!(of.map(|label| told[label]), [1, 1, 1, told["intents"], 0, qty, qty, 0]);
    assert_eq!(told["intents"], told["new_orders"] + told["cancels"] + told["replaces"]);
}

#[test]
fn a_lap_of_market_data_closes_the_book_until_the_image_is_read() {
    let mut world = World::new();
    let (mut shell, status) = world.strategy(3, None).unwrap();
    world.tell(ControlKind::Arm, Role::Strategy, 0);
    world.fall(&mut shell);
    let orders = new_orders(&world.intents());
    world.report(&orders[0], ExecType::PendingNew, OrdStatus::PendingNew, Qty::ZERO);
    for _ in 0..SLOTS {
        world.quote(9_949, 9_951);
    }
    // The entry is in the middle of a write for one pass: it is not waited for.
    let stamp = world.image_words.load(16, Ordering::Acquire);
    world.image_words.store(16, 1 << 63 | stamp, Ordering::Release);
    world.pass(&mut shell);
    let requests = world.intents();
    assert!(requests.iter().any(is_cancel), "the book closed: {requests:?}");
    let reloads = |world: &World| {
        world.steps().iter().filter(|step| step.kind() == StepKind::Reference).map(|step| step.code).collect::<Vec<_>>()
    };
    let before = reloads(&world);
    world.image_words.store(16, stamp, Ordering::Release);
    world.pass(&mut shell);
    let after = reloads(&world);
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after.last(), Some(&(BookValidity::Trusted as u8)));
    let lapped = world.steps().into_iter().find(|step| {
        step.kind() == StepKind::Poll
            && step.count == 0
            && step.ring == ring(RingKind::MarketData, Role::FeedHandler).to_u32()
    });
    assert!(lapped.unwrap().value[0] > 0);
    assert!(shell.outcome().is_ok());
    world.now = world.now.plus(2 * MS);
    world.pass(&mut shell);
    assert_eq!(counters(&status)["laps"], 1);
}

#[test]
fn what_was_loaded_while_the_channel_recovered_is_loaded_again() {
    let mut world = World::new();
    world.channel(ChannelState::Backfill);
    let (mut shell, _) = world.strategy(3, None).unwrap();
    world.pass(&mut shell);
    world.pass(&mut shell);
    let references = |world: &World| {
        world.steps().iter().filter_map(Reference::from_step).map(|reference| reference.validity).collect::<Vec<_>>()
    };
    assert_eq!(references(&world), [BookValidity::Recovering]);
    world.channel(ChannelState::Synchronized);
    world.pass(&mut shell);
    assert_eq!(references(&world), [BookValidity::Recovering, BookValidity::Trusted]);
    world.pass(&mut shell);
    assert_eq!(references(&world).len(), 2);
}

#[test]
fn without_room_nothing_is_read_but_a_disarm_which_may_use_the_reserve() {
    let mut world = World::with_intent_slots(128);
    let refused = world.strategy(3, None).unwrap_err().to_string();
    assert!(refused.contains("rings.order_intent: 128 slots"), "{refused}");

    // 256 slots, 33 of them in reserve: room for the 33 requests that one input may cause, and no more.
    let mut world = World::new();
    world.leave(190);
    let (mut shell, status) = world.strategy(3, None).unwrap();
    world.calm(&mut shell, 2);
    world.tell(ControlKind::Arm, Role::Strategy, 0);
    world.calm(&mut shell, 2);
    world.quote(9_949, 9_951);
    for _ in 0..4 {
        world.pass(&mut shell);
    }
    let position = |status: &shm_layout::status::StatusReader| {
        status.positions().find(|position| position.ring.kind == RingKind::MarketData).unwrap().next_sequence
    };
    let before = position(&status);
    let steps = world.steps().len();
    world.quote(9_900, 9_902);
    for _ in 0..4 {
        world.pass(&mut shell);
    }
    assert_eq!((position(&status), world.steps().len()), (before, steps), "no input, no timer");
    assert!(shell.machine().is_armed());
    world.tell(ControlKind::Disarm, Role::Strategy, 0);
    world.pass(&mut shell);
    assert!(!status.armed());
    let requests = world.intents();
    assert_eq!((requests.len(), new_orders(&requests).len()), (192, 1));
    assert!(is_cancel(requests.last().unwrap()));
    for _ in 0..4 {
        world.pass(&mut shell);
    }
    assert_eq!(position(&status), before + 2, "it goes on when risk has read");
}

#[test]
fn a_stop_cancels_and_a_lost_message_of_control_or_execution_ends_it() {
    let mut world = World::new();
    let (mut shell, _) = world.strategy(3, None).unwrap();
    world.tell(ControlKind::Arm, Role::Strategy, 0);
    world.fall(&mut shell);
    world.tell(ControlKind::Stop, Role::Strategy, 0);
    world.pass(&mut shell);
    assert!(shell.finished() && shell.outcome().is_ok());
    assert!(is_cancel(world.intents().last().unwrap()));

    let mut world = World::new();
    let (mut shell, _) = world.strategy(3, None).unwrap();
    for _ in 0..=SLOTS {
        world.tell(ControlKind::Disarm, Role::Strategy, 0);
    }
    world.pass(&mut shell);
    let fault = shell.outcome().unwrap_err().to_string();
    assert!(shell.finished() && fault.contains("control: lapped"), "{fault}");

    let mut world = World::new();
    let (mut shell, _) = world.strategy(3, None).unwrap();
    world.checkpoint();
    world.pass(&mut shell);
    for _ in 0..SLOTS + 2 {
        world.checkpoint();
    }
    world.pass(&mut shell);
    assert!(matches!(shell.outcome(), Err(ShellFault::Input(InputFault::Lapped { .. }))));
}

#[test]
fn a_restarted_strategy_holds_its_position_and_its_hash_and_waits_to_be_armed() {
    let mut world = World::new();
    let (mut shell, _) = world.strategy(3, None).unwrap();
    world.tell(ControlKind::Arm, Role::Strategy, 0);
    world.fall(&mut shell);
    let order = new_orders(&world.intents())[0];
    let executions = world.fill(&order);
    drop(shell);
    let mut state = StrategyMachine::orders_state(&settings(&world));
    for execution in &executions {
        state.apply(execution).unwrap();
    }
    let hash = state.hash();
    let snapshot = Snapshot {
        role: Role::Strategy,
        index: 0,
        epoch: 4,
        last_cl_ord_id: order.header.cl_ord_id,
        intent_rings: Vec::new(),
        gateways: vec![GatewayState { gateway: 0, state }],
    };
    let path = world.path("strategy.snapshot");
    std::fs::write(&path, snapshot.encode()).unwrap();
    world.tell(ControlKind::Epoch, Role::Strategy, 4);
    assert!(world.strategy(5, Some(path.clone())).is_err(), "a snapshot of another life");
    let (mut shell, status) = world.strategy(4, Some(path)).unwrap();
    let start = status.checkpoints().next().unwrap();
    assert_eq!((start.journal_sequence, start.state_hash), (3, hash));
    world.fall(&mut shell);
    assert_eq!(shell.machine().orders().position(0, symbol()).qty, order.order_qty);
    assert!(!status.armed() && world.intents().is_empty());
    let sequence = world.checkpoint();
    world.pass(&mut shell);
    let last = status.checkpoints().max_by_key(|checkpoint| checkpoint.journal_sequence).unwrap();
    assert_eq!((last.journal_sequence, last.state_hash), (sequence, hash));
}

/// Gives a fresh machine what the step log says, from the rings that it names, and returns its requests.
fn replay(world: &World, settings: Settings, epoch: u32, rings: &dyn Fn(RingId, u64) -> Vec<u64>) -> Vec<OrderRequest> {
    let (mut steps, mut out) = (world.steps().into_iter(), Vec::new());
    let start = steps.next().unwrap();
    let state = StrategyMachine::orders_state(&settings);
    let mut stepper = Stepper::new(StrategyMachine::restore(settings, state, 0, epoch), start.now_ns);
    for step in steps {
        let mut emit = |output| {
            if let Output::Intent { request, .. } = output {
                out.push(request);
            }
        };
        let now = step.now_ns;
        match step.kind() {
            StepKind::Timer => assert_eq!(stepper.timer(now, &mut emit), Some(now)),
            StepKind::Reference => {
                stepper.input(now, &Input::Reference(Reference::from_step(&step).unwrap()), &mut emit);
            }
            StepKind::Poll if step.count == 0 => {
                stepper.input(now, &Input::MarketDataLapped, &mut emit);
            }
            StepKind::Poll => {
                let ring = RingId::from_u32(step.ring).unwrap();
                for sequence in step.through_sequence + 1 - u64::from(step.count)..=step.through_sequence {
                    let words = rings(ring, sequence);
                    let short = || words.clone().try_into().unwrap();
                    let input = match ring.kind {
                        RingKind::Control => Input::Control(Control::decode(&short()).unwrap()),
                        RingKind::MarketData => Input::MarketData(MarketData::decode(&short()).unwrap()),
                        _ => Input::Execution(Execution::decode(&words.try_into().unwrap()).unwrap()),
                    };
                    stepper.input(now, &input, &mut emit);
                }
            }
            other => panic!("a strategy records no {other:?}"),
        }
    }
    out
}

#[test]
fn its_step_log_and_rings_replay_to_the_same_requests() {
    let mut world = World::new();
    let (mut shell, _) = world.strategy(3, None).unwrap();
    world.tell(ControlKind::Arm, Role::Strategy, 0);
    // What a recorder would keep: the rings are too small to hold the whole run.
    let mut market_data = std::collections::BTreeMap::new();
    let mut sent = Vec::new();
    for round in 0_i64..60 {
        let shift = [0, 1, 0, 1, -40, -10, 30, 5][round as usize % 8];
        world.quote(9_999 + shift, 10_001 + shift);
        if round == 30 {
            (0..SLOTS).for_each(|_| world.quote(9_990, 9_992));
        }
        world.pass(&mut shell);
        let (first, words) = world.read_all::<WORDS_64>(ring(RingKind::MarketData, Role::FeedHandler));
        market_data.extend((first..).zip(words));
        let requests = world.intents();
        if round % 16 < 8 {
            for order in new_orders(&requests) {
                world.fill(&order);
            }
        }
        sent.extend(requests);
        assert!(shell.outcome().is_ok(), "{:?}", shell.outcome());
    }
    world.pass(&mut shell);
    sent.extend(world.intents());
    let (_, control) = world.read_all::<WORDS_64>(ring(RingKind::Control, Role::Supervisor));
    let (from, execution) = world.read_all::<WORDS_128>(ring(RingKind::Execution, Role::ExecutionGateway));
    let rings = |ring: RingId, sequence: u64| match ring.kind {
        RingKind::Control => control[sequence as usize - 1].to_vec(),
        RingKind::MarketData => market_data[&sequence].to_vec(),
        _ => execution[(sequence - from) as usize].to_vec(),
    };
    let replayed = replay(&world, settings(&world), 3, &rings);
    assert_eq!(replayed, sent);
    assert!(new_orders(&sent).len() > 1 && sent.iter().any(is_cancel), "{} requests", sent.len());
}
