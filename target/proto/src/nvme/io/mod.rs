//! Commands of I/O queues: what a namespace answers (NVM command set 1.0).
//!
//! One [`Task`] for each command, or for a fused pair, turns an entry into wishes ([`Action`](super::Action)): collect data,
//! ask the store, send data, end.
//!
//! ```text
//!  entry -> table::find -> ready? namespace? path? protected? -> blocks, lengths -> handler -> State
//!                                                                                   |  poll: Action
//!             collected(data) / stored(op, result)  ----------------------------->  |
//!                                                                                   v
//!                                                                                 Done(Reply)
//! ```
//!
//! I1 Nothing but [`Task::poll`] changes a disk. I2 A task that gave `Done` holds no range and has nothing in flight. I3 Every
//! command ends: each poll either moves a cursor forward or waits for somebody else. I4 Whoever holds collected data never
//! waits for memory (it answers COMMAND INTERRUPTED), so buffers cannot wait for each other in a ring. A fused pair asks for
//! both its parts at once, in order: who serves a queue's wishes for memory in order never lets two pairs wait for each other.

mod blocks;
mod compare;
mod copy;
mod cursor;
mod deallocate;
mod fault;
mod flush;
pub mod limits;
mod pair;
mod read;
mod saved;
mod table;
mod task;
mod write;

#[cfg(test)]
mod tests;

pub use saved::{TaskV1, Unfit};
pub use table::effects;
pub use task::{Cx, Task};
