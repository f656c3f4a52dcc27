//! Mainstay: block volumes over iSCSI from userspace, replaceable while it runs.

mod config;
mod control;
mod ctl;
mod daemon;

fn main() {}
