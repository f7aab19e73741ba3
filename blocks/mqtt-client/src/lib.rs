//! A reconnecting MQTT client with tracked acknowledgements.
//!
//! [`Client::start`] opens a connection and keeps opening new ones, with growing jittered pauses,
//! until it is stopped. [`Client::publish`] returns when the broker has acknowledged, across
//! reconnections if need be; subscriptions are renewed whenever the broker has lost the session.
//! MQTT 3.1.1 and 5, QoS 0 and 1, with or without TLS.
//!
//! [`probe()`] connects once and tells what the broker answers, for diagnosis.
//!
//! The protocol itself is the pure machine [`marram_mqtt::session::client`]; this crate gives it a
//! socket, a clock and a task.

mod backoff;
mod client;
mod driver;
mod options;
mod probe;
pub mod transport;

pub use client::{Ack, Client, PublishError, SubscribeError};
pub use driver::Event;
pub use marram_mqtt::session::client::Feature;
pub use marram_mqtt::{ByteString, Publish, PublishProperties, QoS, ReasonCode, Version};
pub use options::{Backoff, Options};
pub use probe::{Probe, probe};
