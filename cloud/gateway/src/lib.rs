//! The device plane of the cloud: MQTT over TLS, the devices' HTTPS, and the reserved topics.
//!
//! A device proves who it is with its client certificate, whatever authority signed it: the TLS
//! layer checks only that the peer holds the key, the registry knows the certificate or not. Each
//! connect, publish, subscribe, receive and HTTP call is then decided by the IoT policies of that
//! certificate.
//!
//! Publications to `$aws/things/…` are requests to the cloud. They are answered here from the
//! fleet and the registry, and never reach ordinary subscribers.
//!
//! The gateway owns both listeners, their connections and their tasks, and gives all of them up in
//! `Gateway::stop`.

mod settings;
