//! The 35 operations of the Greengrass IPC and their model names.
//!
//! 34 come from the Smithy model of the IPC; `SubscribeToIoTCoreConnectionStatus` from the device
//! SDKs (awsiotsdk 1.31.0) and nucleus lite 2.7.0.

/// What every model name begins with.
pub const NAMESPACE: &str = "aws.greengrass#";

macro_rules! operations {
    ($($name:ident $(=> $event:literal)? $([$arguments:ident])?,)*) => {
        /// An operation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are the model's")]
        pub enum Operation {
            $($name,)*
        }

        impl Operation {
            /// All operations.
            pub const ALL: [Self; 35] = [$(Self::$name,)*];

            /// The operation that the `operation` header of a request names.
            pub fn from_wire(header: &str) -> Option<Self> {
                match header.strip_prefix(NAMESPACE)? {
                    $(stringify!($name) => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// `aws.greengrass#PublishToTopic`: the `operation` header, also used in policies.
            pub const fn wire_name(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("aws.greengrass#", stringify!($name)),)*
                }
            }

            /// Model name of the request's shape.
            pub const fn request_type(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("aws.greengrass#", stringify!($name), "Request"),)*
                }
            }

            /// Model name of the response's shape.
            pub const fn response_type(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("aws.greengrass#", stringify!($name), "Response"),)*
                }
            }

            /// Model name of the union of events; `None` for an operation without events.
            pub const fn event_type(self) -> Option<&'static str> {
                match self {
                    $($(Self::$name => Some(concat!("aws.greengrass#", $event)),)?)*
                    _ => None,
                }
            }

            /// Whether `InvalidArgumentsError` is among the operation's modelled errors. The
            /// JavaScript SDK hides errors that are not.
            pub const fn models_invalid_arguments(self) -> bool {
                match self {
                    $($(Self::$name => operations!(@ $arguments),)?)*
                    _ => false,
                }
            }
        }
    };
    (@ invalid_arguments) => { true };
}

operations! {
    PublishToTopic,
    SubscribeToTopic => "SubscriptionResponseMessage" [invalid_arguments],
    PublishToIoTCore,
    SubscribeToIoTCore => "IoTCoreMessage",
    SubscribeToIoTCoreConnectionStatus => "IoTCoreConnectionStatusEvent",
    GetConfiguration,
    UpdateConfiguration [invalid_arguments],
    SubscribeToConfigurationUpdate => "ConfigurationUpdateEvents",
    SubscribeToValidateConfigurationUpdates => "ValidateConfigurationUpdateEvents",
    SendConfigurationValidityReport [invalid_arguments],
    UpdateState,
    SubscribeToComponentUpdates => "ComponentUpdatePolicyEvents",
    DeferComponentUpdate [invalid_arguments],
    PauseComponent,
    ResumeComponent,
    GetComponentDetails [invalid_arguments],
    ListComponents,
    RestartComponent [invalid_arguments],
    StopComponent [invalid_arguments],
    CreateLocalDeployment [invalid_arguments],
    CancelLocalDeployment [invalid_arguments],
    GetLocalDeploymentStatus,
    ListLocalDeployments,
    CreateDebugPassword,
    ValidateAuthorizationToken,
    GetSecretValue,
    PutComponentMetric [invalid_arguments],
    GetThingShadow [invalid_arguments],
    UpdateThingShadow [invalid_arguments],
    DeleteThingShadow [invalid_arguments],
    ListNamedShadowsForThing [invalid_arguments],
    VerifyClientDeviceIdentity [invalid_arguments],
    GetClientDeviceAuthToken [invalid_arguments],
    AuthorizeClientDeviceAction [invalid_arguments],
    SubscribeToCertificateUpdates => "CertificateUpdateEvent" [invalid_arguments],
}

impl Operation {
    /// Whether events follow the response, so that the response leaves the stream open.
    pub const fn is_streaming(self) -> bool {
        self.event_type().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_wire_name() {
        for operation in Operation::ALL {
            assert_eq!(Operation::from_wire(operation.wire_name()), Some(operation));
            let name = operation.wire_name();
            assert_eq!(operation.request_type(), format!("{name}Request"));
            assert_eq!(operation.response_type(), format!("{name}Response"));
        }
        assert_eq!(Operation::from_wire("aws.greengrass#Nope"), None);
        assert_eq!(Operation::from_wire("PublishToTopic"), None);
    }

    #[test]
    fn exactly_the_subscriptions_stream() {
        for operation in Operation::ALL {
            let subscribes = operation.wire_name().contains("#SubscribeTo");
            assert_eq!(operation.is_streaming(), subscribes, "{operation:?}");
        }
    }
}
