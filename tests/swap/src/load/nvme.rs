//! A host of NVMe/TCP: a controller with two I/O queues.

use super::super::ground::{Ground, LUNS, PATIENCE};
use super::model::{CELL, Model};
use super::{LANES, Seen, Work};
use mainstay_testkit::host::authentication::{Group, Hash};
use mainstay_testkit::host::{Cid, Controller, Data, Entry, Error, Result, command};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// I/O queues of a controller.
const QUEUES: u16 = 2;
/// Entries of an I/O queue: few, so that heads go round often.
const ENTRIES: u16 = 24;

/// One host's knowledge.
pub struct Worker {
    controller: Controller,
    nsid: u32,
    block: u32,
    base: u64,
    model: Model,
    /// Requests for events that nothing may answer.
    events: Vec<Cid>,
    /// Where the head of each submission queue is, of queues with flow control.
    heads: Option<[u16; QUEUES as usize]>,
    rounds: u64,
}

/// What a command does.
enum What {
    Write { at: usize, seeds: Vec<u64> },
    Read { at: usize, cells: usize },
    Zero { at: usize, cells: usize },
    Other,
}

/// A command that was sent.
struct Sent {
    cid: Cid,
    what: What,
    begun: Instant,
}

impl Worker {
    /// Connects; gives our address, too.
    pub fn connect(ground: &Ground, number: u16, seen: &Arc<Seen>) -> Result<(Worker, String)> {
        let guarded = number % 7 == 3;
        let (lun, block) = if guarded { (0, 512) } else { LUNS[usize::from(number) % LUNS.len()] };
        let host = ground.host(if guarded { "guarded" } else { "open" }, number);
        let mut host = host.offering(&[Hash::Sha256], &[Group::Ffdhe2048]).queues(QUEUES, ENTRIES);
        host = host.keep_alive(Duration::from_secs(120));
        if number.is_multiple_of(2) {
            host = host.digests(true, true);
        }
        let flow_control = number % 4 < 2;
        if flow_control {
            host = host.flow_control();
        }
        let mut controller = host.connect(ground.nvme)?;
        for queue in controller.io.iter_mut().chain([&mut controller.admin]) {
            queue.patience = PATIENCE;
        }
        if number % 3 == 1 {
            controller.no_in_capsule();
        }
        controller.set_feature(0x0b, 1 << 8 | 1 << 11)?;
        let events = (0..4).map(|_| controller.listen()).collect::<Result<Vec<Cid>>>()?;
        // Connect was the first entry; who must prove who they are has used more.
        let mut heads = [0; QUEUES as usize];
        for (io, head) in controller.io.iter_mut().zip(&mut heads) {
            *head = io.run(command::flush(u32::from(lun) + 1), Data::Nothing)?.completion.sq_head;
        }
        let address = controller.admin.local().to_string();
        let worker = Worker {
            controller,
            nsid: u32::from(lun) + 1,
            block,
            base: ground.plot(number, block),
            model: Model::new(number, seen),
            events,
            heads: flow_control.then_some(heads),
            rounds: 0,
        };
        Ok((worker, address))
    }

    fn lba(&self, at: usize) -> u64 {
        self.base + at as u64 * (CELL as u64 / u64::from(self.block))
    }

    fn blocks(&self, cells: usize) -> u32 {
        (cells * CELL) as u32 / self.block
    }

    /// The next commands of a lane: one, or a pair.
    fn choose(&mut self, lane: usize) -> Vec<(Entry, Data, What)> {
        let cells = 1 + self.model.random.below(32) as usize;
        let at = self.model.place(lane, cells);
        let (nsid, lba, blocks) = (self.nsid, self.lba(at), self.blocks(cells));
        let dice = self.model.random.below(24);
        match dice {
            0..8 => {
                let seeds = self.model.seeds(cells);
                let data = Model::data(&seeds);
                let fua = self.model.random.below(8) == 0;
                vec![(command::write(nsid, lba, blocks, fua), Data::ToController(data), What::Write { at, seeds })]
            }
            8 | 9 => {
                let cells = cells * 4;
                let at = self.model.place(lane, cells);
                let (lba, blocks) = (self.lba(at), self.blocks(cells));
                let zeroes = command::write_zeroes(nsid, lba, blocks, dice == 8);
                vec![(zeroes, Data::Nothing, What::Zero { at, cells })]
            }
            10 => vec![(command::flush(nsid), Data::Nothing, What::Other)],
            11 => {
                let (entry, list) = command::deallocate(nsid, &[(lba, blocks)]);
                vec![(entry, Data::ToController(list), What::Zero { at, cells })]
            }
            12 => {
                let known = self.model.known(at, cells);
                vec![(command::compare(nsid, lba, blocks), Data::ToController(known), What::Other)]
            }
            13 => vec![(command::verify(nsid, lba, blocks), Data::Nothing, What::Other)],
            // Both of a pair are for a cell whose bytes are known.
            14 => {
                let (known, seeds, blocks) = (self.model.known(at, 1), self.model.seeds(1), self.blocks(1));
                let (first, second) =
                    command::fuse(command::compare(nsid, lba, blocks), command::write(nsid, lba, blocks, false));
                let new = Data::ToController(Model::data(&seeds));
                vec![(first, Data::ToController(known), What::Other), (second, new, What::Write { at, seeds })]
            }
            _ => {
                let room = Data::ToHost((cells * CELL) as u32);
                vec![(command::read(nsid, lba, blocks), room, What::Read { at, cells })]
            }
        }
    }

