//! The pure machine: datagrams and timers in, messages, images and requests out.
//!
//! Each step delivers at most one datagram: what a filled gap releases from the hold window follows in steps of its own,
//! by a timer that is due at once, so that the outputs of a step have a bound.

use crate::channel::{Admission, Channel};
use crate::config::{Config, ConfigError, INSTRUMENTS_MAX};
use crate::counters::Counters;
use crate::datagram::{DATAGRAM_MAX, Datagram, Line};
use crate::hold::{HoldWindow, Offer};
use crate::market::{Market, PER_MESSAGE_MAX, Stamp};
use crate::requests::{Asked, PIPELINE_MIN, REQUESTS_MAX};
use machine::Machine;
use protocols::itch::{OrderDelete, Stock};
use protocols::moldudp64::{HEADER_LENGTH, PREFIX_LENGTH, Packet};
use shm_layout::image::ImageEntry;
use shm_layout::message::market_data::MarketData;
use shm_layout::types::{ChannelState, InstrumentId, Nanos};

/// What the feed handler can be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A datagram was received.
    Datagram(Datagram),
}

/// What the feed handler asks its shell to do, in the order given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Publish on the `market_data` ring.
    MarketData(MarketData),
    /// Write an instrument's entry of the market image.
    Image(ImageEntry),
    /// Write the channel's entry of the market image. Its age tells readers whether the channel is stale.
    Channel {
        /// State of the channel.
        state: ChannelState,
        /// Last sequence delivered, 0 before the first.
        channel_sequence: u64,
        /// Kernel receive stamp of the session's last datagram on a line; replies do not keep a channel fresh.
        receive_ns: Nanos,
    },
    /// Send a MoldUDP64 request packet.
    Request {
        /// Session, as received.
        session: [u8; 10],
        /// First sequence wanted.
        sequence: u64,
        /// Number of messages wanted; the reply may bring fewer.
        count: u16,
    },
}

/// Most messages of a datagram that can cause an output: the shortest such message is `D`.
const EFFECTIVE_MESSAGES_MAX: usize = (DATAGRAM_MAX - HEADER_LENGTH) / (PREFIX_LENGTH + OrderDelete::LENGTH_MIN);

/// One channel's feed handler.
#[derive(Debug)]
pub struct FeedHandler {
    channel: Channel,
    hold: HoldWindow,
    market: Market,
    counters: Counters,
    /// The first timer tells readers of a predecessor's image that the channel is unknown.
    announced: bool,
    /// When silence will have lasted a heartbeat's time-out; `None` before the first session.
    heartbeat_at: Option<Nanos>,
    heartbeat_timeout_ns: u64,
    /// Kernel receive stamp of the session's last datagram on a line; replies do not keep a channel fresh.
    receive_ns: Nanos,
}

