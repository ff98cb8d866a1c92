//! The machines behind the decoders: any accepted message, in any order, at any time, is judged without a panic.

use crate::bytes::Bytes;
use crate::host;
use execution_gateway::config::GatewayConfig;
use execution_gateway::io::{self, RECEIVE_BYTES};
use execution_gateway::{Gateway, Received, effects};
use feed_handler::{DATAGRAM_MAX, Datagram, FeedHandler, Line};
use machine::{Machine, Stepper};
use protocols::itch::Stock;
use risk::machine::{RingStart, Risk};
use runtime::config::HostFile;
use shm_layout::message::control::Control;
use shm_layout::message::execution::Execution;
use shm_layout::message::market_data::MarketData;
use shm_layout::message::order::OrderRequest;
use shm_layout::message::step::{Reference, Step, StepKind};
use shm_layout::types::{BookValidity, ClOrdId, Nanos, TradingStatus};
use std::sync::OnceLock;
use strategy::config::StrategyConfig;
use strategy::machine::StrategyMachine;

/// Advances a machine by one input, and holds it to its promise about outputs.
fn advance<M: Machine>(stepper: &mut Stepper<M>, now: Nanos, input: &M::Input, mut each: impl FnMut(M::Output)) {
    let mut outputs = 0;
    stepper.input(now, input, &mut |output| {
        outputs += 1;
        each(output);
    });
    assert!(outputs <= M::OUTPUTS_MAX, "{outputs} outputs of at most {}", M::OUTPUTS_MAX);
    for _ in 0..4 {
        let mut outputs = 0;
        if stepper.timer(now, &mut |_| outputs += 1).is_none() {
            break;
        }
        assert!(outputs <= M::OUTPUTS_MAX, "{outputs} outputs of a timer");
    }
}

/// The next time: mostly a little later.
fn later(now: Nanos, input: &mut Bytes<'_>) -> Nanos {
    let step = u64::from(input.u8());
    now.plus(if step < 250 { step * step * 1000 } else { 1 << (step - 200) })
}

/// A word that a field of a message is likely to break on, or a small plausible one.
fn patched<const N: usize>(input: &mut Bytes<'_>, mut words: [u64; N]) -> [u64; N] {
    for _ in 0..input.u8() % 4 {
        words[usize::from(input.u8()) % N] = input.edge();
    }
    words
}

/// An order request that is well formed, patched.
fn request(input: &mut Bytes<'_>, counter: u32) -> [u64; 15] {
    use shm_layout::message::order::{NewOrderSingle, OrderHeader, OrderKind};
    use shm_layout::types::{OrdType, Price, Qty, Side, TimeInForce};
    let id = ClOrdId::new(0, 1, 0, counter).expect("a small counter");
    let order = NewOrderSingle {
        header: OrderHeader {
            kind: OrderKind::NewOrderSingle as u8,
            side: if input.u8() & 1 == 0 { Side::Buy as u8 } else { Side::Sell as u8 },
            ord_type: OrdType::Limit as u8,
            time_in_force: TimeInForce::Day as u8,
            account_id: 1,
            cl_ord_id: id,
            ..OrderHeader::default()
        },
        price: Price(10_000_000_000),
        order_qty: Qty(100_000_000),
        ..NewOrderSingle::default()
    };
    let mut words = OrderRequest::NewOrderSingle(order).encode();
    match input.u8() % 4 {
        0 => words = input.words(),
        1 | 2 => words = patched(input, words),
        _ => {}
    }
    words
}

fn reference(input: &mut Bytes<'_>, now: Nanos) -> Option<Reference> {
    let good = Step {
        kind: StepKind::Reference as u8,
        code: BookValidity::Trusted as u8,
        index: TradingStatus::Trading as u16,
        value: [9_900_000_000, 10_100_000_000, now.0 as i64],
        ..Step::default()
    };
    let words = patched(input, good.encode());
    Step::decode(&words).ok().as_ref().and_then(Reference::from_step)
}

