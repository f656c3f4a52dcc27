//! The rows of the table.

/// One kind of load.
#[derive(Clone, Debug)]
pub struct Row {
    /// In the table.
    pub name: &'static str,
    /// Bytes of one I/O.
    pub bytes: usize,
    /// Writes instead of reads.
    pub write: bool,
    /// At random places instead of one after the other.
    pub random: bool,
    /// Commands in flight per session.
    pub depth: usize,
    /// Sessions.
    pub sessions: usize,
    /// Further sessions that say nothing.
    pub idle: usize,
    /// Looks at the data of every so manyth read: comparing 128 KiB costs the client more than asking for it.
    pub verify_every: u64,
}

/// A row: small blocks at random places, large ones in order.
pub const fn row(name: &'static str, bytes: usize, write: bool, depth: usize, sessions: usize) -> Row {
    let random = bytes == 4096;
    Row { name, bytes, write, random, depth, sessions, idle: 0, verify_every: if random { 1 } else { 8 } }
}

/// What is measured.
pub const ROWS: [Row; 8] = [
    row("4 KiB random read, depth 1", 4096, false, 1, 1),
    row("4 KiB random write, depth 1", 4096, true, 1, 1),
    row("4 KiB random read, depth 32", 4096, false, 32, 1),
    row("4 KiB random write, depth 32", 4096, true, 32, 1),
    row("4 KiB random read, 4 x 32", 4096, false, 32, 4),
    row("4 KiB random write, 4 x 32", 4096, true, 32, 4),
    row("128 KiB read, depth 16", 131_072, false, 16, 1),
    row("128 KiB write, depth 16", 131_072, true, 16, 1),
];

/// Fills a disk, before anything is measured.
pub const FILL: Row = Row { verify_every: 1, ..row("fill", 131_072, true, 8, 1) };
/// Looks at every byte of a disk, after its writes.
pub const CHECK: Row = Row { verify_every: 1, ..row("check", 131_072, false, 8, 1) };
