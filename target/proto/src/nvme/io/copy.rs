//! Copy (nvm §3.2.2): blocks of the namespace to another place of it, through one bounded buffer.

use super::blocks::{Blocks, fua, unprotected};
use super::fault;
use super::limits::{MSRC, mcl, mssrl};
use super::task::{Cx, Ending, Job, State, Step};
use crate::nvme::{Action, Entry, Leg, Status};
use mainstay_base::arena::Buf;
use mainstay_base::unit::range::Span;
use mainstay_base::unit::{Disk, Done, Fault, Geometry, Op};

/// Bytes of the disk that are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    pub start: u64,
    pub len: u64,
}

/// Where it is.
#[derive(Debug)]
pub enum Phase {
    /// The list of source ranges is awaited; asked for or not.
    Wanted {
        asked: bool,
    },
    /// It is here, and to be checked.
    Here(Buf),
    /// A new step begins.
    Next,
    Reading,
    /// This is to be written.
    Held(Buf),
    Writing,
}

/// A Copy in progress.
#[derive(Debug)]
pub struct Copy {
    /// SDLBA.
    pub lba: u64,
    /// Bytes of the list the host gives.
    pub list: u32,
    /// Descriptor format, 0 or 1.
    pub format: u8,
    pub ranges: u32,
    pub durable: bool,
    /// Checked; empty before.
    pub sources: Vec<Source>,
    /// The one that is being worked on.
    pub index: u32,
    /// Bytes of it that are copied.
    pub done: u64,
    /// Where the next byte goes.
    pub to: u64,
    pub phase: Phase,
}

/// Bytes of a source range descriptor: format 1 has room for longer protection information, that is all.
fn descriptor(format: u8) -> u32 {
    if format == 0 { 32 } else { 40 }
}

/// Copy.
pub fn begin(job: &Job, entry: &Entry, disk: &Disk) -> Result<State, Ending> {
    let dword = entry.dword(12);
    let (ranges, format) = ((dword & 0xff) + 1, (dword >> 8 & 0xf) as u8);
    if format > 1 {
        return Err(Status::INVALID_FIELD.into());
    }
    unprotected(entry)?;
    // PRINFOR: of the read part.
    if dword & 0xf000 != 0 {
        return Err(Status::INVALID_PROTECTION_INFO.into());
    }
    let most = u32::from(MSRC) + 1;
    if ranges > most {
        return Err(Status::COMMAND_SIZE_LIMIT_EXCEEDED.into());
    }
    if job.given < ranges * descriptor(format) || job.given > most * descriptor(format) {
        return Err(Status::SGL_LENGTH_INVALID.into());
    }
    Ok(State::Copy(Copy {
        lba: entry.qword(10),
        list: job.given,
        format,
        ranges,
        durable: fua(entry) || !disk.write_cache,
        sources: Vec::new(),
        index: 0,
        done: 0,
        to: 0,
        phase: Phase::Wanted { asked: false },
    }))
}

impl Copy {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        loop {
            match std::mem::replace(&mut self.phase, Phase::Next) {
                Phase::Wanted { asked: false } => {
                    self.phase = Phase::Wanted { asked: true };
                    return Step::Do(Action::Collect { leg: Leg::Last, offset: 0, len: self.list });
                }
                Phase::Here(list) => {
                    let Some(disk) = cx.disks.disk(job.volume) else {
                        return Step::End(Status::NAMESPACE_NOT_READY.into());
                    };
                    if let Err(ending) = self.check(&list, &disk.geometry) {
                        return Step::End(ending);
                    }
                }
                Phase::Next => {
                    let Some(source) = self.sources.get(self.index as usize) else { return Step::End(Ending::OK) };
                    let len = source.len.saturating_sub(self.done).min(u64::from(cx.chunk_max));
                    if len == 0 {
                        (self.index, self.done) = (self.index + 1, 0);
                        continue;
                    }
                    let at = source.start + self.done;
                    let Some(into) = cx.arena.alloc(len as usize) else { return Step::Do(Action::WaitMemory) };
                    self.phase = Phase::Reading;
                    return job.submit(0, Op::Read { at, into });
                }
                Phase::Held(from) => {
                    let span = Span { start: self.to, end: self.to + from.len() as u64 };
                    if !job.guard_write(cx, span) {
                        self.phase = Phase::Held(from);
                        return Step::Do(Action::WaitRange);
                    }
                    self.phase = Phase::Writing;
                    return job.submit(0, Op::Write { at: self.to, from, durable: self.durable });
                }
                waits @ (Phase::Wanted { asked: true } | Phase::Reading | Phase::Writing) => {
                    self.phase = waits;
                    return Step::Do(Action::Wait);
                }
            }
        }
    }

    /// All of the list is checked before anything of it is done.
    fn check(&mut self, list: &[u8], geometry: &Geometry) -> Result<(), Ending> {
        let (longest, most) = (u64::from(mssrl(geometry.block_bytes)), u64::from(mcl(geometry.block_bytes)));
        let mut total = 0;
        let mut sources = Vec::with_capacity(self.ranges as usize);
        for (index, range) in (0..self.ranges).zip(list.chunks_exact(descriptor(self.format) as usize)) {
            let ending = |status: Status| Ending { result: index, ..status.into() };
            let mut lba = [0; 8];
            lba.copy_from_slice(&range[8..16]);
            let count = u64::from(u16::from_le_bytes([range[16], range[17]])) + 1;
            total += count;
            if count > longest || total > most {
                return Err(ending(Status::COMMAND_SIZE_LIMIT_EXCEEDED));
            }
            let blocks = Blocks::at(u64::from_le_bytes(lba), count, geometry).map_err(ending)?;
            sources.push(Source { start: blocks.start, len: blocks.bytes });
        }
        let target = Blocks::at(self.lba, total, geometry)?;
        // What is read would depend on what was written before.
        let overlaps = |source: &Source| source.start < target.end() && target.start < source.start + source.len;
        if let Some(index) = sources.iter().position(overlaps) {
            return Err(Ending { result: index as u32, ..Status::OVERLAPPING_IO_RANGE.into() });
        }
        (self.sources, self.to) = (sources, target.start);
        Ok(())
    }

    pub fn collected(&mut self, data: Buf) {
        if matches!(self.phase, Phase::Wanted { asked: true }) && data.len() == self.list as usize {
            self.phase = Phase::Here(data);
        }
    }

    pub fn stored(&mut self, op: Op, result: Result<Done, Fault>) -> Result<(), Ending> {
        let status = |fault| fault::status(fault, matches!(op, Op::Read { .. }));
        // Dword 0 tells which range was not copied.
        result.map_err(|fault| Ending { result: self.index, ..status(fault).into() })?;
        match (std::mem::replace(&mut self.phase, Phase::Next), op) {
            (Phase::Reading, Op::Read { into, .. }) => self.phase = Phase::Held(into),
            (Phase::Writing, Op::Write { from, .. }) => {
                self.done += from.len() as u64;
                self.to += from.len() as u64;
            }
            (phase, _) => self.phase = phase,
        }
        Ok(())
    }
}
