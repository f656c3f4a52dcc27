//! A small world for queues: stores in memory that answer when told to, hosts made of scripts, and a mode in which
//! everything is saved, dropped and restored after every single call. Both modes must give identical bytes.

use super::super::*;
use crate::auth::dhchap;
use crate::nvme::site::{Discovery, Limits, Portal};
use crate::nvme::{Connect, Controllers, Namespace, Notice, Site, Subsystem};
use mainstay_base::path::GroupId;
use mainstay_base::unit::{Behaviour, Disk, Done, Fault, Geometry, Identity, Op, VolumeId};
use std::collections::VecDeque;

pub const BLOCKS: u64 = 4096;
pub const BLOCK: usize = 512;
pub const SUBSYSTEM: &str = "nqn.2026-11.internal.mainstay:disk";
pub const ARENA: usize = 8 << 20;

pub struct World {
    pub site: Site,
    pub arena: Arena,
    pub disks: Vec<Disk>,
    pub paths: Paths,
    pub traffic: Vec<Traffic>,
    pub discovery: DiscoveryState,
    pub queues: Vec<Option<Queue>>,
    /// The medium of each volume.
    pub media: Vec<Vec<u8>>,
    /// Requests at the stores, oldest first.
    pub held: VecDeque<(usize, Request)>,
    /// Computations that nobody has done.
    pub works: VecDeque<(usize, Work)>,
    /// Verdicts that nobody has given.
    pub asked: VecDeque<(usize, Effect)>,
    /// What came out of each queue since it was last taken, and ever.
    pub wire: Vec<Vec<u8>>,
    pub sent: Vec<Vec<u8>>,
    pub now: Instant,
    /// Save, drop and restore after every call.
    pub restoring: bool,
    /// Answer store requests and computations, and give verdicts, at once.
    pub prompt: bool,
    pub verdicts: bool,
    /// The most bytes a socket takes at once.
    pub socket: usize,
    effects: VecDeque<(usize, Effect)>,
    pub notices: Vec<String>,
    /// What the next store request ends with.
    pub fault: Option<Fault>,
    pub retained: Vec<Features>,
}

pub fn site() -> Site {
    let namespace =
        |nsid: u32| Namespace { nsid, volume: VolumeId(nsid - 1), read_only: false, group: GroupId(1), hosts: None };
    Site {
        portals: vec![Portal {
            name: "main".into(),
            bind: "127.0.0.1:4420".parse().unwrap(),
            advertise: None,
            id: 1,
            discovery_only: false,
            optional: false,
        }],
        subsystems: vec![Subsystem {
            nqn: SUBSYSTEM.into(),
            serial: "serial".into(),
            model: "Mainstay".into(),
            portals: vec![0],
            namespaces: vec![namespace(1), namespace(2)],
            hosts: None,
            keys: None,
            controllers: Controllers::Dynamic,
        }],
        discovery: Discovery::default(),
        limits: Limits::default(),
    }
}

fn disk(n: u32) -> Disk {
    let identity = Identity {
        uuid: [n as u8; 16],
        serial: format!("serial{n}"),
        naa: [0x30 | n as u8; 8],
        vendor: "MAINSTAY".into(),
        product: "volume".into(),
    };
    let geometry = Geometry { blocks: BLOCKS, block_bytes: BLOCK as u32, physical_bytes: 4096 };
    let behaviour = Behaviour { write_cache: true, thin: true, solid_state: true, ..Behaviour::default() };
    Disk::new(VolumeId(n), geometry, identity, behaviour)
}

impl World {
    pub fn new(restoring: bool) -> World {
        World {
            site: site(),
            arena: Arena::heap(ARENA),
            disks: (0..2).map(disk).collect(),
            paths: Paths::default(),
            traffic: vec![Traffic::default(); 2],
            discovery: DiscoveryState::default(),
            queues: Vec::new(),
            media: vec![vec![0; BLOCKS as usize * BLOCK]; 2],
            held: VecDeque::new(),
            works: VecDeque::new(),
            asked: VecDeque::new(),
            wire: Vec::new(),
            sent: Vec::new(),
            now: Instant(1_000_000_000),
            restoring,
            prompt: true,
            verdicts: true,
            socket: usize::MAX,
            effects: VecDeque::new(),
            notices: Vec::new(),
            fault: None,
            retained: Vec::new(),
        }
    }

    /// A connection that has just been accepted.
    pub fn accept(&mut self) -> usize {
        let transport = nvmetcp::Setup {
            local: "127.0.0.1:4420".parse().unwrap(),
            peer: "127.0.0.1:40000".parse().unwrap(),
            portal: 0,
            limits: nvmetcp::Limits::default(),
            now: self.now,
        };
        let setup = Setup { transport, seed: [self.queues.len() as u8; 32] };
        self.queues.push(Some(Queue::new(NexusId(self.queues.len() as u64 + 1), setup)));
        self.wire.push(Vec::new());
        self.sent.push(Vec::new());
        self.queues.len() - 1
    }

