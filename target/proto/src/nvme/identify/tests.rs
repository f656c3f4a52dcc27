//! Identify, byte for byte. The offsets were compared with those a C compiler gives for the structures of libnvme.

use crate::nvme::controller::{AdminCx, Birth, Controller, DiscoveryState, Outcome};
use crate::nvme::site::{DISCOVERY_NQN, Discovery, Portal};
use crate::nvme::{Aim, Connect, Controllers, Entry, Namespace, Site, Status, Subsystem};
use mainstay_base::metrics::Traffic;
use mainstay_base::path::{Access, GroupId, Paths};
use mainstay_base::time::Instant;
use mainstay_base::unit::{Behaviour, Disk, Geometry, Identity, Protection, VolumeId};
use std::net::SocketAddr;

pub const HOST: &str = "nqn.2014-08.org.nvmexpress:uuid:1";
pub const OTHER: &str = "nqn.2014-08.org.nvmexpress:uuid:2";
pub const SUBSYSTEM: &str = "nqn.2026-11.internal.mainstay:a";

fn disk(number: u32, block_bytes: u32, physical_bytes: u32, behaviour: Behaviour) -> Disk {
    let identity = Identity {
        uuid: [0x10 * (number as u8 + 1) + 1; 16],
        serial: "s".into(),
        naa: [0x31; 8],
        vendor: "MAINSTAY".into(),
        product: "disk".into(),
    };
    Disk::new(VolumeId(number), Geometry { blocks: 0x2_0000, block_bytes, physical_bytes }, identity, behaviour)
}

fn portal(bind: &str, id: u16) -> Portal {
    let bind = bind.parse().unwrap();
    Portal { name: id.to_string(), bind, advertise: None, id, discovery_only: false, optional: false }
}

fn namespace(nsid: u32, volume: u32, group: u16) -> Namespace {
    Namespace { nsid, volume: VolumeId(volume), read_only: false, group: GroupId(group), hosts: None }
}

/// A world with one subsystem of three namespaces, the last of which only another host sees.
pub struct Rig {
    pub site: Site,
    pub disks: Vec<Disk>,
    pub paths: Paths,
    pub traffic: Vec<Traffic>,
    pub discovery: DiscoveryState,
    pub controllers: Vec<(usize, u16)>,
    pub local: SocketAddr,
    pub unix_ms: u64,
}

impl Rig {
    pub fn new() -> Rig {
        let thin = Behaviour { thin: true, ..Behaviour::default() };
        let masked = Namespace { hosts: Some(vec![OTHER.into()]), ..namespace(9, 2, 2) };
        let subsystem = Subsystem {
            nqn: SUBSYSTEM.into(),
            serial: "SER".into(),
            model: "Mainstay".into(),
            portals: vec![0, 1],
            namespaces: vec![namespace(1, 0, 1), namespace(2, 1, 3), masked],
            hosts: None,
            keys: None,
            controllers: Controllers::Dynamic,
        };
        let discovery = Discovery { nqn: "nqn.2026-11.internal.mainstay:discovery".into(), ..Discovery::default() };
        Rig {
            site: Site {
                portals: vec![portal("0.0.0.0:4420", 1), portal("[::]:4420", 2), portal("0.0.0.0:8009", 3)],
                subsystems: vec![subsystem],
                discovery,
                ..Site::default()
            },
            disks: vec![disk(0, 512, 4096, thin), disk(1, 4096, 4096, Behaviour::default()), disk(2, 512, 512, thin)],
            paths: Paths::default(),
            traffic: vec![Traffic::default(); 3],
            discovery: DiscoveryState { generation: 7 },
            controllers: vec![(0, 1), (0, 3), (1, 1)],
            local: "192.0.2.7:4420".parse().unwrap(),
            unix_ms: 7_200_000,
        }
    }

