//! Operations on certificates.
//!
//! New keys are ECDSA P-256 where AWS makes RSA-2048: every AWS device client reads both, and the
//! smaller keys are kinder to small devices.

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::iot::{
    CertificateDescription, CertificateSummary, CertificateValidity,
    CreateCertificateFromCsrRequest, CreateCertificateFromCsrResponse,
    CreateKeysAndCertificateRequest, CreateKeysAndCertificateResponse, DeleteCertificateRequest,
    DescribeCertificateRequest, DescribeCertificateResponse, Empty, KeyPair,
    ListCertificatesResponse, OrderedPageRequest, UpdateCertificateRequest,
};
use marram_store::{Certificate, Reader};
use marram_tls::IssueCertificate;

use crate::change::Change;
use crate::fields;
use crate::identity::ACTIVE;
use crate::page::AgePage;
use crate::registry::{Registry, delete_conflict};

/// The subject that AWS IoT gives the certificates it makes keys for.
pub(crate) const COMMON_NAME: &str = "AWS IoT Certificate";
pub(crate) const INACTIVE: &str = "INACTIVE";
pub(crate) const REVOKED: &str = "REVOKED";
/// How certificates are looked up: by their digest, whatever server name the client asked for.
pub(crate) const DEFAULT_MODE: &str = "DEFAULT";
/// As AWS calls those that were registered without their authority; looked up just the same.
pub(crate) const SNI_ONLY: &str = "SNI_ONLY";
const MAX_CSR: usize = 4096;

/// A certificate as it was issued, and its public key.
pub(crate) struct Issued {
    pub(crate) certificate: Certificate,
    pub(crate) public_key_pem: String,
}

impl Registry {
    /// `CreateKeysAndCertificate`. The private key is given once and not kept.
    ///
    /// # Errors
    /// Signing or the store failed.
    pub async fn create_keys_and_certificate(
        &self,
        request: CreateKeysAndCertificateRequest,
    ) -> Result<CreateKeysAndCertificateResponse, ApiError> {
        let identity = self.inner.authority.issue_client(COMMON_NAME).map_err(refused)?;
        let issued = self.register(identity.certificate_pem, request.set_as_active).await?;
        Ok(CreateKeysAndCertificateResponse {
            certificate_arn: self.inner.account.certificate(&issued.certificate.id),
            certificate_id: issued.certificate.id,
            certificate_pem: issued.certificate.pem,
            key_pair: KeyPair {
                public_key: issued.public_key_pem,
                private_key: identity.private_key_pem,
            },
        })
    }

    /// `CreateCertificateFromCsr`. Each call makes a new certificate.
    ///
    /// # Errors
    /// The signing request is not valid, or the store failed.
    pub async fn create_certificate_from_csr(
        &self,
        request: CreateCertificateFromCsrRequest,
    ) -> Result<CreateCertificateFromCsrResponse, ApiError> {
        let csr = &request.certificate_signing_request;
        fields::length("certificateSigningRequest", csr, 1, MAX_CSR)?;
        let pem = self.inner.authority.sign_csr(csr).map_err(refused)?;
        let issued = self.register(pem, request.set_as_active).await?;
        Ok(CreateCertificateFromCsrResponse {
            certificate_arn: self.inner.account.certificate(&issued.certificate.id),
            certificate_id: issued.certificate.id,
            certificate_pem: issued.certificate.pem,
        })
    }

    async fn register(&self, pem: String, set_as_active: bool) -> Result<Issued, ApiError> {
        let status = if set_as_active { ACTIVE } else { INACTIVE };
        let issued = self.read_certificate(pem, status, DEFAULT_MODE)?;
        let mut tx = self.inner.store.begin().await?;
        tx.insert_certificate(&issued.certificate).await?;
        tx.commit().await?;
        Ok(issued)
    }

    /// What is kept of a certificate that is known to be one.
    pub(crate) fn read_certificate(
        &self,
        pem: String,
        status: &str,
        mode: &str,
    ) -> Result<Issued, ApiError> {
        let internal = |error: marram_tls::ParseCertificate| ApiError::internal(error.to_string());
        let der = marram_tls::certificate_der(&pem).map_err(internal)?;
        let info = marram_tls::certificate_info(&der).map_err(internal)?;
        let now_ms = self.now_ms();
        let certificate = Certificate {
            id: marram_tls::certificate_id(&der),
            pem,
            status: status.to_owned(),
            mode: mode.to_owned(),
            not_before_ms: info.not_before_ms,
            not_after_ms: info.not_after_ms,
            created_at_ms: now_ms,
            modified_at_ms: now_ms,
        };
        Ok(Issued { certificate, public_key_pem: info.public_key_pem })
    }

