//! The one place of this crate that touches raw memory.
#![allow(unsafe_code)]

use super::{Arena, Place};
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

/// Memory an arena hands out in pieces.
///
/// # Safety
/// `base()..base() + len()` is valid for reads and writes for as long as the value lives, always at the same address,
/// and in this process nobody reads or writes it but through [`Buf`]s of one arena at a time.
pub unsafe trait Region: Send + Sync {
    /// The first byte.
    fn base(&self) -> *mut u8;
    /// How many bytes.
    fn len(&self) -> usize;
    /// Nobody needs the bytes of this range any more: its memory may be given back. They stay valid to read and write,
    /// and are as before or zero. Both numbers are multiples of [`super::GRANULE`].
    fn discard(&self, _offset: usize, _len: usize) {}
    /// No bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A region on the heap.
pub struct HeapRegion(Box<[UnsafeCell<u8>]>);

impl HeapRegion {
    /// `len` zero bytes.
    pub fn new(len: usize) -> HeapRegion {
        let zeroed = vec![0u8; len].into_boxed_slice();
        // SAFETY: UnsafeCell<u8> has the layout of u8 (documented), and the box is passed on whole.
        HeapRegion(unsafe { Box::from_raw(Box::into_raw(zeroed) as *mut [UnsafeCell<u8>]) })
    }
}

// SAFETY: the boxed bytes stay where they are, may be written through a shared reference (UnsafeCell), and are private
// to this value, so that only an arena over it reaches them.
unsafe impl Region for HeapRegion {
    fn base(&self) -> *mut u8 {
        self.0.as_ptr() as *mut u8
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}

// SAFETY: bytes have no thread affinity; access is through disjoint `Buf`s only (I2 of the arena).
unsafe impl Sync for HeapRegion {}

/// Remembers what was discarded.
#[cfg(test)]
pub(super) struct Watched(pub HeapRegion, pub std::sync::Mutex<Vec<std::ops::Range<usize>>>);

// SAFETY: the bytes are those of the region within.
#[cfg(test)]
unsafe impl Region for Watched {
    fn base(&self) -> *mut u8 {
        self.0.base()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn discard(&self, offset: usize, len: usize) {
        if let Ok(mut discarded) = self.1.lock() {
            discarded.push(offset..offset + len);
        }
    }
}

/// A range of an arena, owned: nobody else has it until this is dropped.
pub struct Buf {
    arena: Arena,
    place: Place,
}

impl Buf {
    pub(super) fn new(arena: Arena, place: Place) -> Buf {
        Buf { arena, place }
    }

    /// Where it lies, for a snapshot.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Give back what lies behind the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        if let Some(rest) = self.place.cut(len) {
            self.arena.release(rest);
        }
    }

    fn start(&self) -> *mut u8 {
        // SAFETY: the arena gave out this place from within the region, so the sum stays inside it.
        unsafe { self.arena.region.base().add(self.place.offset as usize) }
    }
}

impl Deref for Buf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the range is inside the region (see `start`), initialised (regions begin as zeroes), and no other Buf
        // of the arena overlaps it (I2), so a shared borrow of this Buf is the only way to it.
        unsafe { std::slice::from_raw_parts(self.start(), self.place.len as usize) }
    }
}

impl DerefMut for Buf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.place.len as usize) }
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        self.arena.release(self.place);
    }
}

impl std::fmt::Debug for Buf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buf({}+{})", self.place.offset, self.place.len)
    }
}
