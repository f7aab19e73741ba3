//! The `sts` service: who am I.

use hyper::http::request::Parts;
use marram_aws::ApiError;
use marram_aws::query::{Call, CallerIdentity};
use marram_registry::Principal;

use crate::envelope::Answer;

/// Answers GetCallerIdentity, from a form body or from the query of a presigned URL.
pub(crate) fn answer(
    account_id: &str,
    principal: &Principal,
    parts: &Parts,
    body: &[u8],
    request_id: &str,
) -> Result<Answer, ApiError> {
    let query = parts.uri.query().unwrap_or_default();
    let form = if body.is_empty() { query.as_bytes() } else { body };
    let call = Call::parse(form)
        .map_err(|error| ApiError::new("MalformedQueryString", 400, error.to_string()))?;
    if call.action != "GetCallerIdentity" {
        let message = format!("`Action` is `{}`: only GetCallerIdentity is offered", call.action);
        return Err(ApiError::new("InvalidAction", 400, message));
    }
    let user_id = match principal {
        Principal::User { .. } | Principal::System { .. } => account_id.to_owned(),
        Principal::Role { role_alias, certificate_id, .. } => {
            format!("{role_alias}:{certificate_id}")
        }
    };
    let identity =
        CallerIdentity { arn: principal.arn().to_owned(), user_id, account: account_id.to_owned() };
    Ok(Answer::xml(identity.response(request_id)))
}