impl FeedHandler {
    /// A feed handler of the instruments `(symbol at the venue, row of the host's table)`; the only place that allocates.
    ///
    /// # Errors
    /// A key out of its range, too many instruments, or a symbol twice.
    pub fn new(config: &Config, instruments: &[(Stock, InstrumentId)]) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            channel: Channel::new(config),
            hold: HoldWindow::new(config.hold_datagrams),
            market: Market::new(config.order_capacity, config.level_capacity, instruments)?,
            counters: Counters::default(),
            announced: false,
            heartbeat_at: None,
            heartbeat_timeout_ns: config.heartbeat_timeout_ms * 1_000_000,
            receive_ns: Nanos(0),
        })
    }

    /// What it has counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// State of the channel.
    #[must_use]
    pub const fn channel_state(&self) -> ChannelState {
        self.channel.state
    }

    /// The next sequence to deliver.
    #[must_use]
    pub const fn expected_sequence(&self) -> u64 {
        self.channel.expected
    }

    /// Messages held ahead of a gap.
    #[must_use]
    pub fn held_messages(&self) -> u64 {
        self.hold.message_count()
    }

    /// The books; instrument `n` of it is the `n`th given at construction.
    #[must_use]
    pub const fn book(&self) -> &book::Book {
        self.market.book()
    }

    fn on_datagram(&mut self, now: Nanos, datagram: &Datagram, emit: &mut impl FnMut(Output)) {
        self.counters.datagrams[datagram.line.index()] += 1;
        let packet = match datagram.packet() {
            Ok(packet) => packet,
            Err(reason) => {
                self.counters.malformed[reason.index()] += 1;
                return;
            }
        };
        let receive_ns = datagram.receive_ns;
        match self.channel.admit(&packet, receive_ns, datagram.line == Line::Reply) {
            Admission::Current => {}
            Admission::Foreign => {
                self.counters.foreign_session += 1;
                return;
            }
            Admission::AfterEnd => {
                self.counters.after_end += 1;
                return;
            }
            Admission::Rewinds => {
                self.counters.sequence_rewinds += 1;
                self.begin_session(now, &packet, receive_ns, emit);
            }
            Admission::Begins => self.begin_session(now, &packet, receive_ns, emit),
        }
        if datagram.line != Line::Reply {
            self.receive_ns = receive_ns;
            self.heartbeat_at = Some(now.plus(self.heartbeat_timeout_ns));
        }
        self.counters.received += u64::from(packet.message_count());
        let missed = self.channel.hear(&packet, datagram.line);
        if let Some(count) = self.counters.missed_by_line.get_mut(datagram.line.index()) {
            // The venue's number is anything that fits 64 bits.
            *count = count.saturating_add(missed);
        }
        if packet.sequence() <= self.channel.expected {
            let before = self.channel.expected;
            self.deliver(now, datagram, &packet, emit);
            self.settle(now, emit);
            let progress = self.channel.expected > before;
            if datagram.line == Line::Reply {
                self.answered(datagram, &packet, emit);
                if progress && self.is_waiting() {
                    self.ask_ahead(emit);
                    self.channel.want_more(now);
                }
            }
        } else {
            self.offer(datagram, &packet);
            self.settle(now, emit);
            if datagram.line == Line::Reply {
                self.answered(datagram, &packet, emit);
                self.ask_ahead(emit);
            }
        }
        self.request_if_due(now, emit);
    }

    /// Everything known is void; readers are told so, except that a first session that is joined in its middle leaves
    /// what a predecessor wrote, under a channel state that says `Backfill`, until it can be replaced by the truth.
    fn begin_session(&mut self, now: Nanos, packet: &Packet<'_>, receive_ns: Nanos, emit: &mut impl FnMut(Output)) {
        let first = self.channel.state == ChannelState::Unknown;
        self.counters.sessions += 1;
        self.counters.discarded += self.hold.clear();
        self.market.reset();
        self.channel.begin(packet, receive_ns);
        self.receive_ns = receive_ns;
        if !first || self.channel.state == ChannelState::Synchronized {
            self.reset_readers(now, emit);
        }
        self.announce(now, emit);
    }

    /// Keeps a datagram that is ahead of what is expected; without messages there is nothing to keep.
    fn offer(&mut self, datagram: &Datagram, packet: &Packet<'_>) {
        let count = u64::from(packet.message_count());
        if count == 0 {
            return;
        }
        match self.hold.offer(datagram, packet.sequence(), packet.next_sequence()) {
            Offer::Kept => {}
            Offer::Duplicate => self.counters.duplicate += count,
            Offer::Overflow => self.counters.overflowed += count,
        }
    }

    /// Delivers a datagram that begins at or below the expected sequence.
    fn deliver(&mut self, now: Nanos, datagram: &Datagram, packet: &Packet<'_>, emit: &mut impl FnMut(Output)) {
        let Self { channel, market, counters, .. } = self;
        deliver(channel, market, counters, now, datagram, packet, emit);
    }

    /// Delivers the first held datagram.
    fn deliver_held(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        let Self { channel, market, counters, hold, .. } = self;
        let Some(held) = hold.pop_first() else { return };
        let datagram = hold.datagram(held);
        let packet = datagram.packet().expect("checked before it was held");
        deliver(channel, market, counters, now, datagram, &packet, emit);
    }

    /// The first held datagram continues what was delivered.
    fn can_release(&self) -> bool {
        self.hold.first().is_some_and(|held| held.sequence <= self.channel.expected)
    }

    /// Something is missing and nothing held brings it.
    fn is_waiting(&self) -> bool {
        self.channel.state != ChannelState::Unknown && !self.channel.is_whole() && !self.can_release()
    }

    /// At the end of a step: what the channel's state has become, told in the same step; the images that are due; and
    /// the request timer.
    fn settle(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        while let Some(held) = self.hold.first().filter(|held| held.next_sequence <= self.channel.expected) {
            self.counters.duplicate += held.message_count();
            self.hold.pop_first();
        }
        let before = self.channel.state;
        let whole = self.channel.is_whole();
        self.channel.state = match before {
            ChannelState::Synchronized if !whole => ChannelState::GapFill,
            ChannelState::GapFill | ChannelState::Backfill if whole => ChannelState::Synchronized,
            state => state,
        };
        let synchronized = self.channel.state == ChannelState::Synchronized;
        if before == ChannelState::Backfill && synchronized {
            self.reset_readers(now, emit);
        } else if !self.channel.is_silent() {
            self.market.flush_images(synchronized, &mut |entry| emit(Output::Image(entry)));
        }
        if self.channel.state == before {
            self.put_channel(emit);
        } else {
            self.counters.gaps += u64::from(self.channel.state == ChannelState::GapFill);
            self.announce(now, emit);
        }
        if synchronized && self.channel.ending {
            self.channel.state = ChannelState::Ended;
            self.announce(now, emit);
        }
        if whole {
            self.channel.requests.clear();
        } else {
            self.channel.requests.forget_before(self.channel.expected);
        }
        if self.is_waiting() {
            self.channel.want(now);
        } else {
            self.channel.stop_requests();
        }
    }

    fn request_if_due(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        if self.channel.request_at.is_none_or(|at| at > now) {
            return;
        }
        assert!(self.is_waiting(), "a request is timed only while something is missing and not held");
        let held_from = self.hold.first().map(|held| held.sequence);
        let (sequence, count, repeats) = self.channel.request(now, held_from);
        self.counters.requests += 1;
        self.counters.request_timeouts += u64::from(repeats);
        emit(Output::Request { session: self.channel.session.0, sequence, count });
    }

    /// Notes a reply; what it left out of its request is asked for again.
    fn answered(&mut self, datagram: &Datagram, packet: &Packet<'_>, emit: &mut impl FnMut(Output)) {
        let rest = self.channel.requests.answered(packet.sequence(), packet.next_sequence(), datagram.length);
        if let Some(rest) = rest.filter(|rest| rest.until > self.channel.expected) {
            self.emit_request(rest, emit);
        }
    }

    /// While a long past is missing, keeps requests for it under way side by side.
    fn ask_ahead(&mut self, emit: &mut impl FnMut(Output)) {
        let Channel { expected, known_next, .. } = self.channel;
        let first_missing = self.hold.first().map_or(known_next, |held| held.sequence.min(known_next));
        let under_way = self.channel.requests.next(expected);
        if under_way == expected && first_missing.saturating_sub(expected) < PIPELINE_MIN {
            return;
        }
        while self.is_waiting() && self.channel.requests.has_room() {
            let (from, until) = self.hold.missing_from(self.channel.requests.next(expected));
            let limit = until.unwrap_or(known_next).min(known_next);
            if from >= limit {
                return;
            }
            let asked = self.channel.requests.ask(from, limit);
            self.emit_request(asked, emit);
        }
    }

    fn emit_request(&mut self, asked: Asked, emit: &mut impl FnMut(Output)) {
        self.counters.requests += 1;
        let count = (asked.until - asked.from) as u16;
        emit(Output::Request { session: self.channel.session.0, sequence: asked.from, count });
    }

    /// The stamp of what no single message caused.
    fn stamp(&self, now: Nanos) -> Stamp {
        Stamp {
            receive_ns: self.receive_ns,
            feed_delta_ns: now.delta_from(self.receive_ns),
            sequence: self.channel.expected - 1,
            exchange_ns: 0,
            synchronized: self.channel.state == ChannelState::Synchronized,
        }
    }

    fn reset_readers(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        let stamp = self.stamp(now);
        // The two closures take turns: all images first, so that a reader that sees its reset finds the new entry.
        let emit = std::cell::RefCell::new(emit);
        let mut put = |entry| emit.borrow_mut()(Output::Image(entry));
        let mut publish = |message| emit.borrow_mut()(Output::MarketData(message));
        self.market.reset_readers(&stamp, &mut put, &mut publish);
    }

    /// The image's channel word first: a reader that is woken by the ring finds it changed.
    fn announce(&self, now: Nanos, emit: &mut impl FnMut(Output)) {
        self.put_channel(emit);
        emit(Output::MarketData(self.market.channel_status(self.channel.state, &self.stamp(now))));
    }

    fn put_channel(&self, emit: &mut impl FnMut(Output)) {
        emit(Output::Channel {
            state: self.channel.state,
            channel_sequence: self.channel.expected - 1,
            receive_ns: self.receive_ns,
        });
    }
}

