//! An MQTT broker engine: sessions, routing, retained messages; the caller owns TCP, TLS and policy.
//!
//! [`Broker::serve`] runs one accepted stream; who may connect, publish, subscribe and receive is
//! asked of the caller's [`Handler`], and so is what happens to publications below `$`, which the
//! caller may consume as requests and answer with [`Broker::reply`].
//!
//! The profile is AWS IoT's: MQTT 3.1.1 and 5, QoS 0 and 1. Everything is bounded by
//! [`Settings`]: a client that reads too slowly loses QoS 0 messages, then its connection, and
//! never delays a publisher. A broker with a [`SessionStore`] acknowledges what is kept there:
//! persistent sessions and retained messages outlive it.

mod broker;
mod connection;
mod handler;
mod io;
mod janitor;
mod keeper;
mod lobby;
mod persistence;
mod retained;
mod router;
mod session;
mod settings;

pub use broker::{Broker, Statistics};
pub use handler::{
    Action, ConnectRequest, Disconnect, DisconnectReason, Handler, Intercept, Peer, Refusal,
    SessionInfo,
};
pub use lobby::{Guest, Lobby};
pub use marram_mqtt::packet::{RetainHandling, SubscribeOptions};
pub use marram_mqtt::session::outbox::OutboxLimits;
pub use marram_mqtt::session::server::ConnectionLimits;
pub use marram_mqtt::topic::TopicLimits;
pub use marram_mqtt::{ByteString, Publish, PublishProperties, QoS, ReasonCode, Version};
pub use persistence::{
    Change, Kept, KeptDelivery, KeptMessage, KeptSession, KeptSubscription, Persistence,
    SessionStore, StoreFailure, Storing,
};
pub use settings::Settings;
