//! Sockets of the shells: UDP multicast with kernel stamps, UDP requests, TCP order entry. All non-blocking, and nothing
//! here allocates after construction.

mod batch;
mod stamped;
mod tcp;
mod udp;

pub use stamped::Datagram;
pub use tcp::{ConnectState, Received, TcpConnection};
pub use udp::{MulticastReceiver, ReceiveBuffer, UdpRequester};
