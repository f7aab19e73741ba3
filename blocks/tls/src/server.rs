//! The server's side of TLS.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, ServerConnection, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::certificate::Identity;
use crate::provider;

/// What a server asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// No client certificate is requested.
    None,
    /// A client certificate is requested and any is accepted, also none and also an expired one;
    /// the handshake proves only that the client holds its private key. The caller decides what
    /// the certificate is worth ([`peer_certificate`]).
    AnyCertificate,
}

/// Why a server's TLS could not be configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureServer {
    /// The identity's PEM is unreadable.
    #[error("the server's {part} is not valid PEM")]
    Pem {
        /// `certificate` or `private key`.
        part: &'static str,
        /// What is wrong with it.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// Key and certificate do not fit each other, or their kind is not supported.
    #[error("the server's certificate and private key cannot be used together")]
    Rejected(#[source] rustls::Error),
}

/// A TLS 1.2 and 1.3 server. `alpn` lists the protocols in order of preference; a client that
/// offers none is accepted, a client that offers only others is refused by TLS itself.
pub fn server_config(
    identity: &Identity,
    client_auth: ClientAuth,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, ConfigureServer> {
    let chain = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| ConfigureServer::Pem { part: "certificate", source })?;
    let key = PrivateKeyDer::from_pem_slice(identity.private_key_pem.as_bytes())
        .map_err(|source| ConfigureServer::Pem { part: "private key", source })?;

    let provider = provider();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(ConfigureServer::Rejected)?;
    let builder = match client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::AnyCertificate => {
            builder.with_client_cert_verifier(Arc::new(PossessionOnly { provider }))
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(ConfigureServer::Rejected)?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The DER bytes of the client's certificate, when it presented one. Its private key was proved.
pub fn peer_certificate(connection: &ServerConnection) -> Option<&[u8]> {
    connection.peer_certificates()?.first().map(AsRef::as_ref)
}

/// Accepts any certificate whose key the client holds.
#[derive(Debug)]
struct PossessionOnly {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for PossessionOnly {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
