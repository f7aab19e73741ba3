//! TLS set-up with rustls, certificate authority, certificate identity.
