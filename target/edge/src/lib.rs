//! The operating system: media, sockets, supervisors. No protocol decisions.

pub mod memory;
pub mod portal;
pub mod state;
pub mod supervisor;
pub mod volume;
