//! A fault that safe code cannot have.
#![allow(unsafe_code)]

/// The process is sent SIGSEGV.
pub(super) fn read_nowhere() {
    // SAFETY: not sound, and not meant to be: nothing is ever mapped there, so the read ends in the signal a test asked for.
    // Volatile, so that it is not optimised away.
    let _ = unsafe { std::ptr::without_provenance::<u8>(16).read_volatile() };
}
