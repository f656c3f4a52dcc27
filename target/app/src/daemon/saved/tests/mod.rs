//! Worlds with much going on: saved, restored and saved again, damaged, and measured.

mod damage;
mod going_on;
mod hosts;
mod rig;
mod speed;
mod whole;
