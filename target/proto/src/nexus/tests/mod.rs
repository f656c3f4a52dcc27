//! Each test is a script that runs twice: plainly, and with everything saved, dropped and restored after every call.
//! Both runs must send the same bytes.

mod kit;
mod orders;
mod storm;

use crate::iscsi::pdu::{
    Attribute, CmdSn, DataOut, Isid, Itt, LoginRequest, NopOut, Request as Pdu, Response, ScsiCommand, Stage, StatSn,
    TaskRequest, Ttt,
};
use kit::World;
use mainstay_base::sam::Lun;

/// Run `script` in both modes; it returns what it wants compared besides the wire.
pub fn both<T: PartialEq + std::fmt::Debug>(script: impl Fn(&mut World) -> T) -> T {
    let mut runs = [false, true].map(|restoring| {
        let mut world = World::new(restoring);
        let result = script(&mut world);
        (result, world.sent, world.notices, world.media)
    });
    assert!(runs[0].1 == runs[1].1, "the bytes differ when everything is saved and restored");
    assert_eq!(runs[0].0, runs[1].0);
    assert_eq!(runs[0].2, runs[1].2);
    assert!(runs[0].3 == runs[1].3, "the media differ");
    let [(result, ..), _] = &mut runs;
    std::mem::replace(result, script(&mut World::new(false)))
}

/// The initiator's side of one session.
pub struct Host {
    pub index: usize,
    pub cmd_sn: u32,
    pub itt: u32,
}

impl Host {
    /// Log in with these keys besides the names.
    pub fn login(world: &mut World, isid: u8, keys: &str) -> Host {
        let index = world.connect();
        let text = format!(
            "InitiatorName=iqn.2026-11.com.example:host{isid}\0SessionType=Normal\0TargetName={}\0{keys}",
            kit::TARGET
        );
        let request = LoginRequest {
            transit: true,
            more: false,
            current: Stage::OperationalNegotiation,
            next: Stage::FullFeature,
            version_max: 0,
            version_min: 0,
            isid: Isid([0x80, 0, 0, 0, 0, isid]),
            tsih: 0,
            itt: Itt(0),
            cid: 0,
            cmd_sn: CmdSn(1),
            exp_stat_sn: StatSn(0),
        };
        world.send(index, &Pdu::Login(request), text.as_bytes());
        let pdus = world.take(index);
        let Some((Response::Login(response), _)) = pdus.last() else { panic!("{pdus:?}") };
        assert_eq!(response.status, (0, 0), "{:?}", world.notices);
        assert_eq!(response.next, Stage::FullFeature);
        let mut host = Host { index, cmd_sn: 1, itt: 0 };
        // The first command on each unit reports POWER ON.
        for lun in [0, 1] {
            host.command(world, lun, &[0; 6], 0, 0, &[]);
            world.take(index);
        }
        host
    }

    /// Send a command with `data` as immediate data; its tag.
    pub fn command(&mut self, world: &mut World, lun: u16, cdb: &[u8], read: u32, write: u32, data: &[u8]) -> Itt {
        self.ordered(world, Attribute::Simple, lun, cdb, read, write, data)
    }

    pub fn ordered(
        &mut self,
        world: &mut World,
        attribute: Attribute,
        lun: u16,
        cdb: &[u8],
        read: u32,
        write: u32,
        data: &[u8],
    ) -> Itt {
        let pdu = self.prepare(attribute, lun, cdb, read, write);
        let itt = Itt(self.itt);
        world.send(self.index, &Pdu::ScsiCommand(pdu), data);
        itt
    }

    pub fn prepare(&mut self, attribute: Attribute, lun: u16, cdb: &[u8], read: u32, write: u32) -> ScsiCommand {
        let mut long = [0; 16];
        long[..cdb.len()].copy_from_slice(cdb);
        self.itt += 1;
        let cmd_sn = CmdSn(self.cmd_sn);
        self.cmd_sn += 1;
        ScsiCommand {
            immediate: false,
            last: true,
            read: read > 0,
            write: write > 0,
            attribute,
            lun: Lun::from_number(lun),
            itt: Itt(self.itt),
            expected: read.max(write),
            cmd_sn,
            exp_stat_sn: StatSn(0),
            cdb: long,
        }
    }

