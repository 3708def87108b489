//! Takes numbers out of a record at fixed places, in the byte order of this machine. Pure.

/// A record, read from its begin. A number that lies beyond its end is 0: the caller checks the
/// length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'a>(pub(crate) &'a [u8]);

macro_rules! number {
    ($name:ident, $kind:ty) => {
        pub(crate) fn $name(self, at: usize) -> $kind {
            let bytes = self.0.get(at..at + size_of::<$kind>());
            let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
            bytes.map(<$kind>::from_ne_bytes).unwrap_or_default()
        }
    };
}

impl Words<'_> {
    number!(u16, u16);
    number!(i16, i16);
    number!(u32, u32);
    number!(u64, u64);
    number!(i64, i64);

    /// A name of at most `room` bytes that ends at its NUL.
    pub(crate) fn name(self, at: usize, room: usize) -> String {
        let bytes = self.0.get(at..at + room).unwrap_or_default();
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    }
}