/// Datagrams to the feed handler.
pub fn feed(input: &[u8]) {
    static CONFIG: OnceLock<(feed_handler::Config, Vec<(Stock, shm_layout::types::InstrumentId)>)> = OnceLock::new();
    let (config, instruments) = CONFIG.get_or_init(|| {
        let host = host::small();
        let rows = host.instruments().rows().iter();
        let instruments = rows.filter_map(|row| Some((Stock::padded(row.symbol.as_bytes())?, row.id))).collect();
        (host.table("feed-handler").expect("the demo's table"), instruments)
    });
    let mut stepper = Stepper::new(FeedHandler::new(config, instruments).expect("a small table"), Nanos(1));
    let (mut input, mut now, mut datagram) = (Bytes::new(input), Nanos(1), Datagram::default());
    let mut sequence = 1;
    while !input.is_empty() {
        now = later(now, &mut input);
        datagram.line = if input.u8() & 1 == 0 { Line::A } else { Line::B };
        let count = usize::from(input.u8());
        let bytes =
            if count.is_multiple_of(8) { input.take(count).to_vec() } else { packet(&mut input, &mut sequence) };
        let length = bytes.len().min(DATAGRAM_MAX);
        datagram.bytes[..length].copy_from_slice(&bytes[..length]);
        (datagram.length, datagram.receive_ns) = (length as u16, now);
        advance(&mut stepper, now, &feed_handler::Input::Datagram(datagram.clone()), |_| {});
    }
}

/// A well-formed packet of messages whose types and bytes the input says.
fn packet(input: &mut Bytes<'_>, sequence: &mut u64) -> Vec<u8> {
    use protocols::itch::Message;
    let mut bytes = b"SESSION001".to_vec();
    let ahead = input.u8();
    let at = if ahead < 200 { *sequence } else { sequence.wrapping_add(u64::from(ahead)) };
    bytes.extend(at.to_be_bytes());
    let count = u16::from(input.u8() % 6);
    bytes.extend(count.to_be_bytes());
    for _ in 0..count {
        let kind = Message::TYPES[usize::from(input.u8()) % Message::TYPES.len()];
        let length = Message::min_length(kind).expect("a type of the table");
        let mut message = vec![kind];
        message.extend(input.take(length - 1));
        message.resize(length, 0);
        bytes.extend((length as u16).to_be_bytes());
        bytes.extend(message);
    }
    if at == *sequence {
        *sequence = sequence.wrapping_add(count.into());
    }
    bytes
}

/// Market data, executions and control to a strategy.
pub fn strategy(input: &[u8]) {
    use strategy::machine::Input;
    static SETTINGS: OnceLock<strategy::config::Settings> = OnceLock::new();
    let settings = SETTINGS.get_or_init(|| {
        let host = host::small();
        let rows: Vec<StrategyConfig> = host.tables("strategy").expect("the demo's rows");
        let instruments: Vec<_> = (host.instruments().rows().iter())
            .map(|row| strategy::config::Instrument { symbol: row.symbol.clone(), lot_size: row.lot_size })
            .collect();
        rows[0].resolve(0, &instruments).expect("the demo's row")
    });
    let state = StrategyMachine::orders_state(settings);
    let mut stepper = Stepper::new(StrategyMachine::restore(settings.clone(), state, 0, 1), Nanos(1));
    let (mut input, mut now) = (Bytes::new(input), Nanos(1));
    let mut sent = Vec::new();
    while !input.is_empty() {
        now = later(now, &mut input);
        let told = match input.u8() % 8 {
            0 => Control::decode(&patched(&mut input, armed())).ok().map(Input::Control),
            1 => reference(&mut input, now).map(Input::Reference),
            2 => Some(Input::MarketDataLapped),
            3 | 4 => {
                let words = patched(&mut input, market());
                MarketData::decode(&words).ok().map(Input::MarketData)
            }
            5 => MarketData::decode(&input.words()).ok().map(Input::MarketData),
            6 => Execution::decode(&report(&mut input, sent.last().copied())).ok().map(Input::Execution),
            _ => Execution::decode(&input.words()).ok().map(Input::Execution),
        };
        if let Some(told) = told {
            advance(&mut stepper, now, &told, |output| {
                if let strategy::machine::Output::Intent { request, .. } = output {
                    assert_eq!(OrderRequest::decode(&request.encode()), Ok(request), "it sends what others accept");
                    sent.push(request.header().cl_ord_id);
                }
            });
        }
    }
}