    /// Answer every R2T there is with the bytes of `data`, `chunk` bytes a PDU, until none comes any more. Gives what
    /// else was sent.
    pub fn feed(&mut self, world: &mut World, data: &[u8], chunk: usize) -> Vec<(Response, Vec<u8>)> {
        let mut others = Vec::new();
        loop {
            let pdus = world.take(self.index);
            if pdus.is_empty() {
                return others;
            }
            for (pdu, segment) in pdus {
                let Response::R2t(r2t) = pdu else {
                    others.push((pdu, segment));
                    continue;
                };
                let whole = &data[r2t.offset as usize..(r2t.offset + r2t.desired) as usize];
                let count = whole.len().div_ceil(chunk);
                for (n, piece) in whole.chunks(chunk).enumerate() {
                    let out = DataOut {
                        last: n + 1 == count,
                        lun: r2t.lun,
                        itt: r2t.itt,
                        ttt: r2t.ttt,
                        exp_stat_sn: StatSn(0),
                        data_sn: n as u32,
                        offset: r2t.offset + (n * chunk) as u32,
                    };
                    world.send(self.index, &Pdu::DataOut(out), piece);
                }
            }
        }
    }

    /// A task management function, immediate; its tag.
    pub fn manage(&mut self, world: &mut World, function: u8, lun: u16, referenced: Itt) -> Itt {
        self.itt += 1;
        let request = TaskRequest {
            immediate: true,
            function,
            lun: Lun::from_number(lun),
            itt: Itt(self.itt),
            referenced,
            cmd_sn: CmdSn(self.cmd_sn),
            exp_stat_sn: StatSn(0),
            ref_cmd_sn: CmdSn(self.cmd_sn - 1),
            exp_data_sn: 0,
        };
        world.send(self.index, &Pdu::TaskRequest(request), &[]);
        Itt(self.itt)
    }

    /// A ping; the target answers it at once, behind what it has to say already.
    pub fn ping(&mut self, world: &mut World) {
        self.itt += 1;
        let ping = NopOut {
            immediate: true,
            lun: Lun::default(),
            itt: Itt(self.itt),
            ttt: Ttt::RESERVED,
            cmd_sn: CmdSn(self.cmd_sn),
            exp_stat_sn: StatSn(0),
        };
        world.send(self.index, &Pdu::NopOut(ping), b"ping");
    }
}

/// READ(10) or WRITE(10).
pub fn rw10(opcode: u8, lba: u32, blocks: u16) -> [u8; 10] {
    let mut cdb = [0; 10];
    cdb[0] = opcode;
    cdb[2..6].copy_from_slice(&lba.to_be_bytes());
    cdb[7..9].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

/// Status of each command that was answered, by tag, in order.
pub fn statuses(pdus: &[(Response, Vec<u8>)]) -> Vec<(u32, u8)> {
    let status = |(pdu, _): &(Response, Vec<u8>)| match pdu {
        Response::ScsiResponse(response) => Some((response.itt.0, response.status)),
        Response::DataIn(data) => data.status.as_ref().map(|status| (data.itt.0, status.status)),
        _ => None,
    };
    pdus.iter().filter_map(status).collect()
}

/// All data-in of a command.
pub fn data_in(pdus: &[(Response, Vec<u8>)], itt: Itt) -> Vec<u8> {
    let mut data = Vec::new();
    for (pdu, segment) in pdus {
        if let Response::DataIn(header) = pdu
            && header.itt == itt
        {
            assert_eq!(header.offset as usize, data.len(), "data-in is in order");
            data.extend(segment);
        }
    }
    data
}

pub fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i / 512) as u8 ^ (i as u8).wrapping_mul(seed | 1)).collect()
}

