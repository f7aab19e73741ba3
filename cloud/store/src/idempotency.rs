//! Client tokens: what a request was answered, for whoever sends it again.

use sqlx::Row;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A request that carried a client token, and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredToken {
    /// Hex SHA-256 of the request without the token: another request with it is a conflict.
    pub request_sha256: String,
    /// The answer's JSON.
    pub response_json: String,
}

impl Reader {
    /// What the request with `token` was answered.
    ///
    /// # Errors
    /// The database refused.
    pub async fn answered_token(
        &mut self,
        operation: &str,
        token: &str,
    ) -> Result<Option<AnsweredToken>, StoreError> {
        let row = sqlx::query(
            "SELECT request_sha256, response_json FROM client_tokens \
             WHERE operation = $1 AND token = $2",
        )
        .bind(operation)
        .bind(token)
        .fetch_optional(self.connection())
        .await?;
        row.map(|row| {
            Ok(AnsweredToken {
                request_sha256: row.try_get("request_sha256")?,
                response_json: row.try_get("response_json")?,
            })
        })
        .transpose()
    }
}

impl Tx {
    /// Keeps the answer to the request with `token`, given at `now_ms`.
    ///
    /// # Errors
    /// The token was answered before, or the database refused.
    pub async fn insert_answered_token(
        &mut self,
        operation: &str,
        token: &str,
        answered: &AnsweredToken,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO client_tokens (operation, token, request_sha256, response_json, \
             created_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(operation)
        .bind(token)
        .bind(answered.request_sha256.as_str())
        .bind(answered.response_json.as_str())
        .bind(now_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets the tokens answered before `before_ms`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_answered_tokens_before(
        &mut self,
        before_ms: i64,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM client_tokens WHERE created_at < $1")
            .bind(before_ms)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