/// A control message that arms everyone.
fn armed() -> [u64; 7] {
    let kind = shm_layout::message::control::ControlKind::Arm as u8;
    Control { kind, ..Control::default() }.encode()
}

/// A top of book that can be traded on.
fn market() -> [u64; 7] {
    use shm_layout::message::market_data::{MarketDataHeader, MarketDataKind, TopOfBook};
    use shm_layout::types::{Price, Qty, Side};
    let header = MarketDataHeader {
        kind: MarketDataKind::TopOfBook as u8,
        side: Side::Buy as u8,
        validity: BookValidity::Trusted as u8,
        trading_status: TradingStatus::Trading as u8,
        ..MarketDataHeader::default()
    };
    let top = TopOfBook { header, price: Price(10_000_000_000), qty: Qty(100_000_000) };
    MarketData::TopOfBook(top).encode()
}

/// A report about an order, patched.
fn report(input: &mut Bytes<'_>, about: Option<ClOrdId>) -> [u64; 15] {
    use shm_layout::message::execution::{ExecutionKind, ExecutionReport};
    use shm_layout::types::{ExecType, OrdStatus, Side};
    let report = ExecutionReport {
        kind: ExecutionKind::ExecutionReport as u8,
        side: Side::Buy as u8,
        ord_status: OrdStatus::ALL[usize::from(input.u8()) % OrdStatus::ALL.len()] as u8,
        exec_type: ExecType::ALL[usize::from(input.u8()) % ExecType::ALL.len()] as u8,
        cl_ord_id: about.unwrap_or(ClOrdId(u64::from(input.u8()))),
        journal_sequence: u64::from(input.u8()),
        ..ExecutionReport::default()
    };
    patched(input, Execution::Report(report).encode())
}

/// The instruments of a host file as risk knows them.
pub(crate) fn risk_instruments(host: &HostFile) -> Vec<risk::config::Instrument> {
    (host.instruments().rows().iter())
        .map(|row| risk::config::Instrument {
            symbol: row.symbol.clone(),
            tick_size: row.tick_size,
            lot_size: row.lot_size,
            price_max: row.price_max,
            order_qty_max: row.order_qty_max,
        })
        .collect()
}

/// Intents, executions, references and control to risk.
pub fn risk(input: &[u8]) {
    use risk::machine::Input;
    static SETTINGS: OnceLock<risk::limits::Settings> = OnceLock::new();
    let settings = SETTINGS.get_or_init(|| {
        let host = host::small();
        let config: risk::config::RiskConfig = host.table("risk").expect("the demo's table");
        config.resolve(&risk_instruments(host), 1, 1).expect("the demo's limits")
    });
    let machine = Risk::restore(settings.clone(), Risk::orders_state(settings), 1, &[RingStart::default()], Nanos(1));
    let (mut stepper, mut input, mut now) = (Stepper::new(machine, Nanos(1)), Bytes::new(input), Nanos(1));
    let (mut sequence, mut approved) = (0, Vec::new());
    while !input.is_empty() && stepper.machine.void().is_none() {
        now = later(now, &mut input);
        let told = match input.u8() % 8 {
            0 => Control::decode(&patched(&mut input, armed())).ok().map(Input::Control),
            1 | 2 => reference(&mut input, now).map(Input::Reference),
            3 => Some(Input::Kill { generation_sum: u64::from(input.u8() & 1) }),
            4 => Execution::decode(&report(&mut input, approved.last().copied())).ok().map(Input::Execution),
            5 => Execution::decode(&input.words()).ok().map(Input::Execution),
            _ => {
                sequence += 1;
                let request = OrderRequest::decode(&request(&mut input, sequence));
                Some(Input::Intent { strategy: 0, sequence: sequence.into(), request })
            }
        };
        if let Some(told) = told {
            advance(&mut stepper, now, &told, |risk::machine::Output::Entry { request, .. }| {
                assert_eq!(OrderRequest::decode(&request.encode()), Ok(request), "it sends what others accept");
                if request.header().reject_reason == 0 {
                    approved.push(request.header().cl_ord_id);
                }
            });
        }
    }
}

