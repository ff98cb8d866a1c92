//! A restart late in the day: hundreds of thousands of messages come back by request, over a link with a round trip.
#![forbid(unsafe_code)]

mod world;

use feed_handler::{Config, Line};
use machine::Machine;
use protocols::moldudp64::PacketBuilder;
use shm_layout::types::{ChannelState, Nanos};
use std::collections::VecDeque;
use world::venue::{Venue, add, bytes_of, delete, executed};
use world::{MS, SESSION, World, control};

const US: u64 = 1_000;
/// Round trip to the re-request server, and its time for one answer.
const ROUND_TRIP: u64 = MS;
const SERVICE: u64 = 20 * US;
const DAY: u64 = 300_000;

/// A long day with few live orders, and messages of several lengths.
fn day() -> Venue {
    let mut venue = Venue::opened();
    let mut reference = 0;
    while venue.next_sequence() <= DAY {
        reference += 1;
        venue.messages.push(bytes_of(&add(0, reference, b'B', 500, 990_000)));
        for _ in 0..reference % 4 {
            venue.messages.push(bytes_of(&executed(0, reference, 100)));
        }
        venue.messages.push(bytes_of(&delete(0, reference)));
    }
    venue
}

/// The server's answer: as much as one packet of 1,400 bytes holds.
fn answer(venue: &Venue, sequence: u64, count: u16) -> Vec<u8> {
    let mut out = vec![0; 1_400];
    let mut builder = PacketBuilder::new(&mut out, SESSION, sequence).unwrap();
    let asked = venue.messages[sequence as usize - 1..].iter().take(usize::from(count));
    for message in asked {
        if !builder.push(message) {
            break;
        }
    }
    builder.finish().to_vec()
}

/// What a run took: time on the world's own line, and replies that were sent.
struct Taken {
    ns: u64,
    replies: u64,
}

/// Joins after the day's last message and asks for all of it; every `lost`th reply is lost (0: none).
fn backfill(world: &mut World, venue: &Venue, lost: u64) -> Taken {
    let start = 10 * MS;
    let (mut now, mut served, mut server_free, mut replies) = (start, 0, 0, 0);
    let mut under_way: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    world.receive(now, Line::A, &control(SESSION, venue.next_sequence(), 0));
    while world.channel.0 != ChannelState::Synchronized {
        while let Some(&(_, sequence, count)) = world.requests.get(served) {
            served += 1;
            replies += 1;
            server_free = (now + ROUND_TRIP / 2).max(server_free) + SERVICE;
            if lost == 0 || replies % lost != 0 {
                under_way.push_back((server_free + ROUND_TRIP / 2, answer(venue, sequence, count)));
            }
        }
        let timer = world.machine().deadline().map_or(u64::MAX, |at| at.0);
        match under_way.front() {
            Some((at, _)) if *at <= timer => {
                let (at, reply) = under_way.pop_front().unwrap();
                now = now.max(at);
                world.receive(now, Line::Reply, &reply);
            }
            _ => {
                now = now.max(timer);
                world.timers(Nanos(now));
            }
        }
        assert!(now < start + 3_600_000 * MS, "the past never ends");
    }
    Taken { ns: now - start, replies }
}

#[test]
fn a_day_comes_back_in_a_fraction_of_its_round_trips() {
    let venue = day();
    let packets = venue.messages.iter().map(|message| message.len() as u64 + 2).sum::<u64>() / 1_380;
    let mut world = World::new(Config::default());
    let taken = backfill(&mut world, &venue, 0);
    println!("{} packets, {} replies, {} ms", packets, taken.replies, taken.ns / MS);
    assert!(taken.ns < packets * ROUND_TRIP / 8, "{} ms for {packets} round trips of 1 ms", taken.ns / MS);
    assert!(taken.replies < packets * 5 / 4, "{} replies of {packets} packets", taken.replies);
    assert_eq!(world.machine().counters().recovered, venue.messages.len() as u64);
    assert_eq!(world.machine().counters().request_timeouts, 0);
    world.assert_conserved();
}

#[test]
fn lost_replies_cost_a_time_out_and_nothing_else() {
    let venue = day();
    let mut world = World::new(Config::default());
    let taken = backfill(&mut world, &venue, 100);
    println!("{} replies, {} ms", taken.replies, taken.ns / MS);
    let time_outs = world.machine().counters().requests / 100 + 1;
    let config = Config::default();
    assert!(taken.ns < 1_000 * MS + time_outs * (config.request_timeout_ms + 4) * MS, "{} ms", taken.ns / MS);
    assert_eq!(world.machine().counters().recovered, venue.messages.len() as u64);
    assert!(world.events().is_empty(), "in silence");
    world.assert_conserved();
}
