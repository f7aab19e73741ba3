//! The device plane: MQTT over TLS, device HTTPS, reserved topics.
//!
//! A device is its client certificate: the TLS layer takes any, proves that the client holds its
//! key, and hands it over; the registry knows whose it is, and its policies decide on every
//! connect, publish, subscribe, delivery and call. Requests on reserved topics (`$aws/things/…`)
//! go to the fleet and are never seen by subscribers; the fleet's messages come back through the
//! broker. A certificate that is revoked loses its connections at once.

mod alpn;
mod broker_sink;
mod device;
mod gateway;
mod https;
mod jobs_https;
mod kept;
mod listener;
mod presence;
mod reserved;
mod retained;
mod revocation;
mod service_error;
mod websocket;

pub use broker_sink::DeviceTopics;
pub use gateway::{Gateway, Listeners, Parts, StartGateway};
pub use marram_broker::PublishProperties;