/// Applies the messages of a packet from the expected one on; those before it were delivered already.
fn deliver(
    channel: &mut Channel,
    market: &mut Market,
    counters: &mut Counters,
    now: Nanos,
    datagram: &Datagram,
    packet: &Packet<'_>,
    emit: &mut impl FnMut(Output),
) {
    let silent = channel.is_silent();
    let synchronized = channel.state == ChannelState::Synchronized;
    let mut publish = |message| {
        if !silent {
            emit(Output::MarketData(message));
        }
    };
    for (sequence, message) in packet.messages() {
        if sequence < channel.expected {
            counters.duplicate += 1;
            continue;
        }
        assert!(sequence == channel.expected, "in order, each sequence once");
        channel.expected += 1;
        counters.first_by_line[datagram.line.index()] += 1;
        if synchronized && datagram.line != Line::Reply {
            counters.in_order += 1;
        } else {
            counters.recovered += 1;
        }
        if message.is_empty() {
            counters.empty_messages += 1;
            continue;
        }
        let receive_ns = datagram.receive_ns;
        let feed_delta_ns = now.delta_from(receive_ns);
        let stamp = Stamp { receive_ns, feed_delta_ns, sequence, exchange_ns: 0, synchronized };
        market.apply(stamp, message, counters, &mut publish);
    }
}

