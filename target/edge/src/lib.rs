//! The operating system: media, sockets, clocks. No protocol decisions.

pub mod clock;
pub mod memory;
pub mod portal;
pub mod state;
pub mod swap;
pub mod volume;
