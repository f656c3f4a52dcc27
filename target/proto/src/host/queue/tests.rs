//! A queue against a controller that a test plays: what it says on the wire, what it makes of answers, and what it refuses.

use super::saved::{EndV1, EventV1, PendingV1, QueueV1};
use super::*;
use crate::host::command;
use crate::nvme::Status;
use crate::nvmetcp::pdu::{C2hData, CH_BYTES, CapsuleResp, Ch, Fes, IcResp, field, header_bytes, kind};
use proptest::prelude::*;
use prost::Message as _;

/// A queue, and a controller's end of its connection. What the controller says comes `cut` bytes at a time.
struct Rig {
    queue: Queue,
    theirs: Framing,
    cut: usize,
}

impl Rig {
    /// Connected, with 8 entries, and CAPSULEs without data where none fits.
    fn new(setup: Setup, cpda: u8, h2c_data_max: u32) -> Rig {
        let mut rig = Rig { queue: Queue::new(setup), theirs: Framing::default(), cut: usize::MAX };
        assert_eq!(rig.said().len(), 1, "ICReq");
        assert_eq!(rig.queue.submit(command::keep_alive(), Data::Nothing), Err(NotTaken::NotOpen));
        let response = IcResp { pfv: 0, cpda, digests: setup.digests, maxh2cdata: h2c_data_max };
        rig.queue.receive(&response.emit());
        assert_eq!(rig.queue.poll_event(), Some(Event::Opened));
        rig.theirs = Framing { digests: setup.digests, pda: setup.hpda };
        rig
    }

    fn connected(setup: Setup) -> Rig {
        let mut rig = Rig::new(setup, 0, 4096);
        rig.connect(0xffff);
        rig
    }

    fn connect(&mut self, sq_head: u16) {
        let mut connect = command::Connect::admin("nqn.host", [1; 16], "nqn.subsystem");
        connect.entries = 4;
        let cid = self.queue.connect(&connect).unwrap();
        assert_eq!(self.queue.submit(command::keep_alive(), Data::Nothing), Err(NotTaken::Full));
        assert_eq!(self.said()[0].1, connect.data());
        self.respond(cid, 0, sq_head, Status::SUCCESS);
        assert!(matches!(self.queue.poll_event(), Some(Event::Completed { .. })));
    }

    /// The PDUs that the queue has sent: header and data.
    fn said(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.live_on();
        let bytes = self.queue.output().to_vec();
        self.queue.sent(bytes.len());
        self.live_on();
        let digests = self.queue.digests().unwrap_or_default();
        let (mut rest, mut list) = (&bytes[..], Vec::new());
        while let Some(common) = rest.first_chunk::<CH_BYTES>() {
            let ch = Ch::parse(common);
            let (pdu, behind) = rest.split_at(ch.plen as usize);
            let start = if ch.pdo == 0 { usize::from(ch.hlen) } else { usize::from(ch.pdo) };
            let has_digest = ch.pdo > 0 && digests.data;
            let end = pdu.len() - if has_digest { 4 } else { 0 };
            if has_digest {
                assert_eq!(digest(&pdu[start..end]), pdu[end..]);
            }
            let header = &pdu[..usize::from(ch.hlen)];
            if digests.header && header_bytes(ch.kind) != Some(128) && ch.kind > 3 {
                assert_eq!(digest(header), pdu[header.len()..header.len() + 4]);
            }
            list.push((header.to_vec(), if ch.pdo > 0 { pdu[start..end].to_vec() } else { Vec::new() }));
            rest = behind;
        }
        list
    }

    fn pdu(&self, header: &[u8], data: &[u8]) -> Vec<u8> {
        let mut bytes = header.to_vec();
        if self.theirs.digests.header {
            bytes.extend(digest(header));
        }
        if !data.is_empty() {
            bytes.resize(usize::from(header[3]), 0);
            bytes.extend_from_slice(data);
            if self.theirs.digests.data {
                bytes.extend(digest(data));
            }
        }
        bytes
    }

