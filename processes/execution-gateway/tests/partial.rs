//! Bytes that come in pieces, and a gateway that dies with an order half written: the venue drops the garbled frame, and no
//! order reaches it twice, whether its files or only its tail tell of it.
#![forbid(unsafe_code)]

mod instance;

use instance::proxy::Proxy;
use instance::venue::Request;
use instance::{World, buy, cancel};
use journal::Record;
use std::collections::BTreeSet;

fn world(piece: usize) -> (World, Proxy) {
    let mut proxy = Proxy::listen(piece);
    let world = World::with(|text| proxy.between(&text));
    (world, proxy)
}

/// UserRefNums of the orders that the venue read, in order.
fn entered(world: &World) -> Vec<u32> {
    let number =
        |request: &Request| if let Request::Enter { user_ref_num, .. } = request { Some(*user_ref_num) } else { None };
    world.venue.received.iter().filter_map(number).collect()
}

#[test]
fn a_session_that_comes_byte_by_byte_is_the_same_session() {
    for piece in [1, 3] {
        let (mut world, mut proxy) = world(piece);
        let (mut shell, _) = world.gateway(9).unwrap();
        world.until(&mut shell, |_, shell| {
            proxy.poll();
            shell.machine().session_open()
        });
        world.venue.fills = 4;
        world.enter(buy(1));
        world.until(&mut shell, |_, shell| {
            proxy.poll();
            shell.machine().counters().fills == 1
        });
        world.enter(cancel(2, 1));
        world.until(&mut shell, |_, shell| {
            proxy.poll();
            shell.machine().orders().live_count() == 0
        });
        assert_eq!(world.venue.received.len(), 2);
        assert_eq!(world.venue.received[0], Request::Enter { user_ref_num: 1, quantity: 10, price: 1_000_000 });
        assert_eq!(world.venue.received[1], Request::Cancel(1));
        let counters = shell.machine().counters();
        assert_eq!((counters.logins, counters.disconnects, counters.fold_errors), (1, 0, 0));
    }
}

/// What a dead gateway's flusher had come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flushed {
    Everything,
    /// The tail alone has the records: shared memory outlives the process.
    Nothing,
}

/// Kills a gateway when `cut` bytes of its second order have reached the venue; returns the bytes of an order.
fn dies_mid_send(cut: usize, flushed: Flushed) -> usize {
    let (mut world, mut proxy) = world(4096);
    let (mut shell, _) = world.gateway(9).unwrap();
    world.until(&mut shell, |_, shell| {
        proxy.poll();
        shell.machine().session_open()
    });
    let before = proxy.forwarded;
    world.enter(buy(1));
    world.until(&mut shell, |_, shell| {
        proxy.poll();
        shell.machine().counters().accepted == 1
    });
    let order_bytes = proxy.forwarded - before;
    proxy.cut_at = Some(proxy.forwarded + cut);
    world.enter(buy(2));
    world.until(&mut shell, |_, _| {
        proxy.poll();
        !proxy.connected()
    });
    assert_eq!(shell.machine().counters().orders_sent, 2, "the kernel took it whole: only the venue knows");
    // Dead: nothing more is said to the venue. (Its flusher's last act was to move the tail to files.)
    drop(shell);
    let before_death = world.journaled();
    if flushed == Flushed::Nothing {
        world.forget_files();
        assert!(world.segments().is_empty());
    }
    world.venue.poll();
    assert_eq!(entered(&world), [1], "{cut} bytes are no order");

    let (mut shell, _) = world.gateway(10).unwrap();
    world.until(&mut shell, |_, shell| {
        proxy.poll();
        shell.machine().session_open() && shell.machine().orders().live_count() == 0
    });
    let counters = shell.machine().counters();
    assert_eq!(
        (counters.voided, counters.unresolved, counters.fold_errors),
        (1, 0, 0),
        "cut after {cut}, {flushed:?}: {counters:?}"
    );
    assert_eq!(entered(&world), [1], "what was void is not sent again");
    world.enter(buy(3));
    world.until(&mut shell, |_, shell| {
        proxy.poll();
        shell.machine().counters().accepted == 1
    });
    let numbers = entered(&world);
    assert_eq!(numbers.len(), 2);
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 2, "no number names two orders: {numbers:?}");
    // The files have both lives, each record once. (The cancels of the second are the gateway's own.)
    drop(shell);
    let records = world.journaled();
    assert!(records.len() > before_death.len() && records.starts_with(&before_death));
    let intents = records.iter().filter(|record| matches!(record, Record::Intent(intent) if intent.flags == 0));
    assert_eq!(intents.count(), 3, "{flushed:?}");
    order_bytes
}

#[test]
fn an_order_half_written_by_a_gateway_that_died_never_was() {
    let order_bytes = dies_mid_send(1, Flushed::Everything);
    for cut in [2, 3, order_bytes / 2, order_bytes - 1] {
        assert_eq!(dies_mid_send(cut, Flushed::Everything), order_bytes);
    }
}

#[test]
fn an_order_half_written_that_only_the_tail_tells_of_never_was_either() {
    for cut in [1, 20] {
        dies_mid_send(cut, Flushed::Nothing);
    }
}
