//! Side by side with Debian's QEMU: what `query-qmp-schema` says, and how wrong arguments are
//! answered.

mod almost;
mod arguments;
mod qemu;
mod schema;
