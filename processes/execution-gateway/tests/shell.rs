//! The gateway's shell over real regions and a loopback socket, with its neighbours scripted.

mod instance;

use instance::venue::Request;
use instance::{World, buy, cancel, ring};
use journal::record::Record;
use runtime::duty_cycle::Agent;
use shm_layout::kill_page::Engager;
use shm_layout::message::control::ControlKind;
use shm_layout::message::step::StepKind;
use shm_layout::message::wire::{WireChunk, WireKind};
use shm_layout::topology::RingKind;
use shm_layout::types::*;

/// (status, type, cumulative shares) of each report.
fn told(world: &mut World) -> Vec<(OrdStatus, ExecType, i64)> {
    let reports = world.reports();
    let status = |byte| OrdStatus::from_u8(byte).unwrap();
    let of = |byte| ExecType::from_u8(byte).unwrap();
    reports.iter().map(|r| (status(r.ord_status), of(r.exec_type), r.cum_qty.0 / UNITS)).collect()
}

fn reasons(world: &mut World) -> Vec<RejectReason> {
    let reports = world.reports();
    let rejected = reports.iter().filter(|report| report.exec_type == ExecType::Rejected as u8);
    rejected.map(|report| RejectReason::from_u8(report.reason as u8).unwrap()).collect()
}

#[test]
fn an_order_is_journaled_sent_accepted_filled_canceled_and_told_of() {
    let mut world = World::new();
    let (mut shell, status) = world.open();
    world.venue.fills = 4;
    world.enter(buy(1));
    world.until(&mut shell, |_, shell| shell.machine().counters().fills == 1);
    assert_eq!(world.venue.received, [Request::Enter { user_ref_num: 1, quantity: 10, price: 1_000_000 }]);
    assert_eq!(World::counters(&status)["open_orders"], 1);
    let reports = told(&mut world);
    assert_eq!(reports.first(), Some(&(OrdStatus::PendingNew, ExecType::PendingNew, 0)));
    assert_eq!(reports.last(), Some(&(OrdStatus::PartiallyFilled, ExecType::Trade, 4)));
    assert!(reports.contains(&(OrdStatus::New, ExecType::New, 0)), "{reports:?}");
    world.enter(cancel(2, 1));
    world.until(&mut shell, |_, shell| shell.machine().orders().live_count() == 0);
    assert_eq!(told(&mut world).last(), Some(&(OrdStatus::Canceled, ExecType::Canceled, 4)));
    assert_eq!(World::counters(&status)["open_orders"], 0);
    world.stop(&mut shell);
    assert!(
        world.venue.logged_out || {
            world.venue.poll();
            world.venue.logged_out
        }
    );
    let last = shell.machine().journal_sequence();
    let counters = World::counters(&status);
    let shown = ["orders_sent", "cancels_sent", "accepted", "fills", "canceled", "illegal", "fold_errors", "anomalies"];
    assert_eq!(shown.map(|label| counters[label]), [1, 1, 1, 1, 1, 0, 0, 0]);
    assert_eq!([counters["journal_sequence"], counters["durable_sequence"]], [last, last]);
    assert!(shell.end().is_ok());
    let records = world.journaled();
    assert_eq!(records.len() as u64, last);
    assert!(matches!(records[0], Record::Config(_)));
    let place = |found: &dyn Fn(&Record) -> bool| records.iter().position(found).unwrap();
    let intent = place(&|record| matches!(record, Record::Intent(intent) if intent.user_ref_num == 1));
    let sent = place(&|record| matches!(record, Record::Sent(sent) if sent.user_ref_num == 1));
    assert!(intent < sent);
    // What the venue was told is on the wire ring, byte by byte.
    let words = world.read_all(ring(RingKind::Wire, Role::ExecutionGateway));
    let chunks: Vec<_> = words.iter().map(|words| WireChunk::decode(words).unwrap()).collect();
    let of = |kind: WireKind| chunks.iter().filter(move |chunk| chunk.kind == kind as u8);
    assert_eq!((of(WireKind::Connected).count(), of(WireKind::Disconnected).count()), (1, 1));
    assert!(of(WireKind::StreamSent).count() >= 5 && of(WireKind::StreamReceived).count() >= 3);
}

