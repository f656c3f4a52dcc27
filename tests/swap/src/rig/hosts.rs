//! Two hosts of NVMe/TCP that must live on: one works and listens to events, the other stands in the middle of a write.

use super::super::bytes::bytes;
use super::super::ground::{self, Ground};
use mainstay_testkit::host::authentication::{Group, Hash};
use mainstay_testkit::host::{Cid, Controller, Data, Error, Result, command};
use std::time::Duration;

/// The namespace of the volume `file`.
const FILE: u32 = 2;
/// Entries of a queue: few, so that its head goes round.
const ENTRIES: u16 = 8;

/// Both.
pub struct Hosts {
    ground: Ground,
    /// With flow control, digests, a keep-alive timeout, and a request for events.
    works: Controller,
    event: Cid,
    head: u16,
    /// Authenticated, with a write whose R2T is not answered.
    waits: Controller,
    write: Cid,
    payload: Vec<u8>,
    rounds: u64,
}

impl Hosts {
    /// Connects both.
    pub fn connect(ground: &Ground) -> Result<Hosts> {
        let host = ground.host("open", 3).digests(true, true).flow_control().queues(1, ENTRIES);
        let mut works = host.keep_alive(Duration::from_secs(120)).connect(ground.nvme)?;
        works.set_feature(0x0b, 1 << 8 | 1 << 11)?;
        let event = works.listen()?;
        let host = ground.host("guarded", 4).offering(&[Hash::Sha256], &[Group::Null]).hold_r2ts();
        let mut waits = host.connect(ground.nvme)?;
        waits.no_in_capsule();
        for queue in works.io.iter_mut().chain([&mut works.admin]).chain(&mut waits.io) {
            queue.patience = ground::PATIENCE;
        }
        let ground = ground.clone();
        let mut hosts = Hosts { ground, works, event, head: 1, waits, write: Cid(0), payload: Vec::new(), rounds: 0 };
        hosts.begin()?;
        Ok(hosts)
    }

    fn begin(&mut self) -> Result<()> {
        self.payload = bytes(32768, self.rounds + 2000);
        let entry = command::write(1, self.ground.plot(4, 512), 64, false);
        let io = &mut self.waits.io[0];
        self.write = io.start(entry, Data::ToController(self.payload.clone()))?;
        let r2t = io.next_r2t()?;
        io.r2ts.push(r2t);
        Ok(())
    }

    /// An I/O command of who works; the head of the queue goes on without a gap.
    fn run(&mut self, entry: mainstay_testkit::host::Entry, data: Data) -> Result<Vec<u8>> {
        let done = self.works.io[0].run(entry, data)?;
        let found = done.completion.sq_head;
        self.head = (self.head + 1) % ENTRIES;
        if found != self.head {
            return Err(Error::Odd(format!("SQHD {found} where {} is due", self.head)));
        }
        done.good("a command")
    }

    /// Both go on: what was begun ends well, and is begun anew.
    pub fn go_on(&mut self) -> Result<()> {
        self.rounds += 1;
        let (lba, data) = (self.ground.plot(3, 512), bytes(16384, self.rounds + 3000));
        self.run(command::write(FILE, lba, 32, false), Data::ToController(data.clone()))?;
        if self.run(command::read(FILE, lba, 32), Data::ToHost(16384))? != data {
            return Err(Error::Odd("not what a host wrote".to_owned()));
        }
        self.works.keep_alive()?;
        if self.works.admin.is_done(self.event) {
            let event = self.works.event(self.event)?;
            return Err(Error::Odd(format!("an event that nobody caused: {event:02x?}")));
        }
        let io = &mut self.waits.io[0];
        for r2t in std::mem::take(&mut io.r2ts) {
            io.answer(&r2t)?;
        }
        io.wait(self.write)?.good("Write")?;
        if self.waits.read(1, self.ground.plot(4, 512), 64, 512)? != self.payload {
            return Err(Error::Odd("not what a host wrote after the R2T".to_owned()));
        }
        self.begin()
    }

    /// What the worker writes is on stable storage: its bytes, and the namespace's descriptors.
    pub fn flush(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        let lba = self.ground.plot(3, 512);
        self.run(command::flush(FILE), Data::Nothing)?;
        let written = self.run(command::read(FILE, lba, 32), Data::ToHost(16384))?;
        Ok((written, self.works.identify(3, FILE)?))
    }

    /// After a crash: a new controller finds what [`Hosts::flush`] has found.
    pub fn find_again(ground: &Ground) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut controller = ground.host("open", 3).connect(ground.nvme)?;
        Ok((controller.read(FILE, ground.plot(3, 512), 32, 512)?, controller.identify(3, FILE)?))
    }
}
