//! SoupBinTCP 3.0: packets, buffers and each side of a session against vectors and times written by hand.
#![forbid(unsafe_code)]

mod support;

use proptest::prelude::*;
use protocols::soupbintcp::*;
use protocols::{Alpha, Malformed};
use support::wire;

const SECOND: u64 = 1_000_000_000;
const SESSION: SessionName = Alpha(*b"       S01");
const PASSWORD: Password = Password(Alpha(*b"swordfish "));

fn config(sequence: u64) -> client::Config {
    let username = Alpha(*b"trader");
    client::Config { username, password: PASSWORD, session: Alpha::BLANK, sequence, timing: Timing::default() }
}

fn login_request(sequence: &str) -> Vec<u8> {
    wire(&format!("002f 'L' 'trader' 'swordfish ' '          ' '{sequence:>20}'"))
}

/// Takes everything that is waiting to be sent.
fn drain(out: &mut SendBuffer) -> Vec<u8> {
    let bytes = out.pending().to_vec();
    out.consume(bytes.len());
    bytes
}

fn logged_in_client(now_ns: u64, out: &mut SendBuffer) -> client::Session {
    let mut session = client::Session::connect(&config(7), now_ns, out).unwrap();
    let accepted = wire("'A' '       S01' '                   7'");
    assert_eq!(session.on_frame(now_ns, &accepted), client::Event::LoggedIn { session: SESSION, sequence: 7 });
    drain(out);
    session
}

fn logged_in_server(now_ns: u64, out: &mut SendBuffer) -> server::Session {
    let mut session = server::Session::new(Timing::default(), now_ns);
    session.on_frame(now_ns, &login_request("7")[2..]);
    session.accept(now_ns, SESSION, 7, out).unwrap();
    drain(out);
    session
}

#[test]
fn packets_read_as_the_specification_draws_them() {
    let accepted = wire("'A' '       S01' '                  42'");
    assert_eq!(accepted.len(), 31);
    let view = LoginAccepted::new_checked(&accepted).unwrap();
    assert_eq!(Packet::parse(&accepted), Ok(Packet::LoginAccepted(view, 42)));
    assert_eq!(view.repr(), LoginAcceptedRepr { session: SESSION, sequence: Alpha(*b"                  42") });

    let request = login_request("0")[2..].to_vec();
    assert_eq!(request.len(), 47);
    let view = LoginRequest::new_checked(&request).unwrap();
    assert_eq!(Packet::parse(&request), Ok(Packet::LoginRequest(view, 0)));
    assert_eq!((view.username(), view.password()), (Alpha(*b"trader"), PASSWORD));
    assert!(view.requested_session().is_blank());
    assert!(!format!("{view:?}").contains("swordfish"), "a password is never printed");

    let rejected = LoginRejected::new_checked(b"JS").unwrap();
    assert_eq!(Packet::parse(b"JS"), Ok(Packet::LoginRejected(rejected)));
    assert_eq!(rejected.reason(), b'S');
    assert_eq!(Packet::parse(b"Sabc"), Ok(Packet::Sequenced(b"abc")));
    assert_eq!(Packet::parse(b"S"), Ok(Packet::Sequenced(b"")));
    assert_eq!(Packet::parse(b"Uabc"), Ok(Packet::Unsequenced(b"abc")));
    assert_eq!(Packet::parse(b"H"), Ok(Packet::ServerHeartbeat));
    assert_eq!(Packet::parse(b"R"), Ok(Packet::ClientHeartbeat));
    assert_eq!(Packet::parse(b"Z"), Ok(Packet::EndOfSession));
    assert_eq!(Packet::parse(b"O"), Ok(Packet::Logout));
    assert_eq!(Packet::parse(b"+hello"), Ok(Packet::Debug(b"hello")));
    assert_eq!(Packet::parse(b""), Err(Malformed::Empty));
    assert!(Packet::parse(b"?").is_err());

    for length in 1..accepted.len() {
        assert!(Packet::parse(&accepted[..length]).is_err());
    }
    for length in 1..request.len() {
        assert!(Packet::parse(&request[..length]).is_err());
    }
    assert!(Packet::parse(b"J").is_err());
    for sequence in ["", "-1", "1 2", "0x10", "99999999999999999999"] {
        assert!(Packet::parse(&wire(&format!("'A' '       S01' '{sequence:>20}'"))).is_err(), "{sequence:?}");
    }
}

