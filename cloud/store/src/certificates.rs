//! Client certificates that the cloud knows, and whether they may connect.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::age::{AgePosition, ByAge};
use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A registered certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of its DER, lower-case hex.
    pub id: String,
    /// The certificate itself.
    pub pem: String,
    /// `ACTIVE`, `INACTIVE` or `REVOKED`, as on the wire.
    pub status: String,
    /// `DEFAULT` or `SNI_ONLY`.
    pub mode: String,
    /// Start of its validity, in milliseconds since 1970.
    pub not_before_ms: i64,
    /// End of its validity, in milliseconds since 1970.
    pub not_after_ms: i64,
    /// When it was registered, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When its status last changed, in milliseconds since 1970.
    pub modified_at_ms: i64,
}

impl Certificate {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get("certificate_id")?,
            pem: row.try_get("pem")?,
            status: row.try_get("status")?,
            mode: row.try_get("mode")?,
            not_before_ms: row.try_get("not_before")?,
            not_after_ms: row.try_get("not_after")?,
            created_at_ms: row.try_get("created_at")?,
            modified_at_ms: row.try_get("modified_at")?,
        })
    }
}

const BY_AGE: ByAge = ByAge {
    oldest_first: "SELECT certificate_id, pem, status, mode, not_before, not_after, \
     created_at, modified_at FROM certificates \
     WHERE created_at > $1 OR (created_at = $1 AND certificate_id > $2) \
     ORDER BY created_at, certificate_id LIMIT $3",
    newest_first: "SELECT certificate_id, pem, status, mode, not_before, not_after, \
     created_at, modified_at FROM certificates \
     WHERE created_at < $1 OR (created_at = $1 AND certificate_id < $2) \
     ORDER BY created_at DESC, certificate_id DESC LIMIT $3",
};

impl Reader {
    /// The certificate `id`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn certificate(&mut self, id: &str) -> Result<Option<Certificate>, StoreError> {
        let row = sqlx::query(
            "SELECT certificate_id, pem, status, mode, not_before, not_after, created_at, \
             modified_at FROM certificates WHERE certificate_id = $1",
        )
        .bind(id)
        .fetch_optional(self.connection())
        .await?;
        row.as_ref().map(Certificate::from_row).transpose()
    }

    /// At most `limit` certificates from `from` on, oldest or newest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn certificates_from(
        &mut self,
        from: &AgePosition,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<Certificate>, StoreError> {
        self.rows_by_age(&BY_AGE, from, oldest_first, limit, Certificate::from_row).await
    }
}

impl Tx {
    /// Adds a certificate; `false` when the id is known.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_certificate(
        &mut self,
        certificate: &Certificate,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO certificates (certificate_id, pem, status, mode, not_before, not_after, \
             created_at, modified_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (certificate_id) DO NOTHING",
        )
        .bind(certificate.id.as_str())
        .bind(certificate.pem.as_str())
        .bind(certificate.status.as_str())
        .bind(certificate.mode.as_str())
        .bind(certificate.not_before_ms)
        .bind(certificate.not_after_ms)
        .bind(certificate.created_at_ms)
        .bind(certificate.modified_at_ms)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Changes a certificate's status; `false` when there is none.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_certificate_status(
        &mut self,
        id: &str,
        status: &str,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE certificates SET status = $2, modified_at = $3 WHERE certificate_id = $1",
        )
        .bind(id)
        .bind(status)
        .bind(now_ms)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes a certificate; `false` when there is none.
    ///
    /// # Errors
    /// It is still attached to a thing, or the database refused.
    pub async fn delete_certificate(&mut self, id: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM certificates WHERE certificate_id = $1")
            .bind(id)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
