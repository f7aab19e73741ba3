//! An MQTT broker engine: sessions, routing, retained messages; the caller owns TCP, TLS and policy.
