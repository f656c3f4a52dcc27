//! The bounded arena all payload lives in.
//!
//! A [`Buf`] owns a range of one shared region, which can be a shared descriptor: a swap hands the region over and the
//! snapshot holds [`Place`]s, never the bytes. Two accounts share the budget: what peers were *promised* they may send
//! unasked (the command window), and what we take ourselves (reads, solicited writes).
//!
//! I1 `promised + taken <= budget`. I2 live `Buf`s never overlap. I3 the region is larger than the budget
//! ([`SLACK`] times), so that fragmentation does not break a promise. I4 Whoever allocates
//! through [`Arena::account`] has some bytes set aside for itself and takes no more than a share of what is free beyond
//! them: hoarders keep nobody from what is their own.

pub mod saved;
pub mod sys;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use sys::{Buf, HeapRegion, Region};

/// Allocation granule in bytes.
pub const GRANULE: usize = 4096;
/// Region bytes for each byte of budget.
pub const SLACK: usize = 4;

/// A range of the region: what a snapshot keeps of a [`Buf`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// First byte in the region.
    pub offset: u64,
    /// Length in bytes as asked for (the range taken is rounded up to [`GRANULE`]).
    pub len: u32,
    /// Counted against the promises.
    pub promised: bool,
}

impl Place {
    /// Keep `len` bytes; the granules behind them, if there are any.
    fn cut(&mut self, len: usize) -> Option<Place> {
        let (kept, had) = (rounded(len), rounded(self.len as usize));
        self.len = self.len.min(len as u32);
        let rest =
            Place { offset: self.offset + kept as u64, len: had.saturating_sub(kept) as u32, promised: self.promised };
        (rest.len > 0).then_some(rest)
    }
}

/// Why a saved place cannot be adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("payload range {0:?} is not free in this arena")]
pub struct NotFree(pub Place);

#[derive(Debug)]
struct Ledger {
    /// Free runs: offset -> length, both multiples of GRANULE; neighbours are merged.
    free: BTreeMap<usize, usize>,
    budget: usize,
    promised: usize,
    promised_used: usize,
    /// Taken of the rest of the budget, or set aside for an account.
    taken: usize,
    /// How often something came back.
    returns: u64,
    /// No page from here on has been touched since it was last discarded.
    high: usize,
    /// Ends of the highest ranges taken in this period and in the one before.
    recent: [usize; 2],
    /// In buffers that live.
    in_use: usize,
    /// What an account has for itself, and what waits for accounts to come (part of `taken`).
    own: usize,
    set_aside: usize,
}

/// A handle on the arena; cheap to clone.
#[derive(Clone)]
pub struct Arena {
    region: Arc<dyn Region>,
    ledger: Arc<Mutex<Ledger>>,
    /// Whose allocations these are, when they are counted for somebody. Locked only while the ledger is.
    account: Option<Arc<Account>>,
}

/// What one party may take, and has.
struct Account {
    ledger: Arc<Mutex<Ledger>>,
    /// Set aside for it alone.
    own: usize,
    taken: AtomicUsize,
}

impl Account {
    /// What it takes of the common part when it has `taken` in all.
    fn common(&self, taken: usize) -> usize {
        taken.saturating_sub(self.own)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).set_aside += self.own;
    }
}

/// An account gets at most this part of what is free in common.
const SHARE: usize = 8;

fn rounded(len: usize) -> usize {
    len.max(1).div_ceil(GRANULE) * GRANULE
}

impl Arena {
    /// An arena over `region`, which should be [`SLACK`] times `budget` long.
    pub fn new(region: Arc<dyn Region>, budget: usize) -> Arena {
        let len = region.len() / GRANULE * GRANULE;
        let free = BTreeMap::from([(0, len)]);
        let budget = budget.min(len);
        let ledger = Ledger {
            free,
            budget,
            promised: 0,
            promised_used: 0,
            taken: 0,
            returns: 0,
            high: 0,
            recent: [0; 2],
            in_use: 0,
            own: 0,
            set_aside: 0,
        };
        Arena { region, ledger: Arc::new(Mutex::new(ledger)), account: None }
    }

    /// Set `own` bytes aside for each of `count` accounts to come, a quarter of the budget at most.
    pub fn with_accounts(self, own: usize, count: usize) -> Arena {
        let mut ledger = self.lock();
        ledger.own = rounded(own);
        ledger.set_aside = ledger.own * count.min(ledger.budget / 4 / ledger.own);
        ledger.taken += ledger.set_aside;
        drop(ledger);
        self
    }

