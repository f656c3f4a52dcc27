//! Bounded cursors over bytes of a peer, big endian, and CRC-32C.
//!
//! A read beyond the end is an error and never a panic.

/// Fewer bytes than the format needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ends {missing} bytes early")]
pub struct Short {
    /// How many bytes are missing.
    pub missing: usize,
}

/// Reads numbers and slices off the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

macro_rules! big_endian {
    ($($name:ident $ty:ty),*) => {$(
        #[doc = concat!("The next ", stringify!($ty), ", big endian.")]
        pub fn $name(&mut self) -> Result<$ty, Short> {
            Ok(<$ty>::from_be_bytes(self.array()?))
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], Short> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or_else(|| Short { missing: n - self.rest.len() })?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    big_endian!(u8 u8, u16 u16, u32 u32, u64 u64);

    /// The next three bytes, big endian.
    pub fn u24(&mut self) -> Result<u32, Short> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_be_bytes([0, a, b, c]))
    }
}

/// The three low bytes of `value`, big endian.
pub fn u24(value: u32) -> [u8; 3] {
    let [_, a, b, c] = value.to_be_bytes();
    [a, b, c]
}

/// CRC-32C (Castagnoli) of `bytes`, continuing from `crc` (0 to begin). RFC 7143 §13.1 sends it little endian.
pub fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    ::crc32c::crc32c_append(crc, bytes)
}
