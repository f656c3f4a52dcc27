//! GET LBA STATUS (SBC-3 §5.6): which blocks are mapped, from the store's allocation state.

use super::cdb::Extent;
use super::fault::{self, Deed};
use super::limits::EXTENT_STEP;
use super::sense::Sense;
use super::task::{Action, Cx, Ending, Job, State, Step};
use super::unit::LogicalUnit;
use mainstay_base::unit::{Done, Fault, Op};
use std::sync::Arc;

/// Descriptors in one answer: what fits into the smallest buffer is plenty, since the initiator goes on from the last.
const DESCRIPTORS: u32 = 64;

/// A run of blocks in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub lba: u64,
    pub blocks: u32,
    pub mapped: bool,
}

/// A GET LBA STATUS in progress.
#[derive(Debug)]
pub struct LbaStatus {
    /// Next block to ask about.
    pub lba: u64,
    /// Blocks of the volume.
    pub end: u64,
    /// Descriptors wanted.
    pub room: u32,
    /// Nothing can be deallocated, so nobody needs to be asked.
    pub thick: bool,
    pub runs: Vec<Run>,
}

/// GET LBA STATUS.
pub fn begin(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    let lba = job.cdb.u64(2);
    Extent { lba, blocks: 1 }.on(&unit.disk.geometry)?;
    // At least one, even if its end will be cut off.
    let room = (job.cdb.u32(10).saturating_sub(8) / 16).clamp(1, DESCRIPTORS);
    Ok(State::LbaStatus(LbaStatus {
        lba,
        end: unit.disk.geometry.blocks,
        room,
        thick: !unit.disk.behaviour.thin,
        runs: Vec::new(),
    }))
}

impl LbaStatus {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        if job.flying > 0 {
            return Step::Do(Action::Wait);
        }
        while self.thick && self.wants_more() {
            self.add(u64::MAX, true);
        }
        if self.wants_more() {
            let block = u64::from(job.block);
            let len = ((self.end - self.lba) * block).min(EXTENT_STEP);
            return job.submit(0, Op::Extent { at: self.lba * block, len });
        }
        self.answer(job, cx)
    }

    fn wants_more(&self) -> bool {
        self.lba < self.end && (self.runs.len() as u32) < self.room
    }

    /// The next `blocks` blocks, at most, are so.
    fn add(&mut self, blocks: u64, mapped: bool) {
        let blocks = blocks.min(self.end - self.lba);
        if let Some(last) = self.runs.last_mut().filter(|last| last.mapped == mapped)
            && let Some(sum) = u32::try_from(blocks).ok().and_then(|b| last.blocks.checked_add(b))
        {
            last.blocks = sum;
            self.lba += blocks;
            return;
        }
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        self.runs.push(Run { lba: self.lba, blocks, mapped });
        self.lba += u64::from(blocks);
    }

    fn answer(&self, job: &Job, cx: &mut Cx<'_>) -> Step {
        let mut out = ((4 + 16 * self.runs.len()) as u32).to_be_bytes().to_vec();
        out.extend([0; 4]);
        for run in &self.runs {
            out.extend(run.lba.to_be_bytes());
            out.extend(run.blocks.to_be_bytes());
            out.extend([if run.mapped { 0x00 } else { 0x01 }, 0, 0, 0]);
        }
        out.truncate(job.cdb.u32(10) as usize);
        let ending = Ending::good(out.len() as u32);
        out.truncate(job.in_bytes as usize);
        if out.is_empty() {
            return Step::End(ending);
        }
        let Some(mut buf) = cx.arena.alloc(out.len()) else { return Step::Do(Action::WaitMemory) };
        buf.copy_from_slice(&out);
        Step::Send(Arc::new(buf), ending)
    }

    pub fn stored(&mut self, job: &Job, result: Result<Done, Fault>) -> Result<(), Ending> {
        match result {
            Ok(Done::Extent { len, mapped }) => {
                // An extent ends on a block: a torn one counts as mapped, and no answer can stop the cursor.
                let block = u64::from(job.block);
                let (blocks, torn) = (len / block, len % block != 0);
                if blocks > 0 {
                    self.add(blocks, mapped);
                }
                if self.lba < self.end && (torn || blocks == 0) {
                    self.add(1, true);
                }
                Ok(())
            }
            Ok(Done::Ok) => Err(Sense::TARGET_FAILURE.into()),
            Err(fault) => Err(fault::sense(fault, Deed::Reading, job.block).into()),
        }
    }
}
