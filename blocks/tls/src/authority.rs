//! The certificate authority that a cloud makes for itself at its first start.
//!
//! Keys are ECDSA P-256: ring cannot generate RSA keys, and every AWS client accepts P-256.
//! Validity starts at a fixed day in the past, because a device without a battery-backed clock
//! may believe it is years ago when it first connects.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use marram_os::file::{self, WriteFile};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SubjectPublicKeyInfo,
};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;
use time::macros::datetime;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::certificate::Identity;

/// What AWS IoT writes as the end of a device certificate's validity; all of ours end there.
const NOT_AFTER: OffsetDateTime = datetime!(2049-12-31 23:59:59 UTC);
const NOT_BEFORE: OffsetDateTime = datetime!(2020-01-01 00:00:00 UTC);

/// A certificate authority whose key lives in a folder.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    certificate_file: PathBuf,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("certificate_file", &self.certificate_file)
            .finish_non_exhaustive()
    }
}

/// Why an authority could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenAuthority {
    /// A file exists but cannot be read.
    #[error("could not read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// One of key and certificate is there without the other.
    #[error(
        "`{}` is missing beside its partner: restore both from a backup, or delete both to start \
         a new authority (every device certificate must then be issued again)",
        path.display()
    )]
    Incomplete {
        /// The missing file.
        path: PathBuf,
    },
    /// The files do not hold an authority.
    #[error("`{}` holds no usable authority: restore it from a backup", folder.display())]
    Invalid {
        /// The authority's folder.
        folder: PathBuf,
        /// What is wrong with them.
        #[source]
        source: rcgen::Error,
    },
    /// The new authority could not be stored.
    #[error("could not store the new authority")]
    Store(#[source] WriteFile),
}

/// Why a certificate could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueCertificate {
    /// The text is not a certificate signing request.
    #[error("the certificate signing request is not valid PEM PKCS #10: {0}")]
    MalformedRequest(String),
    /// The request is not signed by the key it carries.
    #[error("the certificate signing request is not signed with the key it asks a certificate for")]
    RequestSignature,
    /// The key's kind cannot be certified.
    #[error("the request's public key is of a kind that is not supported: use RSA or P-256/P-384")]
    UnsupportedKey(#[source] rcgen::Error),
    /// A name is not allowed in a certificate.
    #[error("`{name}` cannot stand in a certificate")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        #[source]
        source: rcgen::Error,
    },
    /// Key generation or signing failed.
    #[error("could not sign the certificate")]
    Sign(#[source] rcgen::Error),
}

impl Authority {
    /// Loads the authority in `folder`, or makes one there (`root-ca.pem`, and `root-ca.key` with
    /// mode 0600). The folder must exist.
    pub fn open(folder: &Path) -> Result<Self, OpenAuthority> {
        let certificate_file = folder.join("root-ca.pem");
        let key_file = folder.join("root-ca.key");
        match (read(&certificate_file)?, read(&key_file)?) {
            (Some(certificate), Some(key)) => Self::load(certificate_file, certificate, &key),
            (None, None) => Self::create(certificate_file, &key_file),
            (None, Some(_)) => Err(OpenAuthority::Incomplete { path: certificate_file }),
            (Some(_), None) => Err(OpenAuthority::Incomplete { path: key_file }),
        }
    }

    /// The authority's certificate: what clients must trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The file that holds [`Self::certificate_pem`].
    pub fn certificate_file(&self) -> &Path {
        &self.certificate_file
    }

    /// A server's key and certificate for `names`: host names and IP addresses.
    pub fn issue_server(&self, names: &[String]) -> Result<Identity, IssueCertificate> {
        let mut params = leaf("Marram");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for name in names {
            params.subject_alt_names.push(alternative_name(name)?);
        }
        self.issue(&params)
    }

    /// A client's key and certificate, with `common_name` as its only subject name.
    pub fn issue_client(&self, common_name: &str) -> Result<Identity, IssueCertificate> {
        self.issue(&client_leaf(leaf(common_name)))
    }

