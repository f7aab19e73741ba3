//! Errors that answer a request, in the shape that all SDKs understand.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::operation::Operation;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The error shapes of the IPC model.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// All codes.
            pub const ALL: [Self; 12] = [$(Self::$name,)*];

            /// `UnauthorizedError`: the shape's name, as in `_errorCode`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => concat!(stringify!($name), "Error"),)* }
            }

            /// `aws.greengrass#UnauthorizedError`: the `service-model-type` header.
            pub const fn model_type(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("aws.greengrass#", stringify!($name), "Error"),)*
                }
            }
        }
    };
}

codes! {
    /// The component may not do that.
    Unauthorized,
    /// The thing asked for does not exist.
    ResourceNotFound,
    /// The state changed in between.
    Conflict,
    /// No such component.
    ComponentNotFound,
    /// The folder of recipes cannot be used.
    InvalidRecipeDirectoryPath,
    /// The folder of artifacts cannot be used.
    InvalidArtifactsDirectoryPath,
    /// A member of the request is missing or wrong.
    InvalidArguments,
    /// The configuration has a newer value.
    FailedUpdateConditionCheck,
    /// A client device's credential is wrong.
    InvalidCredential,
    /// A client device's session is unknown.
    InvalidClientDeviceAuthToken,
    /// The server failed.
    Service,
    /// A component's token is unknown.
    InvalidToken,
}

/// An error that answers one request and ends its stream.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct IpcError {
    /// Which shape it has.
    pub code: ErrorCode,
    /// Text for the component's author.
    pub message: String,
    /// `resourceType` and `resourceName` of a `ResourceNotFoundError`.
    pub resource: Option<Box<(String, String)>>,
    /// `context` of a `ServiceError`.
    pub context: Option<Box<Map<String, Value>>>,
}

/// The error's payload. Each SDK reads another member: the CRT ones `message`, the C component SDK
/// `_errorCode` and `_message`; Java always sends all four.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    message: &'a str,
    #[serde(rename = "_service")]
    service: &'static str,
    #[serde(rename = "_message")]
    java_message: &'a str,
    #[serde(rename = "_errorCode")]
    error_code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a Map<String, Value>>,
}

impl IpcError {
    /// An error without members of its own.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), resource: None, context: None }
    }

    /// `UnauthorizedError`.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unauthorized, message)
    }

    /// `InvalidArgumentsError`.
    pub fn invalid_arguments(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArguments, message)
    }

    /// `ServiceError`.
    pub fn service(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Service, message)
    }

    /// `ResourceNotFoundError` that does not say which resource.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ResourceNotFound, message)
    }

    /// The same error with `resourceType` and `resourceName`.
    #[must_use]
    pub fn with_resource(mut self, kind: impl Into<String>, name: impl Into<String>) -> Self {
        self.resource = Some(Box::new((kind.into(), name.into())));
        self
    }

    /// The same error with `context`.
    #[must_use]
    pub fn with_context(mut self, context: Map<String, Value>) -> Self {
        self.context = Some(Box::new(context));
        self
    }

    /// An operation whose provider is not on this device (Java's text).
    pub fn unsupported(operation: Operation) -> Self {
        let name = operation.wire_name();
        Self::service(format!("Operation {name} is not supported by Greengrass"))
    }

    /// An `operation` header that names no operation (Java's text).
    pub fn unknown_operation(header: &str) -> Self {
        Self::service(format!("{header} is an unsupported operation."))
    }

    /// A request whose payload is not the operation's shape.
    pub fn malformed(operation: Operation, reason: &serde_json::Error) -> Self {
        let code = if operation.models_invalid_arguments() {
            ErrorCode::InvalidArguments
        } else {
            ErrorCode::Service
        };
        Self::new(
            code,
            format!("the request is not a valid {}: {reason}", operation.request_type()),
        )
    }

    /// The payload as compact JSON.
    pub fn payload(&self) -> Vec<u8> {
        let resource = self.resource.as_deref();
        let payload = Payload {
            message: &self.message,
            service: "aws.greengrass#GreengrassCoreIPC",
            java_message: &self.message,
            error_code: self.code.name(),
            resource_type: resource.map(|(kind, _)| kind.as_str()),
            resource_name: resource.map(|(_, name)| name.as_str()),
            context: self.context.as_deref(),
        };
        crate::encoding::to_json(&payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_has_the_four_members_and_the_errors_own() {
        let error = IpcError::not_found("Key not found").with_resource("Component", "a.b");
        assert_eq!(
            String::from_utf8(error.payload()).unwrap(),
            concat!(
                r#"{"message":"Key not found","_service":"aws.greengrass#GreengrassCoreIPC","#,
                r#""_message":"Key not found","_errorCode":"ResourceNotFoundError","#,
                r#""resourceType":"Component","resourceName":"a.b"}"#
            )
        );
        let mut context = Map::new();
        context.insert("reasonCode".into(), 135.into());
        let error: Value =
            serde_json::from_slice(&IpcError::service("x").with_context(context).payload())
                .unwrap();
        assert_eq!(error["context"]["reasonCode"], 135);
        assert!(error.get("resourceType").is_none());
    }

    #[test]
    fn names_are_those_of_the_model() {
        for code in ErrorCode::ALL {
            assert_eq!(code.model_type(), format!("aws.greengrass#{}", code.name()));
        }
        assert_eq!(ErrorCode::Service.name(), "ServiceError");
    }
}
