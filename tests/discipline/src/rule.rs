//! Which calls a hot process may make.

/// A hot role.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Reads datagrams, writes requests.
    FeedHandler,
    /// Has no socket.
    Strategy,
    /// Has no socket.
    Risk,
    /// Reads and writes one stream.
    Gateway,
}

impl Role {
    /// Every hot role.
    pub const ALL: [Self; 4] = [Self::FeedHandler, Self::Strategy, Self::Risk, Self::Gateway];

    /// The role's folder name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FeedHandler => "feed-handler",
            Self::Strategy => "strategy",
            Self::Risk => "risk",
            Self::Gateway => "execution-gateway",
        }
    }

    /// What its own process may call.
    #[must_use]
    pub const fn rule(self) -> Rule {
        let none = Rule { reads: &[], writes: &[], naps: false, short_batch_is_empty: false };
        match self {
            Self::FeedHandler => Rule { reads: &["recvmmsg"], writes: &["sendto"], short_batch_is_empty: true, ..none },
            Self::Strategy => none,
            Self::Risk => Rule { naps: true, ..none },
            Self::Gateway => Rule { reads: &["recvfrom", "read"], writes: &["sendto", "write"], naps: true, ..none },
        }
    }
}

/// What a hot process may call, beside `sched_yield`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    pub(crate) reads: &'static [&'static str],
    pub(crate) writes: &'static [&'static str],
    /// Whether it may look for its turn on a shared CPU: a nap instead of the yield of an empty poll, rarely.
    pub(crate) naps: bool,
    /// Whether it may yield after a `recvmmsg` that brought fewer than it had room for: the kernel looked again and found
    /// none, and all that the input causes is published in the same pass.
    pub(crate) short_batch_is_empty: bool,
}

impl Rule {
    /// All four in one process: the calls of any of them. It has no turn to look for, and yields only after a pass in which
    /// no stage had work. So a datagram's orders have left before it asks the socket again, and a batch that is not full is
    /// an input and no empty poll.
    pub const FUSED: Self = Self {
        reads: &["recvmmsg", "recvfrom", "read"],
        writes: &["sendto", "write"],
        naps: false,
        short_batch_is_empty: false,
    };
}
