//! Swaps of real daemons, and swaps that must come to nothing.
//!
//! Only Linux can swap so far.
#![cfg(target_os = "linux")]

mod crash;
mod demo;
mod golden;
mod hanging;
mod refused;
mod rolled_back;
mod scenes;
mod signals;
mod surroundings;
mod versions;