    /// The commands of one queue end well, and its head goes on without a gap: each command's completion comes with a head
    /// behind that command, and none beyond the last.
    fn take(&mut self, queue: usize, sent: Vec<Sent>) -> Result<()> {
        let count = sent.len() as u16;
        for (position, Sent { cid, what, begun }) in (1..).zip(sent) {
            let done = self.controller.io[queue].wait(cid);
            let done = done.map_err(|why| Error::Odd(format!("after {:?}: {why}", begun.elapsed())))?;
            if let Some(heads) = &self.heads {
                let on = (done.completion.sq_head + ENTRIES - heads[queue]) % ENTRIES;
                if !(position..=count).contains(&on) {
                    let head = done.completion.sq_head;
                    return Err(Error::Odd(format!("SQHD {head}, {} before {position} of {count}", heads[queue])));
                }
            }
            let data = done.good("a command under load")?;
            match what {
                What::Write { at, seeds } => self.model.wrote(at, &seeds),
                What::Zero { at, cells } => self.model.zeroed(at, cells),
                What::Read { at, cells } => self.check(at, cells, &data)?,
                What::Other => {}
            }
            self.model.done(begun);
        }
        if let Some(heads) = &mut self.heads {
            heads[queue] = (heads[queue] + count) % ENTRIES;
        }
        Ok(())
    }

    fn check(&self, at: usize, cells: usize, data: &[u8]) -> Result<()> {
        let checked = self.model.check(at, cells, data);
        checked.map_err(|why| Error::Odd(format!("namespace {}: {why}", self.nsid)))
    }

    fn one_round(&mut self) -> Result<()> {
        let mut sent: [Vec<Sent>; QUEUES as usize] = Default::default();
        for lane in 0..LANES {
            let queue = lane % usize::from(QUEUES);
            let begun = Instant::now();
            let commands = self.choose(lane);
            let io = &mut self.controller.io[queue];
            for (entry, data, what) in commands {
                let cid = io.queue.submit(entry, data)?;
                sent[queue].push(Sent { cid, what, begun });
            }
            io.flush()?;
        }
        for (queue, sent) in sent.into_iter().enumerate() {
            self.take(queue, sent)?;
        }
        self.rounds += 1;
        if self.rounds.is_multiple_of(16) {
            self.controller.keep_alive()?;
            self.controller.identify(0, self.nsid)?;
            self.nothing_heard()?;
        }
        Ok(())
    }

    fn nothing_heard(&mut self) -> Result<()> {
        let heard = self.events.iter().copied().find(|request| self.controller.admin.is_done(*request));
        match heard {
            None => Ok(()),
            Some(request) => {
                let event = self.controller.event(request)?;
                Err(Error::Odd(format!("an event that nobody caused: {event:02x?}")))
            }
        }
    }

    fn last_look(mut self) -> Result<()> {
        for at in (0..self.model.len()).step_by(32) {
            let (lba, blocks) = (self.lba(at), self.blocks(32));
            let data = self.controller.read(self.nsid, lba, blocks, self.block)?;
            self.check(at, 32, &data)?;
        }
        self.controller.admin.settle(Duration::from_millis(5))?;
        self.nothing_heard()?;
        self.controller.shut_down()
    }
}

impl Work for Worker {
    fn round(&mut self) -> std::result::Result<(), String> {
        let ended = self.one_round();
        self.model.rest();
        ended.map_err(|why| why.to_string())
    }

    fn end(self) -> std::result::Result<(), String> {
        self.last_look().map_err(|why| why.to_string())
    }
}
