//! One request on a store.

use super::opened::Kind;
use super::{Volume, sys};
use mainstay_base::unit::{Done, Fault, Op};
use rustix::fs::{SeekFrom, seek};
use rustix::io::{Errno, pread, pwrite};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is made zero in memory without a detour, at most.
const QUICK_ZERO_BYTES: u64 = 1 << 20;
static ZEROES: [u8; 64 << 10] = [0; 64 << 10];

impl Volume {
    /// Do it now, if that needs no waiting. None: nothing is answered yet, [`Volume::run`] must do all of it.
    pub fn quick(&self, op: &mut Op) -> Option<Result<Done, Fault>> {
        match op {
            Op::Zero { len, .. } if *len > QUICK_ZERO_BYTES => None,
            // Looking for a hole can walk over much.
            Op::Extent { .. } => None,
            // What changes the record waits for the state directory.
            Op::Mark { .. } | Op::Protect => None,
            Op::Write { at, from, .. } if self.marks.first(*at, from.len() as u64).is_some() => None,
            Op::Zero { at, len, .. } if self.marks.first(*at, *len).is_some() => None,
            op if self.ram => Some(self.run(op)),
            Op::Read { at, into } => {
                self.has(*at, into.len() as u64).ok()?;
                if let Err(fault) = self.readable(*at, into.len() as u64) {
                    return Some(Err(fault));
                }
                let read = nowait(&self.nowait_reads, || sys::read_nowait(self.fd.as_fd(), into, *at))?;
                (read == into.len()).then_some(Ok(Done::Ok))
            }
            Op::Write { at, from, durable: false } if self.behaviour.write_cache => {
                if !self.nowait_writes.load(Ordering::Relaxed) || self.poisoned.load(Ordering::Acquire) {
                    return None;
                }
                if let Err(fault) = self.may_write(*at, from.len() as u64) {
                    return Some(Err(fault));
                }
                let written = nowait(&self.nowait_writes, || sys::write_nowait(self.fd.as_fd(), from, *at))?;
                (written == from.len()).then_some(Ok(Done::Ok))
            }
            _ => None,
        }
    }

    /// Do it, however long it takes.
    ///
    /// # Errors
    /// The [`Fault`]; a write may have been done in part.
    pub fn run(&self, op: &mut Op) -> Result<Done, Fault> {
        match op {
            Op::Read { at, into } => {
                self.has(*at, into.len() as u64)?;
                self.readable(*at, into.len() as u64)?;
                self.read(*at, into)?;
            }
            Op::Write { at, from, durable } => {
                self.may_write(*at, from.len() as u64)?;
                self.write(*at, from)?;
                self.settle(*at, *durable)?;
                self.unmark(*at, from.len() as u64)?;
            }
            Op::Flush if self.behaviour.read_only => {}
            Op::Flush => self.sync(0)?,
            Op::Zero { at, len, deallocate, durable } => {
                self.may_write(*at, *len)?;
                self.zero(*at, *len, *deallocate)?;
                self.settle(*at, *durable)?;
                self.unmark(*at, *len)?;
            }
            Op::Mark { at, len } => {
                self.may_write(*at, *len)?;
                self.mark(*at, *len)?;
            }
            Op::Protect => self.protect()?,
            Op::Extent { at, len } => return self.extent(*at, *len),
        }
        Ok(Done::Ok)
    }

    /// The range is inside the volume. Whoever asks has looked; this keeps a mistake there from enlarging the file.
    fn has(&self, at: u64, len: u64) -> Result<(), Fault> {
        let end = at.saturating_add(len);
        let fits = end <= self.bytes.load(Ordering::Acquire);
        if fits { Ok(()) } else { Err(Fault::Other { errno: Errno::INVAL.raw_os_error() }) }
    }

    fn may_write(&self, at: u64, len: u64) -> Result<(), Fault> {
        self.has(at, len)?;
        if self.behaviour.read_only {
            return Err(Fault::ReadOnly);
        }
        if self.poisoned.load(Ordering::Acquire) {
            self.poison_again();
            return Err(Fault::Poisoned);
        }
        // A write behind the end of a file that was cut would make it long again, with zeroes where data was.
        if self.kind == Kind::File {
            let has = self.file_bytes().map_err(other)?;
            if has < at + len {
                return Err(Fault::Shrunk { at: has.max(at) });
            }
        }
        Ok(())
    }

