//! Golden bytes are written down from the figures of RFC 7143 §11, word by word; the properties hold for any bytes.

use super::*;
use mainstay_base::sam::{Lun, Tmf};
use proptest::prelude::*;

/// Twelve words in hexadecimal.
fn bhs(words: &str) -> Bhs {
    let digits: Vec<u8> = words.bytes().filter(u8::is_ascii_hexdigit).collect();
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
    bytes.try_into().expect("48 bytes")
}

const LUN: Lun = Lun([0x40, 0x01, 2, 3, 4, 5, 6, 7]);
const COUNTERS: Counters = Counters { stat_sn: StatSn(0x1001), exp_cmd_sn: CmdSn(0x2002), max_cmd_sn: CmdSn(0x3003) };

fn request(golden: &str, ahs: usize, data: usize, pdu: Request) {
    let golden = bhs(golden);
    assert_eq!(pdu.emit(ahs, data), golden);
    assert_eq!(Request::parse(&golden), pdu);
    assert_eq!((ahs_bytes(&golden), data_bytes(&golden)), (ahs, data));
}

fn response(golden: &str, data: usize, pdu: Response) {
    let golden = bhs(golden);
    assert_eq!(pdu.emit(data), golden);
    assert_eq!(Response::parse(&golden), pdu);
    assert_eq!(data_bytes(&golden), data);
}

#[test]
fn golden_nop_out() {
    let golden =
        "40800000 00000005 4001020304050607 0000000a 0000000b 00000c0c 00000d0d 00000000 00000000 00000000 00000000";
    let pdu = NopOut {
        immediate: true,
        lun: LUN,
        itt: Itt(10),
        ttt: Ttt(11),
        cmd_sn: CmdSn(0xc0c),
        exp_stat_sn: StatSn(0xd0d),
    };
    request(golden, 0, 5, Request::NopOut(pdu));
}

#[test]
fn golden_scsi_command() {
    let golden =
        "01a20000 05001000 4001020304050607 0000000a 00002000 00000c0c 00000d0d 000102030405060708090a0b0c0d0e0f";
    let pdu = ScsiCommand {
        immediate: false,
        last: true,
        read: false,
        write: true,
        attribute: Attribute::Ordered,
        lun: LUN,
        itt: Itt(10),
        expected: 0x2000,
        cmd_sn: CmdSn(0xc0c),
        exp_stat_sn: StatSn(0xd0d),
        cdb: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    };
    request(golden, 20, 0x1000, Request::ScsiCommand(pdu));
}

#[test]
fn golden_additional_header_segments() {
    let ahs = Ahs { extended_cdb: vec![0x10, 0x11, 0x12, 0x13, 0x14], bidirectional_read: Some(0x200) };
    let golden = [0, 6, 1, 0, 0x10, 0x11, 0x12, 0x13, 0x14, 0, 0, 0, 0, 5, 2, 0, 0, 0, 2, 0];
    assert_eq!(ahs.emit(), golden);
    assert_eq!(Ahs::parse(&golden), Ok(ahs));
    assert_eq!(Ahs::parse(&[]), Ok(Ahs::default()));
    assert_eq!(Ahs::parse(&golden[..8]), Err(BadAhs::Length));
    assert_eq!(Ahs::parse(&[0, 0, 1, 0]), Err(BadAhs::Length), "not even its reserved byte");
    assert_eq!(Ahs::parse(&[0, 1, 9, 0]), Err(BadAhs::Type(9)));
    assert_eq!(Ahs::parse(&[0, 5, 2, 0, 0, 0, 0, 0, 0, 5, 2, 0, 0, 0, 0, 0]), Err(BadAhs::Twice(2)));
}

#[test]
fn golden_task_management() {
    let golden =
        "42810000 00000000 4001020304050607 0000000a 00000009 00000c0c 00000d0d 00000b0b 00000003 00000000 00000000";
    let pdu = TaskRequest {
        immediate: true,
        function: tmf_code(Tmf::AbortTask),
        lun: LUN,
        itt: Itt(10),
        referenced: Itt(9),
        cmd_sn: CmdSn(0xc0c),
        exp_stat_sn: StatSn(0xd0d),
        ref_cmd_sn: CmdSn(0xb0b),
        exp_data_sn: 3,
    };
    request(golden, 0, 0, Request::TaskRequest(pdu));
    let golden =
        "22800500 00000000 0000000000000000 0000000a 00000000 00001001 00002002 00003003 00000000 00000000 00000000";
    let pdu = TaskResponse { response: TmfResponse::NotSupported, itt: Itt(10), counters: COUNTERS };
    response(golden, 0, Response::TaskResponse(pdu));
    for code in 0..=u8::MAX {
        assert!(tmf_from_code(code).is_none_or(|tmf| tmf_code(tmf) == code));
    }
}

