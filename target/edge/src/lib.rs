//! The operating system: media, sockets, supervisors. No protocol decisions.

pub mod portal;
pub mod supervisor;
pub mod volume;
