//! The three kinds of address, kept apart by type.

use std::fmt;

/// Binary logarithm of the smallest page that translation and code tracking deal in.
pub const PAGE_BITS: u32 = 12;
/// Bytes in such a page.
pub const PAGE_SIZE: u64 = 1 << PAGE_BITS;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The address `bytes` further on, wrapping at 2^64.
            #[must_use]
            pub const fn offset(self, bytes: u64) -> Self {
                Self(self.0.wrapping_add(bytes))
            }

            /// The first byte of the page that this address lies in.
            #[must_use]
            pub const fn page(self) -> Self {
                Self(self.0 & !(PAGE_SIZE - 1))
            }

            /// The distance from the start of the page.
            #[must_use]
            pub const fn in_page(self) -> u64 {
                self.0 & (PAGE_SIZE - 1)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
    };
}

address! {
    /// An address that the guest's bus sees (an intermediate or physical address).
    GuestPhys
}
address! {
    /// An address that guest code uses, before translation by its MMU.
    GuestVirt
}
address! {
    /// A byte's place in the [`crate::GuestRam`] arena.
    RamOffset
}