    /// A handle with an account of its own: some bytes are set aside for it alone (see [`Arena::with_accounts`]; none when
    /// there are more accounts than that), and beyond those it never takes more than one [`SHARE`]th of what is free.
    /// However many hoard, everybody goes on with what is their own.
    pub fn account(&self) -> Arena {
        let mut ledger = self.lock();
        let own = ledger.own.min(ledger.set_aside);
        ledger.set_aside -= own;
        drop(ledger);
        let account = Account { ledger: self.ledger.clone(), own, taken: AtomicUsize::new(0) };
        Arena { account: Some(Arc::new(account)), ..self.clone() }
    }

    /// How long a buffer [`Arena::alloc`] would give now, in whole granules and at least one: what is worth asking for.
    pub fn room(&self) -> usize {
        let ledger = self.lock();
        let free = ledger.free_bytes();
        let room = self.account.as_ref().map_or(free, |account| {
            let taken = account.taken.load(Ordering::Relaxed);
            account.own.saturating_sub(taken) + (free / SHARE).saturating_sub(account.common(taken))
        });
        (room / GRANULE * GRANULE).max(GRANULE)
    }

    /// Enter `size` more (not promised) bytes, if they are to be had.
    fn enter(&self, ledger: &mut Ledger, size: usize) -> bool {
        let free = ledger.free_bytes();
        let Some(account) = &self.account else {
            let fits = size <= free;
            ledger.taken += if fits { size } else { 0 };
            return fits;
        };
        let taken = account.taken.load(Ordering::Relaxed);
        let (before, after) = (account.common(taken), account.common(taken + size));
        let fits = after == before || (after - before <= free && after <= free / SHARE);
        if fits {
            ledger.taken += after - before;
            account.taken.store(taken + size, Ordering::Relaxed);
        }
        fits
    }

    /// Enter what a snapshot says was taken.
    fn enter_again(&self, ledger: &mut Ledger, size: usize) {
        ledger.taken += match &self.account {
            None => size,
            Some(account) => {
                let taken = account.taken.fetch_add(size, Ordering::Relaxed);
                account.common(taken + size) - account.common(taken)
            }
        };
    }

    fn leave(&self, ledger: &mut Ledger, size: usize) {
        ledger.taken -= match &self.account {
            None => size,
            Some(account) => {
                let taken = account.taken.fetch_sub(size, Ordering::Relaxed);
                account.common(taken) - account.common(taken - size)
            }
        };
    }

    /// An arena on the heap, for tests and tools.
    pub fn heap(budget: usize) -> Arena {
        Arena::new(Arc::new(HeapRegion::new(budget * SLACK)), budget)
    }

