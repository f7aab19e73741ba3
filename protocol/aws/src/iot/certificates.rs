//! Shapes of the operations on certificates.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::epoch::EpochMs;

/// `CreateKeysAndCertificate`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateKeysAndCertificateRequest {
    /// Whether the certificate may be used at once.
    pub set_as_active: bool,
}

/// A key pair as PEM.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyPair {
    /// `BEGIN PUBLIC KEY`.
    pub public_key: String,
    /// The private key; the cloud keeps no copy.
    pub private_key: String,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public_key", &self.public_key).finish_non_exhaustive()
    }
}

/// Answer to `CreateKeysAndCertificate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateKeysAndCertificateResponse {
    /// Its ARN.
    pub certificate_arn: String,
    /// SHA-256 of its DER, lower-case hex.
    pub certificate_id: String,
    /// The certificate.
    pub certificate_pem: String,
    /// Its keys.
    pub key_pair: KeyPair,
}

/// `CreateCertificateFromCsr`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateCertificateFromCsrRequest {
    /// The signing request as PEM.
    pub certificate_signing_request: String,
    /// Whether the certificate may be used at once.
    #[serde(default)]
    pub set_as_active: bool,
}

/// Answer to `CreateCertificateFromCsr`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateCertificateFromCsrResponse {
    /// Its ARN.
    pub certificate_arn: String,
    /// SHA-256 of its DER, lower-case hex.
    pub certificate_id: String,
    /// The certificate.
    pub certificate_pem: String,
}

/// `RegisterCertificate`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterCertificateRequest {
    /// The certificate.
    pub certificate_pem: String,
    /// The certificate of the authority that signed it.
    pub ca_certificate_pem: Option<String>,
    /// Whether it may be used at once; `status` is the newer way to say it.
    pub set_as_active: Option<bool>,
    /// `ACTIVE`, `INACTIVE` or `REVOKED`.
    pub status: Option<String>,
}

/// `RegisterCertificateWithoutCA`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterCertificateWithoutCaRequest {
    /// The certificate.
    pub certificate_pem: String,
    /// `ACTIVE`, `INACTIVE` or `REVOKED`.
    pub status: Option<String>,
}

/// Answer to the two operations that register certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterCertificateResponse {
    /// Its ARN.
    pub certificate_arn: String,
    /// SHA-256 of its DER, lower-case hex.
    pub certificate_id: String,
}

/// `DescribeCertificate`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeCertificateRequest {
    /// The certificate's id.
    pub certificate_id: String,
}

/// Answer to `DescribeCertificate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeCertificateResponse {
    /// The certificate.
    pub certificate_description: CertificateDescription,
}

/// A certificate with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateDescription {
    /// Its ARN.
    pub certificate_arn: String,
    /// SHA-256 of its DER, lower-case hex.
    pub certificate_id: String,
    /// `ACTIVE`, `INACTIVE` or `REVOKED`.
    pub status: String,
    /// The certificate itself.
    pub certificate_pem: String,
    /// The account it belongs to.
    pub owned_by: String,
    /// When it was registered.
    pub creation_date: EpochMs,
    /// When its status last changed.
    pub last_modified_date: EpochMs,
    /// From when to when it is valid.
    pub validity: CertificateValidity,
    /// `DEFAULT`, or `SNI_ONLY` for one that was registered without its authority.
    pub certificate_mode: String,
}

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateValidity {
    /// The start.
    pub not_before: EpochMs,
    /// The end.
    pub not_after: EpochMs,
}

/// `UpdateCertificate`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateCertificateRequest {
    /// The certificate's id.
    pub certificate_id: String,
    /// `ACTIVE`, `INACTIVE` or `REVOKED`.
    pub new_status: String,
}

/// `DeleteCertificate`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteCertificateRequest {
    /// The certificate's id.
    pub certificate_id: String,
    /// Whether attached policies may be detached.
    #[serde(default)]
    pub force_delete: bool,
}

/// A list ordered by age: `ListCertificates`, `ListPolicies`, `ListRoleAliases`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OrderedPageRequest {
    /// Where to go on.
    pub marker: Option<String>,
    /// 1 to 250.
    pub page_size: Option<i64>,
    /// Oldest first; travels as `isAscendingOrder`.
    pub ascending_order: bool,
}

/// One row of `ListCertificates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSummary {
    /// Its ARN.
    pub certificate_arn: String,
    /// SHA-256 of its DER, lower-case hex.
    pub certificate_id: String,
    /// `ACTIVE`, `INACTIVE` or `REVOKED`.
    pub status: String,
    /// `DEFAULT`, or `SNI_ONLY` for one that was registered without its authority.
    pub certificate_mode: String,
    /// When it was registered.
    pub creation_date: EpochMs,
}

/// Answer to `ListCertificates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListCertificatesResponse {
    /// The page.
    pub certificates: Vec<CertificateSummary>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
