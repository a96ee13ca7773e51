//! The walk against an independent one, and against tables made by hand.

mod naive;
mod permissions;
mod random;
