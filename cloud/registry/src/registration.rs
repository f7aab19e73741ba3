//! Operations that register certificates which this cloud did not issue.

use marram_aws::ApiError;
use marram_aws::iot::{
    RegisterCertificateRequest, RegisterCertificateResponse, RegisterCertificateWithoutCaRequest,
};

use crate::certificates::{DEFAULT_MODE, INACTIVE, Issued, REVOKED, SNI_ONLY};
use crate::fields;
use crate::identity::ACTIVE;
use crate::registry::Registry;

const MAX_PEM: usize = 65_536;

impl Registry {
    /// `RegisterCertificate`: one that the given authority signed, or our own without one.
    /// Authorities are not registered here, so nothing but the signature is asked of them.
    ///
    /// # Errors
    /// A member is not valid, the authority did not sign it, or it is registered.
    pub async fn register_certificate(
        &self,
        request: RegisterCertificateRequest,
    ) -> Result<RegisterCertificateResponse, ApiError> {
        let status = match (request.status, request.set_as_active) {
            (None, Some(true)) => Some(ACTIVE.to_owned()),
            (status, _) => status,
        };
        let issued = self.read_given(
            &request.certificate_pem,
            status.as_deref().unwrap_or(INACTIVE),
            DEFAULT_MODE,
        )?;
        let authority = match &request.ca_certificate_pem {
            Some(pem) => {
                fields::length("caCertificatePem", pem, 1, MAX_PEM)?;
                pem.as_str()
            }
            None => self.inner.authority.certificate_pem(),
        };
        let unreadable = |error| invalid("caCertificatePem", &error);
        let authority = marram_tls::certificate_der(authority).map_err(unreadable)?;
        let certificate = marram_tls::certificate_der(&request.certificate_pem)
            .map_err(|error| invalid("certificatePem", &error))?;
        if !marram_tls::is_signed_by(&certificate, &authority) {
            return Err(ApiError::new(
                "CertificateValidationException",
                400,
                "`certificatePem` is not signed by the authority: give its `caCertificatePem`, or \
                 use RegisterCertificateWithoutCA",
            ));
        }
        self.register_given(issued).await
    }

    /// `RegisterCertificateWithoutCA`: any certificate, also of another authority.
    ///
    /// # Errors
    /// A member is not valid, or the certificate is registered.
    pub async fn register_certificate_without_ca(
        &self,
        request: RegisterCertificateWithoutCaRequest,
    ) -> Result<RegisterCertificateResponse, ApiError> {
        let status = request.status.as_deref().unwrap_or(INACTIVE);
        let issued = self.read_given(&request.certificate_pem, status, SNI_ONLY)?;
        self.register_given(issued).await
    }

    async fn register_given(
        &self,
        issued: Issued,
    ) -> Result<RegisterCertificateResponse, ApiError> {
        let certificate = issued.certificate;
        let certificate_arn = self.inner.account.certificate(&certificate.id);
        let mut tx = self.inner.store.begin().await?;
        if !tx.insert_certificate(&certificate).await? {
            let message = format!("certificate `{}` is registered already", certificate.id);
            return Err(ApiError::already_exists(&certificate.id, &certificate_arn, message));
        }
        // A device that tried before is known as one that may not connect.
        self.settle(tx, vec![certificate.id.clone()], None).await?;
        Ok(RegisterCertificateResponse { certificate_arn, certificate_id: certificate.id })
    }

    /// Reads a certificate that a caller gives.
    pub(crate) fn read_given(
        &self,
        pem: &str,
        status: &str,
        mode: &str,
    ) -> Result<Issued, ApiError> {
        fields::length("certificatePem", pem, 1, MAX_PEM)?;
        if ![ACTIVE, INACTIVE, REVOKED].contains(&status) {
            return Err(ApiError::invalid_request(format!(
                "`status` is `{status}`: use {ACTIVE}, {INACTIVE} or {REVOKED}"
            )));
        }
        let der =
            marram_tls::certificate_der(pem).map_err(|error| invalid("certificatePem", &error))?;
        marram_tls::certificate_info(&der).map_err(|error| invalid("certificatePem", &error))?;
        self.read_certificate(pem.to_owned(), status, mode)
    }
}

fn invalid(member: &str, error: &marram_tls::ParseCertificate) -> ApiError {
    ApiError::new("CertificateValidationException", 400, format!("`{member}`: {error}"))
}
