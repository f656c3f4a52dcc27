//! Golden bytes of every PDU, and that whatever common header comes, its lengths are consistent or refused.

use super::*;
use crate::nvme::Entry;
use proptest::prelude::*;

const PLAIN: Framing = Framing { digests: Digests { header: false, data: false }, pda: 0 };
const FULL: Framing = Framing { digests: Digests { header: true, data: true }, pda: 0 };

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn golden_initialisation() {
    let request = IcReq { pfv: 0, hpda: 3, digests: Digests { header: true, data: true }, maxr2t: 0x0102_0304 };
    let bytes = request.emit();
    assert_eq!(hex(&bytes[..16]), "00008000800000000000030304030201");
    assert!(bytes[16..].iter().all(|&byte| byte == 0));
    assert_eq!(IcReq::parse(&bytes), request);
    let response = IcResp { pfv: 0, cpda: 0, digests: Digests { header: false, data: true }, maxh2cdata: 131_072 };
    let bytes = response.emit();
    assert_eq!(hex(&bytes[..16]), "01008000800000000000000200000200");
    assert!(bytes[16..].iter().all(|&byte| byte == 0));
    assert_eq!(IcResp::parse(&bytes), response);
}

#[test]
fn golden_capsules() {
    let mut entry = Entry::default();
    for (n, byte) in entry.0.iter_mut().enumerate() {
        *byte = n as u8;
    }
    let command = CapsuleCmd { entry };
    let bytes = command.emit(&PLAIN, 0);
    assert_eq!(hex(&bytes[..12]), "040048004800000000010203");
    assert_eq!(CapsuleCmd::parse(&bytes), command);
    assert_eq!(hex(&command.emit(&PLAIN, 512)[..8]), "0400484848020000");
    assert_eq!(hex(&command.emit(&FULL, 0)[..8]), "040148004c000000", "no data, no data digest");
    assert_eq!(hex(&command.emit(&FULL, 512)[..8]), "0403484c50020000");
    let aligned = Framing { pda: 31, ..FULL };
    assert_eq!(hex(&command.emit(&aligned, 512)[..8]), "0403488084020000");
    let response = CapsuleResp { entry: [7; 16] };
    let bytes = response.emit(&PLAIN);
    assert_eq!(hex(&bytes), "050018001800000007070707070707070707070707070707");
    assert_eq!(CapsuleResp::parse(&bytes), response);
    assert_eq!(hex(&response.emit(&FULL)[..8]), "050118001c000000");
}

#[test]
fn golden_data() {
    let data = H2cData { last: true, cid: 0x0102, ttag: 0x0304, offset: 0x0506_0708, len: 0x1000 };
    let bytes = data.emit(&PLAIN);
    assert_eq!(hex(&bytes), "060418181810000002010403080706050010000000000000");
    assert_eq!(H2cData::parse(&bytes), data);
    assert_eq!(hex(&data.emit(&FULL)[..8]), "0607181c20100000");
    let data = C2hData { last: true, success: true, cid: 0x0102, offset: 8, len: 512 };
    let bytes = data.emit(&PLAIN);
    assert_eq!(hex(&bytes), "070c18181802000002010000080000000002000000000000");
    assert_eq!(C2hData::parse(&bytes), data);
    let data = C2hData { last: false, success: false, ..data };
    assert_eq!(hex(&data.emit(&Framing { pda: 7, ..FULL })[..8]), "0703182024020000");
    let ready = R2t { cid: 0x0102, ttag: 0x0304, offset: 0x0506_0708, len: 0x1000 };
    let bytes = ready.emit(&PLAIN);
    assert_eq!(hex(&bytes), "090018001800000002010403080706050010000000000000");
    assert_eq!(R2t::parse(&bytes), ready);
    assert_eq!(hex(&ready.emit(&FULL)[..8]), "090118001c000000");
}

#[test]
fn golden_requests_to_terminate() {
    let offender = [6, 4, 24, 24, 24, 16, 0, 0, 2, 1];
    let request = TermReq { fes: Fes::INVALID_FIELD, fei: field::TTAG };
    let bytes = request.emit(Role::Controller, &offender);
    assert_eq!(hex(&bytes[..24]), "030018002200000001000a00000000000000000000000000");
    assert_eq!(bytes[24..], offender);
    assert_eq!(TermReq::parse(bytes.first_chunk().unwrap()), request);
    assert_eq!(request.emit(Role::Host, &[])[..8], [2, 0, 24, 0, 24, 0, 0, 0]);
    assert_eq!(request.emit(Role::Host, &[4; 300]).len(), 24 + 72, "a header and no more");
    assert_eq!(request.emit(Role::Host, &[0x55; 300]).len(), 24 + 8, "of what is no PDU, its beginning");
}

