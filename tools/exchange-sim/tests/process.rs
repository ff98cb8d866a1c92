//! The process on loopback: its lines, its feed, its re-request server, its order entry.

mod common;

use common::{enter, login, packets, unsequenced};
use protocols::Alpha;
use protocols::moldudp64::{Packet, Request};
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A child that ends with its test.
struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_exchange-sim"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }

    fn say(&mut self, command: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{command}").unwrap();
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, command: &str) -> Value {
        self.say(command);
        self.line()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A group of this test process's own, on a port that was free a moment ago.
fn group() -> SocketAddrV4 {
    let [.., high, low] = std::process::id().to_be_bytes();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    SocketAddrV4::new(Ipv4Addr::new(239, 255, high, low), port)
}

fn join(group: SocketAddrV4) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
    socket.set_reuse_address(true).unwrap();
    let _ = socket.set_recv_buffer_size(4 << 20);
    socket.bind(&SocketAddr::from(group).into()).unwrap();
    socket.join_multicast_v4(group.ip(), &Ipv4Addr::LOCALHOST).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.into()
}

/// Receives until the end of session, then asks again for what is missing: every message of the session, by sequence.
fn whole_session(feed: &UdpSocket, requests: SocketAddr) -> (BTreeMap<u64, Vec<u8>>, u64) {
    let (mut messages, mut buffer) = (BTreeMap::new(), [0; 2_048]);
    let take = |messages: &mut BTreeMap<u64, Vec<u8>>, bytes: &[u8]| {
        let packet = Packet::new_checked(bytes).ok()?;
        let found = packet.messages().filter(|(_, m)| protocols::itch::Message::parse(m).is_ok());
        messages.extend(found.map(|(sequence, message)| (sequence, message.to_vec())));
        packet.is_end_of_session().then(|| (packet.session(), packet.sequence()))
    };
    let (session, next) = loop {
        let length = feed.recv(&mut buffer).expect("the feed goes on until its end");
        if let Some(end) = take(&mut messages, &buffer[..length]) {
            break end;
        }
    };
    let asker = UdpSocket::bind("127.0.0.1:0").unwrap();
    asker.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut requested = 0;
    for sequence in 1..next {
        if !messages.contains_key(&sequence) {
            requested += 1;
            let mut bytes = [0; 20];
            Request { session, sequence, count: 1 }.encode_into(&mut bytes).unwrap();
            asker.send_to(&bytes, requests).unwrap();
            let length = asker.recv(&mut buffer).expect("a re-request is answered");
            take(&mut messages, &buffer[..length]);
        }
    }
    (messages, requested)
}

#[test]
fn a_session_on_loopback_is_received_whole_and_traded_in() {
    let group = group();
    let feed = join(group);
    let (ip, port) = (group.ip().to_string(), group.port().to_string());
    let mut venue = Process::start(&[
        "--seed",
        "3",
        "--rate",
        "5000",
        "--symbols",
        "2",
        "--group",
        &ip,
        "--group-port",
        &port,
        "--fault",
        "malformed=0.05,drop=0.05,dup=0.05",
        "--username",
        "tick",
        "--password",
        "way",
    ]);
    let listening = venue.line();
    assert_eq!(listening["event"], "listening");
    assert_eq!(listening["instruments"].as_array().unwrap().len(), 2);
    let session = listening["session"].as_str().unwrap().to_owned();
    let address = |key: &str| listening[key].as_str().unwrap().parse::<SocketAddr>().unwrap();

    let mut orders = TcpStream::connect(address("order_addr")).unwrap();
    orders.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    orders.write_all(&login(b"tick", b"way", session.as_bytes(), 1)).unwrap();
    venue.say("open");
    while venue.ask("progress")["itch_messages"].as_u64().unwrap() < 2_000 {
        std::thread::sleep(Duration::from_millis(10));
    }
    orders.write_all(&unsequenced(&enter(1, b'B', 300, "ALFA", 1_990_000, b'3'))).unwrap();
    let mut received = Vec::new();
    while !packets(&whole_frames(&received)).iter().any(|(_, payload)| payload.first() == Some(&b'E')) {
        let mut chunk = [0; 4_096];
        let length = orders.read(&mut chunk).expect("an execution comes");
        assert!(length > 0);
        received.extend_from_slice(&chunk[..length]);
    }
    venue.say("end");
    let (messages, requested) = whole_session(&feed, address("request_addr"));
    let account = venue.ask("account");

    let count = account["itch"]["messages"].as_u64().unwrap();
    assert_eq!((messages.len() as u64, *messages.last_key_value().unwrap().0), (count, count));
    let mut by_type = BTreeMap::<String, u64>::new();
    for message in messages.values() {
        *by_type.entry(char::from(message[0]).to_string()).or_default() += 1;
    }
    assert_eq!(serde_json::to_value(&by_type).unwrap(), account["itch"]["by_type"]);
    let datagrams = &account["datagrams"];
    assert!(requested >= datagrams["dropped"].as_u64().unwrap() + datagrams["malformed"].as_u64().unwrap());
    assert_eq!(datagrams["request_replies"].as_u64(), Some(requested));
    assert_eq!(account["orders"]["by_user_ref_num"][0]["executed"], 300);
    assert_eq!(account["positions"][0]["qty"], 300);
    assert!(account["fills"]["count"].as_u64().unwrap() >= 1);

    drop(venue.stdin.take());
    assert!(venue.child.wait().unwrap().success(), "the end of stdin ends it");
    assert_eq!(Alpha::<10>::padded(session.as_bytes()).unwrap().trimmed().len(), 10);
}

/// The whole frames at the start of received bytes.
fn whole_frames(bytes: &[u8]) -> Vec<u8> {
    let mut end = 0;
    while let Some(prefix) = bytes.get(end..end + 2) {
        let next = end + 2 + usize::from(u16::from_be_bytes([prefix[0], prefix[1]]));
        if next > bytes.len() {
            break;
        }
        end = next;
    }
    bytes[..end].to_vec()
}

#[test]
fn a_broken_file_is_refused_before_anything_starts() {
    let path = std::env::temp_dir().join(format!("exchange-sim-{}.itch", std::process::id()));
    std::fs::write(&path, [0, 12, b'S', 0, 0]).unwrap();
    for mode in [&["--scan"][..], &[]] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_exchange-sim")).arg("--itch").arg(&path).args(mode).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(error.contains(path.to_str().unwrap()) && error.contains("offset 0"), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn wrong_usage_is_one_line_that_names_the_key_and_the_way_out() {
    for (arguments, words) in [
        (
            ["--fault", "loss=0.1"],
            "'--fault <RATES>': \"loss\" is no fault; name malformed, drop or dup; see exchange-sim",
        ),
        (["--wait", "spin"], "'spin' for '--wait <WAIT>' [possible values: nap, yield]; see exchange-sim --help"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_exchange-sim")).args(arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.starts_with("exchange-sim: invalid value") && told.contains(words), "{told}");
        assert_eq!(told.trim_end().lines().count(), 1, "{told}");
    }
}
