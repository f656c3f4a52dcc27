//! WRITE SAME(10) and (16) (SBC-3 §5.45, §5.46): one block over a range, as a cursor of bounded store requests.

use super::cdb::Extent;
use super::fault::{self, Deed};
use super::limits::ZERO_STEP;
use super::sense::Sense;
use super::task::{Action, Cx, Ending, Job, State, Step};
use super::unit::LogicalUnit;
use mainstay_base::arena::{Buf, GRANULE};
use mainstay_base::unit::range::Span;
use mainstay_base::unit::{Done, Fault, Op};

/// What the blocks become.
#[derive(Debug)]
pub enum Fill {
    /// The block is awaited; asked for or not.
    Wanted { asked: bool },
    /// The block, not zero.
    Pattern(Buf),
    /// As many copies of it as one request writes; none while they are at the store.
    Copies(Option<Buf>),
    /// Zero.
    Zero,
}

/// A WRITE SAME in progress. Offsets are bytes of the volume.
#[derive(Debug)]
pub struct WriteSame {
    pub start: u64,
    pub at: u64,
    pub end: u64,
    pub deallocate: bool,
    pub durable: bool,
    pub fill: Fill,
    /// Bytes the CDB moves.
    pub moved: u32,
}

/// WRITE SAME(10), (16).
pub fn begin(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    let cdb = &job.cdb;
    let (unmap, anchor) = (cdb.has(1, 0x08), cdb.has(1, 0x10));
    let no_data = cdb.opcode() == 0x93 && cdb.has(1, 0x01);
    if cdb.protect() != 0 {
        return Err(Sense::invalid_cdb(1, 7).into());
    }
    if anchor {
        return Err(Sense::invalid_cdb(1, 4).into());
    }
    if unmap && !unit.disk.behaviour.thin {
        return Err(Sense::invalid_cdb(1, 3).into());
    }
    let mut extent = Extent::of(cdb).on(&unit.disk.geometry)?;
    if extent.blocks == 0 {
        // To the end of the medium (WSNZ is 0).
        extent.blocks = unit.disk.geometry.blocks - extent.lba;
    }
    if extent.blocks > unit.same_max() {
        return Err(Sense::invalid_cdb(cdb.length_byte(), 7).into());
    }
    let moved = if no_data { 0 } else { job.block };
    if job.out_bytes != moved {
        return Err(Ending::check(Sense::DATA_LENGTH, moved));
    }
    let start = extent.start(job.block);
    Ok(State::WriteSame(WriteSame {
        start,
        at: start,
        end: start + extent.bytes(job.block),
        deallocate: unmap,
        durable: !unit.disk.write_cache,
        fill: if no_data { Fill::Zero } else { Fill::Wanted { asked: false } },
        moved,
    }))
}

impl WriteSame {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        if let Fill::Pattern(pattern) = &self.fill {
            match copies(pattern, self.end - self.at, cx) {
                Some(copies) => self.fill = Fill::Copies(Some(copies)),
                None => return Step::End(Ending::BUSY),
            }
        }
        match &self.fill {
            Fill::Wanted { asked: true } => return Step::Do(Action::Wait),
            Fill::Wanted { asked: false } => {
                self.fill = Fill::Wanted { asked: true };
                return Step::Do(Action::Collect { offset: 0, len: job.block });
            }
            Fill::Pattern(_) | Fill::Copies(_) | Fill::Zero => {}
        }
        if self.at == self.end {
            return Step::End(Ending::good(self.moved));
        }
        if job.flying > 0 {
            return Step::Do(Action::Wait);
        }
        if !job.guard_write(cx, Span { start: self.start, end: self.end }) {
            return Step::Do(Action::WaitRange);
        }
        let (at, left, durable) = (self.at, self.end - self.at, self.durable);
        let op = match &mut self.fill {
            Fill::Copies(copies) => match copies.take() {
                // The end is shorter than a request: what is left of it goes in another buffer.
                Some(from) if from.len() as u64 > left => match shortened(&from, left as usize, cx) {
                    Some(from) => Op::Write { at, from, durable },
                    None => return Step::End(Ending::BUSY),
                },
                Some(from) => Op::Write { at, from, durable },
                None => return Step::Do(Action::Wait),
            },
            _ => Op::Zero { at, len: left.min(ZERO_STEP), deallocate: self.deallocate, durable },
        };
        job.submit(0, op)
    }

    pub fn collected(&mut self, data: Buf) {
        if matches!(self.fill, Fill::Wanted { asked: true }) {
            self.fill = if data.iter().all(|&b| b == 0) { Fill::Zero } else { Fill::Pattern(data) };
        }
    }

    pub fn stored(&mut self, job: &Job, op: Op, result: Result<Done, Fault>) -> Result<(), Ending> {
        result.map_err(|fault| Ending::check(fault::sense(fault, Deed::Writing, job.block), self.moved))?;
        match op {
            Op::Write { from, .. } => {
                self.at += from.len() as u64;
                self.fill = Fill::Copies(Some(from));
            }
            Op::Zero { len, .. } => self.at += len,
            Op::Read { .. } | Op::Flush | Op::Extent { .. } | Op::Mark { .. } | Op::Protect => {}
        }
        Ok(())
    }
}

/// The pattern over and over, in the longest buffer there is memory for, down to one granule.
fn copies(pattern: &[u8], left: u64, cx: &Cx<'_>) -> Option<Buf> {
    let mut len = left.min(u64::from(cx.chunk_max)) as usize;
    loop {
        if let Some(mut buf) = cx.arena.alloc(len) {
            buf.chunks_mut(pattern.len()).for_each(|block| block.copy_from_slice(&pattern[..block.len()]));
            return Some(buf);
        }
        if len <= GRANULE {
            return None;
        }
        len = (len / 4 / GRANULE).max(1) * GRANULE;
    }
}

fn shortened(from: &[u8], len: usize, cx: &Cx<'_>) -> Option<Buf> {
    let mut buf = cx.arena.alloc(len)?;
    buf.copy_from_slice(&from[..len]);
    Some(buf)
}