#[test]
fn a_segment_is_where_the_sender_put_it() {
    for framing in [PLAIN, FULL, Framing { pda: 31, ..FULL }, Framing { pda: 1, ..PLAIN }] {
        for (kind, receiver) in
            [(kind::CAPSULE_CMD, Role::Controller), (kind::H2C_DATA, Role::Controller), (kind::C2H_DATA, Role::Host)]
        {
            let ch = framing.ch(kind, 0, 777);
            let head = framing.expect(&ch, receiver, true).unwrap();
            let segment = framing.segment(&ch).unwrap();
            assert_eq!((segment.len, head + usize::from(segment.pad)), (777, usize::from(ch.pdo)));
        }
    }
}

#[test]
fn header_digests_are_verified() {
    let ch = FULL.ch(kind::R2T, 0, 0);
    let mut head = R2t { cid: 1, ttag: 2, offset: 3, len: 4 }.emit(&FULL).to_vec();
    let sum = digest(&head);
    head.extend(sum);
    assert_eq!(FULL.verify(&ch, &head), Ok(()));
    head[9] ^= 1;
    let fault = FULL.verify(&ch, &head).unwrap_err();
    assert_eq!((fault.fes, fault.fei), (Fes::HEADER_DIGEST, u32::from_le_bytes(sum)));
}

#[test]
fn wrong_common_headers_are_told_apart() {
    let command = FULL.ch(kind::CAPSULE_CMD, 0, 512);
    let refused = |ch: Ch, open: bool| {
        let fault = match FULL.expect(&ch, Role::Controller, open) {
            Err(fault) => fault,
            Ok(_) => FULL.segment(&ch).unwrap_err(),
        };
        (fault.fes, fault.fei)
    };
    let invalid = |at| (Fes::INVALID_FIELD, at);
    assert_eq!(refused(Ch { kind: 8, ..command }, true), invalid(field::KIND));
    assert_eq!(refused(Ch { kind: kind::R2T, ..command }, true), invalid(field::KIND));
    assert_eq!(refused(Ch { hlen: 71, ..command }, true), invalid(field::HLEN));
    assert_eq!(refused(Ch { flags: 2, ..command }, true), invalid(field::FLAGS));
    assert_eq!(refused(Ch { flags: 1, ..command }, true), invalid(field::FLAGS));
    assert_eq!(refused(Ch { pdo: 72, ..command }, true), invalid(field::PDO));
    assert_eq!(refused(Ch { pdo: 77, ..command }, true), invalid(field::PDO));
    assert_eq!(refused(Ch { plen: 75, ..command }, true), invalid(field::PLEN));
    assert_eq!(refused(Ch { plen: 80, ..command }, true), invalid(field::PLEN));
    assert_eq!(refused(command, false), (Fes::PDU_SEQUENCE, 0));
    let opening = Ch { kind: kind::IC_REQ, flags: 0, hlen: 128, pdo: 0, plen: 128 };
    assert_eq!(refused(opening, true), (Fes::PDU_SEQUENCE, 0));
    assert_eq!(refused(Ch { plen: 129, ..opening }, false), invalid(field::PLEN));
    let ending = Ch { kind: kind::H2C_TERM_REQ, flags: 0, hlen: 24, pdo: 9, plen: 152 };
    assert_eq!(FULL.segment(&ending), Ok(Segment { pad: 0, len: 128 }));
    assert_eq!(refused(Ch { plen: 153, ..ending }, true), invalid(field::PLEN));
}

proptest! {
    #[test]
    fn any_common_header_adds_up_or_is_refused(
        bytes: [u8; 8], known in prop::option::of(0u8..10), header: bool, data: bool, pda: u8, open: bool, host: bool
    ) {
        let framing = Framing { digests: Digests { header, data }, pda };
        let mut ch = Ch::parse(&bytes);
        prop_assert_eq!(ch.emit(), bytes);
        if let Some(kind) = known {
            (ch.kind, ch.hlen) = (kind, header_bytes(kind).unwrap_or(9) as u8);
        }
        let receiver = if host { Role::Host } else { Role::Controller };
        if let Ok(head) = framing.expect(&ch, receiver, open)
            && let Ok(segment) = framing.segment(&ch)
        {
            let tail = if data && segment.len > 0 && head > 0 && ch.kind > 3 { 4 } else { 0 };
            prop_assert_eq!(head + usize::from(segment.pad) + segment.len as usize + tail, ch.plen as usize);
        }
    }
}