    pub fn queue(&self, index: usize) -> &Queue {
        self.queues[index].as_ref().expect("the queue has ended")
    }

    pub fn is_gone(&self, index: usize) -> bool {
        self.queues[index].is_none()
    }

    /// Call one queue, as the daemon would, and carry out what follows from it.
    pub fn call(&mut self, index: usize, call: impl FnOnce(&mut Queue, &mut Cx<'_>)) {
        self.call_one(index, call);
        self.settle();
    }

    fn call_one(&mut self, index: usize, call: impl FnOnce(&mut Queue, &mut Cx<'_>)) {
        let mut effects = Vec::new();
        let mut controllers: Vec<(usize, u16)> = self
            .queues
            .iter()
            .flatten()
            .map(Queue::info)
            .filter(|info| info.is_controller())
            .filter_map(|info| Some((info.subsystem?, info.cntlid)))
            .collect();
        controllers.sort_unstable();
        if let Some(queue) = &mut self.queues[index] {
            let mut cx = Cx {
                now: self.now,
                unix_ms: self.now.0 / 1_000_000,
                started_ms: 0,
                site: &self.site,
                arena: &self.arena,
                disks: &mut self.disks,
                paths: &self.paths,
                traffic: &self.traffic,
                discovery: &self.discovery,
                controllers: &controllers,
                effects: &mut effects,
            };
            call(queue, &mut cx);
        }
        self.effects.extend(effects.into_iter().map(|effect| (index, effect)));
        if self.restoring {
            self.restore_all();
        }
    }

    pub fn settle(&mut self) {
        loop {
            while let Some((index, effect)) = self.effects.pop_front() {
                self.carry_out(index, effect);
            }
            let sent = (0..self.queues.len()).any(|index| self.drain(index));
            let answered = self.prompt && self.answer(usize::MAX) + self.work() > 0;
            if !sent && !answered && self.effects.is_empty() {
                break;
            }
            self.feed();
        }
        for queue in &mut self.queues {
            if queue.as_ref().is_some_and(|queue| queue.is_closed() && queue.has_ended()) {
                *queue = None;
            }
        }
    }

    fn carry_out(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Store(request) => self.held.push_back((index, request)),
            Effect::Compute(work) => self.works.push_back((index, work)),
            effect @ (Effect::Admin(_) | Effect::Join(_)) if !self.verdicts => self.asked.push_back((index, effect)),
            Effect::Admin(candidate) => {
                let taken = |cntlid: u16| {
                    self.queues.iter().flatten().any(|q| q.info().is_controller() && q.info().cntlid == cntlid)
                };
                let cntlid = candidate.cntlid.unwrap_or_else(|| (1..).find(|&cntlid| !taken(cntlid)).unwrap());
                let verdict = if taken(cntlid) { Err(Connect::busy()) } else { Ok((cntlid, self.retained.pop())) };
                self.call_one(index, |queue, cx| queue.admit(cx, verdict));
            }
            Effect::Join(_) if self.queues[index].is_none() => {}
            Effect::Join(join) => {
                let meant = |queue: &Queue| queue.info().is_controller() && queue.info().cntlid == join.connect.cntlid;
                let admin = self.queues.iter().position(|queue| queue.as_ref().is_some_and(meant));
                let mut verdict = Err(Connect::gone());
                if let Some(admin) = admin {
                    self.call_one(admin, |queue, cx| verdict = queue.join(cx, &join));
                }
                self.call_one(index, |queue, cx| queue.joined(cx, verdict));
            }
            Effect::Post { to, post } => {
                self.call_one(to.0 as usize - 1, |queue, cx| queue.deliver(cx, NexusId(index as u64 + 1), post));
            }
            Effect::Wake(NexusId(id)) => self.call_one(id as usize - 1, |queue, cx| queue.wake(cx)),
            Effect::Change(change) => self.notices.push(format!("{change:?}")),
            Effect::Retain(features) => {
                if self.site.subsystems[0].controllers != Controllers::Dynamic {
                    self.retained.push(*features);
                }
            }
            Effect::Left => self.notices.push(format!("{index} left")),
            Effect::Refused { step, why } => self.notices.push(format!("{step}: {why}")),
            Effect::Notice(notice) => self.notices.push(notice.to_string()),
        }
    }

    /// Give the verdicts that were held back.
    pub fn decide(&mut self) {
        self.verdicts = true;
        let asked = std::mem::take(&mut self.asked);
        self.effects.extend(asked);
        self.settle();
    }

    /// Take what a queue has to send, at most `socket` bytes at a time.
    fn drain(&mut self, index: usize) -> bool {
        let Some(queue) = &self.queues[index] else { return false };
        let mut slices = Vec::new();
        queue.output(&mut slices);
        let mut bytes = Vec::new();
        for slice in &slices {
            let room = self.socket - bytes.len();
            bytes.extend_from_slice(&slice[..room.min(slice.len())]);
        }
        if bytes.is_empty() {
            return false;
        }
        self.wire[index].extend(&bytes);
        self.sent[index].extend(&bytes);
        self.call_one(index, |queue, cx| queue.sent(cx, bytes.len()));
        true
    }

    /// Let the stores answer up to `count` requests. Gives how many there were.
    pub fn answer(&mut self, count: usize) -> usize {
        let count = count.min(self.held.len());
        for _ in 0..count {
            let Some((index, mut request)) = self.held.pop_front() else { break };
            let result = match self.fault.take() {
                Some(fault) => Err(fault),
                None => perform(&mut self.media[request.volume.0 as usize], &mut request.op),
            };
            let completion = Completion { ticket: request.ticket, op: request.op, result };
            self.call_one(index, |queue, cx| queue.complete(cx, completion));
            self.feed();
        }
        count
    }

    /// Whoever waits for memory tries again.
    pub fn feed(&mut self) {
        for other in 0..self.queues.len() {
            if self.queues[other].as_ref().is_some_and(Queue::starved) {
                self.call_one(other, |queue, cx| queue.feed(cx));
            }
        }
    }

    fn work(&mut self) -> usize {
        let works = std::mem::take(&mut self.works);
        let count = works.len();
        for (index, work) in works {
            let power = dhchap::compute(&work);
            self.call_one(index, |queue, cx| queue.computed(cx, &power));
        }
        count
    }

    /// The stores answer, and what follows from it happens.
    pub fn answer_and_settle(&mut self, count: usize) -> usize {
        let count = self.answer(count);
        self.settle();
        count
    }

    pub fn work_and_settle(&mut self) {
        self.work();
        self.settle();
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for index in 0..self.queues.len() {
            if self.queues[index].as_ref().is_some_and(|q| q.deadline().is_some_and(|at| at <= self.now)) {
                self.call(index, |queue, cx| queue.tick(cx));
            }
        }
    }

    /// What the daemon tells every admin queue.
    pub fn notice(&mut self, notice: Notice) {
        for index in 0..self.queues.len() {
            self.call(index, |queue, cx| queue.notice(cx, notice));
        }
    }

    /// What a swap does: everything is written down, everything is dropped, everything is built again.
    fn restore_all(&mut self) {
        let saved: Vec<_> = self.queues.iter().map(|queue| queue.as_ref().map(Queue::save)).collect();
        let next = self.arena.reopened();
        let held = std::mem::take(&mut self.held);
        let effects = std::mem::take(&mut self.effects);
        // The stores keep their requests; their buffers are handed over like all payload.
        self.held = held.into_iter().map(|(index, request)| (index, rehome(request, &next))).collect();
        self.effects = effects
            .into_iter()
            .map(|(index, effect)| match effect {
                Effect::Store(request) => (index, Effect::Store(rehome(request, &next))),
                other => (index, other),
            })
            .collect();
        let count = self.queues.len();
        self.queues.clear();
        self.queues.resize_with(count, || None);
        self.arena = next;
        for (index, saved) in saved.into_iter().enumerate() {
            let Some(section) = saved else { continue };
            let queue = Queue::restore(&section, &self.arena).unwrap();
            queue.fits(&self.site, 2).unwrap();
            assert_eq!(queue.save(), section, "saving what was restored gives the same bytes");
            outline(&section).unwrap();
            self.queues[index] = Some(queue);
        }
    }

    /// Bytes arrive, payload straight into place where the engine asks for it, as the pump does it.
    pub fn deliver(&mut self, index: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.queues[index].as_mut().and_then(|queue| {
                let space = queue.payload_space()?;
                let n = space.len().min(bytes.len());
                space[..n].copy_from_slice(&bytes[..n]);
                Some(n)
            });
            match space {
                Some(n) => {
                    bytes = &bytes[n..];
                    self.call(index, |queue, cx| queue.filled(cx, n));
                }
                None => {
                    self.call(index, |queue, cx| queue.receive(cx, bytes));
                    return;
                }
            }
        }
    }
}

fn rehome(mut request: Request, arena: &Arena) -> Request {
    if let Op::Read { into: buf, .. } | Op::Write { from: buf, .. } = &mut request.op {
        let next = arena.adopt(buf.place()).unwrap();
        *buf = next;
    }
    request
}

fn perform(medium: &mut [u8], op: &mut Op) -> Result<Done, Fault> {
    match op {
        Op::Read { at, into } => {
            let at = *at as usize;
            let len = into.len();
            into.copy_from_slice(&medium[at..at + len]);
        }
        Op::Write { at, from, .. } => medium[*at as usize..][..from.len()].copy_from_slice(from),
        Op::Zero { at, len, .. } => medium[*at as usize..][..*len as usize].fill(0),
        Op::Extent { len, .. } => return Ok(Done::Extent { len: *len, mapped: true }),
        _ => {}
    }
    Ok(Done::Ok)
}