    /// A fresh arena over the same memory, with nothing allocated: what a successor sees before it adopts.
    pub fn reopened(&self) -> Arena {
        Arena::new(self.region.clone(), self.lock().budget)
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer of `len` bytes for ourselves, if the budget has it beyond all promises. Its bytes are **not** cleared:
    /// never send what was not written.
    pub fn alloc(&self, len: usize) -> Option<Buf> {
        self.take(len, false)
    }

    /// As [`Arena::alloc`], all zero.
    pub fn alloc_zeroed(&self, len: usize) -> Option<Buf> {
        let mut buf = self.alloc(len)?;
        buf.fill(0);
        Some(buf)
    }

    /// A buffer against what was promised with [`Arena::promise`].
    pub fn alloc_promised(&self, len: usize) -> Option<Buf> {
        self.take(len, true)
    }

    fn take(&self, len: usize, promised: bool) -> Option<Buf> {
        let size = rounded(len);
        let mut ledger = self.lock();
        if promised {
            if ledger.promised_used + size > ledger.promised {
                return None;
            }
            ledger.promised_used += size;
        } else if !self.enter(&mut ledger, size) {
            return None;
        }
        let Some((&offset, &run)) = ledger.free.iter().find(|&(_, &run)| run >= size) else {
            self.forget(&mut ledger, promised, size);
            return None;
        };
        ledger.free.remove(&offset);
        if run > size {
            ledger.free.insert(offset + size, run - size);
        }
        ledger.in_use += size;
        ledger.touch(offset + size);
        drop(ledger);
        Some(Buf::new(self.clone(), Place { offset: offset as u64, len: len as u32, promised }))
    }

    /// Take exactly the range of a snapshot.
    pub fn adopt(&self, place: Place) -> Result<Buf, NotFree> {
        let (offset, size) = (place.offset as usize, rounded(place.len as usize));
        let mut ledger = self.lock();
        let (&start, &run) = ledger.free.range(..=offset).next_back().ok_or(NotFree(place))?;
        let end = offset.checked_add(size).ok_or(NotFree(place))?;
        if offset % GRANULE != 0 || end > start + run {
            return Err(NotFree(place));
        }
        ledger.free.remove(&start);
        if offset > start {
            ledger.free.insert(start, offset - start);
        }
        if start + run > end {
            ledger.free.insert(end, start + run - end);
        }
        if place.promised {
            ledger.promised_used += size;
        } else {
            self.enter_again(&mut ledger, size);
        }
        ledger.in_use += size;
        ledger.touch(end);
        drop(ledger);
        Ok(Buf::new(self.clone(), place))
    }

    fn forget(&self, ledger: &mut Ledger, promised: bool, size: usize) {
        if promised {
            ledger.promised_used -= size;
        } else {
            self.leave(ledger, size);
        }
    }

    fn release(&self, place: Place) {
        let (mut offset, mut size) = (place.offset as usize, rounded(place.len as usize));
        let mut ledger = self.lock();
        self.forget(&mut ledger, place.promised, size);
        ledger.in_use -= size;
        ledger.returns += 1;
        ledger.high = ledger.high.max(offset + size);
        if let Some((&before, &run)) = ledger.free.range(..offset).next_back()
            && before + run == offset
        {
            ledger.free.remove(&before);
            offset = before;
            size += run;
        }
        if let Some(run) = ledger.free.remove(&(offset + size)) {
            size += run;
        }
        ledger.free.insert(offset, size);
    }

    /// Promise a peer that it may send `bytes` (counted in whole [`GRANULE`]s by the caller) unasked. At most half of
    /// the budget is ever promised. False: not now.
    #[must_use]
    pub fn promise(&self, bytes: usize) -> bool {
        let mut ledger = self.lock();
        let promised = ledger.promised.saturating_add(bytes);
        let fits = promised <= ledger.budget / 2 && promised + ledger.taken <= ledger.budget;
        if fits {
            ledger.promised = promised;
        }
        fits
    }

    /// Restore a promise that was given before a swap: counted, never refused.
    pub fn promise_again(&self, bytes: usize) {
        let mut ledger = self.lock();
        ledger.promised = ledger.promised.saturating_add(bytes);
    }

    /// Take a promise back.
    pub fn unpromise(&self, bytes: usize) {
        let mut ledger = self.lock();
        ledger.promised = ledger.promised.saturating_sub(bytes);
        ledger.returns += 1;
    }

    /// How often a buffer or a promise came back: who waits for memory need not try again before this has changed.
    pub fn returns(&self) -> u64 {
        self.lock().returns
    }

    /// A period of time has passed: pages that nothing has used in it or the one before may be given back by
    /// [`Arena::trim`].
    pub fn age(&self) {
        let mut ledger = self.lock();
        ledger.recent = [0, ledger.recent[0]];
    }

    /// Whether no page is touched that could ever be given back.
    pub fn is_trimmed(&self) -> bool {
        self.lock().high == 0
    }

    /// Give pages of free ranges that were not used lately back to the system, from the top down, at most `bytes` of
    /// them. False: there are no more.
    pub fn trim(&self, bytes: usize) -> bool {
        let mut ledger = self.lock();
        let floor = ledger.recent[0].max(ledger.recent[1]);
        let mut left = bytes;
        while ledger.high > floor {
            let Some((&start, &run)) = ledger.free.range(..ledger.high).next_back() else {
                ledger.high = floor;
                break;
            };
            // What lies above this run is in use, and raises the mark when it comes back.
            let end = ledger.high.min(start + run);
            if end <= floor {
                ledger.high = floor;
                break;
            }
            if left == 0 {
                return true;
            }
            let from = start.max(floor).max(end.saturating_sub(left));
            // The lock is held, so nobody takes it meanwhile.
            self.region.discard(from, end - from);
            left -= end - from;
            ledger.high = from;
        }
        false
    }

    /// (budget, promised, in use), in bytes.
    pub fn usage(&self) -> (usize, usize, usize) {
        let ledger = self.lock();
        (ledger.budget, ledger.promised, ledger.in_use)
    }
}

impl Ledger {
    fn touch(&mut self, end: usize) {
        self.recent[0] = self.recent[0].max(end);
        self.high = self.high.max(end);
    }

    fn free_bytes(&self) -> usize {
        self.budget.saturating_sub(self.promised).saturating_sub(self.taken)
    }
}

impl std::fmt::Debug for Arena {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arena").field("usage", &self.usage()).finish()
    }
}

#[cfg(test)]
mod tests;
