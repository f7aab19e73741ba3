//! What a client connects to and how.

use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use marram_mqtt::session::client::ClientSettings;
use marram_mqtt::{ByteString, Version};

use crate::transport::SOCKET_TIMEOUT;

/// Pauses between attempts to connect: they double from `min` to `max`, each shortened by a random
/// part of up to a half, so that a fleet does not come back in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// First pause.
    pub min: Duration,
    /// Longest pause.
    pub max: Duration,
}

/// How a client connects. [`Options::new`] fills in Greengrass's defaults.
#[derive(Clone)]
pub struct Options {
    /// Name or IP address of the broker.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Client id; must not be empty.
    pub client_id: String,
    /// Protocol version.
    pub version: Version,
    /// Longest silence, in whole seconds; zero turns pings off.
    pub keep_alive: Duration,
    /// How long a ping may stay unanswered.
    pub ping_timeout: Duration,
    /// How long the broker shall keep the session between connections, in whole seconds.
    pub session_expiry: Duration,
    /// Whether the first connection discards a session of an earlier process.
    pub clean_start_first: bool,
    /// TLS; without it the connection is plain TCP.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Time for one address of the host to take the TCP connection.
    pub socket_timeout: Duration,
    /// Time for one attempt to connect: name, TCP, TLS and CONNACK together.
    pub connect_timeout: Duration,
    /// Time for one operation, waiting for a connection included.
    pub operation_timeout: Duration,
    /// Most unacknowledged QoS 1 messages; the broker may ask for fewer.
    pub max_in_flight: NonZeroU16,
    /// Pauses between attempts.
    pub reconnect: Backoff,
    /// Most unacknowledged QoS 1 messages of the broker (MQTT 5).
    pub receive_maximum: NonZeroU16,
    /// Largest packet taken from the broker, in bytes.
    pub max_packet_size: u32,
}

impl Options {
    /// Options with the defaults of the Greengrass nucleus (`mqtt` in its configuration).
    pub fn new(host: impl Into<String>, port: u16, client_id: impl Into<String>) -> Self {
        let hundred = NonZeroU16::MIN.saturating_add(99);
        Self {
            host: host.into(),
            port,
            client_id: client_id.into(),
            version: Version::V5,
            keep_alive: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(30),
            session_expiry: Duration::from_secs(604_800),
            clean_start_first: true,
            tls: None,
            socket_timeout: SOCKET_TIMEOUT,
            connect_timeout: Duration::from_secs(30),
            operation_timeout: Duration::from_secs(30),
            max_in_flight: hundred,
            receive_maximum: hundred,
            reconnect: Backoff { min: Duration::from_secs(1), max: Duration::from_secs(120) },
            max_packet_size: 256 * 1024,
        }
    }

    pub(crate) fn session_settings(&self) -> ClientSettings {
        let seconds = self.keep_alive.as_secs();
        ClientSettings {
            client_id: ByteString::from(self.client_id.as_str()),
            version: self.version,
            keep_alive_s: u16::try_from(seconds).unwrap_or(u16::MAX),
            ping_timeout: self.ping_timeout,
            session_expiry_s: u32::try_from(self.session_expiry.as_secs()).unwrap_or(u32::MAX),
            clean_start_first: self.clean_start_first,
            max_in_flight: self.max_in_flight,
            receive_maximum: self.receive_maximum,
            max_packet_size: self.max_packet_size,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The TLS configuration holds a private key.
        f.debug_struct("Options")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("client_id", &self.client_id)
            .field("version", &self.version)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}
