//! Order entry as bytes in memory: requests, replies, the account, sessions.

mod common;

use common::{Desk, MS, cancel, enter, login, mass_cancel, packets, replace, replies, seeded_venue, venue};
use exchange_sim::account::OrderState;
use exchange_sim::instrument::seeded_instruments;
use exchange_sim::venue::{Input, MarketKind};
use proptest::prelude::*;
use protocols::ouch::{AccountQueryRepr, DisableOrderEntryRepr, EnableOrderEntryRepr, InboundRepr, OutboundRepr};
use shm_layout::types::Side;

/// A venue without any background flow: what happens is ours alone.
fn quiet() -> Desk {
    Desk::open(venue(MarketKind::File, seeded_instruments(2)))
}

/// Prices of the seeded market's first instrument: bid far below, ask far above.
const LOW: u64 = 500_000;
const HIGH: u64 = 1_500_000;

#[test]
fn an_order_lives_shrinks_is_replaced_and_canceled() {
    let mut desk = quiet();
    let accepted = desk.request(&enter(1, b'B', 500, "ALFA", LOW, b'0'));
    let [OutboundRepr::OrderAccepted(a)] = accepted[..] else { panic!("{accepted:?}") };
    assert_eq!((a.user_ref_num, a.quantity, a.price, a.order_state), (1, 500, LOW, b'L'));
    assert_eq!(a.cl_ord_id.trimmed(), b"C1");

    let shrunk = desk.request(&cancel(1, 300));
    let [OutboundRepr::OrderCanceled(c)] = shrunk[..] else { panic!("{shrunk:?}") };
    assert_eq!((c.user_ref_num, c.decrement, c.reason), (1, 200, b'U'));

    let replaced = desk.request(&replace(1, 2, 400, LOW + 100));
    let [OutboundRepr::OrderReplaced(u)] = replaced[..] else { panic!("{replaced:?}") };
    assert_eq!((u.orig_user_ref_num, u.user_ref_num, u.quantity, u.order_state), (1, 2, 400, b'L'));

    let canceled = desk.request(&cancel(2, 0));
    let [OutboundRepr::OrderCanceled(c)] = canceled[..] else { panic!("{canceled:?}") };
    assert_eq!((c.user_ref_num, c.decrement), (2, 400));
    assert!(desk.request(&cancel(2, 0)).is_empty(), "too late is silence");

    let account = desk.venue.account();
    let states: Vec<_> = account.orders().map(|o| (o.user_ref_num, o.state, o.open, o.canceled)).collect();
    assert_eq!(states, [(1, OrderState::Replaced, 0, 200), (2, OrderState::Canceled, 0, 400)]);
    assert_eq!(account.counts.ignored, 1);
}

#[test]
fn a_user_ref_num_that_does_not_increase_is_ignored_and_the_query_tells_the_next() {
    let mut desk = quiet();
    desk.request(&enter(7, b'B', 100, "ALFA", LOW, b'0'));
    assert!(desk.request(&enter(7, b'B', 100, "ALFA", LOW, b'0')).is_empty());
    assert!(desk.request(&enter(3, b'B', 100, "ALFA", LOW, b'0')).is_empty());
    let answer = desk.request(&InboundRepr::AccountQuery(AccountQueryRepr {}));
    assert!(matches!(answer[..], [OutboundRepr::AccountQueryResponse(q)] if q.next_user_ref_num == 8), "{answer:?}");
    assert_eq!(desk.venue.account().orders().count(), 1);
}

