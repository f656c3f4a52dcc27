//! UNMAP (SBC-3 §5.28): a list of extents to deallocate, as a cursor of bounded store requests.

use super::cdb::Extent;
use super::fault::{self, Deed};
use super::limits::{UNMAP_BLOCKS, UNMAP_DESCRIPTORS, ZERO_STEP};
use super::sense::Sense;
use super::task::{Action, Cx, Ending, Job, State, Step};
use super::unit::LogicalUnit;
use mainstay_base::arena::Buf;
use mainstay_base::unit::range::Span;
use mainstay_base::unit::{Done, Fault, Op};
use mainstay_base::wire::Reader;

/// Bytes of the header, and of a descriptor.
const HEADER: usize = 8;
const DESCRIPTOR: usize = 16;

/// Where the parameter list is.
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

/// An UNMAP in progress.
#[derive(Debug)]
pub struct Unmap {
    /// Bytes of the parameter list.
    pub len: u32,
    pub list: List,
    /// Descriptor that is being worked on.
    pub index: u32,
    /// Bytes of it that are done.
    pub done: u64,
    pub durable: bool,
}

/// UNMAP.
pub fn begin(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    if job.cdb.has(1, 0x01) {
        return Err(Sense::invalid_cdb(1, 0).into());
    }
    let len = u32::from(job.cdb.u16(7));
    if len == 0 {
        return Ok(State::End(Ending::good(0)));
    }
    if len < HEADER as u32 || job.out_bytes < HEADER as u32 {
        return Err(Ending::check(Sense::LIST_LENGTH, len));
    }
    // What lies behind the most descriptors there may be cannot be read anyway, only refused.
    let longest = HEADER as u32 + (UNMAP_DESCRIPTORS + 1) * DESCRIPTOR as u32;
    let list = List::Wanted { asked: false };
    let asked = len.min(job.out_bytes).min(longest);
    Ok(State::Unmap(Unmap { len: asked, list, index: 0, done: 0, durable: !unit.disk.write_cache }))
}

impl Unmap {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        loop {
            match std::mem::replace(&mut self.list, List::Wanted { asked: true }) {
                List::Wanted { asked: true } => return Step::Do(Action::Wait),
                List::Wanted { asked: false } => return Step::Do(Action::Collect { offset: 0, len: self.len }),
                List::Here(list) => {
                    if let Some(unit) = cx.unit.as_deref()
                        && let Err(sense) = check(&list, unit)
                    {
                        return Step::End(Ending::check(sense, self.len));
                    }
                    self.list = List::Checked(list);
                }
                List::Checked(list) => {
                    let extent = extents(&list).nth(self.index as usize);
                    self.list = List::Checked(list);
                    let Some(extent) = extent else { return Step::End(Ending::good(self.len)) };
                    if job.flying > 0 {
                        return Step::Do(Action::Wait);
                    }
                    let left = extent.bytes(job.block) - self.done;
                    if left == 0 {
                        (self.index, self.done) = (self.index + 1, 0);
                        continue;
                    }
                    let at = extent.start(job.block) + self.done;
                    let len = left.min(ZERO_STEP);
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

    pub fn stored(&mut self, job: &Job, result: Result<Done, Fault>) -> Result<(), Ending> {
        match result {
            Ok(_) => Ok(()),
            Err(fault) => Err(Ending::check(fault::sense(fault, Deed::Writing, job.block), self.len)),
        }
    }
}

/// The whole descriptors of a list: as many as it says, and has.
fn extents(list: &[u8]) -> impl Iterator<Item = Extent> {
    let mut header = Reader::new(list);
    let said = header.u16().and_then(|_| header.u16()).unwrap_or(0);
    let body = list.get(HEADER..).unwrap_or_default();
    body[..body.len().min(usize::from(said))].chunks_exact(DESCRIPTOR).map(|descriptor| {
        let mut reader = Reader::new(descriptor);
        let lba = reader.u64().unwrap_or(0);
        let blocks = reader.u32().unwrap_or(0);
        Extent { lba, blocks: u64::from(blocks) }
    })
}

/// All of the list is checked before anything of it is done.
fn check(list: &[u8], unit: &LogicalUnit) -> Result<(), Sense> {
    let mut blocks = 0;
    for (i, extent) in extents(list).enumerate() {
        if i >= UNMAP_DESCRIPTORS as usize {
            return Err(Sense::invalid_list(2, None));
        }
        blocks += extent.on(&unit.disk.geometry)?.blocks;
        if blocks > u64::from(UNMAP_BLOCKS) {
            return Err(Sense::invalid_list((HEADER + DESCRIPTOR * i + 8) as u16, None));
        }
    }
    Ok(())
}
