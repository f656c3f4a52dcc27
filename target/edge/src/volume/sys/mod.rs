//! What the systems do differently. Every function takes a descriptor and answers with the system's error number.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(target_vendor = "apple")]
mod apple;
#[cfg(target_vendor = "apple")]
pub use apple::*;

/// What a block device says about itself, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sectors {
    /// Of a logical sector.
    pub logical: u32,
    /// Of a physical sector.
    pub physical: u32,
}
