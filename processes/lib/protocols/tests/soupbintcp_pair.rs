//! Both sides of a SoupBinTCP session joined by a simulated connection that cuts, delays and breaks.
#![forbid(unsafe_code)]

use proptest::prelude::*;
use protocols::Alpha;
use protocols::soupbintcp::*;

const SESSION: SessionName = Alpha(*b"DAY1      ");
const TIMING: Timing = Timing { heartbeat_ns: 10, dead_ns: 150 };

/// One step of the world.
#[derive(Clone, Debug)]
enum Step {
    ServerSays(u8),
    ClientSays(u8),
    /// At most so many bytes travel each way.
    Carry(usize, usize),
    Wait(u64),
    Reconnect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<u8>().prop_map(Step::ServerSays),
        3 => any::<u8>().prop_map(Step::ClientSays),
        6 => (0_usize..80, 0_usize..80).prop_map(|(up, down)| Step::Carry(up, down)),
        3 => (1_u64..8).prop_map(Step::Wait),
        1 => Just(Step::Reconnect),
    ];
    proptest::collection::vec(step, 0..120)
}

/// Both endpoints, what lies between them, and what each has seen.
struct World {
    now_ns: u64,
    client: client::Session,
    server: server::Session,
    up: SendBuffer,
    down: SendBuffer,
    client_frames: FrameBuffer,
    server_frames: FrameBuffer,
    /// Everything the server said, from sequence 1: what it resends from.
    said: Vec<u8>,
    /// Sequence of the next message that the server has not put on this connection.
    next_sent: usize,
    heard: Vec<u8>,
    client_said: Vec<u8>,
    server_heard: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let mut up = SendBuffer::new(256);
        let config = Self::config(1);
        Self {
            now_ns: 0,
            client: client::Session::connect(&config, 0, &mut up).unwrap(),
            server: server::Session::new(TIMING, 0),
            up,
            down: SendBuffer::new(256),
            client_frames: FrameBuffer::new(64),
            server_frames: FrameBuffer::new(64),
            said: Vec::new(),
            next_sent: 1,
            heard: Vec::new(),
            client_said: Vec::new(),
            server_heard: Vec::new(),
        }
    }

    const fn config(sequence: u64) -> client::Config {
        client::Config {
            username: Alpha(*b"u     "),
            password: Password(Alpha::BLANK),
            session: SESSION,
            sequence,
            timing: TIMING,
        }
    }

    fn reconnect(&mut self) {
        self.up.clear();
        self.down.clear();
        self.client_frames.clear();
        self.server_frames.clear();
        let next = self.heard.len() as u64 + 1;
        self.client = client::Session::connect(&Self::config(next), self.now_ns, &mut self.up).unwrap();
        self.server = server::Session::new(TIMING, self.now_ns);
    }

    /// The server puts on the connection what was said and fits.
    fn flush(&mut self) {
        while self.server.state() == server::State::LoggedIn && self.next_sent <= self.said.len() {
            match self.server.send(self.now_ns, &[self.said[self.next_sent - 1]], &mut self.down) {
                Ok(sequence) => assert_eq!(sequence, self.next_sent as u64),
                Err(Unsent::Full) => return,
                Err(unsent) => panic!("{unsent}"),
            }
            self.next_sent += 1;
        }
    }

    fn carry(&mut self, up: usize, down: usize) {
        let up = up.min(self.up.pending().len());
        let taken = self.server_frames.push(&self.up.pending()[..up]);
        self.up.consume(taken);
        while let Some(frame) = self.server_frames.next_frame().unwrap() {
            match self.server.on_frame(self.now_ns, frame) {
                server::Event::Nothing => {}
                server::Event::LoginRequested { sequence, .. } => {
                    self.server.accept(self.now_ns, SESSION, sequence, &mut self.down).unwrap();
                    self.next_sent = sequence as usize;
                }
                server::Event::Message { payload } => self.server_heard.extend_from_slice(payload),
                other => panic!("{other:?}"),
            }
        }
        let down = down.min(self.down.pending().len());
        let taken = self.client_frames.push(&self.down.pending()[..down]);
        self.down.consume(taken);
        while let Some(frame) = self.client_frames.next_frame().unwrap() {
            match self.client.on_frame(self.now_ns, frame) {
                client::Event::Nothing => {}
                client::Event::LoggedIn { sequence, .. } => assert_eq!(sequence, self.heard.len() as u64 + 1),
                client::Event::Message { sequence, payload } => {
                    assert_eq!(sequence, self.heard.len() as u64 + 1);
                    self.heard.extend_from_slice(payload);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::ServerSays(byte) => self.said.push(*byte),
            Step::ClientSays(byte) => {
                if self.client.send(self.now_ns, &[*byte], &mut self.up).is_ok() {
                    self.client_said.push(*byte);
                }
            }
            Step::Carry(up, down) => self.carry(*up, *down),
            Step::Wait(ns) => {
                self.now_ns += ns;
                if self.client.on_timer(self.now_ns, &mut self.up) == client::Event::Dead
                    || self.server.on_timer(self.now_ns, &mut self.down) == server::Event::Dead
                {
                    self.reconnect();
                }
            }
            Step::Reconnect => self.reconnect(),
        }
        self.flush();
    }
}

/// Whether `part` is `whole` with some elements left out.
fn is_subsequence(part: &[u8], whole: &[u8]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|byte| whole.any(|other| other == byte))
}

proptest! {
    /// However the connection cuts and breaks: downstream nothing is lost, doubled or reordered; upstream things may
    /// be lost, never doubled or reordered; and while bytes flow nobody is declared dead.
    #[test]
    fn sequenced_messages_survive_every_break(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            prop_assert!(world.said.starts_with(&world.heard));
        }
        for _ in 0..200 {
            world.step(&Step::Carry(80, 80));
        }
        prop_assert_eq!(&world.heard, &world.said);
        prop_assert!(is_subsequence(&world.server_heard, &world.client_said));

        // A connection that carries keeps both alive for ever by heartbeats alone.
        for _ in 0..100 {
            world.now_ns += TIMING.heartbeat_ns;
            prop_assert_eq!(world.client.on_timer(world.now_ns, &mut world.up), client::Event::Nothing);
            prop_assert_eq!(world.server.on_timer(world.now_ns, &mut world.down), server::Event::Nothing);
            world.carry(80, 80);
        }
        prop_assert_eq!(world.client.state(), client::State::LoggedIn);
    }
}