    fn settle(&self, at: u64, durable: bool) -> Result<(), Fault> {
        if durable || !self.behaviour.write_cache { self.sync(at) } else { Ok(()) }
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Fault> {
        let mut done = 0;
        while done < into.len() {
            let here = at + done as u64;
            match pread(&self.fd, &mut into[done..], here) {
                Ok(0) => return Err(Fault::Shrunk { at: here }),
                Ok(n) => done += n,
                Err(Errno::INTR) => {}
                Err(errno) if is_medium(errno) => return Err(Fault::MediumRead { at: here }),
                Err(errno) => return Err(other(errno)),
            }
        }
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), Fault> {
        let mut done = 0;
        while done < from.len() {
            let here = at + done as u64;
            match pwrite(&self.fd, &from[done..], here) {
                Ok(0) => return Err(Fault::Shrunk { at: here }),
                Ok(n) => done += n,
                Err(Errno::INTR) => {}
                // The end of a device.
                Err(Errno::NOSPC) if self.kind == Kind::Device => return Err(Fault::Shrunk { at: here }),
                Err(errno) => return Err(write_fault(errno, here)),
            }
        }
        Ok(())
    }

    fn zero(&self, at: u64, len: u64, deallocate: bool) -> Result<(), Fault> {
        if len == 0 {
            return Ok(());
        }
        if deallocate && self.behaviour.thin {
            match sys::punch(self.fd.as_fd(), at, len) {
                Ok(()) => return Ok(()),
                Err(errno) if is_refusal(errno) => {}
                Err(errno) => return Err(write_fault(errno, at)),
            }
        }
        match sys::zero(self.fd.as_fd(), at, len) {
            Ok(()) => return Ok(()),
            Err(errno) if is_refusal(errno) => {}
            Err(errno) => return Err(write_fault(errno, at)),
        }
        let mut done = 0;
        while done < len {
            let step = (len - done).min(ZEROES.len() as u64);
            self.write(at + done, &ZEROES[..step as usize])?;
            done += step;
        }
        Ok(())
    }

    fn extent(&self, at: u64, len: u64) -> Result<Done, Fault> {
        self.has(at, len)?;
        let mapped = Ok(Done::Extent { len, mapped: true });
        if self.kind == Kind::Device || !self.behaviour.thin || len == 0 {
            return mapped;
        }
        let (end, block) = (at + len, u64::from(self.block_bytes));
        let data = match seek(&self.fd, SeekFrom::Data(at)) {
            Ok(data) => data.min(end),
            Err(Errno::NXIO) => end,
            // A file system that cannot tell.
            Err(_) => return mapped,
        };
        // A block that is partly data is mapped.
        let hole = (data - at) / block * block;
        if hole > 0 {
            return Ok(Done::Extent { len: hole, mapped: false });
        }
        let Ok(hole) = seek(&self.fd, SeekFrom::Hole(data)) else { return mapped };
        let data = (hole.clamp(data, end) - at).div_ceil(block).max(1) * block;
        Ok(Done::Extent { len: data.min(len), mapped: true })
    }
}

/// Try without waiting, unless the file has said that it cannot.
fn nowait(able: &AtomicBool, call: impl FnOnce() -> Result<usize, Errno>) -> Option<usize> {
    if !able.load(Ordering::Relaxed) {
        return None;
    }
    match call() {
        Ok(n) => Some(n),
        Err(errno) if is_refusal(errno) => {
            able.store(false, Ordering::Relaxed);
            None
        }
        // It would wait, or it fails: the slow way finds out.
        Err(_) => None,
    }
}

/// What says that the medium, not the request, is bad.
fn is_medium(errno: Errno) -> bool {
    #[cfg(target_os = "linux")]
    let more = matches!(errno, Errno::NODATA | Errno::REMOTEIO | Errno::UCLEAN);
    #[cfg(not(target_os = "linux"))]
    let more = false;
    more || matches!(errno, Errno::IO | Errno::BADMSG | Errno::ILSEQ)
}

/// What says that the store does not know the operation, or not at this alignment.
fn is_refusal(errno: Errno) -> bool {
    // One number on Linux, two on macOS.
    let unsupported = errno == Errno::NOTSUP || errno == Errno::OPNOTSUPP;
    unsupported || matches!(errno, Errno::NOSYS | Errno::INVAL | Errno::PERM | Errno::NODEV | Errno::NOTTY)
}

fn write_fault(errno: Errno, at: u64) -> Fault {
    match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Fault::NoSpace,
        Errno::ROFS => Fault::ReadOnly,
        errno if is_medium(errno) => Fault::MediumWrite { at },
        errno => other(errno),
    }
}

fn other(errno: Errno) -> Fault {
    Fault::Other { errno: errno.raw_os_error() }
}