    /// A certificate for the key of a PEM certificate signing request, with its subject.
    ///
    /// Extensions that the request asks for are ignored, as AWS IoT does: what the certificate
    /// may be used for is ours to say.
    pub fn sign_csr(&self, request_pem: &str) -> Result<String, IssueCertificate> {
        let malformed = |reason: String| IssueCertificate::MalformedRequest(reason);
        let der = CertificateSigningRequestDer::from_pem_slice(request_pem.as_bytes())
            .map_err(|error| malformed(error.to_string()))?;
        let (_, request) = X509CertificationRequest::from_der(&der)
            .map_err(|error| malformed(error.to_string()))?;
        request.verify_signature().map_err(|_| IssueCertificate::RequestSignature)?;

        let info = &request.certification_request_info;
        let key = SubjectPublicKeyInfo::from_der(info.subject_pki.raw)
            .map_err(IssueCertificate::UnsupportedKey)?;
        let mut params = client_leaf(CertificateParams::default());
        params.distinguished_name = DistinguishedName::new();
        for attribute in info.subject.iter_attributes() {
            let oid = attribute.attr_type().iter();
            let oid: Vec<u64> = oid.ok_or_else(|| malformed("subject".to_owned()))?.collect();
            let value = attribute.as_str().map_err(|error| malformed(error.to_string()))?;
            params.distinguished_name.push(DnType::from_oid(&oid), value);
        }
        let certificate = params.signed_by(&key, &self.issuer).map_err(IssueCertificate::Sign)?;
        Ok(certificate.pem())
    }

    fn issue(&self, params: &CertificateParams) -> Result<Identity, IssueCertificate> {
        let key = KeyPair::generate().map_err(IssueCertificate::Sign)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(IssueCertificate::Sign)?;
        Ok(Identity { certificate_pem: certificate.pem(), private_key_pem: key.serialize_pem() })
    }

    fn load(
        certificate_file: PathBuf,
        certificate_pem: String,
        key_pem: &str,
    ) -> Result<Self, OpenAuthority> {
        let issuer = KeyPair::from_pem(key_pem)
            .and_then(|key| Issuer::from_ca_cert_pem(&certificate_pem, key))
            .map_err(|source| OpenAuthority::Invalid {
                folder: certificate_file.parent().unwrap_or_else(|| Path::new(".")).to_path_buf(),
                source,
            })?;
        Ok(Self { issuer, certificate_pem, certificate_file })
    }

    fn create(certificate_file: PathBuf, key_file: &Path) -> Result<Self, OpenAuthority> {
        let (certificate_pem, key_pem) = new_root().map_err(|source| OpenAuthority::Invalid {
            folder: certificate_file.parent().unwrap_or_else(|| Path::new(".")).to_path_buf(),
            source,
        })?;
        file::write_atomically(key_file, key_pem.as_bytes(), 0o600)
            .and_then(|()| {
                file::write_atomically(&certificate_file, certificate_pem.as_bytes(), 0o644)
            })
            .map_err(OpenAuthority::Store)?;
        Self::load(certificate_file, certificate_pem, &key_pem)
    }
}

fn new_root() -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = leaf("Marram Root CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = false;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn leaf(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = NOT_BEFORE;
    params.not_after = NOT_AFTER;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

fn client_leaf(mut params: CertificateParams) -> CertificateParams {
    params.not_before = NOT_BEFORE;
    params.not_after = NOT_AFTER;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn alternative_name(name: &str) -> Result<SanType, IssueCertificate> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let dns = name
        .try_into()
        .map_err(|source| IssueCertificate::Name { name: name.to_owned(), source })?;
    Ok(SanType::DnsName(dns))
}

fn read(path: &Path) -> Result<Option<String>, OpenAuthority> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenAuthority::Read { path: path.to_path_buf(), source }),
    }
}

#[cfg(test)]
mod tests;
