//! The broker's bounds and deadlines.

use std::num::NonZeroU16;
use std::time::Duration;

use marram_mqtt::session::outbox::OutboxLimits;
use marram_mqtt::session::server::ConnectionLimits;
use marram_mqtt::topic::TopicLimits;

/// Bounds and deadlines, by default those of AWS IoT where AWS has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What each connection may do; announced in CONNACK.
    pub connection: ConnectionLimits,
    /// Queue towards a connected client.
    pub online_queue: OutboxLimits,
    /// Queue of a persistent session without connection.
    pub offline_queue: OutboxLimits,
    /// Most bytes that sessions hold together: beyond them nothing is queued for sessions without
    /// connection.
    pub max_held_bytes: usize,
    /// Most unacknowledged QoS 1 messages towards a client, whatever larger receive maximum it
    /// announces.
    pub max_in_flight: NonZeroU16,
    /// Most connections that have not sent their CONNECT yet; the oldest goes for one more.
    pub max_connecting: usize,
    /// Most filters of one SUBSCRIBE; those behind are answered with 0x97.
    pub max_filters: usize,
    /// Most subscriptions of one session; further ones are answered with 0x97.
    pub max_subscriptions: usize,
    /// Most retained messages; further ones are delivered but not retained.
    pub max_retained: usize,
    /// Most bytes of retained topics and payloads.
    pub max_retained_bytes: usize,
    /// How long a client may take nothing of what is sent to it.
    pub write_timeout: Duration,
    /// How long [`Handler::connect`](crate::Handler::connect) and
    /// [`Handler::intercept`](crate::Handler::intercept) may take.
    pub handler_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let hundred = NonZeroU16::MIN.saturating_add(99);
        Self {
            connection: ConnectionLimits {
                connect_timeout: Duration::from_secs(10),
                // 131072 bytes of payload and room for topic and properties.
                max_packet_size: 146 * 1024,
                max_payload: 128 * 1024,
                receive_maximum: hundred,
                topic_alias_maximum: 8,
                max_client_id: 128,
                topics: TopicLimits { max_bytes: 256, max_slashes: 7 },
                max_session_expiry_s: 7 * 24 * 60 * 60,
                max_keep_alive_s: 1200,
            },
            online_queue: OutboxLimits { max_messages: 1000, max_bytes: 4 * 1024 * 1024 },
            offline_queue: OutboxLimits { max_messages: 1000, max_bytes: 1024 * 1024 },
            max_held_bytes: 256 * 1024 * 1024,
            max_in_flight: hundred,
            max_connecting: 4096,
            max_filters: 8,
            max_subscriptions: 500,
            max_retained: 10_000,
            max_retained_bytes: 64 * 1024 * 1024,
            write_timeout: Duration::from_secs(30),
            handler_timeout: Duration::from_secs(30),
        }
    }
}