    fn hear(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.cut.min(bytes.len())) {
            self.queue.receive(piece);
            self.live_on();
        }
    }

    /// The queue is what it was after it was saved, dropped and built up again.
    fn live_on(&mut self) {
        let bytes = self.queue.save().encode_to_vec();
        let restored = Queue::restore(QueueV1::decode(&bytes[..]).unwrap()).unwrap();
        assert!(restored.save().encode_to_vec() == bytes, "a saved form is canonical");
        self.queue = restored;
    }

    fn response(&self, cid: Cid, result: u64, sq_head: u16, status: Status) -> Vec<u8> {
        let mut entry = [0; 16];
        entry[..8].copy_from_slice(&result.to_le_bytes());
        entry[8..10].copy_from_slice(&sq_head.to_le_bytes());
        entry[12..14].copy_from_slice(&cid.0.to_le_bytes());
        entry[14..].copy_from_slice(&status.field(false).to_le_bytes());
        self.pdu(&CapsuleResp { entry }.emit(&self.theirs), &[])
    }

    fn respond(&mut self, cid: Cid, result: u64, sq_head: u16, status: Status) {
        let bytes = self.response(cid, result, sq_head, status);
        self.hear(&bytes);
    }

    fn data(&self, cid: Cid, offset: u32, data: &[u8], last: bool, success: bool) -> Vec<u8> {
        let head = C2hData { last, success, cid: cid.0, offset, len: data.len() as u32 };
        self.pdu(&head.emit(&self.theirs), data)
    }

    fn r2t(&self, cid: Cid, ttag: u16, offset: u32, len: u32) -> Vec<u8> {
        self.pdu(&R2t { cid: cid.0, ttag, offset, len }.emit(&self.theirs), &[])
    }

    /// The queue refuses `bytes` so, says so, and is deaf from then on.
    #[track_caller]
    fn refuses(mut self, bytes: &[u8], fes: Fes, fei: u32) {
        self.hear(bytes);
        match self.queue.end() {
            Some(End::Fault(fault)) => assert_eq!((fault.fes, fault.fei), (fes, fei), "{fault:?}"),
            other => panic!("{other:?}"),
        }
        let (header, _) = self.said().pop().unwrap();
        assert_eq!(header[0], kind::H2C_TERM_REQ);
        assert_eq!(TermReq::parse(header[..].first_chunk().unwrap()), TermReq { fes, fei });
        while self.queue.poll_event().is_some() {}
        let rest = self.response(Cid(1), 0, 0, Status::SUCCESS);
        self.hear(&rest);
        assert_eq!(self.queue.poll_event(), None);
        assert_eq!(self.queue.submit(command::keep_alive(), Data::Nothing), Err(NotTaken::NotOpen));
    }
}

const BOTH: Digests = Digests { header: true, data: true };

fn setups() -> [Setup; 4] {
    let plain = Setup::default();
    [
        plain,
        Setup { digests: BOTH, ..plain },
        Setup { digests: Digests { header: true, data: false }, hpda: 7, ..plain },
        Setup { digests: Digests { header: false, data: true }, hpda: 31, r2ts_max: 4, ..plain },
    ]
}

