//! A small HTTP/1 client and server, both with a deadline on every wait and a bound on every body.
//!
//! The client is hyper's with rustls, and one TLS configuration per client, because a device talks
//! to its cloud with its certificate and to nobody else. The server runs a plain function per
//! request over TCP or TLS and hands it the peer's certificate; routing is the caller's, on the raw
//! path, because ARNs in paths and signatures over paths do not survive decoding.

pub mod client;
pub mod server;

pub use hyper::{HeaderMap, Method, StatusCode, header};
