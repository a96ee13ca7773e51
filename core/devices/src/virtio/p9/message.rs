//! Messages of 9P2000.L as bytes: the protocol of `intro(5)` in Plan 9's manual with the operations
//! that Linux adds (`diod`'s `protocol.md`). Integers are little-endian, strings have a 16-bit length
//! ahead.

/// Bytes before the body: size, type, tag.
pub const HEADER_BYTES: usize = 7;
/// Most names in one `Twalk`.
pub const MAX_WALK: usize = 16;
/// The type of an error reply; any other reply has its request's type plus one.
pub const RLERROR: u8 = 7;

/// Takes values off the front of a body.
pub struct Reader<'a>(pub &'a [u8]);

/// A value in a message.
pub trait Field: Sized {
    /// Takes it; `None` when the body ends early or breaks a rule.
    fn take(from: &mut Reader<'_>) -> Option<Self>;
}

macro_rules! integer_field {
    ($($ty:ty)*) => {$(
        impl Field for $ty {
            fn take(from: &mut Reader<'_>) -> Option<Self> {
                let (bytes, rest) = from.0.split_first_chunk()?;
                from.0 = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )*};
}
integer_field!(u8 u16 u32 u64);

impl Reader<'_> {
    fn bytes(&mut self, len: usize) -> Option<Vec<u8>> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes.to_vec())
    }
}

/// A string, in whatever encoding the guest uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub Vec<u8>);

impl Field for Text {
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let len = u16::take(from)?;
        from.bytes(usize::from(len)).map(Self)
    }
}

/// The names of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(pub Vec<Text>);

impl Field for Names {
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let count = usize::from(u16::take(from)?);
        if count > MAX_WALK {
            return None;
        }
        (0..count)
            .map(|_| Text::take(from))
            .collect::<Option<_>>()
            .map(Self)
    }
}

/// The bytes of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data(pub Vec<u8>);

impl Field for Data {
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let len = usize::try_from(u32::take(from)?).ok()?;
        from.bytes(len).map(Self)
    }
}

macro_rules! requests {
    ($($name:ident = $number:literal { $($field:ident: $ty:ty),* $(,)? })*) => {
        /// What a client asks.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names are those of the protocol")]
        pub enum Request {
            $($name { $($field: $ty),* },)*
        }

        impl Request {
            /// Reads a body of message type `kind`. `None` for an unknown type, `Some(None)` for a
            /// malformed body.
            #[must_use]
            pub fn decode(kind: u8, body: &[u8]) -> Option<Option<Self>> {
                let mut from = Reader(body);
                match kind {
                    $($number => Some((|| {
                        Some(Self::$name { $($field: <$ty>::take(&mut from)?),* })
                    })()),)*
                    _ => None,
                }
            }
        }
    };
}

requests! {
    Statfs = 8 { fid: u32 }
    Lopen = 12 { fid: u32, flags: u32 }
    Lcreate = 14 { fid: u32, name: Text, flags: u32, mode: u32, gid: u32 }
    Symlink = 16 { fid: u32, name: Text, target: Text, gid: u32 }
    Mknod = 18 { dfid: u32, name: Text, mode: u32, major: u32, minor: u32, gid: u32 }
    Rename = 20 { fid: u32, dfid: u32, name: Text }
    Readlink = 22 { fid: u32 }
    Getattr = 24 { fid: u32, mask: u64 }
    Setattr = 26 {
        fid: u32, valid: u32, mode: u32, uid: u32, gid: u32, size: u64,
        atime_sec: u64, atime_nsec: u64, mtime_sec: u64, mtime_nsec: u64,
    }
    Readdir = 40 { fid: u32, offset: u64, count: u32 }
    Fsync = 50 { fid: u32, datasync: u32 }
    Lock = 52 { fid: u32, kind: u8, flags: u32, start: u64, length: u64, pid: u32, client: Text }
    Getlock = 54 { fid: u32, kind: u8, start: u64, length: u64, pid: u32, client: Text }
    Link = 70 { dfid: u32, fid: u32, name: Text }
    Mkdir = 72 { dfid: u32, name: Text, mode: u32, gid: u32 }
    Renameat = 74 { old_dfid: u32, old_name: Text, new_dfid: u32, new_name: Text }
    Unlinkat = 76 { dfid: u32, name: Text, flags: u32 }
    Version = 100 { msize: u32, version: Text }
    Attach = 104 { fid: u32, afid: u32, uname: Text, aname: Text, uid: u32 }
    Flush = 108 { old_tag: u16 }
    Walk = 110 { fid: u32, new_fid: u32, names: Names }
    Read = 116 { fid: u32, offset: u64, count: u32 }
    Write = 118 { fid: u32, offset: u64, data: Data }
    Clunk = 120 { fid: u32 }
    Remove = 122 { fid: u32 }
}

/// A server's handle of a file: type bits, version, number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qid {
    /// 0x80 for a directory, 0x02 for a symbolic link.
    pub kind: u8,
    /// Changes with the contents.
    pub version: u32,
    /// The file's number.
    pub path: u64,
}

/// The body of a reply in the making.
#[derive(Debug, Default)]
pub struct Body(Vec<u8>);

impl Body {
    /// Appends an 8-bit integer.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// Appends a 16-bit integer.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Appends a 32-bit integer.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Appends a 64-bit integer.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Appends a string; what exceeds 65,535 bytes is cut off.
    pub fn text(&mut self, value: &[u8]) -> &mut Self {
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.u16(len);
        self.0.extend_from_slice(&value[..usize::from(len)]);
        self
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    /// Appends another body with its 32-bit length ahead.
    pub fn block(&mut self, inner: &Self) -> &mut Self {
        self.u32(inner.0.len() as u32).raw(&inner.0)
    }

    /// Appends a qid.
    pub fn qid(&mut self, qid: Qid) -> &mut Self {
        self.u8(qid.kind).u32(qid.version).u64(qid.path)
    }

    /// The whole message.
    #[must_use]
    pub fn message(&self, kind: u8, tag: u16) -> Vec<u8> {
        let len = HEADER_BYTES + self.0.len();
        let mut message = Vec::with_capacity(len);
        message.extend((len as u32).to_le_bytes());
        message.push(kind);
        message.extend(tag.to_le_bytes());
        message.extend_from_slice(&self.0);
        message
    }
}
