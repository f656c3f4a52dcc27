use super::*;
use crate::nvme::site::{Discovery, Limits, Portal};
use crate::nvme::{Host, Subsystem};
use proptest::prelude::*;

const NQN: &str = "nqn.2026-11.internal.mainstay:disk";
const HOST: &str = "nqn.2014-08.org.nvmexpress:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427";

fn site(controllers: Controllers, hosts: Option<Vec<Host>>) -> Site {
    let portal = |id: u16, discovery_only| Portal {
        bind: ([127, 0, 0, 1], 4420).into(),
        name: id.to_string(),
        optional: false,
        advertise: None,
        id,
        discovery_only,
    };
    let subsystem = Subsystem {
        nqn: NQN.into(),
        serial: "1".into(),
        model: "m".into(),
        portals: vec![0, 1],
        namespaces: Vec::new(),
        hosts,
        keys: None,
        controllers,
    };
    Site {
        portals: vec![portal(1, false), portal(2, true), portal(3, false)],
        subsystems: vec![subsystem],
        discovery: Discovery { nqn: "nqn.2026-11.internal.mainstay:discovery".into(), ..Discovery::default() },
        limits: Limits::default(),
    }
}

fn connect() -> Connect {
    Connect {
        sqsize: 31,
        kato_ms: 5000,
        hostid: *b"0123456789abcdef",
        cntlid: ANY_DYNAMIC,
        subnqn: NQN.into(),
        hostnqn: HOST.into(),
        ..Connect::default()
    }
}

fn refused(result: Result<Admission, Reply>) -> (Status, u64) {
    let Reply { status, result } = result.unwrap_err();
    (status, result)
}

/// What Linux sends for an admin queue.
#[test]
fn golden_connect_of_linux() {
    let mut entry = Entry::default();
    entry.0[..8].copy_from_slice(&[0x7f, 0x40, 1, 0, 1, 0, 0, 0]);
    entry.0[40..52].copy_from_slice(&[0, 0, 0, 0, 31, 0, 0x04, 0, 0x88, 0x13, 0, 0]);
    let mut data = vec![0; CONNECT_BYTES];
    data[..16].copy_from_slice(b"0123456789abcdef");
    data[16..18].copy_from_slice(&[0xff, 0xff]);
    data[256..256 + NQN.len()].copy_from_slice(NQN.as_bytes());
    data[512..512 + HOST.len()].copy_from_slice(HOST.as_bytes());
    let connect = Connect::parse(&entry, &data).unwrap();
    assert_eq!(connect, Connect { cattr: 4, ..self::connect() });
    assert!(connect.without_flow_control() && !self::connect().without_flow_control());
    assert_eq!(connect.data(), data);
    assert_eq!(connect.entry().0[40..], entry.0[40..]);
    assert_eq!(connect.entry().0[4], 1);
}

#[test]
fn what_cannot_be_understood_says_where_it_is_bad() {
    let (entry, data) = (connect().entry(), connect().data());
    let with = |entry: &Entry, data: &[u8]| Connect::parse(entry, data).unwrap_err();
    let invalid = |place| Reply { status: Status::CONNECT_INVALID_PARAMETERS, result: place };
    let mut other = entry;
    other.0[40] = 1;
    assert_eq!(with(&other, &data), Status::CONNECT_INCOMPATIBLE_FORMAT.into());
    assert_eq!(with(&entry, &data[..1023]), Status::SGL_LENGTH_INVALID.into());
    let mut other = entry;
    other.0[44..46].fill(0);
    assert_eq!(with(&other, &data), invalid(44), "a queue of one entry");
    for (at, place) in [(256, 0x1_0100), (512, 0x1_0200)] {
        for bad in [&b""[..], &[b'n'; 224], &[b'n'; 256], b"nqn.\xff\xfe", b"nqn.\nforged line"] {
            let mut data = data.clone();
            data[at..at + 256].fill(0);
            data[at..at + bad.len()].copy_from_slice(bad);
            assert_eq!(with(&entry, &data), invalid(place), "{bad:?}");
        }
    }
}