#[test]
fn commands_of_every_kind_however_the_stream_is_cut() {
    for setup in setups() {
        for cut in [1, 7, 24, 1000, usize::MAX] {
            let mut rig = Rig::connected(setup);
            rig.cut = cut;
            // Without data.
            let cid = rig.queue.submit(command::keep_alive(), Data::Nothing).unwrap();
            assert_eq!(rig.said()[0].0[8..12], [0x18, 0x40, cid.0 as u8, 0]);
            rig.respond(cid, 7, 0, Status::SUCCESS);
            let Some(Event::Completed { completion, .. }) = rig.queue.poll_event() else { panic!() };
            assert_eq!((completion.cid, completion.result), (cid, 7));
            // Data that fits into the capsule.
            let cid = rig.queue.submit(command::write(1, 0, 16, false), Data::ToController(vec![5; 8192])).unwrap();
            let said = rig.said();
            assert_eq!(said[0].1, [5; 8192]);
            assert_eq!(said[0].0[8 + 32..8 + 40], [0, 0x20, 0, 0, 0, 0, 0, 1], "data block, offset");
            rig.respond(cid, 0, 0, Status::SUCCESS);
            assert!(matches!(rig.queue.poll_event(), Some(Event::Completed { .. })));
            // Data that does not.
            let payload: Vec<u8> = (0..10_000u32).map(|n| (n * 7 / 3) as u8).collect();
            let cid = rig.queue.submit(command::write(1, 0, 20, false), Data::ToController(payload.clone())).unwrap();
            let said = rig.said();
            assert_eq!((said[0].1.len(), said[0].0[8 + 39]), (0, 0x5a), "transport data block");
            let mut sent = Vec::new();
            for (ttag, offset, len, pieces) in [(3, 0, 4096, 1), (4, 4096, 5904, 2)] {
                let r2t = rig.r2t(cid, ttag, offset, len);
                rig.hear(&r2t);
                let said = rig.said();
                assert_eq!(said.len(), pieces, "no more than MAXH2CDATA in one");
                for (n, (header, data)) in said.iter().enumerate() {
                    let read = H2cData::parse(header[..].first_chunk().unwrap());
                    assert_eq!((read.ttag, read.offset as usize, read.len as usize), (ttag, sent.len(), data.len()));
                    assert_eq!(read.last, n + 1 == pieces);
                    sent.extend_from_slice(data);
                }
            }
            assert!(sent == payload);
            rig.respond(cid, 0, 0, Status::SUCCESS);
            assert!(matches!(rig.queue.poll_event(), Some(Event::Completed { .. })));
            // Data for us, with a completion and without.
            for success in [false, true] {
                let cid = rig.queue.submit(command::read(1, 0, 2), Data::ToHost(1024)).unwrap();
                for (offset, last) in [(0, false), (512, true)] {
                    let pdu = rig.data(cid, offset, &[offset as u8 + 1; 512], last, success && last);
                    rig.hear(&pdu);
                }
                if !success {
                    assert_eq!(rig.queue.poll_event(), None);
                    rig.respond(cid, 0, 0, Status::SUCCESS);
                }
                let Some(Event::Completed { completion, data, damaged: false }) = rig.queue.poll_event() else {
                    panic!()
                };
                assert!(completion.status.is_success() && data == [1; 1024]);
            }
            assert_eq!((rig.queue.outstanding(), rig.queue.end()), (0, None));
        }
    }
}

#[test]
fn data_for_the_controller_is_aligned_as_it_wishes() {
    let mut rig = Rig::new(Setup::default(), 31, 4096);
    rig.queue.connect(&command::Connect::admin("nqn.host", [1; 16], "nqn.subsystem")).unwrap();
    assert_eq!(rig.queue.output()[3], 128);
    assert_eq!(rig.said()[0].1.len(), 1024);
}

#[test]
fn held_r2ts_are_answered_when_the_caller_says_so() {
    let mut rig = Rig::connected(Setup { hold_r2ts: true, r2ts_max: 2, ..Setup::default() });
    let cid = rig.queue.submit(command::write(1, 0, 24, false), Data::ToController(vec![9; 12288])).unwrap();
    rig.said();
    for (ttag, offset) in [(1, 0), (2, 4096)] {
        let r2t = rig.r2t(cid, ttag, offset, 4096);
        rig.hear(&r2t);
    }
    assert!(rig.said().is_empty());
    let Some(Event::R2t(first)) = rig.queue.poll_event() else { panic!() };
    rig.queue.answer(&first);
    assert_eq!(rig.said().len(), 1);
    rig.queue.answer(&R2t { offset: 8192, len: 8192, ..first });
    // A third while one is open is what MAXR2T allows.
    let r2t = rig.r2t(cid, 3, 8192, 4096);
    rig.hear(&r2t);
    rig.respond(cid, 0, 0, Status::INTERNAL_ERROR);
    rig.queue.answer(&first);
    assert!(rig.said().is_empty(), "nothing for a command that has ended");
    assert_eq!(rig.queue.end(), None);
}

#[test]
fn submission_queue_flow_control() {
    let mut rig = Rig::new(Setup::default(), 0, 4096);
    rig.connect(1);
    assert_eq!(rig.queue.room(), 3);
    let cids: Vec<Cid> = (0..3).map(|_| rig.queue.submit(command::keep_alive(), Data::Nothing).unwrap()).collect();
    assert_eq!(rig.queue.submit(command::keep_alive(), Data::Nothing), Err(NotTaken::Full));
    // One has ended, but the controller has read two.
    rig.respond(cids[1], 0, 3, Status::SUCCESS);
    assert_eq!(rig.queue.room(), 1, "the completion queue has room for one");
    rig.respond(cids[0], 0, 3, Status::SUCCESS);
    assert_eq!(rig.queue.room(), 2);
    rig.queue.submit(command::keep_alive(), Data::Nothing).unwrap();
    rig.queue.submit(command::keep_alive(), Data::Nothing).unwrap();
    assert_eq!(rig.queue.room(), 0);
    let head = rig.response(cids[2], 0, 9, Status::SUCCESS);
    rig.refuses(&head, Fes::INVALID_FIELD, field::CCCID);
}

