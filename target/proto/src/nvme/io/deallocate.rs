//! Dataset Management (nvm §3.2.3): a list of ranges to deallocate, as a cursor of bounded store requests.

use super::blocks::Blocks;
use super::fault;
use super::limits::{DEALLOCATE_STEP, DSM_RANGES};
use super::task::{Cx, Ending, Job, State, Step};
use crate::nvme::{Action, Entry, Leg, Status};
use mainstay_base::arena::Buf;
use mainstay_base::unit::range::Span;
use mainstay_base::unit::{Disk, Done, Fault, Geometry, Op};

/// Bytes of a range definition.
const RANGE: usize = 16;

/// Where the list of ranges is.
#[derive(Debug)]
pub enum List {
    Wanted {
        asked: bool,
    },
    /// Here, and to be checked.
    Here(Buf),
    /// Checked: nothing of it can fail but the store.
    Checked(Buf),
}

/// A deallocation in progress.
#[derive(Debug)]
pub struct Deallocate {
    /// Bytes of the list the host gives, what lies behind the ranges included.
    pub len: u32,
    pub ranges: u32,
    pub list: List,
    /// Range that is being worked on.
    pub index: u32,
    /// Bytes of it that are done.
    pub done: u64,
    pub durable: bool,
}

/// Dataset Management.
pub fn begin(job: &Job, entry: &Entry, disk: &Disk) -> Result<State, Ending> {
    let ranges = (entry.dword(10) & 0xff) + 1;
    // The Linux host always sends room for the most ranges there can be.
    if job.given < ranges * RANGE as u32 || job.given > DSM_RANGES * RANGE as u32 {
        return Err(Status::SGL_LENGTH_INVALID.into());
    }
    // AD. The other attributes are hints about what will be read and written: there is nothing to do about them.
    if entry.dword(11) & 1 << 2 == 0 {
        return Ok(State::End(Ending::OK));
    }
    let list = List::Wanted { asked: false };
    Ok(State::Deallocate(Deallocate { len: job.given, ranges, list, index: 0, done: 0, durable: !disk.write_cache }))
}

impl Deallocate {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        loop {
            match std::mem::replace(&mut self.list, List::Wanted { asked: true }) {
                List::Wanted { asked: true } => return Step::Do(Action::Wait),
                List::Wanted { asked: false } => {
                    return Step::Do(Action::Collect { leg: Leg::Last, offset: 0, len: self.len });
                }
                List::Here(list) => {
                    let Some(disk) = cx.disks.disk(job.volume) else {
                        return Step::End(Status::NAMESPACE_NOT_READY.into());
                    };
                    for range in ranges(&list).take(self.ranges as usize) {
                        if let Err(status) = range.on(&disk.geometry) {
                            return Step::End(status.into());
                        }
                    }
                    if !disk.behaviour.thin {
                        // The command is advice, and this store cannot take it.
                        return Step::End(Ending::OK);
                    }
                    self.list = List::Checked(list);
                }
                List::Checked(list) => {
                    let range = ranges(&list).take(self.ranges as usize).nth(self.index as usize);
                    self.list = List::Checked(list);
                    let Some(range) = range else { return Step::End(Ending::OK) };
                    if job.flying > 0 {
                        return Step::Do(Action::Wait);
                    }
                    let geometry = cx.disks.disk(job.volume).map(|disk| disk.geometry);
                    let Some(Ok(blocks)) = geometry.map(|geometry| range.on(&geometry)) else {
                        return Step::End(Status::LBA_OUT_OF_RANGE.into());
                    };
                    let left = blocks.bytes - self.done.min(blocks.bytes);
                    if left == 0 {
                        (self.index, self.done) = (self.index + 1, 0);
                        continue;
                    }
                    let (at, len) = (blocks.start + self.done, left.min(DEALLOCATE_STEP));
                    if !job.guard_write(cx, Span { start: at, end: at + len }) {
                        return Step::Do(Action::WaitRange);
                    }
                    self.done += len;
                    return job.submit(0, Op::Zero { at, len, deallocate: true, durable: self.durable });
                }
            }
        }
    }

    pub fn collected(&mut self, data: Buf) {
        if matches!(self.list, List::Wanted { asked: true }) && data.len() == self.len as usize {
            self.list = List::Here(data);
        }
    }

    pub fn stored(&self, result: Result<Done, Fault>) -> Result<(), Ending> {
        result.map(|_| ()).map_err(|fault| fault::status(fault, false).into())
    }
}

/// A range as the host wrote it.
struct Range {
    lba: u64,
    blocks: u32,
}

impl Range {
    /// The blocks, if all of them are on the disk; none may begin right behind the last.
    fn on(&self, geometry: &Geometry) -> Result<Blocks, Status> {
        Blocks::at(self.lba, u64::from(self.blocks), geometry)
    }
}

/// The ranges of a list. Their context attributes are hints.
fn ranges(list: &[u8]) -> impl Iterator<Item = Range> {
    list.chunks_exact(RANGE).map(|bytes| {
        let (mut lba, mut blocks) = ([0; 8], [0; 4]);
        blocks.copy_from_slice(&bytes[4..8]);
        lba.copy_from_slice(&bytes[8..]);
        Range { lba: u64::from_le_bytes(lba), blocks: u32::from_le_bytes(blocks) }
    })
}
