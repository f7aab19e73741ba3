//! Client tokens: a request sent twice has one effect and one answer.
//!
//! A change runs alone ([`Unit`]), so a repetition never meets its original under way: it waits
//! and then finds the answer.

use marram_aws::ApiError;
use marram_aws::sigv4::sha256_hex;
use marram_store::AnsweredToken;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::unit::Unit;

/// AWS promises at least 8 hours; a day costs nothing.
const KEPT_MS: i64 = 24 * 3600 * 1000;

/// A request's token, checked, with the request's fingerprint.
pub(crate) struct ClientToken {
    operation: &'static str,
    token: String,
    request_sha256: String,
}

impl ClientToken {
    /// Checks `token`. `request` is what a repetition must equal, without the token.
    ///
    /// # Errors
    /// The token is malformed.
    pub(crate) fn new<R: Serialize>(
        operation: &'static str,
        token: Option<&str>,
        request: &R,
    ) -> Result<Option<Self>, ApiError> {
        let Some(token) = token else {
            return Ok(None);
        };
        let is_valid = (1..=64).contains(&token.len())
            && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_valid {
            let message = format!("`{token}` is not 1 to 64 letters, digits and hyphens");
            return Err(ApiError::field("clientToken", message));
        }
        let bytes = serde_json::to_vec(request)
            .map_err(|error| ApiError::internal(format!("the request has no JSON: {error}")))?;
        let request_sha256 = sha256_hex(&bytes);
        Ok(Some(Self { operation, token: token.to_owned(), request_sha256 }))
    }

    /// What the same request was answered before.
    ///
    /// # Errors
    /// Another request had this token.
    pub(crate) async fn answered<A: DeserializeOwned>(
        &self,
        unit: &mut Unit,
    ) -> Result<Option<A>, ApiError> {
        let Some(found) = unit.tx.answered_token(self.operation, &self.token).await? else {
            return Ok(None);
        };
        if found.request_sha256 != self.request_sha256 {
            let message = format!(
                "client token `{}` was used for another request: use a new one for each request",
                self.token
            );
            return Err(ApiError::conflict("clientToken", &self.token, message));
        }
        serde_json::from_str(&found.response_json).map(Some).map_err(|error| {
            ApiError::internal(format!("the answer kept for a client token is damaged: {error}"))
        })
    }

    /// Keeps the answer.
    pub(crate) async fn answer<A: Serialize>(
        &self,
        unit: &mut Unit,
        answer: &A,
    ) -> Result<(), ApiError> {
        let response_json = serde_json::to_string(answer)
            .map_err(|error| ApiError::internal(format!("the answer has no JSON: {error}")))?;
        let answered = AnsweredToken { request_sha256: self.request_sha256.clone(), response_json };
        unit.tx.delete_answered_tokens_before(unit.now_ms - KEPT_MS).await?;
        let now_ms = unit.now_ms;
        unit.tx.insert_answered_token(self.operation, &self.token, &answered, now_ms).await?;
        Ok(())
    }
}
