//! The walk against an independent one, and against tables made by hand.

mod listing;
mod naive;
mod permissions;
mod random;
