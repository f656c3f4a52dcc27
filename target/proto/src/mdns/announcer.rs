//! When what is told, and to whom.

use super::records::{ALL, LEGACY_LIFE, Records, SHARED, Set, beside};
use super::{Link, LinkId, PORT, Service};
use mainstay_base::time::Instant;
use simple_dns::{OPCODE, Packet, PacketFlag, ResourceRecord};
use std::net::SocketAddr;
use std::time::Duration;

/// The longest packet (RFC 6762 §17).
const PACKET_BYTES: usize = 9000;
/// Questions of a packet that are looked at.
const QUESTIONS: usize = 64;
/// How often is announced, and with what pause (§8.3).
const ANNOUNCEMENTS: u32 = 2;
const PAUSE: Duration = Duration::from_secs(1);
/// Nothing is told to all more often (§6).
const SPACING: Duration = Duration::from_secs(1);
/// Others may answer, too: wait for 20 ms, and up to 100 more (§6); longer if more known answers follow (§7.2).
const DELAY: Duration = Duration::from_millis(20);
const SPREAD_MS: u64 = 100;
const TRUNCATED_DELAY: Duration = Duration::from_millis(400);

/// A packet to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where.
    pub link: LinkId,
    /// To whom; none: to the group.
    pub to: Option<SocketAddr>,
    /// The packet.
    pub bytes: Vec<u8>,
}

/// What is going on at a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub link: Link,
    /// Announcements that are still to come, and when the next is.
    pub announce: Option<(u32, Instant)>,
    /// What is to be told to all, and when.
    pub pending: Option<(Set, Instant)>,
    /// When each record, in the order of [`ALL`], was told to all.
    pub told: [Option<Instant>; ALL.len()],
}

impl Place {
    fn new(link: Link, now: Instant) -> Place {
        let announce = (!link.addresses.is_empty()).then_some((ANNOUNCEMENTS, now));
        Place { link, announce, pending: None, told: [None; ALL.len()] }
    }

    /// Those of `set` that were told just now.
    fn fresh(&self, set: Set, now: Instant) -> Set {
        let fresh = |at: Option<Instant>| at.is_some_and(|at| now.since(at) < SPACING);
        ALL.into_iter().zip(self.told).filter(|&(one, at)| set & one != 0 && fresh(at)).map(|(one, _)| one).sum()
    }

    /// To all; `beside`: what they may ask for next.
    fn tell(&mut self, service: &Service, set: Set, beside: Set, now: Instant) -> Option<Output> {
        for (told, _) in self.told.iter_mut().zip(ALL).filter(|(_, one)| (set | beside) & one != 0) {
            *told = Some(now);
        }
        let records = Records::new(service, &self.link);
        let packet = Packet::new_reply(0);
        output(self.link.id, None, packet, records.of(set), records.of(beside))
    }
}

/// Makes one service known on some links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcer {
    pub(super) service: Service,
    /// By link, ascending.
    pub(super) places: Vec<Place>,
    /// For delays.
    pub(super) seed: u64,
    pub(super) stopped: bool,
}

impl Announcer {
    /// One that begins at the next tick. `seed`: anything that other machines do not have, too.
    pub fn new(service: Service, links: Vec<Link>, seed: u64, now: Instant) -> Announcer {
        let mut announcer = Announcer { service, places: vec![], seed, stopped: false };
        announcer.set_links(links, now);
        announcer
    }