#[test]
fn identifiers_are_not_used_again_while_they_live() {
    let mut rig = Rig::connected(Setup::default());
    let long = rig.queue.submit(command::async_event_request(), Data::Nothing).unwrap();
    rig.queue.next_cid = long.0;
    let next = rig.queue.submit(command::keep_alive(), Data::Nothing).unwrap();
    assert_ne!(next, long);
    rig.queue.next_cid = 0xfffe;
    assert_eq!(rig.queue.submit(command::keep_alive(), Data::Nothing).unwrap(), Cid(0xfffe));
    assert!(rig.queue.next_cid == 0, "FFFFh is no command's");
}

#[test]
fn saved_forms_that_cannot_be() {
    let good = Rig::connected(Setup::default()).queue.save();
    let bad = |spoil: fn(&mut QueueV1)| {
        let mut saved = good.clone();
        spoil(&mut saved);
        Queue::restore(saved).unwrap_err()
    };
    assert_eq!(bad(|saved| saved.entries = 1).0, "size");
    assert_eq!(bad(|saved| saved.entries = 1 << 16).0, "size");
    assert_eq!(bad(|saved| saved.flow = vec![4, 0]).0, "position");
    assert_eq!(bad(|saved| saved.flow = vec![0]).0, "position");
    assert_eq!(bad(|saved| saved.hpda = 32).0, "setup");
    assert_eq!(bad(|saved| saved.agreed.as_mut().unwrap().h2c_data_max = 0).0, "agreement");
    assert_eq!(bad(|saved| saved.pending = vec![PendingV1 { asked: 1, ..PendingV1::default() }]).0, "data");
    assert_eq!(bad(|saved| saved.events = vec![EventV1 { kind: 3, ..EventV1::default() }]).0, "event");
    assert_eq!(bad(|saved| saved.end = Some(EndV1 { kind: 3, ..EndV1::default() })).0, "end");
}

#[test]
fn a_damaged_answer_is_told() {
    let mut rig = Rig::connected(Setup { digests: BOTH, ..Setup::default() });
    let cid = rig.queue.submit(command::read(1, 0, 1), Data::ToHost(512)).unwrap();
    let mut pdu = rig.data(cid, 0, &[1; 512], true, false);
    let at = pdu.len() - 100;
    pdu[at] ^= 1;
    rig.hear(&pdu);
    rig.respond(cid, 0, 0, Status::SUCCESS);
    assert!(matches!(rig.queue.poll_event(), Some(Event::Completed { damaged: true, .. })));
    assert_eq!(rig.queue.end(), None, "a data digest does not end the connection (tcp §3.3.1.1.2)");
}

#[test]
fn the_controller_ends_the_connection() {
    let mut rig = Rig::connected(Setup { digests: BOTH, ..Setup::default() });
    let request = TermReq { fes: Fes::PDU_SEQUENCE, fei: 0 };
    let bytes = request.emit(Role::Controller, &[4, 0, 72, 0, 72, 0, 0, 0]);
    rig.hear(&bytes);
    assert_eq!(rig.queue.end(), Some(&End::Terminated(request)));
    rig.queue.disconnected();
    assert_eq!(rig.queue.end(), Some(&End::Terminated(request)), "the first reason stays");
    assert!(rig.said().is_empty());
}

#[test]
fn hostile_openings() {
    let good = IcResp { pfv: 0, cpda: 0, digests: Digests::default(), maxh2cdata: 4096 };
    let fresh = || {
        let mut rig = Rig { queue: Queue::new(Setup::default()), theirs: Framing::default(), cut: usize::MAX };
        rig.said();
        rig
    };
    for (response, at) in [
        (IcResp { pfv: 1, ..good }, field::PFV),
        (IcResp { cpda: 32, ..good }, field::PDA),
        (IcResp { digests: BOTH, ..good }, field::DGST),
        (IcResp { maxh2cdata: 0, ..good }, field::MAXH2CDATA),
        (IcResp { maxh2cdata: 4097, ..good }, field::MAXH2CDATA),
    ] {
        fresh().refuses(&response.emit(), Fes::INVALID_FIELD, at);
    }
    let rig = fresh();
    let completion = rig.response(Cid(0), 0, 0, Status::SUCCESS);
    rig.refuses(&completion, Fes::PDU_SEQUENCE, 0);
    Rig::connected(Setup::default()).refuses(&good.emit(), Fes::PDU_SEQUENCE, 0);
    for short in [0, 8, 127, 129] {
        let mut bytes = good.emit();
        bytes[4] = short;
        fresh().refuses(&bytes, Fes::INVALID_FIELD, field::PLEN);
        let mut bytes = good.emit();
        bytes[2] = short;
        fresh().refuses(&bytes, Fes::INVALID_FIELD, field::HLEN);
    }
}