    pub fn cx(&mut self) -> AdminCx<'_> {
        AdminCx {
            now: Instant(0),
            unix_ms: self.unix_ms,
            started_ms: 0,
            site: &self.site,
            disks: &mut self.disks,
            paths: &self.paths,
            traffic: &self.traffic,
            discovery: &self.discovery,
            controllers: &self.controllers,
        }
    }

    pub fn controller(&mut self, aim: Aim, host: &str, portal: usize) -> Controller {
        let subnqn = if aim == Aim::Discovery { DISCOVERY_NQN } else { SUBSYSTEM };
        let connect = Connect { subnqn: subnqn.into(), hostnqn: host.into(), ..Connect::default() };
        let birth = Birth { cntlid: 3, aim, portal, local: self.local, retained: None };
        let mut controller = Controller::new(birth, &connect, &self.cx());
        // CC: enabled, entries of 64 and 16 bytes.
        let enable = crate::host::command::property_set(0x14, 0x0046_0001);
        assert!(
            matches!(controller.command(&mut self.cx(), &enable, 0), Outcome::Reply(reply) if reply.status.is_success())
        );
        controller
    }

    pub fn io(&mut self) -> Controller {
        self.controller(Aim::Subsystem(0), HOST, 0)
    }
}

/// What a command that moves data to the host gives.
pub fn data(controller: &mut Controller, rig: &mut Rig, entry: &Entry) -> Result<Vec<u8>, Status> {
    match controller.command(&mut rig.cx(), entry, 1 << 20) {
        Outcome::Data(data, reply) if reply.status.is_success() => Ok(data),
        Outcome::Reply(reply) => Err(reply.status),
        other => panic!("{other:?}"),
    }
}

/// What is not zero: runs of bytes with their offsets.
pub fn dump(bytes: &[u8]) -> Vec<String> {
    let mut runs: Vec<(usize, Vec<u8>)> = vec![];
    for (at, &byte) in bytes.iter().enumerate().filter(|&(_, &byte)| byte != 0) {
        match runs.last_mut() {
            Some((start, run)) if *start + run.len() == at => run.push(byte),
            _ => runs.push((at, vec![byte])),
        }
    }
    let show = |run: &[u8]| match std::str::from_utf8(run) {
        Ok(text) if run.len() > 3 && text.bytes().all(|b| (0x20..0x7f).contains(&b)) => format!("{text:?}"),
        _ => run.iter().map(|b| format!("{b:02x}")).collect(),
    };
    runs.iter().map(|(at, run)| format!("{at} {}", show(run))).collect()
}

fn ask(cns: u8, nsid: u32, ten: u32, eleven: u32) -> Entry {
    let mut entry = crate::host::command::identify(cns, nsid);
    entry.set_dword(10, entry.dword(10) | ten);
    entry.set_dword(11, eleven);
    entry
}

fn identify(rig: &mut Rig, cns: u8, nsid: u32) -> Result<Vec<u8>, Status> {
    let mut controller = rig.io();
    data(&mut controller, rig, &ask(cns, nsid, 0, 0))
}

/// SN, MN, FR of a controller, taken out.
fn head(page: &mut [u8]) -> [String; 3] {
    let text = |field: &[u8]| std::str::from_utf8(field).unwrap().trim_end_matches(' ').to_owned();
    let head = [text(&page[4..24]), text(&page[24..64]), text(&page[64..72])];
    page[4..72].fill(0);
    head
}

#[test]
fn an_io_controller() {
    let mut rig = Rig::new();
    let mut page = identify(&mut rig, 1, 0).unwrap();
    assert_eq!(page.len(), 4096);
    assert_eq!(head(&mut page), ["SER", "Mainstay", env!("CARGO_PKG_VERSION")]);
    assert_eq!(
        dump(&page),
        [
            "72 06",
            "76 0b0803",
            "82 02",
            "93 09",
            "96 51",
            "111 01",
            "128 01",
            "130 0a",
            "132 32",
            "258 030303273f",
            "283 24",
            "320 0a",
            "340 01",
            "342 0a5f80",
            "348 80",
            "512 664480",
            "517 04",
            "520 df0101",
            "525 07",
            "531 03",
            "534 03",
            "536 01",
            "538 30",
            "541 04",
            "768 \"nqn.2026-11.internal.mainstay:a\"",
            "1792 0404",
            "1796 01",
            "1803 0101"
        ]
    );
}