#[test]
fn a_kill_refuses_cancels_and_is_echoed_after_its_record() {
    let mut world = World::new();
    let (mut shell, status) = world.open();
    world.enter(buy(1));
    world.until(&mut shell, |_, shell| shell.machine().counters().accepted == 1);
    let generation = world.kill.engage(Engager::Operator, world.clock.now(), "drill").unwrap();
    world.enter(buy(2));
    world.until(&mut shell, |_, shell| shell.machine().orders().live_count() == 0);
    let echo = status.kill_echo().unwrap();
    assert_eq!(echo.generation, generation);
    assert_eq!(reasons(&mut world), [RejectReason::GatewayKilled]);
    assert!(world.venue.received.contains(&Request::MassCancel) && world.venue.received.contains(&Request::Cancel(1)));
    assert_eq!(shell.machine().counters().orders_sent, 1);
    world.kill.release(Engager::Operator, world.clock.now()).unwrap();
    world.enter(buy(3));
    world.until(&mut shell, |_, shell| shell.machine().counters().accepted == 2);
    assert_eq!(status.kill_echo().unwrap().generation, 0);
    world.stop(&mut shell);
    let records = world.journaled();
    let kill = &records[echo.journal_sequence as usize - 1];
    assert!(matches!(kill, Record::Kill(kill) if kill.generation_sum == generation && kill.engaged == 1));
}

#[test]
fn an_order_that_waits_for_the_kernel_is_looked_at_again_before_its_first_byte() {
    let mut world = World::with(|text| text.replacen("tail_bytes = 1048576", "tail_bytes = 8388608", 1));
    let (mut shell, _) = world.open();
    world.venue.deaf = true;
    let mut entered = 0;
    // Journaled, and not taken by the kernel.
    while shell.machine().orders().live_count() as u64 <= shell.machine().counters().orders_sent + 100 {
        assert!(entered < 15_000);
        entered += 1;
        world.enter(buy(entered as u32));
        world.pass(&mut shell);
    }
    let waiting = shell.machine().orders().live_count() as u64 - shell.machine().counters().orders_sent;
    world.kill.engage(Engager::Supervisor, world.clock.now(), "drill").unwrap();
    world.venue.deaf = false;
    world.until(&mut shell, |_, shell| shell.machine().orders().live_count() == 0);
    let counters = shell.machine().counters();
    // The first may have left in part: then it went on.
    assert!(waiting - counters.not_sent <= 1, "{} of {waiting}", counters.not_sent);
    assert_eq!(counters.rejected_for(RejectReason::GatewayKilled), counters.not_sent);
    let entries = world.venue.received.iter().filter(|request| matches!(request, Request::Enter { .. })).count();
    assert_eq!((entries as u64, counters.accepted), (counters.orders_sent, counters.orders_sent));
    assert_eq!((counters.orders_sent + counters.not_sent, counters.illegal, counters.disconnects), (entered, 0, 0));
}

#[test]
fn lost_leases_refuse_and_cancel() {
    for (silent, reason) in [(0, RejectReason::RiskLease), (1, RejectReason::StrategyLease)] {
        let mut world = World::new();
        let (mut shell, _) = world.open();
        world.enter(buy(1));
        world.until(&mut shell, |_, shell| shell.machine().counters().accepted == 1);
        world.beating[silent] = false;
        world.until(&mut shell, |_, shell| shell.machine().orders().live_count() == 0);
        world.enter(buy(2));
        world.until(&mut shell, |_, shell| shell.machine().counters().rejected_total() == 1);
        assert_eq!(reasons(&mut world), [reason]);
        assert_eq!(world.venue.received.last(), Some(&Request::Cancel(1)));
        world.beating[silent] = true;
        world.enter(buy(3));
        world.until(&mut shell, |_, shell| shell.machine().counters().accepted == 2);
        assert_eq!(shell.machine().counters().leases_lost, 1);
    }
}

#[test]
fn a_venue_that_does_not_read_is_disconnected_and_every_order_is_accounted_for() {
    let roomy = "tail_bytes = 8388608";
    let mut world = World::with(|text| text.replacen("tail_bytes = 1048576", roomy, 1));
    let (mut shell, _) = world.open();
    world.venue.deaf = true;
    let mut entered = 0;
    while shell.machine().counters().disconnects == 0 {
        let counters = shell.machine().counters();
        assert!(entered < 15_000, "the kernel takes everything: {}", counters.orders_sent);
        let settled = counters.orders_sent + counters.rejected_total();
        while entered < settled + 600 && world.entry.room() > 0 {
            entered += 1;
            world.enter(buy(entered as u32));
        }
        world.pass(&mut shell);
    }
    // What the kernel had is in doubt, what had not begun to leave never will; no order is neither.
    world.until(&mut shell, |_, shell| {
        shell.machine().orders().live().all(|(_, order)| order.ord_status() == OrdStatus::Unknown)
    });
    let counters = shell.machine().counters().clone();
    assert!(counters.not_sent >= 500, "64 KiB of orders waited: {counters:?}");
    assert!(counters.in_doubt >= counters.orders_sent, "and one of which a part had left");
    // The venue never reads what its kernel holds: it took none of them, and the next session proves it.
    world.venue.hang_up();
    world.venue.deaf = false;
    world.until(&mut shell, |_, shell| shell.machine().session_open());
    let after = shell.machine().counters();
    assert_eq!((shell.machine().orders().live_count(), after.unresolved, after.fold_errors), (0, 0, 0));
    assert_eq!(after.voided, counters.in_doubt);
    assert!(world.venue.received.is_empty());
}

