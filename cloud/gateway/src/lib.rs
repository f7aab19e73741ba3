//! The device plane: MQTT over TLS, device HTTP, reserved topics.