#[test]
fn a_discovery_controller() {
    let mut rig = Rig::new();
    let mut controller = rig.controller(Aim::Discovery, HOST, 2);
    let mut page = data(&mut controller, &mut rig, &ask(1, 0, 0, 0)).unwrap();
    assert_eq!(head(&mut page), ["Mainstay discovery", "Mainstay discovery", env!("CARGO_PKG_VERSION")]);
    assert_eq!(
        dump(&page),
        [
            "76 030803",
            "82 02",
            "95 8041",
            "111 02",
            "128 01",
            "130 0a",
            "132 32",
            "259 03",
            "261 263f",
            "320 0a",
            "514 80",
            "536 01",
            "538 30",
            "768 \"nqn.2026-11.internal.mainstay:discovery\"",
            "1796 01",
            "1803 01",
            "1806 01"
        ]
    );
    // It has no namespaces, and so nothing else to tell.
    for cns in [0x00, 0x02, 0x03, 0x06, 0x13, 0x1c] {
        assert_eq!(data(&mut controller, &mut rig, &ask(cns, 1, 0, 0)), Err(Status::INVALID_FIELD), "{cns:#x}");
    }
}

#[test]
fn a_static_controller_says_so() {
    let mut rig = Rig::new();
    rig.site.subsystems[0].controllers = Controllers::Static(4);
    assert_eq!(identify(&mut rig, 1, 0).unwrap()[1802], 1);
}

#[test]
fn a_namespace() {
    let mut rig = Rig::new();
    // Without MSRC, which is the I/O commands' to tell.
    let namespace = |rig: &mut Rig, nsid| {
        let mut page = identify(rig, 0, nsid).unwrap();
        assert_eq!(std::mem::take(&mut page[80]), crate::nvme::io::limits::MSRC);
        page
    };
    assert_eq!(
        dump(&namespace(&mut rig, 1)),
        [
            "2 02",
            "10 02",
            "18 02",
            "24 18",
            "30 01",
            "33 09",
            "51 04",
            "64 07",
            "66 07",
            "68 07",
            "70 07",
            "72 ff",
            "74 ffff",
            "78 01",
            "92 01",
            "102 01",
            "104 111111111111111112111111111111111211111111111111",
            "130 09"
        ]
    );
    assert_eq!(identify(&mut rig, 0x11, 1), identify(&mut rig, 0, 1));
    // Blocks of 4 KiB, not thin, protected by a host; group 3.
    rig.disks[1].protection = Protection::Protected;
    assert_eq!(
        dump(&namespace(&mut rig, 2)),
        [
            "2 02",
            "10 02",
            "18 02",
            "24 18",
            "30 01",
            "51 20",
            "72 1f",
            "75 20",
            "77 20",
            "92 03",
            "99 01",
            "102 01",
            "104 \"!!!!!!!!\\\"!!!!!!!\\\"!!!!!!!\"",
            "130 0c"
        ]
    );
}

#[test]
fn where_a_namespace_is_not_reached_its_use_is_not_told() {
    let mut rig = Rig::new();
    let before = identify(&mut rig, 0, 1).unwrap();
    for access in [Access::Inaccessible, Access::PersistentLoss] {
        rig.paths.set(0, GroupId(1), access);
        let page = identify(&mut rig, 0, 1).unwrap();
        assert_eq!(page[16..24], [0; 8]);
        assert_eq!((&page[..16], &page[24..]), (&before[..16], &before[24..]));
    }
}

#[test]
fn other_views_of_a_namespace() {
    let mut rig = Rig::new();
    assert_eq!(
        dump(&identify(&mut rig, 3, 1).unwrap()),
        [
            "0 0108",
            "4 12111111111111110210",
            "16 111111111111111112111111111111110310",
            "36 111111111111111111111111111111110401"
        ]
    );
    assert_eq!(dump(&identify(&mut rig, 8, 2).unwrap()), ["0 0801", "4 03", "12 01", "14 01"]);
    assert_eq!(dump(&identify(&mut rig, 5, 1).unwrap()), [""; 0]);
    assert_eq!(dump(&identify(&mut rig, 6, 0).unwrap()), ["0 0d0d0d"]);
}

#[test]
fn identifiers_are_the_volumes_for_ever() {
    let mut rig = Rig::new();
    let before = identify(&mut rig, 3, 1).unwrap();
    rig.disks[0].geometry.blocks *= 2;
    rig.site.subsystems[0].namespaces = vec![namespace(77, 0, 2)];
    assert_eq!(identify(&mut rig, 3, 77), Ok(before));
}

