//! Announcements, questions and answers. Every script runs twice, the second time with the announcer saved, dropped and
//! restored after each step, and must give the same bytes.

use super::*;
use mainstay_base::time::Instant;
use proptest::prelude::*;
use prost::Message;
use simple_dns::rdata::{PTR, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};
use std::net::SocketAddr;

const V4: LinkId = LinkId { interface: 2, ipv6: false };
const V6: LinkId = LinkId { interface: 2, ipv6: true };
const KIND: &str = "_nvme-disc._tcp.local";
const INSTANCE: &str = "Mainstay a._nvme-disc._tcp.local";
const HOST: &str = "mainstay-a.local";

fn ms(ms: u64) -> Instant {
    Instant(ms * 1_000_000)
}

fn service() -> Service {
    let nqn = "nqn.2026-11.internal.mainstay:discovery".into();
    Service { instance: "Mainstay a".into(), host: "mainstay-a".into(), nqn }
}

fn link(id: LinkId) -> Link {
    let addresses = vec![("192.0.2.7".parse().unwrap(), 24), ("2001:db8::7".parse().unwrap(), 64)];
    Link { id, addresses, port: 8009 }
}

fn neighbour(port: u16) -> SocketAddr {
    SocketAddr::new("192.0.2.9".parse().unwrap(), port)
}

/// What an announcer did, one entry for each packet.
struct Rig {
    announcer: Announcer,
    saves: bool,
    sent: Vec<Output>,
}

impl Rig {
    fn step(&mut self, act: impl FnOnce(&mut Announcer) -> Vec<Output>) {
        self.sent.extend(act(&mut self.announcer));
        if self.saves {
            let bytes = self.announcer.save().encode_to_vec();
            self.announcer = Announcer::restore(AnnouncerV1::decode(&bytes[..]).unwrap()).unwrap();
            assert_eq!(self.announcer.save().encode_to_vec(), bytes);
        }
    }

    fn ask(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        self.step(|announcer| announcer.receive(V4, from, bytes, now));
    }

    /// Ticks whenever due, up to `until`.
    fn run(&mut self, until: Instant) {
        while let Some(at) = self.announcer.deadline().filter(|&at| at <= until) {
            self.step(|announcer| announcer.tick(at));
        }
    }
}

/// Runs a script in both ways; what was sent.
fn play(links: Vec<Link>, script: impl Fn(&mut Rig)) -> Vec<Output> {
    let run = |saves| {
        let mut rig = Rig { announcer: Announcer::new(service(), links.clone(), 1, ms(0)), saves, sent: vec![] };
        script(&mut rig);
        rig.sent
    };
    let plain = run(false);
    assert_eq!(plain, run(true));
    plain
}

/// With one link, announced long ago.
fn quiet(script: impl Fn(&mut Rig)) -> Vec<Output> {
    let sent = play(vec![link(V4)], |rig| {
        rig.run(ms(5000));
        script(rig);
    });
    sent[2..].to_vec()
}

fn question(name: &'static str, kind: TYPE, to_one: bool) -> Question<'static> {
    Question::new(Name::new_unchecked(name), QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), to_one)
}

fn query(questions: Vec<Question<'_>>, answers: Vec<ResourceRecord<'_>>) -> Vec<u8> {
    let mut packet = Packet::new_query(0x1234);
    (packet.questions, packet.answers) = (questions, answers);
    packet.build_bytes_vec_compressed().unwrap()
}

fn ptr(ttl: u32) -> ResourceRecord<'static> {
    let rdata = RData::PTR(PTR(Name::new_unchecked(INSTANCE)));
    ResourceRecord::new(Name::new_unchecked(KIND), CLASS::IN, ttl, rdata)
}

/// Name, type, life and cache flush of each record: answers, then what is beside.
fn told(output: &Output) -> [Vec<String>; 2] {
    let packet = Packet::parse(&output.bytes).unwrap();
    assert!(packet.has_flags(PacketFlag::RESPONSE | PacketFlag::AUTHORITATIVE_ANSWER));
    let show = |record: &ResourceRecord<'_>| {
        let flush = if record.cache_flush { "!" } else { "" };
        format!("{} {:?} {}{flush}", record.name, record.rdata.type_code(), record.ttl)
    };
    [&packet.answers, &packet.additional_records].map(|records| records.iter().map(show).collect())
}

const ALL_TOLD: [&str; 6] = [
    "_services._dns-sd._udp.local PTR 4500",
    "_nvme-disc._tcp.local PTR 4500",
    "Mainstay a._nvme-disc._tcp.local SRV 120!",
    "Mainstay a._nvme-disc._tcp.local TXT 4500!",
    "mainstay-a.local A 120!",
    "mainstay-a.local AAAA 120!",
];

