//! What the tests of the swap are made of. Everything is seen from outside: by initiators that share no code with the target,
//! by `/proc` and the kernel's tables of sockets, by what an admin can ask for.
//!
//! * [`ground`]: the daemon that is swapped, with every kind of volume and target.
//! * [`load`], [`libiscsi`]: sessions that read and write all the time and know what every block must hold.
//! * [`scene`]: initiators that stand still in the middle of something.
//! * [`watch`]: what a swap must leave as it was.
//! * [`found`]: which states the snapshots really had.

pub mod bytes;
pub mod events;
pub mod found;
pub mod golden;
pub mod ground;
pub mod libiscsi;
pub mod load;
pub mod order;
pub mod person;
pub mod program;
pub mod rig;
pub mod scene;
pub mod series;
pub mod socket;
pub mod storm;
pub mod watch;
pub mod wire;
