//! Messages between a page and the server that has the sockets for it, as both ends write them.
//!
//! A message is a byte that says what it is, the number of a flow (little-endian, 32 bits), and what
//! belongs to it. The page chooses the numbers.
//!
//! | message | from | what follows |
//! |---|---|---|
//! | [`OPEN_TCP`] | page | port (little-endian, 16 bits), name or address |
//! | [`OPEN_UDP`] | page | the same; datagrams to and from this peer |
//! | [`DATA`] | both | bytes, or one datagram |
//! | [`END`] | both | no more bytes come from this side |
//! | [`CLOSE`] | both | the flow is gone; from the server: why |
//! | [`OPENED`] | server | |
//! | [`CREDIT`] | both | bytes (little-endian, 32 bits) of TCP that were passed on |
//!
//! Neither side sends more bytes of TCP than [`WINDOW`] and what it has credit for.

/// Bytes of a TCP flow that are on their way in one direction.
pub const WINDOW: usize = 256 << 10;

/// Bytes before what belongs to a message.
pub const HEADER: usize = 5;

/// Connects.
pub const OPEN_TCP: u8 = 1;
/// Sets a peer for datagrams.
pub const OPEN_UDP: u8 = 2;
/// Carries bytes.
pub const DATA: u8 = 3;
/// Ends one direction.
pub const END: u8 = 4;
/// Ends a flow.
pub const CLOSE: u8 = 5;
/// Tells that a flow is connected.
pub const OPENED: u8 = 6;
/// Lets the other side send more.
pub const CREDIT: u8 = 7;
