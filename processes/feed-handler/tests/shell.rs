//! The feed handler's shell over loopback multicast, against a venue that follows a script.
#![forbid(unsafe_code)]

mod world;

use feed_handler::{Datagram, FeedHandler, Input, Line, Output, Shell};
use machine::Stepper;
use protocols::itch::Stock;
use protocols::moldudp64::Request;
use runtime::clock::{Clock, calibrate};
use runtime::config::{HostFile, InstanceName};
use runtime::duty_cycle::Agent;
use runtime::instance::Instance;
use runtime::ports::{Identity, Ports};
use runtime::process::{Arguments, Process};
use runtime::wait::WaitStrategy;
use shm_layout::control_page::{CONTROL_PAGE_WORDS, ControlPage, ControlPageReader};
use shm_layout::image::ImageReader;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::market_data::MarketData;
use shm_layout::message::step::{Step, StepKind};
use shm_layout::message::wire::{WIRE_FIRST, WIRE_LAST, WireChunk, WireKind};
use shm_layout::ring::sync::SharedWords;
use shm_layout::ring::{RingReader, Start};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{ChannelState, InstrumentId, Nanos, Role};
use socket2::{Domain, Socket, Type};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;
use world::venue::{Event, Venue};
use world::{SESSION, control, host_text};

const ME: Identity = Identity { role: Role::FeedHandler, index: 0, epoch: 5 };
const fn ring(kind: RingKind, writer: Role) -> RingId {
    RingId { kind, writer, index: 0, gateway: 0 }
}

struct Script {
    _dir: tempfile::TempDir,
    process: Process,
    group: SocketAddrV4,
    sender: Socket,
    server: UdpSocket,
}

impl Script {
    fn new(octet: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 255, (std::process::id() % 250) as u8, octet), port);
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let file = HostFile::parse("host.toml", &host_text(group, server.local_addr().unwrap())).unwrap();
        let name = InstanceName::new("w").unwrap();
        let instance = Instance::beneath(&name, &dir.path().join("shm"), &dir.path().join("data"));
        instance.create_directories(1).unwrap();
        let words = SharedWords::heap(CONTROL_PAGE_WORDS);
        let _page = ControlPage::new(&words);
        let page = ControlPageReader::new(&words);
        let ports = Ports::new(&instance, &file, 7, page.clone());
        ports.create_all(Nanos(1)).unwrap();
        let arguments = Arguments {
            host: "host.toml".into(),
            index: 0,
            epoch: ME.epoch,
            restarts: 0,
            core: None,
            wait: WaitStrategy::Yield,
            turn_after: Vec::new(),
            snapshot: None,
        };
        let clock = Clock::new(calibrate());
        let process = Process { identity: ME, arguments, file, instance, ports, page, boot_stamp: 7, clock };
        let sender = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        sender.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        Self { _dir: dir, process, group, sender, server }
    }

    /// `None` where the machine has no multicast on loopback.
    fn shell(&self) -> Option<Shell> {
        let status = self.process.ports.status_writer(ME, Nanos(1)).unwrap();
        match Shell::new(&self.process, status) {
            Ok(shell) => Some(shell),
            Err(error) if error.to_string().contains("join multicast") => {
                let _ = writeln!(std::io::stderr(), "skipped: no multicast on loopback here: {error}");
                None
            }
            Err(error) => panic!("{error:#}"),
        }
    }

    fn send(&self, bytes: &[u8]) {
        self.sender.send_to(bytes, &SocketAddr::V4(self.group).into()).unwrap();
    }

    /// Answers what was asked for, up to 20 messages each.
    fn serve(&self, venue: &Venue) {
        let mut bytes = [0; 64];
        while let Ok((length, from)) = self.server.recv_from(&mut bytes) {
            let request = Request::new_checked(&bytes[..length]).unwrap();
            assert_eq!(request.session, SESSION);
            let count = u64::from(request.count.min(20));
            self.server.send_to(&venue.packet(request.sequence, request.sequence + count), from).unwrap();
        }
    }

    /// Runs duty cycles, with the server at work, until `done`.
    fn run(&self, shell: &mut Shell, venue: &Venue, mut done: impl FnMut(&Shell) -> bool) {
        for _ in 0..5_000 {
            shell.duty_cycle(self.process.clock.now());
            if done(shell) {
                return;
            }
            self.serve(venue);
        }
        panic!("never done: expected {}", shell.machine().expected_sequence());
    }

    fn read<const W: usize>(&self, ring: RingId) -> Vec<[u64; W]> {
        let mut reader: RingReader<W> = self.process.ports.tap(ring, Start::Oldest).unwrap();
        let mut batch = [[0; W]; 64];
        let mut all = Vec::new();
        while let count @ 1.. = reader.read_batch(&mut batch).unwrap() {
            all.extend_from_slice(&batch[..count]);
        }
        all
    }

    fn published(&self) -> Vec<MarketData> {
        let words = self.read(ring(RingKind::MarketData, Role::FeedHandler));
        words.iter().map(|words| MarketData::decode(words).unwrap()).collect()
    }

    fn counter(&self, label: &str) -> u64 {
        let status = self.process.ports.status_reader(Role::FeedHandler, 0).unwrap();
        let counters = status.counters();
        let found = counters.iter().find(|(name, _)| name == label);
        found.unwrap_or_else(|| panic!("no counter {label}")).1
    }
}