/// CVE-2022-48789 and ad95bab0: lengths of a header were believed, with digests in use more than without.
#[test]
fn cve_2022_48789_lengths_are_checked_before_anything_else() {
    for digests in [Digests::default(), BOTH, Digests { header: true, data: false }] {
        let with = || {
            let mut rig = Rig::connected(Setup { digests, ..Setup::default() });
            let cid = rig.queue.submit(command::read(1, 0, 1), Data::ToHost(512)).unwrap();
            rig.said();
            let pdu = rig.data(cid, 0, &[1; 512], true, false);
            let response = rig.response(cid, 0, 0, Status::SUCCESS);
            (rig, pdu, response)
        };
        for wrong in [0, 7, 8, 23, 25, 72, 255] {
            let (rig, mut pdu, _) = with();
            pdu[2] = wrong;
            rig.refuses(&pdu, Fes::INVALID_FIELD, field::HLEN);
            let (rig, _, mut pdu) = with();
            pdu[2] = wrong;
            rig.refuses(&pdu, Fes::INVALID_FIELD, field::HLEN);
        }
        for wrong in [0, 8, 23, 25, 27, 29, 254, 255] {
            let (rig, mut pdu, _) = with();
            pdu[3] = wrong;
            rig.refuses(&pdu, Fes::INVALID_FIELD, field::PDO);
        }
        for wrong in [0u32, 7, 24] {
            let (rig, mut pdu, _) = with();
            pdu[4..8].copy_from_slice(&wrong.to_le_bytes());
            rig.refuses(&pdu, Fes::INVALID_FIELD, field::PLEN);
        }
        for wrong in [600u32, 1 << 20, u32::MAX] {
            let (rig, mut pdu, _) = with();
            pdu[4..8].copy_from_slice(&wrong.to_le_bytes());
            rig.refuses(&pdu, Fes::OUT_OF_RANGE, field::DATAL);
            let (rig, _, mut pdu) = with();
            pdu[4..8].copy_from_slice(&wrong.to_le_bytes());
            rig.refuses(&pdu, Fes::INVALID_FIELD, field::PLEN);
        }
        let (rig, mut pdu, _) = with();
        pdu[1] ^= 1;
        rig.refuses(&pdu, Fes::INVALID_FIELD, field::FLAGS);
        for kind in [0, 1, 2, 4, 6, 8, 10, 255] {
            let (mut rig, mut pdu, _) = with();
            pdu[0] = kind;
            rig.hear(&pdu);
            assert!(rig.queue.end().is_some(), "type {kind}");
        }
    }
}

/// CVE-2022-48686: what a digest error had freed was used by what came behind.
#[test]
fn cve_2022_48686_nothing_is_used_after_a_digest_error() {
    let mut rig = Rig::connected(Setup { digests: BOTH, ..Setup::default() });
    let cid = rig.queue.submit(command::read(1, 0, 1), Data::ToHost(512)).unwrap();
    rig.said();
    let mut bytes = rig.data(cid, 0, &[1; 512], true, true);
    bytes[24] ^= 0x80;
    let digest = u32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
    bytes.extend(rig.response(cid, 0, 0, Status::SUCCESS));
    rig.refuses(&bytes, Fes::HEADER_DIGEST, digest);
}

