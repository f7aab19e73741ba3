//! What the IPC needs of the connection to AWS IoT Core.
//!
//! The IPC server owns which component gets which message; the connection owns sessions, retries
//! and what waits while offline. They meet in [`IotCore`] and in one bounded channel of incoming
//! messages.

mod cloud_filter;
pub(super) mod connection_status;
mod event;
pub(super) mod fan_out;
pub(super) mod requests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use marram_mqtt::{Publish, QoS};
use tokio::sync::{mpsc, watch};

/// A future behind a trait object.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The device's connection to AWS IoT Core, as components may use it.
///
/// Messages that arrive go into the channel whose receiving end is [`IotLink::messages`], each once
/// however many filters select it; the server ignores those that no component asked for, so
/// forwarding more is harmless.
pub trait IotCore: fmt::Debug + Send + Sync + 'static {
    /// Hands over a message. It takes its place in the order of messages before this returns; the
    /// future ends when the message is accepted for sending, not when the cloud has it.
    fn publish(&self, message: Publish) -> BoxFuture<Result<(), PublishFailed>>;

    /// Subscribes the connection to `filter`; ends with the cloud's answer. While offline it waits
    /// for the connection. An established subscription is renewed on each reconnect without the
    /// server's doing, until [`IotCore::unsubscribe`].
    fn subscribe(&self, filter: String, qos: QoS) -> BoxFuture<Result<(), SubscribeFailed>>;

    /// Ends a subscription of [`IotCore::subscribe`]; nothing else of the connection may suffer
    /// if it uses the same filter for itself.
    fn unsubscribe(&self, filter: String) -> BoxFuture<()>;

    /// Whether the cloud is reached, now and from now on.
    fn connection(&self) -> watch::Receiver<bool>;
}

/// Both directions of the connection to AWS IoT Core.
#[derive(Debug)]
pub struct IotLink {
    /// Takes requests.
    pub iot_core: Arc<dyn IotCore>,
    /// Gives every message that arrived. The server takes each within a bounded time.
    pub messages: mpsc::Receiver<Publish>,
}

/// Why a message was not accepted. The text follows `Publish to topic … failed: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PublishFailed {
    /// For the component's author.
    pub reason: String,
}

/// Why a subscription failed. The text follows `Subscribe to topic … failed with error `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SubscribeFailed {
    /// For the component's author.
    pub reason: String,
    /// The reason code of the cloud's SUBACK, if the cloud refused.
    pub reason_code: Option<u8>,
}