/// Requests, the venue's bytes and the shell's answers to a gateway.
pub fn gateway(input: &[u8]) {
    use io::{Input, Output, SendTag};
    static SETTINGS: OnceLock<execution_gateway::config::Settings> = OnceLock::new();
    let settings = SETTINGS.get_or_init(|| {
        let host = host::small();
        let config: GatewayConfig = host.table("execution-gateway").expect("the demo's table");
        let symbols: Vec<String> = host.instruments().rows().iter().map(|row| row.symbol.clone()).collect();
        let settings = config.settings(0, &host.venues()[0], &symbols, 1).expect("the demo's venue");
        execution_gateway::config::Settings { orders_max: 8, ..settings }
    });
    let mut stepper = Stepper::new(Gateway::new(settings.clone(), 0), Nanos(1));
    let (mut input, mut now, mut sequence) = (Bytes::new(input), Nanos(1), 0_u32);
    let mut answers = Vec::new();
    while !input.is_empty() && !stepper.machine.finished() {
        now = later(now, &mut input);
        let told = match input.u8() % 8 {
            0 => Control::decode(&patched(&mut input, armed())).ok().map(Input::Control),
            1 => effects::from_step(&step(&mut input)),
            2 => effects::from_step(&Step { kind: StepKind::Effect as u8, code: 1, ..Step::default() }),
            3 | 4 => Some(Input::Received(received(&mut input, now))),
            5 => answers.pop(),
            _ => {
                sequence += 1;
                let mut words = request(&mut input, sequence);
                // Risk's token: its epoch and the next reservation.
                words[4] = if input.u8() < 200 { u64::from(sequence) } else { words[4] };
                Some(Input::Entry { sequence: sequence.into(), request: OrderRequest::decode(&words) })
            }
        };
        if let Some(told) = told {
            advance(&mut stepper, now, &told, |output| match output {
                Output::Publish(execution) => {
                    assert_eq!(Execution::decode(&execution.encode()), Ok(execution), "it sends what others accept");
                }
                Output::Send(sending) => {
                    assert!(sending.length <= sending.bytes.len());
                    match sending.tag {
                        SendTag::Opening { user_ref_num, .. } => {
                            answers.push(Input::Sent { user_ref_num, send_ns: now, write_ns: 1 })
                        }
                        SendTag::Closing { user_ref_num } => {
                            answers.push(Input::CancelSent { user_ref_num, send_ns: now });
                        }
                        SendTag::Session => {}
                    }
                }
                Output::Connect => answers.push(Input::Connected),
                _ => {}
            });
        }
    }
}

/// An effect, a lease or a kill.
fn step(input: &mut Bytes<'_>) -> Step {
    let kinds = [StepKind::Effect, StepKind::Lease, StepKind::Kill];
    let kind = kinds[usize::from(input.u8()) % kinds.len()] as u8;
    Step {
        kind,
        code: input.u8() % 16,
        index: u16::from(input.u8() % 4),
        value: [i64::from(input.u8()), 1, 0],
        ..Step::default()
    }
}

/// Bytes of the venue: raw, or framed messages of its side of the session.
fn received(input: &mut Bytes<'_>, now: Nanos) -> Received {
    use protocols::ouch::Outbound;
    let mut bytes = Vec::new();
    let count = input.u8();
    match count % 4 {
        0 => bytes.extend(input.take(usize::from(count))),
        1 => {
            // Login accepted: session and the next sequence, right-aligned.
            bytes.extend(31_u16.to_be_bytes());
            bytes.extend(b"ASESSION001");
            bytes.extend(format!("{:>20}", 1 + u64::from(input.u8() % 4)).bytes());
        }
        _ => {
            for _ in 0..1 + count % 3 {
                let kind = Outbound::TYPES[usize::from(input.u8()) % Outbound::TYPES.len()];
                let length = Outbound::min_length(kind).expect("a type of the table");
                let mut message = vec![b'S', kind];
                message.extend(input.take(length - 1));
                message.resize(length + 1, 0);
                bytes.extend((message.len() as u16).to_be_bytes());
                bytes.extend(message);
            }
        }
    }
    let length = bytes.len().min(RECEIVE_BYTES);
    let mut received = Received { receive_ns: now, length, bytes: [0; RECEIVE_BYTES] };
    received.bytes[..length].copy_from_slice(&bytes[..length]);
    received
}
