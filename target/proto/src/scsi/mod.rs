//! The device server: what a logical unit answers to a command (SPC-4, SBC-3, and what newer editions kept of them).
//!
//! Purpose: one [`Task`] per command turns a CDB into wishes ([`Action`]): collect data-out, ask the store, send
//! data-in, end. One [`LogicalUnit`] per volume holds what all initiators share. Non-goals: no transport (a tag is a
//! number, bytes come and go by offset), no store (only [`base::unit`](mainstay_base::unit) words), no ordering of
//! tasks (the nexus does that).
//!
//! ```text
//!  CDB -> table::find -> attention? reservation? ready? protected? reserved bits? -> handler -> State
//!                                                                                     |  poll: Action
//!             collected(data) / stored(op, result)  ------------------------------->  |
//!                                                                                     v
//!                                                                                   Done(Reply)
//! ```
//!
//! I1 Nothing but [`Task::poll`] changes a unit. I2 A task that gave `Done` holds no range and has nothing in flight.
//! I3 Every command ends: each poll either moves a cursor forward or waits for somebody else. I4 Whoever holds collected
//! data never waits for memory (it answers BUSY), so buffers cannot wait for each other in a ring.
//!
//! Documents: SAM-5 (T10/2104-D), SPC-4 (T10/1731-D), SBC-3 (T10/1799-D); clause numbers in comments are theirs.

mod attention;
mod cache;
mod capacity;
mod cdb;
mod compare;
mod fault;
mod inquiry;
mod lba_status;
mod limits;
mod mode;
mod ports;
mod prevent;
mod report_luns;
mod report_opcodes;
mod request_sense;
mod reserve;
mod saved;
mod sense;
mod start_stop;
mod table;
mod task;
mod transfer;
mod unit;
mod unmap;
mod write_same;

#[cfg(test)]
mod tests;

pub use attention::Attention;
pub use saved::{LogicalUnitV1, TaskV1, Unfit};
pub use task::{Action, Cx, Task};
pub use unit::{LogicalUnit, PortInfo};
