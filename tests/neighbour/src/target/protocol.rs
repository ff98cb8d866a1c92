//! Decoders of the venue's bytes: what is accepted can be written again and reads as the same.

use crate::bytes::Bytes;
use protocols::itch::{self, binary_file};
use protocols::moldudp64::{self, Packet, PacketBuilder, Request};
use protocols::ouch;
use protocols::soupbintcp::{FrameBuffer, Password, SendBuffer, Timing, client, server};
use protocols::{Alpha, Unencodable};

/// Longest message of a venue that is encoded again here.
const MESSAGE_MAX: usize = 512;

/// What was read as `first` is encoded, or refused for a value that only a lenient reader takes; and reads as the same.
fn again<R: PartialEq + std::fmt::Debug>(
    first: &R,
    encode: impl Fn(&mut [u8]) -> Result<usize, Unencodable>,
    read: impl Fn(&[u8]) -> Option<R>,
) {
    let mut out = [0; MESSAGE_MAX];
    if let Ok(length) = encode(&mut out) {
        assert_eq!(read(&out[..length]).as_ref(), Some(first), "encoded and read again");
        // No room is an error, never a panic or a partial message taken for whole.
        for short in [0, length / 2, length - 1] {
            assert!(encode(&mut out[..short]).is_err(), "{short} of {length} bytes are no room");
        }
    }
}

/// One ITCH message, and the same bytes as a binary file of messages.
pub fn itch(input: &[u8]) {
    itch_message(input);
    let mut bytes = 0;
    for (_, message) in binary_file::Reader::new(input).map_while(Result::ok) {
        bytes += binary_file::PREFIX_LENGTH + message.len();
        itch_message(message);
    }
    assert!(bytes <= input.len(), "no byte is read twice");
}

fn itch_message(message: &[u8]) {
    let _ = itch::Header::read(message);
    let Ok(parsed) = itch::Message::parse(message) else { return };
    assert_eq!(parsed.message_type(), message[0]);
    if let Some(repr) = parsed.repr() {
        assert!(itch::Message::min_length(message[0]).is_some_and(|least| message.len() >= least));
        again(&repr, |out| repr.encode_into(out), |bytes| itch::Message::parse(bytes).ok()?.repr());
    }
}

/// A datagram as a packet and as a request.
pub fn moldudp64(input: &[u8]) {
    if let Ok(request) = Request::new_checked(input) {
        again(&request, |out| request.encode_into(out), |bytes| Request::new_checked(bytes).ok());
    }
    let Ok(packet) = Packet::new_checked(input) else { return };
    let messages: Vec<&[u8]> = packet.messages().map(|(_, message)| message).collect();
    assert_eq!(messages.len(), packet.messages().len());
    let of_messages: usize = messages.iter().map(|message| message.len() + moldudp64::PREFIX_LENGTH).sum();
    assert!(moldudp64::HEADER_LENGTH + of_messages <= input.len());
    if packet.is_heartbeat() || packet.is_end_of_session() {
        assert!(messages.is_empty());
    } else {
        assert_eq!(messages.len(), usize::from(packet.message_count()));
        assert!(packet.next_sequence() >= packet.sequence());
    }
    for message in &messages {
        itch_message(message);
    }
    let mut out = vec![0; input.len() + moldudp64::PAYLOAD_MAX];
    let Ok(mut builder) = PacketBuilder::new(&mut out, packet.session(), packet.sequence()) else { return };
    let taken = messages.iter().take_while(|message| builder.push(message)).count();
    let built = builder.finish();
    let same = Packet::new_checked(built).expect("what the builder made is a packet");
    assert!(same.messages().map(|(_, message)| message).eq(messages[..taken].iter().copied()));
}

