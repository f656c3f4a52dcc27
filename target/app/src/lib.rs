//! Mainstay as people meet it: what is configured, what is said over the control socket, the command line, and the daemon
//! that puts the rooms together.

pub mod config;
pub mod control;
pub mod ctl;
pub mod daemon;
