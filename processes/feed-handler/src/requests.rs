//! Requests under way: a long past is asked for in pieces of one reply each, several at once.
//!
//! ```text
//! expected                    next                    first sequence held, or known
//!    | asked | asked | … asked | to be asked …          |
//! ```
//! It learns how many messages a reply holds from the replies themselves, since a server answers with one packet however
//! much is asked for. It never asks by itself and knows no time: [`crate::channel::Channel`] has the timers.

/// Requests under way at once: with a reply of 1,400 bytes each they fit the receive buffer that every kernel grants.
pub const REQUESTS_MAX: usize = 32;
/// Missing messages from which on requests go out side by side; below, a few round trips do.
pub const PIPELINE_MIN: u64 = 1024;
/// Bytes that the longest ITCH message takes in a packet, with its length: a reply with this much room could hold more.
const MESSAGE_BYTES_MAX: u16 = 52;

/// The sequences `[from, until)` of one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Asked {
    /// First sequence not yet answered.
    pub from: u64,
    /// One after the last sequence.
    pub until: u64,
}

/// The requests under way.
#[derive(Debug, Default)]
pub struct Requests {
    asked: [Asked; REQUESTS_MAX],
    count: usize,
    /// One after the last sequence asked for since the last [`Self::clear`]; 0 = none.
    next: u64,
    /// Messages of a reply, 0 = not known.
    reply_messages: u16,
    /// Bytes of the longest reply.
    reply_bytes: u16,
}

impl Requests {
    /// Whether a reply is on its way that brings `sequence`, unless it is lost.
    pub fn covers(&self, sequence: u64) -> bool {
        self.asked[..self.count].iter().any(|asked| (asked.from..asked.until).contains(&sequence))
    }

    /// Forgets every request: whole, timed out, or another session.
    pub const fn clear(&mut self) {
        self.count = 0;
        self.next = 0;
    }

    /// Forgets what was delivered by another way.
    pub fn forget_before(&mut self, expected: u64) {
        let mut kept = 0;
        for index in 0..self.count {
            if self.asked[index].until > expected {
                self.asked[kept] = self.asked[index];
                kept += 1;
            }
        }
        self.count = kept;
    }

    /// A reply brought `[sequence, next_sequence)` in `bytes` bytes; returns what of its request it left out, which is
    /// then under way again.
    pub fn answered(&mut self, sequence: u64, next_sequence: u64, bytes: u16) -> Option<Asked> {
        let messages = (next_sequence - sequence) as u16;
        if messages == 0 {
            return None;
        }
        self.reply_bytes = self.reply_bytes.max(bytes);
        let found = self.asked[..self.count].iter().position(|a| (a.from..a.until).contains(&sequence));
        let Some(index) = found else {
            // Asked for without a limit: the server chose how much a reply holds.
            if self.reply_messages == 0 {
                self.reply_messages = messages;
            }
            return None;
        };
        if next_sequence < self.asked[index].until {
            self.reply_messages = messages;
            self.asked[index].from = next_sequence;
            return Some(self.asked[index]);
        }
        if bytes.saturating_add(MESSAGE_BYTES_MAX) <= self.reply_bytes && messages == self.reply_messages {
            self.reply_messages += 1;
        }
        self.count -= 1;
        self.asked[index] = self.asked[self.count];
        None
    }

    /// Where the next request may begin: after what is asked for, not before `expected`.
    pub fn next(&self, expected: u64) -> u64 {
        self.next.max(expected)
    }

    /// Room for another request, and it is known how much to ask for.
    pub const fn has_room(&self) -> bool {
        self.count < REQUESTS_MAX && self.reply_messages > 0
    }

    /// The next request: one reply's worth of `[from, limit)`.
    ///
    /// # Panics
    /// Without room, or when nothing is left.
    pub fn ask(&mut self, from: u64, limit: u64) -> Asked {
        assert!(self.has_room() && from < limit, "a request of something, with room to remember it");
        let asked = Asked { from, until: limit.min(from + u64::from(self.reply_messages)) };
        self.asked[self.count] = asked;
        self.count += 1;
        self.next = asked.until;
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_replies_ask_for_their_rest_and_long_ones_for_more() {
        let mut requests = Requests::default();
        assert!(!requests.has_room(), "nobody knows how much a reply holds");
        assert_eq!(requests.answered(1, 41, 1_390), None);
        assert_eq!(requests.ask(41, 1_000), Asked { from: 41, until: 81 });
        assert_eq!(requests.ask(81, 100), Asked { from: 81, until: 100 }, "up to the limit");
        assert!(requests.covers(99) && !requests.covers(100));
        assert_eq!(requests.answered(41, 71, 1_380), Some(Asked { from: 71, until: 81 }));
        assert_eq!(requests.answered(71, 81, 400), None);
        assert!(!requests.covers(71) && requests.covers(81));
        assert_eq!(requests.ask(100, 1_000), Asked { from: 100, until: 130 }, "as the shorter reply held");
        assert_eq!(requests.answered(100, 130, 1_000), None, "with room for another message");
        assert_eq!(requests.ask(130, 1_000).until, 161);
        requests.forget_before(161);
        assert_eq!((requests.count, requests.next(7)), (0, 161));
    }

    #[test]
    fn no_more_than_the_window_is_under_way() {
        let mut requests = Requests::default();
        requests.answered(1, 11, 500);
        let mut from = 11;
        while requests.has_room() {
            from = requests.ask(from, u64::MAX).until;
        }
        assert_eq!(from, 11 + 10 * REQUESTS_MAX as u64);
        requests.clear();
        assert_eq!(requests.next(11), 11);
    }
}