#[test]
fn a_host_is_not_told_of_what_it_may_not_see() {
    let mut rig = Rig::new();
    assert_eq!(identify(&mut rig, 0, 9).unwrap(), vec![0; 4096]);
    assert_eq!(identify(&mut rig, 0x11, 9).unwrap(), vec![0; 4096]);
    assert_eq!(identify(&mut rig, 8, 9).unwrap(), vec![0; 4096]);
    assert_eq!(identify(&mut rig, 3, 9), Err(Status::INVALID_NAMESPACE));
    assert_eq!(identify(&mut rig, 0x12, 9), Err(Status::INVALID_NAMESPACE));
    for cns in [0x02, 0x07, 0x10] {
        assert_eq!(dump(&identify(&mut rig, cns, 0).unwrap()), ["0 01", "4 02"]);
    }
    let mut other = rig.controller(Aim::Subsystem(0), OTHER, 0);
    assert_eq!(dump(&data(&mut other, &mut rig, &ask(2, 1, 0, 0)).unwrap()), ["0 02", "4 09"]);
    // Of the controllers that have it the host is told of its own alone.
    assert_eq!(dump(&data(&mut other, &mut rig, &ask(0x12, 9, 0, 0)).unwrap()), ["0 01", "2 03"]);
    assert_eq!(dump(&data(&mut other, &mut rig, &ask(0x12, 9, 4 << 16, 0)).unwrap()), [""; 0]);
}

#[test]
fn lists() {
    let mut rig = Rig::new();
    assert_eq!(dump(&identify(&mut rig, 2, 2).unwrap()), [""; 0]);
    for nsid in [u32::MAX, u32::MAX - 1] {
        assert_eq!(identify(&mut rig, 2, nsid), Err(Status::INVALID_NAMESPACE));
    }
    assert_eq!(dump(&identify(&mut rig, 0x12, 1).unwrap()), ["0 02", "2 01", "4 03"]);
    assert_eq!(dump(&identify(&mut rig, 0x13, 0).unwrap()), ["0 02", "2 01", "4 03"]);
    let mut controller = rig.io();
    let mut list = |cns, ten: u32, eleven| {
        data(&mut controller, &mut rig, &ask(cns, 0, ten << 16, eleven)).map(|page| dump(&page))
    };
    assert_eq!(list(0x13, 2, 0).unwrap(), ["0 01", "2 03"]);
    assert_eq!(list(0x19, 0, 0).unwrap(), ["0 01", "2 01"]);
    assert_eq!(list(0x19, 0, 1).unwrap(), [""; 0]);
    assert_eq!(list(0x1c, 0xffff, 0).unwrap(), ["0 01"]);
    assert_eq!(list(0x1c, 3, 0).unwrap(), ["0 01"]);
    assert_eq!(list(0x1c, 4, 0), Err(Status::INVALID_FIELD));
}

#[test]
fn a_list_that_is_full() {
    let mut rig = Rig::new();
    rig.controllers = (0..3000).map(|cntlid| (0, cntlid)).collect();
    let page = identify(&mut rig, 0x13, 0).unwrap();
    assert_eq!((page.len(), &page[..4], &page[4094..]), (4096, &[0xff, 7, 0, 0][..], &2046u16.to_le_bytes()[..]));
    rig.site.subsystems[0].namespaces = (1..=1024).map(|nsid| namespace(nsid, 0, 1)).collect();
    assert_eq!(identify(&mut rig, 2, 0).unwrap()[4092..], 1024u32.to_le_bytes());
}

#[test]
fn bad_questions() {
    let mut rig = Rig::new();
    for nsid in [0, 1025, u32::MAX] {
        for cns in [0x00, 0x03, 0x05, 0x08, 0x11, 0x12] {
            assert_eq!(identify(&mut rig, cns, nsid), Err(Status::INVALID_NAMESPACE), "{cns:#x} {nsid}");
        }
    }
    for cns in [0x04, 0x09, 0x0a, 0x14, 0x15, 0x16, 0x17, 0x18, 0x1a, 0x1d, 0x20, 0xff] {
        assert_eq!(identify(&mut rig, cns, 1), Err(Status::INVALID_FIELD), "{cns:#x}");
    }
    let mut controller = rig.io();
    for cns in [0x05, 0x06, 0x07] {
        // Zoned namespaces.
        assert_eq!(data(&mut controller, &mut rig, &ask(cns, 1, 0, 2 << 24)), Err(Status::INVALID_FIELD));
    }
    // Room for less than the data structure.
    let outcome = controller.command(&mut rig.cx(), &ask(1, 0, 0, 0), 4095);
    assert_eq!(outcome, Outcome::Reply(Status::SGL_LENGTH_INVALID.into()));
}