impl Machine for FeedHandler {
    type Input = Input;
    type Output = Output;
    /// Two rounds of images and resets (a session that begins, and is whole at once), one full datagram with its images,
    /// the requests under way, and the words on the channel.
    const OUTPUTS_MAX: usize = 4 * INSTRUMENTS_MAX + EFFECTIVE_MESSAGES_MAX * (PER_MESSAGE_MAX + 1) + REQUESTS_MAX + 16;

    fn on_input(&mut self, now: Nanos, input: &Input, emit: &mut impl FnMut(Output)) {
        match input {
            Input::Datagram(datagram) => self.on_datagram(now, datagram, emit),
        }
    }

    fn on_timer(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        if !self.announced {
            self.announced = true;
            self.announce(now, emit);
        }
        if self.heartbeat_at.is_some_and(|at| at <= now) {
            self.counters.heartbeats_lost += 1;
            self.heartbeat_at = Some(now.plus(self.heartbeat_timeout_ns));
        }
        if self.can_release() {
            self.deliver_held(now, emit);
            self.settle(now, emit);
        }
        self.request_if_due(now, emit);
    }

    fn deadline(&self) -> Option<Nanos> {
        if !self.announced || self.can_release() {
            return Some(Nanos(0));
        }
        [self.heartbeat_at, self.channel.request_at].into_iter().flatten().min()
    }
}
