//! The client's side of TLS.

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::certificate::Identity;
use crate::provider;

/// Why a client's TLS could not be configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureClient {
    /// PEM text is unreadable.
    #[error("the {part} is not valid PEM")]
    Pem {
        /// `root certificate`, `client certificate` or `private key`.
        part: &'static str,
        /// What is wrong with it.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The root file holds no certificate.
    #[error("the root certificates hold no certificate: give at least one PEM `CERTIFICATE` block")]
    NoRoots,
    /// A root certificate, the client certificate or its key is not usable.
    #[error("the {part} was rejected")]
    Rejected {
        /// `root certificate` or `client certificate and private key`.
        part: &'static str,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
}

/// A TLS 1.2 and 1.3 client that trusts exactly the authorities in `roots_pem` (a bundle may hold
/// several) and presents `identity` where it is asked for one. `alpn` may be empty.
pub fn client_config(
    roots_pem: &str,
    identity: Option<&Identity>,
    alpn: &[&[u8]],
) -> Result<ClientConfig, ConfigureClient> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots_pem.as_bytes()) {
        let root =
            root.map_err(|source| ConfigureClient::Pem { part: "root certificate", source })?;
        roots
            .add(root)
            .map_err(|source| ConfigureClient::Rejected { part: "root certificate", source })?;
    }
    if roots.is_empty() {
        return Err(ConfigureClient::NoRoots);
    }

    let rejected =
        |source| ConfigureClient::Rejected { part: "client certificate and private key", source };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(rejected)?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = read_identity(identity)?;
            builder.with_client_auth_cert(chain, key).map_err(rejected)?
        }
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read_identity(identity: &Identity) -> Result<Chain, ConfigureClient> {
    let chain = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| ConfigureClient::Pem { part: "client certificate", source })?;
    let key = PrivateKeyDer::from_pem_slice(identity.private_key_pem.as_bytes())
        .map_err(|source| ConfigureClient::Pem { part: "private key", source })?;
    Ok((chain, key))
}

/// A TLS client that trusts nobody: every handshake fails. For a client of plain HTTP only.
pub fn client_config_without_roots() -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}
