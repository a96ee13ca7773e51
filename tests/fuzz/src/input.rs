//! The fuzzer's bytes as values.

/// Bytes that are taken from the front. After the last one there are only zeros.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Takes from `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all is taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Up to `len` bytes.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.bytes(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// One byte.
    pub fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// Two bytes, little-endian, as all of them.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// Four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A width of an access: 1, 2, 4 or 8 bytes.
    pub fn width(&mut self) -> u64 {
        1 << (self.u8() & 3)
    }

    /// A value to write: one byte says which kind, so that small, negative and single-bit values
    /// are as near as any other.
    pub fn value(&mut self) -> u64 {
        match self.u8() {
            small @ 0..0x80 => u64::from(small),
            bit @ 0x80..0xc0 => 1 << (bit & 63),
            negative @ 0xc0..0xe0 => 0_u64.wrapping_sub(u64::from(negative & 31)),
            0xe0..0xf0 => u64::from(self.u16()),
            0xf0..0xf8 => u64::from(self.u32()),
            _ => self.u64(),
        }
    }
}