#[test]
fn a_login_goes_both_ways_and_sequences_count_from_the_accepted_one() {
    let (mut up, mut down) = (SendBuffer::new(256), SendBuffer::new(256));
    let mut client = client::Session::connect(&config(7), 0, &mut up).unwrap();
    let request = drain(&mut up);
    assert_eq!(request, login_request("7"));

    let mut server = server::Session::new(Timing::default(), 0);
    match server.on_frame(0, &request[2..]) {
        server::Event::LoginRequested { request, sequence: 7 } => assert_eq!(request.password, PASSWORD),
        other => panic!("{other:?}"),
    }
    server.accept(0, SESSION, 7, &mut down).unwrap();
    assert_eq!(server.send(0, b"first", &mut down), Ok(7));
    assert_eq!(server.send(0, b"", &mut down), Ok(8));
    server.end(0, &mut down).unwrap();
    let bytes = drain(&mut down);
    assert_eq!(bytes, wire("001f 'A' '       S01' '                   7' 0006 'Sfirst' 0001 'S' 0001 'Z'"));

    let mut frames = FrameBuffer::new(256);
    assert_eq!(frames.push(&bytes), bytes.len());
    let mut next = || frames.next_frame().unwrap().unwrap().to_vec();
    assert_eq!(client.on_frame(0, &next()), client::Event::LoggedIn { session: SESSION, sequence: 7 });
    assert_eq!(client.on_frame(0, &next()), client::Event::Message { sequence: 7, payload: b"first" });
    assert_eq!(client.on_frame(0, &next()), client::Event::Message { sequence: 8, payload: b"" });
    assert_eq!(client.next_sequence(), 9);
    assert_eq!(client.on_frame(0, &next()), client::Event::EndOfSession);
    assert_eq!((client.state(), client.deadline()), (client::State::Closed, None));
    assert_eq!(client.send(0, b"late", &mut up), Err(Unsent::NotLoggedIn));
    assert_eq!(server.send(0, b"late", &mut down), Err(Unsent::NotLoggedIn));
}

#[test]
fn a_rejected_login_closes_both_sides() {
    let (mut up, mut down) = (SendBuffer::new(64), SendBuffer::new(64));
    let mut client = client::Session::connect(&config(0), 0, &mut up).unwrap();
    let mut server = server::Session::new(Timing::default(), 0);
    assert_eq!(server.accept(0, SESSION, 1, &mut down), Err(Unsent::NotLoggedIn));
    server.on_frame(0, &drain(&mut up)[2..]);
    server.reject(0, b'A', &mut down).unwrap();
    let bytes = drain(&mut down);
    assert_eq!(bytes, wire("0002 'JA'"));
    assert_eq!(client.on_frame(0, &bytes[2..]), client::Event::LoginRejected { reason: b'A' });
    assert_eq!((client.state(), server.state()), (client::State::Closed, server::State::Closed));
}

#[test]
fn each_side_sends_a_heartbeat_after_one_idle_second() {
    let mut out = SendBuffer::new(64);
    let mut client = logged_in_client(0, &mut out);
    assert_eq!(client.deadline(), Some(SECOND));
    assert_eq!(client.on_timer(SECOND - 1, &mut out), client::Event::Nothing);
    assert_eq!(drain(&mut out), b"");
    client.on_timer(SECOND, &mut out);
    assert_eq!(drain(&mut out), wire("0001 'R'"));
    client.send(SECOND + 5, b"order", &mut out).unwrap();
    assert_eq!(drain(&mut out), wire("0006 'Uorder'"));
    assert_eq!(client.deadline(), Some(2 * SECOND + 5));
    assert_eq!(client.on_timer(2 * SECOND, &mut out), client::Event::Nothing);
    assert_eq!(drain(&mut out), b"");

    let mut server = logged_in_server(0, &mut out);
    server.on_timer(SECOND, &mut out);
    assert_eq!(drain(&mut out), wire("0001 'H'"));
    assert_eq!(server.deadline(), Some(2 * SECOND));
}

