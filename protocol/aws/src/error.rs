//! Errors as AWS models them: a code, an HTTP status, a message and the members of the shape.
//!
//! The services (registry, fleet, blobs) return [`ApiError`] themselves, so that the code a client
//! sees is decided where the reason is known, and the API layer only chooses the envelope.
//! Source of codes and statuses: botocore service models (greengrassv2 2020-11-30, iot 2015-05-28).

use serde_json::{Map, Value, json};

/// A request that AWS's API would refuse, ready to be put into any protocol's error envelope.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The modelled error shape, for example `ResourceNotFoundException`.
    pub code: &'static str,
    /// The HTTP status of the shape.
    pub status: u16,
    /// What is wrong, with the value, and what to do about it.
    pub message: String,
    /// Further members of the shape, for example `resourceId`.
    pub members: Map<String, Value>,
}

/// One field of a `ValidationException`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The member's wire name, with dots into nested members.
    pub name: String,
    /// What is wrong with its value.
    pub message: String,
}

impl ApiError {
    /// An error shape with no further members.
    pub fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into(), members: Map::new() }
    }

    /// The same error with one more member of its shape.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// 404, greengrassv2's form with the resource's id and type; iot ignores the members.
    pub fn not_found(resource_type: &str, id: &str) -> Self {
        Self::new(
            "ResourceNotFoundException",
            404,
            format!("{resource_type} `{id}` does not exist"),
        )
        .with("resourceId", id)
        .with("resourceType", resource_type)
    }

    /// 409, greengrassv2's form.
    pub fn conflict(resource_type: &str, id: &str, message: impl Into<String>) -> Self {
        Self::new("ConflictException", 409, message)
            .with("resourceId", id)
            .with("resourceType", resource_type)
    }

    /// 400 of greengrassv2 naming one field.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::validation(
            "FIELD_VALIDATION_FAILED",
            format!("`{name}`: {message}"),
            &[FieldError { name: name.to_owned(), message }],
        )
    }

    /// 400 of greengrassv2 with its reason (`UNKNOWN_OPERATION`, `CANNOT_PARSE`,
    /// `FIELD_VALIDATION_FAILED`, `OTHER`) and the fields it is about.
    pub fn validation(reason: &str, message: impl Into<String>, fields: &[FieldError]) -> Self {
        let error = Self::new("ValidationException", 400, message).with("reason", reason);
        if fields.is_empty() {
            return error;
        }
        let fields: Vec<Value> =
            fields.iter().map(|f| json!({"name": f.name, "message": f.message})).collect();
        error.with("fields", fields)
    }

    /// 400 of the iot services.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new("InvalidRequestException", 400, message)
    }

    /// 409 of the iot services, with the id and ARN of what is already there.
    pub fn already_exists(id: &str, arn: &str, message: impl Into<String>) -> Self {
        Self::new("ResourceAlreadyExistsException", 409, message)
            .with("resourceId", id)
            .with("resourceArn", arn)
    }

    /// 403: the caller is known but may not do this.
    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::new("AccessDeniedException", 403, message)
    }

    /// 500: our fault; the message says what failed, never a secret.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("InternalServerException", 500, message)
    }

    /// The same error under the name that `service` (its signing name: `greengrass`, `iot`,
    /// `iot-jobs-data`, `iotdata`, `s3`, `sts`, `iam`) has for it: one failure has several names.
    #[must_use]
    pub fn named_for(mut self, service: &str) -> Self {
        self.code = match (self.code, service) {
            ("InternalServerException", "iot" | "iotdata" | "iot-jobs-data" | "sts") => {
                "InternalFailureException"
            }
            ("InternalServerException", "s3") => "InternalError",
            ("InternalServerException", "iam") => "ServiceFailure",
            ("AccessDeniedException", "s3" | "sts" | "iam") => "AccessDenied",
            ("InvalidRequestException", "iam") => "ValidationError",
            ("MalformedPolicyException", "iam") => "MalformedPolicyDocument",
            (code, _) => code,
        };
        self
    }

    /// The rest-json body: `message`, `__type` and the shape's members.
    pub fn rest_json_body(&self) -> Value {
        let mut body = Map::new();
        body.insert("message".to_owned(), Value::from(self.message.clone()));
        body.insert("__type".to_owned(), Value::from(self.code));
        body.extend(self.members.clone());
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_its_own_name_for_our_failures() {
        let code = |error: ApiError, service| error.named_for(service).code;
        let internal = || ApiError::internal("the disk is full");
        assert_eq!(code(internal(), "greengrass"), "InternalServerException");
        for service in ["iot", "iotdata", "iot-jobs-data", "sts"] {
            assert_eq!(code(internal(), service), "InternalFailureException", "{service}");
        }
        assert_eq!(code(internal(), "s3"), "InternalError");
        assert_eq!(code(internal(), "iam"), "ServiceFailure");
        assert_eq!(code(ApiError::access_denied("no"), "s3"), "AccessDenied");
        assert_eq!(code(ApiError::access_denied("no"), "iam"), "AccessDenied");
        assert_eq!(code(ApiError::access_denied("no"), "iot"), "AccessDeniedException");
    }
}