    /// The links there are.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.places.iter().map(|place| &place.link)
    }

    /// The links are these now. What is new or has changed is announced; who is gone cannot be told anything.
    pub fn set_links(&mut self, mut links: Vec<Link>, now: Instant) {
        if self.stopped {
            return;
        }
        links.sort_by_key(|link| link.id);
        links.dedup_by_key(|link| link.id);
        let keep = |link: Link| {
            let old = self.places.iter().find(|place| place.link == link);
            old.cloned().unwrap_or_else(|| Place::new(link, now))
        };
        self.places = links.into_iter().map(keep).collect();
    }

    /// When to call [`Announcer::tick`].
    pub fn deadline(&self) -> Option<Instant> {
        let due = |place: &Place| [place.announce.map(|(_, at)| at), place.pending.map(|(_, at)| at)];
        self.places.iter().flat_map(due).flatten().min()
    }

    /// Time passes.
    pub fn tick(&mut self, now: Instant) -> Vec<Output> {
        let mut outputs = vec![];
        for place in &mut self.places {
            if let Some((left, at)) = place.announce.filter(|&(_, at)| at <= now) {
                place.announce = (left > 1).then_some((left - 1, at.max(now) + PAUSE));
                place.pending = None;
                outputs.extend(place.tell(&self.service, ALL.into_iter().sum(), 0, now));
            }
            if let Some((set, _)) = place.pending.take_if(|(_, at)| *at <= now) {
                outputs.extend(place.tell(&self.service, set, beside(set), now));
            }
        }
        outputs
    }

    /// A packet from the port `from` of a neighbour.
    pub fn receive(&mut self, link: LinkId, from: SocketAddr, bytes: &[u8], now: Instant) -> Vec<Output> {
        let jitter = self.jitter();
        let place = self.places.iter_mut().find(|place| place.link.id == link && place.link.has(from.ip()));
        let (Some(place), false) = (place, self.stopped || bytes.len() > PACKET_BYTES) else { return vec![] };
        let Ok(packet) = Packet::parse(bytes) else { return vec![] };
        if packet.has_flags(PacketFlag::RESPONSE) || packet.opcode() != OPCODE::StandardQuery {
            return vec![];
        }
        let records = Records::new(&self.service, &place.link);
        let (mut to_one, mut to_all): (Set, Set) = (0, 0);
        for question in packet.questions.iter().take(QUESTIONS) {
            let asked = records.asked(question);
            *if question.unicast_response { &mut to_one } else { &mut to_all } |= asked;
        }
        let known = records.known(to_one | to_all, &packet.answers);
        (to_one, to_all) = (to_one & !known, to_all & !known);
        if from.port() != PORT {
            return legacy(&records, to_one | to_all, &packet, link, from).into_iter().collect();
        }
        to_one &= !to_all;
        let mut outputs = vec![];
        if to_one != 0 {
            let (answers, more) = (records.of(to_one), records.of(beside(to_one)));
            outputs.extend(output(link, Some(from), Packet::new_reply(0), answers, more));
        }
        to_all &= !place.fresh(to_all, now);
        if to_all != 0 {
            let delay = if packet.has_flags(PacketFlag::TRUNCATION) {
                TRUNCATED_DELAY + jitter
            } else if to_all & SHARED != 0 {
                DELAY + jitter
            } else {
                Duration::ZERO
            };
            let (before, due) = place.pending.unwrap_or((0, now + delay));
            place.pending = Some((before | to_all, due.min(now + delay)));
            outputs.extend(self.tick(now));
        }
        outputs
    }

    /// The end: everything ceases to be (RFC 6762 §10.1), and nothing is told any more.
    pub fn stop(&mut self) -> Vec<Output> {
        let mut outputs = vec![];
        for place in self.places.drain(..).filter(|place| !place.link.addresses.is_empty()) {
            let mut records =
                Records::new(&self.service, &place.link).of(ALL.into_iter().sum::<Set>() & !super::records::KINDS);
            records.iter_mut().for_each(|record| record.ttl = 0);
            outputs.extend(output(place.link.id, None, Packet::new_reply(0), records, vec![]));
        }
        self.stopped = true;
        outputs
    }

    /// Up to [`SPREAD_MS`] (splitmix64).
    fn jitter(&mut self) -> Duration {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_millis((z ^ z >> 31) % SPREAD_MS)
    }
}

/// The answer to somebody who does not know multicast DNS: as if by any other name server (RFC 6762 §6.7).
fn legacy(records: &Records<'_>, set: Set, asked: &Packet<'_>, link: LinkId, from: SocketAddr) -> Option<Output> {
    let plain = |mut record: ResourceRecord<'_>| {
        record.ttl = record.ttl.min(LEGACY_LIFE);
        record.with_cache_flush(false).into_owned()
    };
    let of = |set| records.of(set).into_iter().map(plain).collect();
    let mut reply = Packet::new_reply(asked.id());
    reply.questions = asked.questions.iter().take(QUESTIONS).cloned().collect();
    if set == 0 { None } else { output(link, Some(from), reply, of(set), of(beside(set))) }
}

fn output<'a>(
    link: LinkId,
    to: Option<SocketAddr>,
    mut packet: Packet<'a>,
    answers: Vec<ResourceRecord<'a>>,
    more: Vec<ResourceRecord<'a>>,
) -> Option<Output> {
    packet.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
    (packet.answers, packet.additional_records) = (answers, more);
    let bytes = packet.build_bytes_vec_compressed().ok()?;
    Some(Output { link, to, bytes })
}
