//! A venue in one thread: SoupBinTCP and OUCH on a loopback socket, with every order accepted.

use protocols::Alpha;
use protocols::ouch::*;
use protocols::soupbintcp::{FrameBuffer, SendBuffer, Timing, server};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// The venue.
pub struct Venue {
    listener: TcpListener,
    stream: Option<TcpStream>,
    session: server::Session,
    frames: FrameBuffer,
    out: SendBuffer,
    next_user_ref_num: u32,
    /// Sequence of the session's next message, over all connections.
    next_sequence: u64,
    /// Messages that came, in order; the session's own left out.
    pub received: Vec<Request>,
    /// Shares of each new order that are executed at once.
    pub fills: u32,
    /// It reads nothing while this is set.
    pub deaf: bool,
    pub logged_out: bool,
    match_number: u64,
}

/// A request as it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    Enter { user_ref_num: u32, quantity: u32, price: u64 },
    Cancel(u32),
    MassCancel,
}

impl Venue {
    pub fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        // Little, so that a venue that does not read is felt soon.
        socket2::SockRef::from(&listener).set_recv_buffer_size(4096).unwrap();
        Self {
            listener,
            stream: None,
            session: server::Session::new(Timing::default(), 0),
            frames: FrameBuffer::new(1 << 16),
            out: SendBuffer::new(4 << 20),
            next_user_ref_num: 1,
            next_sequence: 1,
            received: Vec::new(),
            fills: 0,
            deaf: false,
            logged_out: false,
            match_number: 0,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Ends the connection.
    pub fn hang_up(&mut self) {
        self.stream = None;
    }

    /// Accepts, reads, answers.
    pub fn poll(&mut self) {
        if let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true).unwrap();
            self.stream = Some(stream);
            self.session = server::Session::new(Timing::default(), 0);
            self.frames.clear();
            self.out.clear();
        }
        if !self.deaf {
            self.read();
        }
        if let Some(stream) = &mut self.stream {
            let written = stream.write(self.out.pending()).unwrap_or(0);
            self.out.consume(written);
        }
    }

    fn read(&mut self) {
        let mut bytes = [0; 4096];
        loop {
            let Some(stream) = &mut self.stream else { return };
            match stream.read(&mut bytes) {
                Ok(0) => {
                    self.stream = None;
                    return;
                }
                Ok(length) => {
                    assert_eq!(self.frames.push(&bytes[..length]), length);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.stream = None;
                    return;
                }
            }
            while let Some(frame) = self.frames.next_frame().unwrap().map(<[u8]>::to_vec) {
                self.take(&frame);
            }
        }
    }

    fn take(&mut self, frame: &[u8]) {
        match self.session.on_frame(0, frame) {
            server::Event::LoginRequested { .. } => {
                self.session.accept(0, Alpha::padded(b"S").unwrap(), self.next_sequence, &mut self.out).unwrap();
            }
            server::Event::Message { payload } => {
                let message = payload.to_vec();
                self.answer(&message);
            }
            server::Event::LoggedOut => self.logged_out = true,
            server::Event::Nothing => {}
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, payload: &[u8]) {
        match Inbound::parse(payload).unwrap() {
            Inbound::AccountQuery(_) => {
                let next_user_ref_num = self.next_user_ref_num;
                self.say(&OutboundRepr::AccountQueryResponse(AccountQueryResponseRepr {
                    timestamp_ns: 0,
                    next_user_ref_num,
                }));
            }
            Inbound::EnterOrder(m) => {
                let (user_ref_num, quantity, price) = (m.user_ref_num(), m.quantity(), m.price());
                self.received.push(Request::Enter { user_ref_num, quantity, price });
                self.next_user_ref_num = user_ref_num + 1;
                self.accept(&m);
                self.fill(user_ref_num, price);
            }
            Inbound::CancelOrder(m) => {
                let user_ref_num = m.user_ref_num();
                self.received.push(Request::Cancel(user_ref_num));
                if user_ref_num >= self.next_user_ref_num {
                    // OUCH: a cancel of an order that is not known is ignored.
                    return;
                }
                self.say(&OutboundRepr::OrderCanceled(OrderCanceledRepr {
                    timestamp_ns: 0,
                    user_ref_num,
                    decrement: 10 - self.fills,
                    reason: b'U',
                }));
            }
            Inbound::EnableOrderEntry(m) => {
                let (user_ref_num, firm) = (m.user_ref_num(), m.firm());
                self.next_user_ref_num = user_ref_num + 1;
                self.say(&OutboundRepr::EnableOrderEntryResponse(EnableOrderEntryResponseRepr {
                    timestamp_ns: 0,
                    user_ref_num,
                    firm,
                }));
            }
            Inbound::MassCancel(_) => self.received.push(Request::MassCancel),
            other => panic!("{other:?}"),
        }
    }

    fn accept(&mut self, m: &EnterOrder<'_>) {
        self.say(&OutboundRepr::OrderAccepted(OrderAcceptedRepr {
            timestamp_ns: 0,
            user_ref_num: m.user_ref_num(),
            side: m.side(),
            quantity: m.quantity(),
            symbol: m.symbol(),
            price: m.price(),
            time_in_force: m.time_in_force(),
            display: m.display(),
            order_reference_number: u64::from(m.user_ref_num()),
            capacity: m.capacity(),
            intermarket_sweep: m.intermarket_sweep(),
            cross_type: m.cross_type(),
            order_state: b'L',
            cl_ord_id: m.cl_ord_id(),
        }));
    }

    fn fill(&mut self, user_ref_num: u32, price: u64) {
        if self.fills == 0 {
            return;
        }
        self.match_number += 1;
        self.say(&OutboundRepr::OrderExecuted(OrderExecutedRepr {
            timestamp_ns: 0,
            user_ref_num,
            quantity: self.fills,
            price,
            liquidity_flag: b'A',
            match_number: self.match_number,
        }));
    }

    fn say(&mut self, message: &OutboundRepr) {
        let mut payload = [0; 128];
        let length = message.encode_into(&mut payload).unwrap();
        self.session.send(0, &payload[..length], &mut self.out).unwrap();
        self.next_sequence = self.session.next_sequence();
    }
}
