//! From a datagram to an order's bytes in one thread, through the four real machines.
#![forbid(unsafe_code)]

use benches::micro::{compare, state_ns};
use benches::work::tick_to_order::TickToOrder;

fn main() {
    let figures = compare(
        "Tick to order, one thread: datagram, book, strategy, risk, journal tail, OUCH bytes",
        &mut [("tickway", &mut TickToOrder::new())],
    );
    state_ns("tick_to_order_ns", &figures[0]);
}