fn events(published: &[MarketData]) -> Vec<Event> {
    published.iter().filter_map(Event::of).collect()
}

/// Replays the machine from the step and wire rings alone.
fn replay(script: &Script) -> Vec<MarketData> {
    let wire: Vec<WireChunk> = script
        .read(ring(RingKind::Wire, Role::FeedHandler))
        .iter()
        .map(|words| WireChunk::decode(words).unwrap())
        .collect();
    let steps = script.read(ring(RingKind::Step, Role::FeedHandler));
    let rows = script.process.file.instruments().rows();
    let instruments: Vec<(Stock, InstrumentId)> =
        rows.iter().map(|row| (Stock::padded(row.symbol.as_bytes()).unwrap(), row.id)).collect();
    let config = script.process.file.table("feed-handler").unwrap();
    let start = Step::decode(&steps[0]).unwrap();
    assert_eq!((start.kind(), start.value), (StepKind::Start, [5, 0, 0]));
    let mut stepper = Stepper::new(FeedHandler::new(&config, &instruments).unwrap(), start.now_ns);
    let mut published = Vec::new();
    for words in &steps[1..] {
        let step = Step::decode(words).unwrap();
        let mut emit = |output| {
            if let Output::MarketData(message) = output {
                published.push(message);
            }
        };
        match step.kind() {
            StepKind::Timer => assert_eq!(stepper.timer(step.now_ns, &mut emit), Some(step.now_ns)),
            StepKind::Poll => {
                assert_eq!(step.ring, ring(RingKind::Wire, Role::FeedHandler).to_u32());
                let (through, count) = (step.through_sequence as usize, step.count as usize);
                let chunks = &wire[through - count..through];
                let (first, last) = (&chunks[0], &chunks[count - 1]);
                assert!(first.flags & WIRE_FIRST != 0 && last.flags & WIRE_LAST != 0);
                assert!(chunks.iter().all(|chunk| chunk.kind == WireKind::DatagramReceived as u8));
                assert_eq!(first.read_ns, step.now_ns);
                let bytes: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.bytes().to_vec()).collect();
                let datagram = Datagram::new(Line::ALL[first.line as usize], first.receive_ns, &bytes);
                stepper.input(step.now_ns, &Input::Datagram(datagram), &mut emit);
            }
            kind => panic!("no such step here: {kind:?}"),
        }
    }
    published
}

#[test]
fn a_session_with_a_gap_is_published_once_in_order_and_replays() {
    let script = Script::new(1);
    let Some(mut shell) = script.shell() else { return };
    let venue = Venue::random(21, 400);
    let end = venue.next_sequence();
    script.send(b"no packet at all");
    let mut sequence = 1;
    while sequence < end {
        let next = (sequence + 7).min(end);
        // Two stretches never come by multicast.
        if !(100..130).contains(&sequence) && !(300..320).contains(&sequence) {
            script.send(&venue.packet(sequence, next));
        }
        sequence = next;
    }
    script.send(&[0; 3_000]);
    script.run(&mut shell, &venue, |shell| {
        shell.machine().expected_sequence() == end && shell.machine().channel_state() == ChannelState::Synchronized
    });
    script.send(&control(SESSION, end, 0xFFFF));
    script.run(&mut shell, &venue, |shell| shell.machine().channel_state() == ChannelState::Ended);
    shell.stop();
    shell.duty_cycle(script.process.clock.now());
    assert!(shell.finished());

    let published = script.published();
    assert_eq!(events(&published), venue.expected, "what the naive book says, each sequence once");
    assert_eq!(replay(&script), published, "the step and wire rings replay the machine");
    for (label, value) in [
        ("messages_recovered", shell.machine().counters().recovered),
        ("malformed.packet", 1),
        ("malformed.oversize", 1),
        ("expected_sequence", end),
        ("session_ended", 1),
        ("by_type.R", 3),
        ("unknown_symbol", 1),
        ("integrity.crossed", 0),
    ] {
        assert_eq!(script.counter(label), value, "{label}");
    }
    assert!(script.counter("gaps") >= 1 && script.counter("request_sent") >= 2);
    let sent = script.read::<15>(ring(RingKind::Wire, Role::FeedHandler)).len();
    assert!(sent as u64 > script.counter("datagrams"), "requests are on the wire ring too");
}