/// The head, then `_services…` PTR, the kind's PTR, SRV, TXT, A, AAAA.
#[test]
fn golden_announcement() {
    let sent = play(vec![link(V4)], |rig| rig.run(ms(60_000)));
    let hex: String = sent[0].bytes.iter().map(|b| format!("{b:02x}")).collect();
    let records = [
        "000084000000000600000000",
        "095f7365727669636573075f646e732d7364045f756470056c6f63616c00000c00010000119400120a5f6e766d652d64697363045f746370c023",
        "c034000c000100001194000d0a4d61696e737461792061c034",
        "c05200218001000000780018000000001f490a6d61696e737461792d61056c6f63616c00",
        "c0520010800100001194003205703d7463702b6e716e3d6e716e2e323032362d31312e696e7465726e616c2e6d61696e737461793a646973636f76657279",
        "0a6d61696e737461792d61c02300018001000000780004c0000207",
        "c0c1001c800100000078001020010db8000000000000000000000007",
    ];
    assert_eq!(hex, records.concat());
}

#[test]
fn announced_twice_on_every_link() {
    let sent = play(vec![link(V6), link(V4)], |rig| {
        rig.run(ms(999));
        assert_eq!(rig.sent.len(), 2);
        rig.run(ms(60_000));
        assert_eq!(rig.announcer.deadline(), None);
    });
    let links: Vec<LinkId> = sent.iter().map(|output| output.link).collect();
    assert_eq!(links, [V4, V6, V4, V6]);
    for output in &sent {
        assert_eq!((output.to, told(output)), (None, [ALL_TOLD.map(String::from).to_vec(), vec![]]));
    }
}

#[test]
fn a_link_without_addresses_is_silent() {
    let empty = Link { addresses: vec![], ..link(V4) };
    assert_eq!(
        play(vec![empty], |rig| {
            rig.run(ms(60_000));
            rig.ask(neighbour(PORT), &query(vec![question(KIND, TYPE::PTR, false)], vec![]), ms(60_000));
            rig.step(Announcer::stop);
        }),
        []
    );
}

#[test]
fn new_addresses_are_announced() {
    let sent = quiet(|rig| {
        let mut other = link(V4);
        other.addresses.pop();
        rig.step(|announcer| {
            announcer.set_links(vec![link(V4)], ms(6000));
            vec![]
        });
        rig.run(ms(7000));
        assert_eq!(rig.sent.len(), 2, "nothing new");
        rig.step(|announcer| {
            announcer.set_links(vec![other.clone()], ms(8000));
            vec![]
        });
        rig.run(ms(60_000));
    });
    assert_eq!(sent.iter().map(|output| told(output)[0].len()).collect::<Vec<_>>(), [5, 5]);
}

#[test]
fn who_looks_for_the_kind_hears_all_of_it_a_little_later() {
    let sent = quiet(|rig| {
        rig.ask(neighbour(PORT), &query(vec![question(KIND, TYPE::PTR, false)], vec![]), ms(6000));
        let due = rig.announcer.deadline().unwrap();
        assert!(due >= ms(6020) && due < ms(6120), "{due:?}");
        // Another in the meantime is answered with it.
        rig.ask(neighbour(PORT), &query(vec![question(KIND, TYPE::PTR, false)], vec![]), ms(6001));
        rig.run(ms(7000));
    });
    assert_eq!(sent.len(), 1);
    let [answers, beside] = told(&sent[0]);
    assert_eq!((answers, beside), (vec![ALL_TOLD[1].to_owned()], ALL_TOLD[2..].iter().map(|&s| s.into()).collect()));
}

#[test]
fn what_is_ours_alone_is_told_at_once() {
    for (name, kind, answers) in [
        (INSTANCE, TYPE::SRV, &ALL_TOLD[2..3]),
        (INSTANCE, TYPE::TXT, &ALL_TOLD[3..4]),
        ("MAINSTAY-A.Local", TYPE::A, &ALL_TOLD[4..]),
        (HOST, TYPE::AAAA, &ALL_TOLD[4..]),
    ] {
        let sent = quiet(|rig| rig.ask(neighbour(PORT), &query(vec![question(name, kind, false)], vec![]), ms(6000)));
        assert_eq!(
            (sent.len(), &told(&sent[0])[0][..]),
            (1, &answers.iter().map(|&s| s.to_owned()).collect::<Vec<_>>()[..])
        );
    }
}

#[test]
fn nothing_is_told_to_all_twice_in_a_second() {
    let ask = query(vec![question(INSTANCE, TYPE::SRV, false)], vec![]);
    let sent = quiet(|rig| {
        for at in [6000, 6001, 6500, 6999, 7000] {
            rig.ask(neighbour(PORT), &ask, ms(at));
        }
        rig.run(ms(60_000));
    });
    assert_eq!(sent.len(), 2);
}

#[test]
fn known_answers_are_not_repeated() {
    let ask = |ttl| query(vec![question(KIND, TYPE::PTR, false)], vec![ptr(ttl)]);
    let answers = |ttl| {
        quiet(|rig| {
            rig.ask(neighbour(PORT), &ask(ttl), ms(6000));
            rig.run(ms(60_000));
        })
        .len()
    };
    assert_eq!([answers(4500), answers(2250), answers(2249)], [0, 0, 1]);
}