#[test]
fn golden_scsi_response() {
    let golden =
        "21920002 00000014 0000000000000000 0000000a 00000000 00001001 00002002 00003003 00000004 00000006 00000007";
    let pdu = ScsiResponse {
        response: 0,
        status: 2,
        itt: Itt(10),
        snack_tag: 0,
        counters: COUNTERS,
        exp_data_sn: 4,
        bidirectional_read: Residual::Overflow(6),
        residual: Residual::Underflow(7),
    };
    response(golden, 20, Response::ScsiResponse(pdu));
    assert_eq!(split_sense(&[0, 3, 1, 2, 3, 9]), [1, 2, 3]);
    assert!(split_sense(&[0, 3, 1]).is_empty() && split_sense(&[0]).is_empty());
    assert_eq!(Residual::of(512, 512), Residual::None);
    assert_eq!(Residual::of(512, 1024), Residual::Overflow(512));
    assert_eq!(Residual::of(512, 0), Residual::Underflow(512));
}

#[test]
fn golden_data_out() {
    let golden =
        "05800000 00000200 4001020304050607 0000000a 0000000b 00000000 00000d0d 00000000 00000001 00000400 00000000";
    let pdu = DataOut {
        last: true,
        lun: LUN,
        itt: Itt(10),
        ttt: Ttt(11),
        exp_stat_sn: StatSn(0xd0d),
        data_sn: 1,
        offset: 0x400,
    };
    request(golden, 0, 0x200, Request::DataOut(pdu));
}

#[test]
fn golden_data_in() {
    let golden =
        "25850000 00000200 0000000000000000 0000000a ffffffff 00001001 00002002 00003003 00000001 00000400 00000010";
    let mut pdu = DataIn {
        last: true,
        acknowledge: false,
        status: Some(DataInStatus { status: 0, residual: Residual::Overflow(16) }),
        lun: Lun::default(),
        itt: Itt(10),
        ttt: Ttt::RESERVED,
        counters: COUNTERS,
        data_sn: 1,
        offset: 0x400,
    };
    response(golden, 0x200, Response::DataIn(pdu.clone()));
    let golden =
        "25400000 00000200 4001020304050607 0000000a 0000000b 00001001 00002002 00003003 00000001 00000400 00000000";
    pdu = DataIn { last: false, acknowledge: true, status: None, lun: LUN, ttt: Ttt(11), ..pdu };
    response(golden, 0x200, Response::DataIn(pdu));
}

#[test]
fn golden_r2t() {
    let golden =
        "31800000 00000000 4001020304050607 0000000a 0000000b 00001001 00002002 00003003 00000002 00000400 00010000";
    let pdu =
        R2t { lun: LUN, itt: Itt(10), ttt: Ttt(11), counters: COUNTERS, r2t_sn: 2, offset: 0x400, desired: 0x10000 };
    response(golden, 0, Response::R2t(pdu));
}

#[test]
fn golden_async_message() {
    let golden =
        "32800000 00000000 0000000000000000 ffffffff 00000000 00001001 00002002 00003003 01090001 0002000a 00000000";
    let pdu = AsyncMessage {
        lun: Lun::default(),
        counters: COUNTERS,
        event: AsyncEvent::LogoutRequest,
        vendor_code: 9,
        parameters: [1, 2, 10],
    };
    response(golden, 0, Response::AsyncMessage(pdu));
}

#[test]
fn golden_text() {
    let golden =
        "04800000 00000010 4001020304050607 0000000a ffffffff 00000c0c 00000d0d 00000000 00000000 00000000 00000000";
    let pdu = TextRequest {
        immediate: false,
        last: true,
        more: false,
        lun: LUN,
        itt: Itt(10),
        ttt: Ttt::RESERVED,
        cmd_sn: CmdSn(0xc0c),
        exp_stat_sn: StatSn(0xd0d),
    };
    request(golden, 0, 16, Request::Text(pdu));
    let golden =
        "24400000 00002000 0000000000000000 0000000a 0000000b 00001001 00002002 00003003 00000000 00000000 00000000";
    let pdu =
        TextResponse { last: false, more: true, lun: Lun::default(), itt: Itt(10), ttt: Ttt(11), counters: COUNTERS };
    response(golden, 0x2000, Response::Text(pdu));
}

