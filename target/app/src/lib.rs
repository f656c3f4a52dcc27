//! Mainstay as people meet it: what is configured, what is said over the control socket, the command line, and the daemon
//! that puts the rooms together.

#[cfg(all(feature = "next", not(debug_assertions)))]
compile_error!("next is a version for tests, which fails on order: never in a release");

pub mod config;
pub mod control;
pub mod ctl;
pub mod daemon;
