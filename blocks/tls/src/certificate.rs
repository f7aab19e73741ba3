//! Certificates as text and bytes, and what Marram reads out of them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// A certificate with its private key, both as PEM. The key never appears in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate; may be followed by its chain.
    pub certificate_pem: String,
    /// PKCS #8 private key.
    pub private_key_pem: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate_pem", &self.certificate_pem)
            .field("private_key_pem", &"[redacted]")
            .finish()
    }
}

/// Why a certificate could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ParseCertificate {
    /// The text holds no `CERTIFICATE` block.
    #[error("no certificate found: give PEM text with a `BEGIN CERTIFICATE` block")]
    NoPem(#[source] rustls_pki_types::pem::Error),
    /// The bytes are not an X.509 certificate.
    #[error("the certificate is not valid X.509 ({0}): give the certificate as it was issued")]
    NotX509(String),
}

/// What Marram shows of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The subject as text, for example `CN=AWS IoT Certificate`.
    pub subject: String,
    /// The issuer as text.
    pub issuer: String,
    /// The first common name of the subject.
    pub common_name: Option<String>,
    /// Start of validity in milliseconds since the epoch.
    pub not_before_ms: i64,
    /// End of validity in milliseconds since the epoch.
    pub not_after_ms: i64,
    /// The public key as PEM (`BEGIN PUBLIC KEY`).
    pub public_key_pem: String,
}

/// AWS IoT's `certificateId`: the lower-case hex SHA-256 of the certificate's DER bytes.
pub fn certificate_id(der: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    let mut id = String::with_capacity(64);
    for byte in digest.as_ref() {
        for nibble in [byte >> 4, byte & 0x0f] {
            id.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    id
}

/// The bytes of the first certificate in PEM text.
pub fn certificate_der(pem: &str) -> Result<Vec<u8>, ParseCertificate> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(ParseCertificate::NoPem)?;
    Ok(der.as_ref().to_vec())
}

/// A certificate's bytes as PEM text, as a handshake's peer is stored and shown.
pub fn certificate_pem(der: &[u8]) -> String {
    pem("CERTIFICATE", der)
}

/// Reads subject, validity and public key of a certificate.
pub fn certificate_info(der: &[u8]) -> Result<CertificateInfo, ParseCertificate> {
    let (rest, certificate) = X509Certificate::from_der(der)
        .map_err(|error| ParseCertificate::NotX509(error.to_string()))?;
    if !rest.is_empty() {
        return Err(ParseCertificate::NotX509(format!("{} bytes after its end", rest.len())));
    }
    let subject = certificate.subject();
    let common_name = subject.iter_common_name().next().and_then(|name| name.as_str().ok());
    let common_name = common_name.map(str::to_owned);
    Ok(CertificateInfo {
        subject: subject.to_string(),
        issuer: certificate.issuer().to_string(),
        common_name,
        not_before_ms: certificate.validity().not_before.timestamp().saturating_mul(1000),
        not_after_ms: certificate.validity().not_after.timestamp().saturating_mul(1000),
        public_key_pem: pem("PUBLIC KEY", certificate.public_key().raw),
    })
}

/// Whether the authority whose certificate this is has signed the other certificate. Both are DER;
/// what is no certificate is signed by nobody.
pub fn is_signed_by(certificate: &[u8], authority: &[u8]) -> bool {
    let read = |der| X509Certificate::from_der(der).map(|(_, certificate)| certificate);
    let (Ok(certificate), Ok(authority)) = (read(certificate), read(authority)) else {
        return false;
    };
    certificate.issuer() == authority.subject()
        && certificate.verify_signature(Some(authority.public_key())).is_ok()
}

/// All certificates in PEM text, as bytes.
pub fn certificate_ders(pem: &str) -> Result<Vec<Vec<u8>>, ParseCertificate> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|der| der.map(|der| der.as_ref().to_vec()).map_err(ParseCertificate::NoPem))
        .collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    // A line is 64 characters, that is 48 bytes (RFC 7468).
    let lines: Vec<String> = der.chunks(48).map(|line| STANDARD.encode(line)).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_id_is_the_hex_sha256() {
        assert_eq!(
            certificate_id(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn pem_reads_back_at_every_padding() {
        for length in [1, 2, 3, 47, 48, 49, 200] {
            let der: Vec<u8> = (0..length).map(|n| n as u8).collect();
            assert_eq!(certificate_der(&certificate_pem(&der)).unwrap(), der, "length {length}");
        }
    }

    #[test]
    fn text_without_a_certificate_is_refused() {
        assert!(matches!(certificate_der("hello"), Err(ParseCertificate::NoPem(_))));
        assert!(matches!(certificate_info(b"hello"), Err(ParseCertificate::NotX509(_))));
    }
}