#[test]
fn hostile_data() {
    let with = || {
        let mut rig = Rig::connected(Setup::default());
        let read = rig.queue.submit(command::read(1, 0, 2), Data::ToHost(1024)).unwrap();
        let write = rig.queue.submit(command::write(1, 0, 20, false), Data::ToController(vec![0; 10240])).unwrap();
        rig.said();
        (rig, read, write)
    };
    let refuses = |bytes: &dyn Fn(&Rig, Cid, Cid) -> Vec<u8>, fes, fei| {
        let (rig, read, write) = with();
        let bytes = bytes(&rig, read, write);
        rig.refuses(&bytes, fes, fei);
    };
    let (range, invalid) = (Fes::OUT_OF_RANGE, Fes::INVALID_FIELD);
    refuses(&|rig, _, _| rig.data(Cid(99), 0, &[0; 512], true, false), invalid, field::CCCID);
    refuses(&|rig, _, write| rig.data(write, 0, &[0; 512], true, false), range, field::DATAO);
    refuses(&|rig, read, _| rig.data(read, 512, &[0; 512], true, false), range, field::DATAO);
    refuses(&|rig, read, _| rig.data(read, u32::MAX, &[0; 512], true, false), range, field::DATAO);
    refuses(&|rig, read, _| rig.data(read, 0, &[0; 1028], true, false), range, field::DATAL);
    refuses(
        &|rig, read, _| {
            [rig.data(read, 0, &[0; 512], true, false), rig.data(read, 512, &[0; 512], true, false)].concat()
        },
        range,
        field::DATAO,
    );
    refuses(&|rig, read, _| rig.data(read, 0, &[0; 1024], false, true), invalid, field::FLAGS);
    refuses(
        &|rig, read, _| {
            let mut pdu = rig.data(read, 0, &[0; 512], true, false);
            pdu[16] = 1;
            pdu
        },
        invalid,
        field::DATAL,
    );
    refuses(&|rig, _, _| rig.response(Cid(99), 0, 0, Status::SUCCESS), invalid, field::CCCID);
    refuses(&|rig, read, _| rig.response(read, 0, 0, Status::SUCCESS).repeat(2), invalid, field::CCCID);
    refuses(&|rig, _, _| rig.r2t(Cid(99), 0, 0, 512), invalid, field::CCCID);
    refuses(&|rig, read, _| rig.r2t(read, 0, 0, 512), range, field::DATAO);
    refuses(&|rig, _, write| rig.r2t(write, 0, 0, 0), invalid, field::DATAL);
    refuses(&|rig, _, write| rig.r2t(write, 0, 0, 10241), range, field::DATAO);
    refuses(&|rig, _, write| rig.r2t(write, 0, u32::MAX, 2), range, field::DATAO);
    refuses(&|rig, _, write| rig.r2t(write, 0, 512, 512), range, field::DATAO);
    refuses(&|rig, _, write| rig.r2t(write, 0, 0, 512).repeat(2), range, field::DATAO);
    let mut rig = Rig::connected(Setup { hold_r2ts: true, ..Setup::default() });
    let cid = rig.queue.submit(command::write(1, 0, 20, false), Data::ToController(vec![0; 10240])).unwrap();
    let bytes = [rig.r2t(cid, 0, 0, 512), rig.r2t(cid, 1, 512, 512)].concat();
    rig.refuses(&bytes, Fes::LIMIT_EXCEEDED, 0);
}

#[test]
fn a_flag_for_a_completion_is_refused_under_flow_control() {
    let mut rig = Rig::new(Setup::default(), 0, 4096);
    rig.connect(1);
    let cid = rig.queue.submit(command::read(1, 0, 1), Data::ToHost(512)).unwrap();
    let pdu = rig.data(cid, 0, &[0; 512], true, true);
    rig.refuses(&pdu, Fes::INVALID_FIELD, field::FLAGS);
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600), digests: bool, kind in 0u8..12) {
        let digests = Digests { header: digests, data: digests };
        let mut rig = Rig::connected(Setup { digests, ..Setup::default() });
        rig.queue.submit(command::read(1, 0, 1), Data::ToHost(512)).unwrap();
        rig.queue.submit(command::write(1, 0, 20, false), Data::ToController(vec![0; 10240])).unwrap();
        let mut likely = bytes.clone();
        if likely.len() >= CH_BYTES {
            let (hlen, plen) = (header_bytes(kind).unwrap_or(8), likely.len() as u32);
            (likely[0], likely[1], likely[2], likely[3]) = (kind, likely[1] & 0x0c, hlen as u8, 24);
            likely[4..8].copy_from_slice(&plen.to_le_bytes());
        }
        rig.clone().queue.receive(&bytes);
        rig.queue.receive(&likely);
        prop_assert!(rig.queue.inbox.len() <= bytes.len());
    }
}

impl Clone for Rig {
    fn clone(&self) -> Rig {
        Rig { queue: self.queue.clone(), ..*self }
    }
}
