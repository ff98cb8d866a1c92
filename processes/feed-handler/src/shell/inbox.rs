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