    /// `DescribeCertificate`.
    ///
    /// # Errors
    /// There is no such certificate.
    pub async fn describe_certificate(
        &self,
        request: DescribeCertificateRequest,
    ) -> Result<DescribeCertificateResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let certificate = existing_certificate(&mut reader, &request.certificate_id).await?;
        Ok(DescribeCertificateResponse {
            certificate_description: CertificateDescription {
                certificate_arn: self.inner.account.certificate(&certificate.id),
                certificate_id: certificate.id,
                status: certificate.status,
                certificate_pem: certificate.pem,
                owned_by: self.inner.account.account_id.clone(),
                creation_date: EpochMs(certificate.created_at_ms),
                last_modified_date: EpochMs(certificate.modified_at_ms),
                validity: CertificateValidity {
                    not_before: EpochMs(certificate.not_before_ms),
                    not_after: EpochMs(certificate.not_after_ms),
                },
                certificate_mode: certificate.mode,
            },
        })
    }

    /// `UpdateCertificate`. Connections of a certificate that is no longer `ACTIVE` are cut.
    ///
    /// # Errors
    /// The status cannot be set by callers, or there is no such certificate.
    pub async fn update_certificate(
        &self,
        request: UpdateCertificateRequest,
    ) -> Result<Empty, ApiError> {
        let status = request.new_status.as_str();
        if ![ACTIVE, INACTIVE, REVOKED].contains(&status) {
            return Err(ApiError::invalid_request(format!(
                "`newStatus` is `{status}`: use {ACTIVE}, {INACTIVE} or {REVOKED}"
            )));
        }
        let mut tx = self.inner.store.begin().await?;
        let certificate = existing_certificate(&mut tx, &request.certificate_id).await?;
        tx.set_certificate_status(&certificate.id, status, self.now_ms()).await?;
        let certificate_id = certificate.id.clone();
        let change = (status != ACTIVE).then_some(Change::CertificateDisabled { certificate_id });
        self.settle(tx, vec![certificate.id], change).await?;
        Ok(Empty {})
    }

    /// `DeleteCertificate`.
    ///
    /// # Errors
    /// There is no such certificate, it is `ACTIVE` (406), or it is attached to a thing or, unless
    /// forced, a policy is attached to it (409).
    pub async fn delete_certificate(
        &self,
        request: DeleteCertificateRequest,
    ) -> Result<Empty, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let id =
            existing_certificate(&mut tx, &request.certificate_id).await.and_then(|found| {
                if found.status != ACTIVE {
                    return Ok(found.id);
                }
                Err(ApiError::new(
                    "CertificateStateException",
                    406,
                    format!(
                        "certificate `{}` is ACTIVE: set it to INACTIVE or REVOKED first",
                        found.id
                    ),
                ))
            })?;
        if let Some(thing) = tx.things_of_certificate(&id).await?.first() {
            return Err(delete_conflict(format!(
                "certificate `{id}` is attached to the thing `{thing}`: detach it first"
            )));
        }
        let arn = self.inner.account.certificate(&id);
        let policies = tx.policies_of_target(&arn).await?;
        if let Some(policy) = policies.first().filter(|_| !request.force_delete) {
            return Err(delete_conflict(format!(
                "the policy `{policy}` is attached to certificate `{id}`: detach it first, or \
                 set `forceDelete`"
            )));
        }
        tx.detach_all_policies(&arn).await?;
        tx.delete_certificate(&id).await?;
        let change = Change::CertificateDisabled { certificate_id: id.clone() };
        self.settle(tx, vec![id], Some(change)).await?;
        Ok(Empty {})
    }

    /// `ListCertificates`, newest first unless asked otherwise.
    ///
    /// # Errors
    /// A member is not valid.
    pub async fn list_certificates(
        &self,
        request: OrderedPageRequest,
    ) -> Result<ListCertificatesResponse, ApiError> {
        let page = AgePage::parse("certificates", &request)?;
        let mut reader = self.inner.store.read().await?;
        let rows = reader.certificates_from(&page.from, page.oldest_first, page.fetch()).await?;
        let (rows, next_marker) = page.cut(rows, |row| (row.created_at_ms, &row.id));
        let certificates = rows.into_iter().map(|row| CertificateSummary {
            certificate_arn: self.inner.account.certificate(&row.id),
            certificate_id: row.id,
            status: row.status,
            certificate_mode: row.mode,
            creation_date: EpochMs(row.created_at_ms),
        });
        Ok(ListCertificatesResponse { certificates: certificates.collect(), next_marker })
    }
}

/// The certificate `id`, or 404.
pub(crate) async fn existing_certificate(
    reader: &mut Reader,
    id: &str,
) -> Result<Certificate, ApiError> {
    fields::certificate_id(id)?;
    reader.certificate(id).await?.ok_or_else(|| ApiError::not_found("Certificate", id))
}

/// A signing request that cannot be honoured is the caller's fault, a failed signature is ours.
pub(crate) fn refused(error: IssueCertificate) -> ApiError {
    match error {
        IssueCertificate::MalformedRequest(_)
        | IssueCertificate::RequestSignature
        | IssueCertificate::UnsupportedKey(_) => {
            ApiError::invalid_request(format!("`certificateSigningRequest`: {error}"))
        }
        IssueCertificate::Name { .. } | IssueCertificate::Sign(_) => {
            ApiError::internal(error.to_string())
        }
    }
}
