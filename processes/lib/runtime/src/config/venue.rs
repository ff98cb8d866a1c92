//! `[[venues]]`: where a venue is reached. Each venue has one feed handler and one execution gateway, of its index.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};

/// One venue.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Venue {
    /// Name, unique in the host file.
    pub name: String,
    /// Multicast group of the market data.
    pub group: Ipv4Addr,
    /// UDP port of the market data; 0 until whoever starts the venue has filled it in.
    pub group_port: u16,
    /// Address of the interface that the group is joined on; always explicit.
    pub interface: Ipv4Addr,
    /// Where gaps are re-requested.
    pub request_address: SocketAddr,
    /// Where orders are entered.
    pub order_entry_address: SocketAddr,
    /// Login of the order-entry session.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Firm in orders.
    pub firm: String,
    /// It is the simulated venue: no order can leave this machine. A venue is real unless this is said.
    #[serde(default)]
    pub simulated: bool,
}

/// What is wrong with a venue by itself: the key and the message. `None` when it is sound.
pub(super) fn fault(venue: &Venue) -> Option<(&'static str, String, &'static str)> {
    if venue.name.is_empty() {
        return Some(("name", "empty".to_owned(), "give the venue a name"));
    }
    if !venue.group.is_multicast() {
        return Some(("group", format!("{} is not a multicast address", venue.group), "use one in 239.255.0.0/16"));
    }
    if venue.interface.is_unspecified() {
        let cure = "name the interface's own address (127.0.0.1 for loopback)";
        return Some(("interface", "0.0.0.0 leaves the interface to chance".to_owned(), cure));
    }
    None
}