#[test]
fn invalid_orders_are_rejected_and_use_up_their_number() {
    let mut desk = quiet();
    let cases = [
        enter(1, b'B', 100, "NOBODY", LOW, b'0'),
        enter(2, b'Z', 100, "ALFA", LOW, b'0'),
        enter(3, b'B', 100, "ALFA", LOW + 1, b'0'),
        enter(4, b'B', 100, "ALFA", 0, b'0'),
        enter(5, b'B', 100, "ALFA", LOW, b'9'),
    ];
    for (number, case) in (1..).zip(&cases) {
        let reply = desk.request(case);
        assert!(matches!(reply[..], [OutboundRepr::OrderRejected(j)] if j.user_ref_num == number), "{reply:?}");
    }
    assert_eq!(desk.venue.account().counts.rejected, 5);
    assert!(desk.venue.account().orders().all(|order| order.state == OrderState::Rejected));

    let firm = protocols::Alpha::BLANK;
    desk.request(&InboundRepr::DisableOrderEntry(DisableOrderEntryRepr { user_ref_num: 6, firm }));
    let reply = desk.request(&enter(7, b'B', 100, "ALFA", LOW, b'0'));
    assert!(matches!(reply[..], [OutboundRepr::OrderRejected(_)]), "{reply:?}");
    desk.request(&InboundRepr::EnableOrderEntry(EnableOrderEntryRepr { user_ref_num: 8, firm }));
    let reply = desk.request(&enter(9, b'B', 100, "ALFA", LOW, b'0'));
    assert!(matches!(reply[..], [OutboundRepr::OrderAccepted(_)]), "{reply:?}");
}

#[test]
fn immediate_orders_trade_or_die() {
    let mut desk = Desk::open(seeded_venue(5, 1_000, 1));
    let nothing = desk.request(&enter(1, b'B', 100, "ALFA", LOW, b'3'));
    assert!(matches!(nothing[..], [OutboundRepr::OrderAccepted(a)] if a.order_state == b'D'), "{nothing:?}");
    let swept = desk.request(&enter(2, b'B', 900_000, "ALFA", HIGH, b'3'));
    let [OutboundRepr::OrderAccepted(a), executions @ .., OutboundRepr::OrderCanceled(c)] = &swept[..] else {
        panic!("{swept:?}")
    };
    let executed: u32 = executions
        .iter()
        .map(|reply| match reply {
            OutboundRepr::OrderExecuted(e) => {
                assert_eq!((e.user_ref_num, e.liquidity_flag), (2, b'R'));
                assert!(e.price <= HIGH);
                e.quantity
            }
            other => panic!("{other:?}"),
        })
        .sum();
    assert!(executed > 0 && a.order_state == b'L');
    assert_eq!((c.decrement, c.reason), (900_000 - executed, b'I'));
    let (_, position) = desk.venue.account().positions().next().unwrap();
    assert_eq!(position.buy_qty, u64::from(executed));
}

#[test]
fn a_trade_with_oneself_is_prevented_by_canceling_the_newer_order() {
    for mut desk in [quiet(), Desk::open(seeded_venue(5, 1_000, 1))] {
        // Inside any spread of this market there is no room, so sweep the asks away before resting a sell.
        desk.request(&enter(1, b'B', 900_000, "ALFA", HIGH, b'3'));
        let rested = desk.request(&enter(2, b'S', 100, "ALFA", HIGH, b'0'));
        assert!(matches!(rested[..], [OutboundRepr::OrderAccepted(a)] if a.order_state == b'L'), "{rested:?}");
        let reply = desk.request(&enter(3, b'B', 300, "ALFA", HIGH, b'0'));
        let [OutboundRepr::OrderAccepted(_), OutboundRepr::AiqCanceled(d)] = reply[..] else { panic!("{reply:?}") };
        assert_eq!((d.user_ref_num, d.decrement, d.quantity_prevented, d.execution_price), (3, 300, 100, HIGH));
        let account = desk.venue.account();
        assert_eq!(account.counts.self_match_prevented, 1);
        assert_eq!(account.order(2).unwrap().open, 100);
    }
}

