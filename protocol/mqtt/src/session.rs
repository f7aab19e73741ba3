//! Session state machines: what MQTT demands of either side, without sockets or clocks.
//!
//! - [`server::ServerConnection`] checks what a client sends on one connection.
//! - [`alias::OutgoingAliases`] shortens the topics of a connection.
//! - [`outbox::Outbox`] is a server's queue towards one client; it outlives connections.
//! - [`client::ClientSession`] is a client's whole session across reconnections.
//!
//! Each call takes the current instant where time matters and returns what the shell has to do.

pub mod alias;
pub mod client;
pub mod outbox;
mod packet_id;
pub mod server;
