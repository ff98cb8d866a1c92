//! What the last call brought from the multicast socket, and whether more waits there.

use crate::datagram::{Datagram, Line};
use crate::machine::Input;
use runtime::socket::{self, MulticastReceiver};
use std::io;

/// The datagrams of one call. One is given to the machine in a pass; the second place is what tells that nothing more
/// waited, so that this is known without another call.
#[derive(Debug)]
pub(super) struct Inbox {
    multicast: MulticastReceiver,
    inputs: [Input; 2],
    /// What each place holds and the machine was not given.
    held: [Option<socket::Datagram>; 2],
    /// The last call left a place empty.
    emptied: bool,
}

impl Inbox {
    pub(super) fn new(multicast: MulticastReceiver) -> Self {
        let input = || Input::Datagram(Datagram { line: Line::A, ..Datagram::default() });
        Self { multicast, inputs: [input(), input()], held: [None; 2], emptied: false }
    }

    /// The next datagram, its bytes in the input; the socket is asked when none is held.
    pub(super) fn next(&mut self) -> io::Result<Option<(&mut Input, socket::Datagram)>> {
        if self.held == [None; 2] {
            let buffers = self.inputs.each_mut().map(|Input::Datagram(datagram)| &mut datagram.bytes[..]);
            self.held = self.multicast.receive(buffers)?;
            self.emptied = self.held[1].is_none();
        }
        let place = self.held.iter().position(Option::is_some);
        Ok(place.and_then(|place| Some((&mut self.inputs[place], self.held[place].take()?))))
    }

    /// Nothing is held, and nothing waited in the socket when it was asked last.
    pub(super) fn is_drained(&self) -> bool {
        self.emptied && self.held == [None; 2]
    }

    pub(super) const fn stamps_missing(&self) -> u64 {
        self.multicast.stamps_missing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

    #[test]
    fn each_datagram_is_given_once_in_order_and_the_end_is_known() {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 255, 78, (std::process::id() % 250) as u8 + 1), port);
        let multicast = match MulticastReceiver::join(group, Ipv4Addr::LOCALHOST, 1 << 18) {
            Ok(multicast) => multicast,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "skipped: no multicast on loopback here: {error}");
                return;
            }
        };
        let mut inbox = Inbox::new(multicast);
        assert!(inbox.next().unwrap().is_none() && inbox.is_drained());
        // Bound to loopback, so that its multicast leaves there.
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut given, mut held) = (Vec::new(), 0);
        for round in 0..50_u8 {
            (0..3).for_each(|at| assert_eq!(sender.send_to(&[round, at], group).unwrap(), 2));
            for _ in 0..2_000 {
                if let Some((Input::Datagram(datagram), received)) = inbox.next().unwrap() {
                    given.push(datagram.bytes[..received.length_bytes].to_vec());
                    held += usize::from(inbox.held[1].is_some());
                    assert!(inbox.held[1].is_none() || !inbox.is_drained());
                } else {
                    assert!(inbox.is_drained());
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                if given.len() == 3 * (usize::from(round) + 1) {
                    break;
                }
            }
        }
        let sent: Vec<_> = (0..50).flat_map(|round| (0..3).map(move |at| vec![round, at])).collect();
        assert_eq!(given, sent);
        assert!(held > 0, "two that waited came by one call");
    }
}