#[test]
fn who_may_connect_gets_what_is_there() {
    let dynamic = site(Controllers::Dynamic, None);
    let good = Admission { aim: Aim::Subsystem(0), cntlid: None, keys: None };
    assert_eq!(connect().admit(&dynamic, 0), Ok(good.clone()));
    let invalid = |place: u64| (Status::CONNECT_INVALID_PARAMETERS, place);
    for portal in [1, 2, 9] {
        assert_eq!(refused(connect().admit(&dynamic, portal)), invalid(0x1_0100), "portal {portal}");
    }
    let nobody = Connect { subnqn: "nqn.nobody".into(), ..connect() };
    assert_eq!(refused(nobody.admit(&dynamic, 0)), invalid(0x1_0100));
    let long = Connect { sqsize: 128, ..connect() };
    assert_eq!(refused(long.admit(&dynamic, 0)), invalid(44));
    let mut short = dynamic.clone();
    short.limits.queue_size = 16;
    assert!(connect().admit(&short, 0).is_ok(), "an admin queue has 32 entries");
    assert_eq!(refused(Connect { sqsize: 32, ..connect() }.admit(&short, 0)), invalid(44));
    for cntlid in [1, ANY_STATIC] {
        assert_eq!(refused(Connect { cntlid, ..connect() }.admit(&dynamic, 0)), invalid(0x1_0010));
    }
    let fixed = site(Controllers::Static(2), None);
    for cntlid in [ANY_STATIC, ANY_DYNAMIC] {
        assert_eq!(Connect { cntlid, ..connect() }.admit(&fixed, 0), Ok(good.clone()));
    }
    let second = Admission { cntlid: Some(2), ..good };
    assert_eq!(Connect { cntlid: 2, ..connect() }.admit(&fixed, 0), Ok(second));
    for cntlid in [0, 3] {
        assert_eq!(refused(Connect { cntlid, ..connect() }.admit(&fixed, 0)), invalid(0x1_0010));
    }
}

#[test]
fn access_lists_and_keys_are_per_host() {
    let keys =
        |key: &str| Keys { host: key.to_owned().into(), controller: None, hashes: Vec::new(), groups: Vec::new() };
    let hosts = vec![Host { nqn: HOST.into(), keys: Some(keys("its own")) }, Host { nqn: "nqn.b".into(), keys: None }];
    let mut site = site(Controllers::Dynamic, Some(hosts));
    site.subsystems[0].keys = Some(keys("everyone's"));
    assert_eq!(connect().admit(&site, 0).unwrap().keys, Some(keys("its own")));
    let other = Connect { hostnqn: "nqn.b".into(), ..connect() };
    assert_eq!(other.admit(&site, 0).unwrap().keys, Some(keys("everyone's")));
    let stranger = Connect { hostnqn: "nqn.c".into(), ..connect() };
    assert_eq!(refused(stranger.admit(&site, 0)), (Status::CONNECT_INVALID_HOST, 0x1_0200));
}

#[test]
fn discovery_is_for_everyone_and_everywhere() {
    let site = site(Controllers::Dynamic, Some(Vec::new()));
    for subnqn in [super::super::site::DISCOVERY_NQN, "nqn.2026-11.internal.mainstay:discovery"] {
        for portal in 0..3 {
            let connect = Connect { subnqn: subnqn.into(), ..connect() };
            assert_eq!(connect.admit(&site, portal).unwrap().aim, Aim::Discovery);
        }
        let exact = Connect { subnqn: subnqn.into(), cntlid: 1, ..connect() };
        assert_eq!(refused(exact.admit(&site, 0)), (Status::CONNECT_INVALID_PARAMETERS, 0x1_0010));
    }
}

#[test]
fn a_refusal_says_why() {
    let why = |connect: Connect, portal, hosts| {
        Connect::why(&connect.admit(&site(Controllers::Static(1), hosts), portal).unwrap_err())
    };
    let name = "no subsystem of that name can be reached through this portal";
    assert_eq!(why(Connect { subnqn: "nqn.2026-11.internal.mainstay:nonsense".into(), ..connect() }, 0, None), name);
    assert_eq!(why(connect(), 1, None), name, "discovery only");
    assert_eq!(why(connect(), 0, Some(Vec::new())), "the host is not on the subsystem's list");
    assert_eq!(
        why(Connect { cntlid: 7, ..connect() }, 0, None),
        "there is no such controller, or it cannot be reached through this portal"
    );
    assert_eq!(Connect::why(&Connect::busy()), "every controller that may be is taken, or the one that was asked for");
    assert_eq!(Connect::why(&Status::INTERNAL_ERROR.into()), "Status(0/06h), parameter 0x0");
}

#[test]
fn what_may_come_back_may_be_tried_again() {
    assert!(!Connect::busy().status.final_ && !Connect::gone().status.final_);
    assert_eq!(Connect::gone().result, 0x1_0010);
}

proptest! {
    #[test]
    fn any_bytes_are_a_connect_or_refused(head: [u8; 32], tail: [u8; 32], data in prop::collection::vec(any::<u8>(), 0..1100)) {
        let mut entry = Entry::default();
        entry.0[..32].copy_from_slice(&head);
        entry.0[32..].copy_from_slice(&tail);
        let _ = Connect::parse(&entry, &data);
        entry.0[40..42].fill(0);
        let mut padded = data.clone();
        padded.resize(CONNECT_BYTES, 0);
        if let Ok(connect) = Connect::parse(&entry, &padded) {
            prop_assert_eq!(Connect::parse(&connect.entry(), &connect.data()), Ok(connect));
        }
    }
}