#[test]
fn a_lost_connection_is_made_again_and_the_session_goes_on() {
    let mut world = World::new();
    let (mut shell, status) = world.open();
    world.venue.hang_up();
    world.until(&mut shell, |_, shell| !shell.machine().session_open());
    world.enter(buy(1));
    world.until(&mut shell, |_, shell| shell.machine().counters().rejected_for(RejectReason::SessionDown) == 1);
    world.until(&mut shell, |_, shell| shell.machine().session_open());
    world.enter(buy(2));
    world.until(&mut shell, |_, shell| shell.machine().counters().accepted == 1);
    assert_eq!(shell.machine().counters().logins, 2);
    world.stop(&mut shell);
    assert_eq!(World::counters(&status)["session_state"], 2);
}

#[test]
fn a_second_life_goes_on_after_the_journal_of_the_first() {
    let mut world = World::new();
    let (mut shell, _) = world.open();
    world.venue.fills = 10;
    world.enter(buy(1));
    world.until(&mut shell, |_, shell| {
        shell.machine().counters().checkpoints > 0 && shell.machine().counters().fills == 1
    });
    world.stop(&mut shell);
    let (last, hash) = (shell.machine().journal_sequence(), shell.machine().published().hash());
    assert!(shell.end().is_ok());
    let (shell, status) = world.gateway(10).unwrap();
    assert_eq!(shell.machine().journal_sequence(), last + 1, "its Config record");
    assert_eq!(shell.machine().published().hash(), hash);
    assert_eq!(status.epoch(), 10);
    drop(shell);
    // Killed without a stop: the tail alone has the last record, and a third life finds it.
    let (shell, _) = world.gateway(11).unwrap();
    assert_eq!(shell.machine().journal_sequence(), last + 2);
}

#[test]
fn fences_are_journaled_and_echoed_and_a_signal_stops() {
    let mut world = World::new();
    let (mut shell, status) = world.open();
    world.tell(ControlKind::Epoch, Some(Role::Strategy), 5);
    world.enter(buy(1));
    world.until(&mut shell, |_, shell| shell.machine().counters().rejected_for(RejectReason::Fenced) == 1);
    let echo = status.fence_echo(Role::Strategy, 0).unwrap();
    assert_eq!(echo.epoch, 5);
    assert_eq!(status.fence_echo(Role::Risk, 0).unwrap().epoch, u64::from(instance::RISK_EPOCH));
    shell.stop();
    world.until(&mut shell, |_, shell| shell.finished());
    let kinds: Vec<StepKind> = world.steps().iter().map(shm_layout::message::step::Step::kind).collect();
    assert_eq!(kinds[0], StepKind::Start);
    assert!(kinds.contains(&StepKind::Opaque) && kinds.contains(&StepKind::Lease) && kinds.contains(&StepKind::Effect));
    let records = world.journaled();
    assert!(matches!(&records[echo.journal_sequence as usize - 1], Record::Fence(fence) if fence.epoch == 5));
}

#[test]
fn at_l2_an_order_leaves_once_it_is_durable() {
    let mut world = World::with(|text| text.replacen("durability = \"L0\"", "durability = \"L2\"", 1));
    let (mut shell, status) = world.open();
    world.enter(buy(1));
    world.until(&mut shell, |_, shell| shell.machine().counters().accepted == 1);
    world.enter(buy(2));
    world.enter(cancel(3, 2));
    world.until(&mut shell, |world, shell| {
        shell.machine().orders().live_count() == 1 && world.venue.received.contains(&Request::Cancel(2))
    });
    // Either the cancel overtook the order, which then never left, or it came after it.
    let counters = shell.machine().counters();
    assert_eq!(counters.orders_sent + counters.not_sent, 2);
    world.stop(&mut shell);
    assert_eq!(World::counters(&status)["fold_errors"], 0);
    world.journaled();
}

#[test]
fn the_demo_host_file_is_whole_for_the_gateway() {
    let file = runtime::config::HostFile::parse("demo.toml", include_str!("../../../tuning/demo.toml")).unwrap();
    let config: execution_gateway::config::GatewayConfig = file.table("execution-gateway").unwrap();
    let settings = config.settings(0, &file.venues()[0], &["AAAA".to_owned()], 1).unwrap();
    assert_eq!(settings.capital.orders_max, Some(1_000_000));
    assert_eq!(settings.capital.notional_max, Some(Notional(10_000_000_000 * i128::from(UNITS) * i128::from(UNITS))));
}