#[test]
fn a_silent_peer_is_dead_after_fifteen_seconds_and_any_frame_revives_it() {
    let mut out = SendBuffer::new(64);
    let mut client = logged_in_client(0, &mut out);
    assert_eq!(client.on_frame(14 * SECOND, b"H"), client::Event::Nothing);
    assert_eq!(client.on_timer(29 * SECOND - 1, &mut out), client::Event::Nothing);
    assert_eq!(client.on_timer(29 * SECOND, &mut out), client::Event::Dead);
    assert_eq!(client.on_frame(29 * SECOND, b"Slate"), client::Event::Nothing);

    let mut server = logged_in_server(0, &mut out);
    assert_eq!(server.on_frame(SECOND, b"+still here"), server::Event::Nothing);
    assert_eq!(server.on_timer(16 * SECOND - 1, &mut out), server::Event::Nothing);
    assert_eq!(server.on_timer(16 * SECOND, &mut out), server::Event::Dead);

    let mut silent = server::Session::new(Timing { heartbeat_ns: SECOND, dead_ns: 3 * SECOND }, 0);
    assert_eq!(silent.deadline(), Some(3 * SECOND));
    drain(&mut out);
    assert_eq!(silent.on_timer(3 * SECOND, &mut out), server::Event::Dead);
    assert_eq!(drain(&mut out), b"", "nothing is said before a login");
    assert_eq!(silent.deadline(), None);
}

#[test]
fn a_timer_moves_the_deadline_even_when_nothing_can_be_sent() {
    let mut out = SendBuffer::new(64);
    let mut client = logged_in_client(0, &mut out);
    while out.append(packet_type::DEBUG, b"").is_ok() {}
    assert_eq!(client.send(0, b"", &mut out), Err(Unsent::Full));
    client.on_timer(SECOND, &mut out);
    assert_eq!(client.deadline(), Some(2 * SECOND));
}

#[test]
fn a_logout_ends_the_session_on_both_sides() {
    let mut out = SendBuffer::new(64);
    let mut client = logged_in_client(0, &mut out);
    client.logout(0, &mut out).unwrap();
    let bytes = drain(&mut out);
    assert_eq!(bytes, wire("0001 'O'"));
    assert_eq!(client.state(), client::State::Closed);
    let mut server = logged_in_server(0, &mut out);
    assert_eq!(server.on_frame(0, &bytes[2..]), server::Event::LoggedOut);
    assert_eq!(server.state(), server::State::Closed);
}

#[test]
fn packets_out_of_place_are_violations() {
    let mut out = SendBuffer::new(64);
    for frame in [&b"Sx"[..], b"Z", b"L", b"R", b"O", b"", b"?"] {
        let mut client = client::Session::connect(&config(0), 0, &mut out).unwrap();
        drain(&mut out);
        assert!(matches!(client.on_frame(0, frame), client::Event::Violation(_)), "{frame:?}");
        assert_eq!(client.state(), client::State::Closed);
    }
    let second_accept = wire("'A' '       S01' '                   7'");
    let mut client = logged_in_client(0, &mut out);
    assert!(matches!(client.on_frame(0, &second_accept), client::Event::Violation(_)));
    for frame in [&b"Ux"[..], b"O", b"H", b"S", b"A", b"", b"?"] {
        let mut server = server::Session::new(Timing::default(), 0);
        assert!(matches!(server.on_frame(0, frame), server::Event::Violation(_)), "{frame:?}");
    }
    let mut server = logged_in_server(0, &mut out);
    assert!(matches!(server.on_frame(0, &login_request("7")[2..]), server::Event::Violation(_)));
}

#[test]
fn sequences_at_the_end_of_64_bits_are_refused_on_both_sides() {
    let (mut up, mut down) = (SendBuffer::new(64), SendBuffer::new(64));
    let mut client = client::Session::connect(&config(u64::MAX), 0, &mut up).unwrap();
    let mut server = server::Session::new(Timing::default(), 0);
    server.on_frame(0, &drain(&mut up)[2..]);
    server.accept(0, SESSION, u64::MAX, &mut down).unwrap();
    client.on_frame(0, &drain(&mut down)[2..]);
    assert_eq!(server.send(0, b"x", &mut down), Err(Unsent::Exhausted));
    assert_eq!(drain(&mut down), b"");
    assert!(matches!(client.on_frame(0, b"Sx"), client::Event::Violation(_)));
}

#[test]
fn hostile_lengths_are_refused_for_good() {
    let mut frames = FrameBuffer::new(16);
    frames.push(&wire("0001 'H' 0000 0001 'H'"));
    assert_eq!(frames.next_frame(), Ok(Some(&b"H"[..])));
    assert!(frames.next_frame().is_err());
    assert!(frames.next_frame().is_err(), "a stream that lost its framing stays lost");
    frames.clear();
    frames.push(&wire("000f"));
    assert!(frames.next_frame().is_err(), "17 bytes can never be in a buffer of 16");
    frames.clear();
    frames.push(&wire("000e 'S'"));
    assert_eq!(frames.next_frame(), Ok(None));
    assert_eq!(frames.push(&[b'x'; 20]), 13);
    assert_eq!(frames.next_frame(), Ok(Some(&b"Sxxxxxxxxxxxxx"[..])));
    assert_eq!(frames.pending(), 0);
}