/// Bytes of a connection in pieces of the lengths that the input says, cut into frames for `each`.
fn frames(input: &mut Bytes<'_>, mut each: impl FnMut(u64, &[u8]) -> bool) {
    let mut buffer = FrameBuffer::new(256);
    let mut now_ns = 0_u64;
    while !input.is_empty() {
        let count = input.u8();
        now_ns = now_ns.saturating_add(u64::from(count) << 26);
        let piece = input.take(usize::from(count).max(1));
        let pushed = buffer.push(piece);
        assert!(pushed <= piece.len());
        loop {
            match buffer.next_frame() {
                Ok(Some(frame)) if each(now_ns, frame) => {}
                Ok(Some(_)) | Err(_) => return,
                Ok(None) => break,
            }
        }
        assert!(!buffer.spare().is_empty(), "a buffer without a whole frame has room");
    }
}

/// A server's bytes to a client that is logging in.
pub fn soupbintcp_client(input: &[u8]) {
    let mut input = Bytes::new(input);
    let config = client::Config {
        username: Alpha::padded(b"TICK01").expect("six characters"),
        password: Password(Alpha::padded(b"SECRET").expect("at most ten")),
        session: Alpha::BLANK,
        sequence: input.edge(),
        timing: Timing::default(),
    };
    let mut out = SendBuffer::new(1 << 10);
    let mut session = client::Session::connect(&config, 0, &mut out).expect("room for a login");
    frames(&mut input, |now_ns, frame| {
        let before = (session.state(), session.next_sequence());
        let event = session.on_frame(now_ns, frame);
        match event {
            client::Event::Message { sequence, payload } => {
                assert_eq!(before, (client::State::LoggedIn, sequence), "messages are numbered without a gap");
                assert!(payload.len() < frame.len());
                ouch_outbound(payload);
            }
            client::Event::Violation(_) | client::Event::EndOfSession | client::Event::LoginRejected { .. } => {
                assert_eq!(session.state(), client::State::Closed);
            }
            _ => {}
        }
        let _ = session.send(now_ns, &frame[..frame.len().min(64)], &mut out);
        let _ = session.on_timer(now_ns, &mut out);
        out.clear();
        session.state() != client::State::Closed
    });
    let _ = session.deadline();
}

/// A client's bytes to a server that accepts every login.
pub fn soupbintcp_server(input: &[u8]) {
    let mut input = Bytes::new(input);
    let mut out = SendBuffer::new(1 << 10);
    let mut session = server::Session::new(Timing::default(), 0);
    frames(&mut input, |now_ns, frame| {
        match session.on_frame(now_ns, frame) {
            server::Event::LoginRequested { sequence, .. } => {
                let session_name = Alpha::padded(b"S1").expect("at most ten");
                session.accept(now_ns, session_name, sequence, &mut out).expect("a login waits, and there is room");
            }
            server::Event::Message { payload } => {
                assert!(payload.len() < frame.len());
                ouch_inbound(payload);
                let next = session.next_sequence();
                if session.send(now_ns, &payload[..payload.len().min(64)], &mut out).is_ok() {
                    assert_eq!(session.next_sequence(), next + 1);
                }
            }
            server::Event::LoggedOut | server::Event::Violation(_) => {
                assert_eq!(session.state(), server::State::Closed)
            }
            server::Event::Nothing | server::Event::Dead => {}
        }
        let _ = session.on_timer(now_ns, &mut out);
        out.clear();
        session.state() != server::State::Closed
    });
    let _ = session.deadline();
}

/// A message to the venue.
pub fn ouch_inbound(input: &[u8]) {
    let Ok(parsed) = ouch::Inbound::parse(input) else { return };
    assert_eq!(parsed.message_type(), input[0]);
    if let Some(repr) = parsed.repr() {
        again(&repr, |out| repr.encode_into(out), |bytes| ouch::Inbound::parse(bytes).ok()?.repr());
    }
}

/// A message of the venue.
pub fn ouch_outbound(input: &[u8]) {
    let Ok(parsed) = ouch::Outbound::parse(input) else { return };
    assert_eq!(parsed.message_type(), input[0]);
    if let Some(repr) = parsed.repr() {
        again(&repr, |out| repr.encode_into(out), |bytes| ouch::Outbound::parse(bytes).ok()?.repr());
    }
}