#[test]
fn heartbeats_keep_the_image_fresh_and_a_restart_recovers_in_silence() {
    let script = Script::new(2);
    let Some(mut shell) = script.shell() else { return };
    let venue = Venue::random(22, 3_000);
    let end = venue.next_sequence();
    let image = ImageReader::new(&script.process.ports.image(0, None).unwrap());
    // Joined after everything: the whole past comes by request.
    script.send(&control(SESSION, end, 0));
    script.run(&mut shell, &venue, |shell| shell.machine().channel_state() == ChannelState::Synchronized);
    let channel = image.channel().unwrap();
    assert_eq!((channel.state, channel.channel_sequence), (ChannelState::Synchronized, end - 1));
    assert!(script.process.clock.now().0 - channel.receive_ns.0 < 60_000_000_000, "on the instance's time line");
    assert_eq!(events(&script.published()), [], "in silence");
    assert!(image.read(InstrumentId(7)).is_ok() && image.read(InstrumentId(3)).is_ok());

    script.send(&control(SESSION, end, 0));
    script.run(&mut shell, &venue, |_| image.channel().unwrap().receive_ns > channel.receive_ns);
    let resets = image.read(InstrumentId(7)).unwrap().reset_count;

    // A second life on the same regions.
    drop(shell);
    let mut shell = script.shell().unwrap();
    script.send(&control(SESSION, end, 0));
    script.run(&mut shell, &venue, |shell| shell.machine().channel_state() == ChannelState::Synchronized);
    assert_eq!(events(&script.published()), [], "never an old sequence");
    assert_eq!(image.read(InstrumentId(7)).unwrap().reset_count, resets);
}

#[test]
fn it_obeys_control_and_a_lap_there_is_the_end() {
    let script = Script::new(3);
    let Some(mut shell) = script.shell() else { return };
    let supervisor = Identity { role: Role::Supervisor, index: 0, epoch: 1 };
    let mut writer = script.process.ports.writer::<7>(ring(RingKind::Control, Role::Supervisor), supervisor).unwrap();
    let stop = Control { kind: ControlKind::Stop as u8, role: Role::FeedHandler as u8, ..Control::default() };
    writer.push(&Control { index: 1, ..stop }.encode()).unwrap();
    shell.duty_cycle(script.process.clock.now());
    assert!(!shell.finished(), "that was for another feed handler");
    writer.push(&stop.encode()).unwrap();
    shell.duty_cycle(script.process.clock.now());
    assert!(shell.finished());
    shell.end().unwrap();
    let status = script.process.ports.status_reader(Role::FeedHandler, 0).unwrap();
    assert_eq!(status.last_control_sequence(), 2);

    let disarm = Control { kind: ControlKind::Disarm as u8, role: Role::Strategy as u8, ..Control::default() };
    let epoch =
        Control { kind: ControlKind::Epoch as u8, role: Role::FeedHandler as u8, epoch: 5, ..Control::default() };
    writer.push(&epoch.encode()).unwrap();
    let mut shell = script.shell().unwrap();
    shell.duty_cycle(script.process.clock.now());
    assert!(!shell.finished(), "the stop was an earlier life's");
    (0..5_000).for_each(|_| assert!(writer.push(&disarm.encode()).is_ok()));
    shell.duty_cycle(script.process.clock.now());
    assert!(shell.finished());
    assert!(shell.end().unwrap_err().to_string().contains("missed"));
}
