//! Worlds with much going on: saved, restored and saved again, damaged, and measured.

mod rig;
mod whole;