#[test]
fn a_send_buffer_takes_whole_frames_or_nothing() {
    let mut out = SendBuffer::new(8);
    assert_eq!(out.append(b'U', b"abcdef"), Err(Unsent::TooLong));
    out.append(b'U', b"abc").unwrap();
    assert_eq!(out.append(b'U', b""), Err(Unsent::Full));
    out.consume(4);
    assert_eq!(out.append(b'U', b"xyz"), Ok(()), "written bytes give their room back");
    assert_eq!(out.pending(), wire("'bc' 0004 'Uxyz'"));
    let mut huge = SendBuffer::new(0x2_0000);
    assert_eq!(huge.append(b'U', &[0; 0xFFFF]), Err(Unsent::TooLong));
    assert_eq!(huge.append(b'U', &[0; 0xFFFE]), Ok(()));
}

proptest! {
    #[test]
    fn frames_do_not_depend_on_how_the_bytes_arrive(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 0..20),
        chunks in proptest::collection::vec(1_usize..20, 1..20),
    ) {
        let mut stream = SendBuffer::new(4096);
        for payload in &payloads {
            stream.append(b'S', payload).unwrap();
        }
        let mut bytes = stream.pending();
        let mut frames = FrameBuffer::new(33);
        let mut received = Vec::new();
        let mut sizes = chunks.iter().cycle();
        while !bytes.is_empty() {
            let chunk = &bytes[..bytes.len().min(*sizes.next().unwrap())];
            let taken = frames.push(chunk);
            prop_assert!(taken > 0, "after all frames were taken there is room");
            bytes = &bytes[taken..];
            while let Some(frame) = frames.next_frame().unwrap() {
                received.push(frame[1..].to_vec());
            }
        }
        prop_assert_eq!(received, payloads);
    }

    #[test]
    fn arbitrary_bytes_never_panic_or_stop_a_session(
        chunks in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![4 => Just(0_u8), 2 => Just(1), 1 => Just(2), 4 => any::<u8>()], 0..40),
            0..20,
        ),
        logged_in in any::<bool>(),
    ) {
        let mut out = SendBuffer::new(64);
        let mut client = client::Session::connect(&config(0), 0, &mut out).unwrap();
        let mut server = server::Session::new(Timing::default(), 0);
        if logged_in {
            client = logged_in_client(0, &mut SendBuffer::new(64));
            server = logged_in_server(0, &mut SendBuffer::new(64));
        }
        let mut frames = FrameBuffer::new(48);
        let mut now_ns = 0;
        'stream: for mut chunk in chunks.iter().map(Vec::as_slice) {
            while !chunk.is_empty() {
                chunk = &chunk[frames.push(chunk)..];
                loop {
                    match frames.next_frame() {
                        Ok(Some(frame)) => {
                            client.on_frame(now_ns, frame);
                            server.on_frame(now_ns, frame);
                        }
                        Ok(None) => break,
                        Err(_) => break 'stream,
                    }
                }
            }
            now_ns += SECOND;
            client.on_timer(now_ns, &mut out);
            server.on_timer(now_ns, &mut out);
            prop_assert!(client.deadline().is_none_or(|deadline| deadline > now_ns));
            prop_assert!(server.deadline().is_none_or(|deadline| deadline > now_ns));
        }
    }

    #[test]
    fn arbitrary_frames_of_known_types_never_panic(
        frames in proptest::collection::vec(
            (proptest::sample::select(&b"AJSHZLURO+?"[..]), proptest::collection::vec(any::<u8>(), 0..50)), 0..30),
    ) {
        let mut out = SendBuffer::new(4096);
        let mut client = client::Session::connect(&config(0), 0, &mut out).unwrap();
        let mut server = server::Session::new(Timing::default(), 0);
        for (packet_type, payload) in frames {
            let frame = [&[packet_type][..], &payload].concat();
            if let server::Event::LoginRequested { sequence, .. } = server.on_frame(0, &frame) {
                let _ = server.accept(0, SESSION, sequence, &mut out);
            }
            let _ = server.send(0, b"x", &mut out);
            client.on_frame(0, &frame);
        }
    }
}
