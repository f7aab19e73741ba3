//! The broker over real sockets and, where time matters, over in-memory pipes with a paused clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod connecting;
mod kept;
mod limits;
mod messages;
mod raw;
mod rules;
mod sessions;
mod standard;
