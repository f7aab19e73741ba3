//! TLS set-up with rustls, the certificate authority of a cloud, and the identity of certificates.
//!
//! The crypto provider is always named (ring), so that a second one in the dependency graph can
//! never make set-up ambiguous. A server asks for a client certificate and accepts any: AWS IoT
//! does not require device certificates to chain to a known authority, it looks the certificate
//! up by the digest of its bytes ([`certificate_id`]) and so do we. What the handshake proves is
//! that the client holds the certificate's private key.

mod authority;
mod certificate;
mod client;
mod server;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use authority::{Authority, IssueCertificate, OpenAuthority};
pub use certificate::{
    CertificateInfo, Identity, ParseCertificate, certificate_der, certificate_ders, certificate_id,
    certificate_info, certificate_pem, is_signed_by,
};
pub use client::{ConfigureClient, client_config, client_config_without_roots};
pub use server::{ClientAuth, ConfigureServer, peer_certificate, server_config};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
