//! The client over real sockets: against the broker, and against scripted servers where a broker
//! would never misbehave as needed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod cloud;
mod probing;
mod scripted;
mod server;
mod with_broker;