#[test]
fn who_asks_for_itself_is_told_alone() {
    let ask = query(vec![question(KIND, TYPE::PTR, true)], vec![]);
    let sent = quiet(|rig| {
        rig.ask(neighbour(PORT), &ask, ms(6000));
        rig.run(ms(60_000));
    });
    assert_eq!((sent.len(), sent[0].to), (1, Some(neighbour(PORT))));
    assert_eq!(told(&sent[0])[0], [ALL_TOLD[1]]);
}

#[test]
fn who_knows_no_multicast_dns_gets_a_plain_answer() {
    let sent =
        quiet(|rig| rig.ask(neighbour(40_000), &query(vec![question(KIND, TYPE::PTR, false)], vec![]), ms(6000)));
    assert_eq!((sent.len(), sent[0].to), (1, Some(neighbour(40_000))));
    let packet = Packet::parse(&sent[0].bytes).unwrap();
    assert_eq!((packet.id(), packet.questions.len()), (0x1234, 1));
    assert!(
        packet.answers.iter().chain(&packet.additional_records).all(|record| record.ttl == 10 && !record.cache_flush)
    );
}

#[test]
fn others_are_not_answered() {
    let good = query(vec![question(INSTANCE, TYPE::SRV, false)], vec![]);
    let far = "198.51.100.1:5353".parse().unwrap();
    let foreign = query(vec![question("x._nvme-disc._tcp.local", TYPE::SRV, false)], vec![]);
    let chaos = Question::new(Name::new_unchecked(INSTANCE), QTYPE::TYPE(TYPE::SRV), QCLASS::CLASS(CLASS::CH), false);
    let mut response = good.clone();
    response[2] |= 0x80;
    let mut update = good.clone();
    update[2] |= 5 << 3;
    let long = [&good[..], &[0; 9000]].concat();
    let sent = quiet(|rig| {
        rig.ask(far, &good, ms(6000));
        for bytes in
            [&foreign, &query(vec![chaos.clone()], vec![]), &response, &update, &long, &good[..20].to_vec(), &vec![]]
        {
            rig.ask(neighbour(PORT), bytes, ms(6000));
        }
        // A link that is not there.
        rig.step(|announcer| announcer.receive(V6, neighbour(PORT), &good, ms(6000)));
        rig.run(ms(60_000));
    });
    assert_eq!(sent, []);
}

#[test]
fn names_that_point_in_circles() {
    // One question, whose name is a pointer to itself; and one with a label before that.
    for name in [&[0xc0, 0x0c][..], &[1, b'a', 0xc0, 0x0c]] {
        let bytes = [&[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], name, &[0, 12, 0, 1]].concat();
        assert_eq!(quiet(|rig| rig.ask(neighbour(PORT), &bytes, ms(6000))), []);
    }
}

#[test]
fn the_end_is_told_and_is_one() {
    let sent = quiet(|rig| {
        rig.step(Announcer::stop);
        rig.step(Announcer::stop);
        rig.step(|announcer| {
            announcer.set_links(vec![link(V4)], ms(7000));
            vec![]
        });
        rig.ask(neighbour(PORT), &query(vec![question(INSTANCE, TYPE::SRV, false)], vec![]), ms(7000));
        rig.run(ms(60_000));
    });
    assert_eq!(sent.len(), 1);
    let packet = Packet::parse(&sent[0].bytes).unwrap();
    assert!(packet.answers.iter().all(|record| record.ttl == 0));
    // That there are services of this kind may still be true of others.
    assert_eq!(packet.answers.len(), 5);
}

#[test]
fn long_names_are_cut_between_letters() {
    let service = Service { instance: "ü".repeat(40), host: "h".repeat(80), nqn: "n".repeat(300) };
    let mut announcer = Announcer::new(service, vec![link(V4)], 0, ms(0));
    let sent = announcer.tick(ms(0));
    let packet = Packet::parse(&sent[0].bytes).unwrap();
    let labels = |at: usize| packet.answers[at].name.get_labels()[0].len();
    assert_eq!((labels(2), labels(4)), (62, 63));
}

#[test]
fn damaged_forms_are_refused() {
    let good = Announcer::new(service(), vec![link(V4), link(V6)], 1, ms(0)).save();
    assert!(Announcer::restore(good.clone()).is_ok());
    let bytes = good.encode_to_vec();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            if let Ok(announcer) =
                AnnouncerV1::decode(&bytes[..]).map_err(|_| Unfit("form")).and_then(Announcer::restore)
            {
                let _ = announcer.save();
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600), port: u16) {
        let mut announcer = Announcer::new(service(), vec![link(V4)], 1, ms(0));
        prop_assert!(announcer.receive(V4, neighbour(port), &bytes, ms(0)).len() <= 2);
    }

    #[test]
    fn any_damage(at: usize, to: u8, port: u16) {
        let mut bytes = query(vec![question(KIND, TYPE::PTR, false), question(INSTANCE, TYPE::SRV, true)], vec![ptr(1)]);
        let at = at % bytes.len();
        bytes[at] = to;
        let mut announcer = Announcer::new(service(), vec![link(V4)], 1, ms(0));
        announcer.tick(ms(0));
        announcer.receive(V4, neighbour(port), &bytes, ms(5000));
        announcer.tick(ms(9000));
    }
}