#[test]
fn a_mass_cancel_takes_one_symbol_or_all() {
    let mut desk = quiet();
    for (number, symbol) in [(1, "ALFA"), (2, "BRAVO"), (3, "ALFA"), (4, "BRAVO")] {
        desk.request(&enter(number, b'B', 100, symbol, LOW - 200_000, b'0'));
    }
    let canceled = |replies: &[OutboundRepr]| -> Vec<u32> {
        let number =
            |reply: &OutboundRepr| if let OutboundRepr::OrderCanceled(c) = reply { Some(c.user_ref_num) } else { None };
        replies.iter().filter_map(number).collect()
    };
    let one = desk.request(&mass_cancel(5, "ALFA"));
    assert_eq!(canceled(&one), [1, 3]);
    assert!(matches!(one.last(), Some(OutboundRepr::MassCancelResponse(x)) if x.user_ref_num == 5));
    assert_eq!(canceled(&desk.request(&mass_cancel(6, ""))), [2, 4]);
    assert!(desk.venue.account().live().is_empty());
}

#[test]
fn a_lost_connection_cancels_and_the_next_login_replays_it() {
    let mut desk = quiet();
    desk.request(&enter(1, b'B', 100, "ALFA", LOW, b'0'));
    desk.request(&enter(2, b'S', 100, "ALFA", HIGH, b'0'));
    assert!(desk.step(Input::Disconnected(1)).is_empty());
    assert_eq!(desk.venue.account().counts.canceled_on_disconnect, 2);

    let all = desk.log_in(2, 1);
    assert_eq!(all[0].0, b'A');
    let types: Vec<u8> = all[1..].iter().map(|(_, payload)| payload[0]).collect();
    assert_eq!(types, b"SAACC");
    let tail = desk.log_in(3, 4);
    assert_eq!(tail[1..].iter().map(|(_, payload)| payload[0]).collect::<Vec<_>>(), b"CC");
    assert_eq!(tail[0].1[10..], *b"                   4");
    let nothing = desk.log_in(4, 0);
    assert_eq!((nothing.len(), nothing[0].0), (1, b'A'));
    assert_eq!(desk.out.close, [2, 3], "a new login takes the place of the old one");
}

#[test]
fn a_silent_client_is_dead_after_fifteen_seconds() {
    let mut desk = quiet();
    desk.request(&enter(1, b'B', 100, "ALFA", LOW, b'0'));
    let mut heartbeats = 0;
    for _ in 0..149 {
        desk.now_ns += 100 * MS;
        let sent = desk.step(Input::Timer);
        heartbeats += sent.iter().flat_map(|(_, bytes)| packets(bytes)).filter(|(t, _)| *t == b'H').count();
    }
    assert_eq!(heartbeats, 14);
    assert_eq!(desk.venue.account().live(), [1]);
    desk.now_ns += 200 * MS;
    desk.step(Input::Timer);
    assert!(desk.venue.account().live().is_empty());
    assert_eq!(desk.out.close, [1]);
}

#[test]
fn wrong_logins_are_refused() {
    let cases = [
        (login(b"tick", b"no", b"", 1), b'A'),
        (login(b"other", b"way", b"", 1), b'A'),
        (login(b"tick", b"way", b"YESTERDAY", 1), b'S'),
        (login(b"tick", b"way", b"TEST000001", 99), b'S'),
    ];
    for (request, reason) in cases {
        let mut desk = Desk::new(seeded_venue(1, 1_000, 1));
        desk.step(Input::Connected(1));
        let sent = desk.step(Input::Received(1, &request));
        assert_eq!(packets(&sent[0].1), [(b'J', vec![reason])]);
        assert_eq!(desk.out.close, [1]);
    }
}

#[test]
fn the_end_cancels_what_is_open_and_later_orders_are_rejected() {
    let mut desk = quiet();
    desk.request(&enter(1, b'B', 100, "ALFA", LOW, b'0'));
    let last = replies(&desk.step(Input::End));
    assert!(
        matches!(last[..], [OutboundRepr::OrderCanceled(c), OutboundRepr::SystemEvent(s)]
        if c.reason == b'E' && s.event_code == b'E'),
        "{last:?}"
    );
    let late = desk.request(&enter(2, b'B', 100, "ALFA", LOW, b'0'));
    assert!(matches!(late[..], [OutboundRepr::OrderRejected(_)]), "{late:?}");
}

