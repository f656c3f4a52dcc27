//! The control socket: what may be asked and told ([`words`]), how it stands on the wire ([`machine`]), who asks
//! ([`client`]), where it is ([`place`]).
//!
//! The protocol is JSON-RPC 2.0, one object per line, over a unix socket that only its owner may open. It has a machine
//! of its own without I/O because a control connection is carried over a swap like any other connection.
//!
//! I1 A request that was taken is answered exactly once, also by the program that comes after a swap.
//! I2 Memory per connection is bounded, whatever the peer sends or refuses to read.
//! I3 Words only grow: a field is never renamed, retyped or removed within [`words::PROTOCOL`], and readers skip what
//!    they do not know.

pub mod client;
pub mod console;
pub mod error;
pub mod machine;
pub mod place;
pub mod saved;
pub mod words;

pub use place::bind;
