//! A data structure of the standard on its way to the host: zeroes, and fields at their offsets, little endian.

/// One under construction. Offsets are ours: a field outside is our mistake.
#[derive(Debug)]
pub(super) struct Page(Vec<u8>);

impl Page {
    /// So many zeroes.
    pub fn new(bytes: usize) -> Page {
        Page(vec![0; bytes])
    }

    /// A field, its bytes as they are.
    pub fn put<const N: usize>(&mut self, at: usize, field: [u8; N]) {
        self.0[at..at + N].copy_from_slice(&field);
    }

    /// ASCII in a field of `len` bytes, to its left, filled with spaces.
    pub fn text(&mut self, at: usize, len: usize, text: &str) {
        let field = &mut self.0[at..at + len];
        field.fill(b' ');
        for (to, from) in field.iter_mut().zip(text.bytes().filter(|b| (0x20..0x7f).contains(b))) {
            *to = from;
        }
    }

    /// UTF-8 in a field of `len` bytes, with a null behind it at least.
    pub fn name(&mut self, at: usize, len: usize, name: &str) {
        let bytes = &name.as_bytes()[..name.len().min(len - 1)];
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The bytes.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}