/// Any requests, in any order: no share is made or lost, and the replies tell the same story as the account.
#[derive(Debug, Clone)]
enum Ask {
    Enter { sell: bool, quantity: u32, ticks_away: i64, immediate: bool },
    Replace { back: u32, quantity: u32, ticks_away: i64 },
    Cancel { back: u32, quantity: u32 },
    Wait,
}

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        4 => (any::<bool>(), 1..900_u32, -4..5_i64, any::<bool>()).prop_map(|(sell, quantity, ticks_away, immediate)| {
            Ask::Enter { sell, quantity, ticks_away, immediate }
        }),
        2 => (1..6_u32, 1..900_u32, -4..5_i64)
            .prop_map(|(back, quantity, ticks_away)| Ask::Replace { back, quantity, ticks_away }),
        1 => (1..6_u32, 0..900_u32).prop_map(|(back, quantity)| Ask::Cancel { back, quantity }),
        2 => Just(Ask::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn shares_are_conserved_and_replies_tell_the_account(asks in prop::collection::vec(ask(), 1..80), seed in 0..1_000_u64) {
        let mut desk = Desk::open(seeded_venue(seed, 4_000, 1));
        let mut told = Vec::new();
        let mut number = 0;
        for ask in asks {
            let price = |ticks: i64| (1_000_000 + ticks * 100) as u64;
            let request = match ask {
                Ask::Enter { sell, quantity, ticks_away, immediate } => {
                    number += 1;
                    let (side, tif) = (if sell { b'S' } else { b'B' }, if immediate { b'3' } else { b'0' });
                    enter(number, side, quantity, "ALFA", price(ticks_away), tif)
                }
                Ask::Replace { back, quantity, ticks_away } => {
                    number += 1;
                    replace(number.saturating_sub(back), number, quantity, price(ticks_away))
                }
                Ask::Cancel { back, quantity } => cancel(number.saturating_sub(back), quantity),
                Ask::Wait => {
                    told.extend(desk.run_ms(20));
                    continue;
                }
            };
            told.extend(desk.request(&request));
        }
        told.extend(replies(&desk.step(Input::End)));

        let account = desk.venue.account();
        prop_assert!(account.live().is_empty());
        let (mut bought, mut sold) = (0_u64, 0_u64);
        for order in account.orders().filter(|order| order.state != OrderState::Rejected) {
            let done = order.executed_before + order.executed + order.canceled;
            prop_assert!(done == order.qty || (order.state == OrderState::Replaced && done <= order.qty), "{:?}", order);
            let executed: u32 = told.iter().map(|reply| match reply {
                OutboundRepr::OrderExecuted(e) if e.user_ref_num == order.user_ref_num => e.quantity,
                _ => 0,
            }).sum();
            prop_assert_eq!(executed, order.executed);
            match order.side.unwrap() {
                Side::Buy => bought += u64::from(order.executed),
                Side::Sell => sold += u64::from(order.executed),
            }
        }
        let position = account.positions().next().map(|(_, position)| *position).unwrap_or_default();
        prop_assert_eq!((position.buy_qty, position.sell_qty), (bought, sold));
        // On the feed every execution has one match number, and ours are among them.
        let on_feed: u64 = desk.itch.iter().filter(|m| m[0] == b'E')
            .map(|m| u64::from(u32::from_be_bytes([m[19], m[20], m[21], m[22]]))).sum();
        prop_assert!(on_feed >= account.filled_quantity());
        prop_assert_eq!(account.filled_quantity(), bought + sold);
    }

    #[test]
    fn no_bytes_of_a_client_stop_the_venue(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20), logged_in: bool) {
        let mut desk = if logged_in { quiet() } else { Desk::new(seeded_venue(1, 100, 1)) };
        desk.step(Input::Connected(2));
        let id = if logged_in { 1 } else { 2 };
        for chunk in &chunks {
            desk.step(Input::Received(id, chunk));
        }
        desk.run_ms(5);
    }
}