#[test]
fn golden_login() {
    let golden =
        "43870000 00000064 00023d000001abcd 0000000a 00050000 00000c0c 00000d0d 00000000 00000000 00000000 00000000";
    let pdu = LoginRequest {
        transit: true,
        more: false,
        current: Stage::OperationalNegotiation,
        next: Stage::FullFeature,
        version_max: 0,
        version_min: 0,
        isid: Isid([0, 2, 0x3d, 0, 0, 1]),
        tsih: 0xabcd,
        itt: Itt(10),
        cid: 5,
        cmd_sn: CmdSn(0xc0c),
        exp_stat_sn: StatSn(0xd0d),
    };
    assert_eq!(pdu.isid.to_string(), "00023d000001");
    request(golden, 0, 100, Request::Login(pdu));
    let golden =
        "23410000 00000004 00023d0000010001 0000000a 00000000 00001001 00002002 00003003 02010000 00000000 00000000";
    let pdu = LoginResponse {
        transit: false,
        more: true,
        current: Stage::SecurityNegotiation,
        next: Stage::OperationalNegotiation,
        version_max: 0,
        version_active: 0,
        isid: Isid([0, 2, 0x3d, 0, 0, 1]),
        tsih: 1,
        itt: Itt(10),
        counters: COUNTERS,
        status: (2, 1),
    };
    response(golden, 4, Response::Login(pdu));
}

#[test]
fn golden_logout() {
    let golden =
        "46810000 00000000 0000000000000000 0000000a 00050000 00000c0c 00000d0d 00000000 00000000 00000000 00000000";
    let pdu = LogoutRequest {
        immediate: true,
        reason: LogoutReason::CloseConnection,
        itt: Itt(10),
        cid: 5,
        cmd_sn: CmdSn(0xc0c),
        exp_stat_sn: StatSn(0xd0d),
    };
    request(golden, 0, 0, Request::Logout(pdu));
    let golden =
        "26800200 00000000 0000000000000000 0000000a 00000000 00001001 00002002 00003003 00000000 00020014 00000000";
    let pdu = LogoutResponse {
        result: LogoutResult::RecoveryNotSupported,
        itt: Itt(10),
        counters: COUNTERS,
        time_to_wait: 2,
        time_to_retain: 20,
    };
    response(golden, 0, Response::Logout(pdu));
}

#[test]
fn golden_snack() {
    let golden =
        "10830000 00000000 4001020304050607 0000000a 0000000b 00000000 00000d0d 00000000 00000000 00000004 00000002";
    let pdu = Snack {
        kind: SnackType::RData,
        lun: LUN,
        itt: Itt(10),
        ttt: Ttt(11),
        exp_stat_sn: StatSn(0xd0d),
        first: 4,
        count: 2,
    };
    request(golden, 0, 0, Request::Snack(pdu));
}

#[test]
fn golden_reject() {
    let golden =
        "3f800900 00000030 0000000000000000 ffffffff 00000000 00001001 00002002 00003003 00000007 00000000 00000000";
    let pdu = Reject { reason: RejectReason::InvalidField, counters: COUNTERS, data_sn: 7 };
    response(golden, 48, Response::Reject(pdu));
}

#[test]
fn golden_nop_in() {
    let golden =
        "20800000 00000005 4001020304050607 ffffffff 0000000b 00001001 00002002 00003003 00000000 00000000 00000000";
    let pdu = NopIn { lun: LUN, itt: Itt::RESERVED, ttt: Ttt(11), counters: COUNTERS };
    response(golden, 5, Response::NopIn(pdu));
}

proptest! {
    /// Parsing is total and its range is everything a struct can say, so this covers every struct of every kind.
    #[test]
    fn every_pdu_survives(bytes: [u8; 32], more: [u8; 16], opcode in 0u8..0x40) {
        let mut header = [0; BHS_BYTES];
        header[..32].copy_from_slice(&bytes);
        header[32..].copy_from_slice(&more);
        header[0] = header[0] & 0x40 | opcode;
        let pdu = Request::parse(&header);
        let emitted = pdu.emit(ahs_bytes(&header), data_bytes(&header));
        prop_assert_eq!(Request::parse(&emitted), pdu);
        let pdu = Response::parse(&header);
        let emitted = pdu.emit(data_bytes(&header));
        prop_assert_eq!(Response::parse(&emitted), pdu);
    }

    #[test]
    fn every_ahs_survives(cdb in prop::collection::vec(any::<u8>(), 0..250), read: Option<u32>) {
        let ahs = Ahs { extended_cdb: cdb, bidirectional_read: read };
        let bytes = ahs.emit();
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(Ahs::parse(&bytes), Ok(ahs));
    }

    #[test]
    fn no_ahs_panics(bytes in prop::collection::vec(any::<u8>(), 0..=AHS_BYTES_MAX)) {
        let _ = Ahs::parse(&bytes);
    }
}