#[test]
fn what_is_written_is_read_in_every_shape_of_transfer() {
    for (initial_r2t, immediate) in [("Yes", "Yes"), ("Yes", "No"), ("No", "Yes"), ("No", "No")] {
        both(|world| {
            let keys = format!(
                "InitialR2T={initial_r2t}\0ImmediateData={immediate}\0FirstBurstLength=8192\0MaxBurstLength=32768\0\
                 MaxOutstandingR2T=2\0MaxRecvDataSegmentLength=4096\0"
            );
            let mut host = Host::login(world, 1, &keys);
            world.socket = 777;
            let data = pattern(100 * 512, 7);
            let first = if immediate == "Yes" { 4096 } else { 0 };
            let pdu = host.prepare(Attribute::Simple, 0, &rw10(0x2a, 8, 100), 0, data.len() as u32);
            // Without InitialR2T the rest of the first burst follows unasked.
            let unsolicited = initial_r2t == "No";
            let pdu = ScsiCommand { last: !unsolicited, ..pdu };
            let itt = pdu.itt;
            world.send(host.index, &Pdu::ScsiCommand(pdu), &data[..first]);
            if unsolicited {
                let out = DataOut {
                    last: true,
                    lun: Lun::from_number(0),
                    itt,
                    ttt: Ttt::RESERVED,
                    exp_stat_sn: StatSn(0),
                    data_sn: 0,
                    offset: first as u32,
                };
                world.send(host.index, &Pdu::DataOut(out), &data[first..8192]);
            }
            let rest = host.feed(world, &data, 4096);
            assert_eq!(statuses(&rest), [(itt.0, 0)]);
            assert!(world.media[0][8 * 512..][..data.len()] == data);
            let itt = host.command(world, 0, &rw10(0x28, 8, 100), data.len() as u32, 0, &[]);
            let pdus = world.take(host.index);
            assert_eq!(statuses(&pdus), [(itt.0, 0)]);
            assert!(data_in(&pdus, itt) == data);
        });
    }
}

#[test]
fn output_that_is_not_taken_holds_reads_back() {
    both(|world| {
        let mut host = Host::login(world, 1, "MaxRecvDataSegmentLength=65536\0");
        world.socket = 0;
        for _ in 0..4 {
            host.command(world, 0, &rw10(0x28, 0, 2048), 2048 * 512, 0, &[]);
        }
        let (_, _, used) = world.arena.usage();
        assert!(used <= 2 << 20, "{used} bytes wait for a peer that does not read");
        world.socket = 5000;
        world.call(host.index, |_, _| ());
        let pdus = world.take(host.index);
        assert_eq!(statuses(&pdus).len(), 4);
        assert_eq!(world.arena.usage().2, 0);
    });
}

#[test]
fn a_lost_connection_lets_its_writes_land_and_then_leaves() {
    both(|world| {
        let mut host = Host::login(world, 1, "");
        world.prompt = false;
        host.command(world, 0, &rw10(0x2a, 0, 8), 0, 4096, &pattern(4096, 3));
        assert_eq!(world.held.len(), 1);
        world.call(host.index, |nexus, cx| nexus.disconnected(cx));
        assert!(world.nexuses[host.index].is_some(), "a request of it is at the store");
        world.answer_and_settle(1);
        assert!(world.nexuses[host.index].is_none());
        assert_eq!(world.arena.usage(), (8 << 20, 0, 0));
    });
}

#[test]
fn memory_that_is_short_delays_and_does_not_fail() {
    both(|world| {
        world.arena = mainstay_base::arena::Arena::heap(1 << 20);
        let mut host = Host::login(world, 1, "ImmediateData=No\0MaxRecvDataSegmentLength=65536\0");
        world.prompt = false;
        for lba in 0..16 {
            host.command(world, 0, &rw10(0x28, lba * 8, 256), 256 * 512, 0, &[]);
        }
        assert!(world.held.len() < 16, "all of it does not fit");
        let mut answered = 0;
        while answered < 16 {
            assert!(world.answer_and_settle(1) > 0, "everything waits for memory for ever");
            answered += statuses(&world.take(host.index)).len();
        }
    });
}
