//! What the standard library has no safe words for: exec by descriptor, signal handlers, shared memory.
#![allow(unsafe_code)]

mod left;
pub use left::{Left, borrowed, close};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::*;

#[cfg(target_os = "linux")]
mod exec;
#[cfg(target_os = "linux")]
mod keeper;
#[cfg(target_os = "linux")]
mod map;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod signal;
#[cfg(target_os = "linux")]
pub use self::{exec::*, keeper::*, map::*, process::*, signal::*};
