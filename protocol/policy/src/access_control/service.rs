//! The services that policies can name, and their operations.

use super::pattern::Matching;

/// A service of the IPC, or of the token exchange.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) id: &'static str,
    /// Full names, at most 16.
    pub(super) operations: &'static [&'static str],
    pub(super) matching: Matching,
}

impl Service {
    /// The bit of an operation in a grant; `None` if the service does not have it.
    pub(super) fn operation_bit(&self, operation: &str) -> Option<u16> {
        self.operations.iter().position(|known| *known == operation).map(|at| 1 << at)
    }

    /// Whether the operation's resource is a topic filter whose wildcards are MQTT's.
    pub(super) fn takes_filter(&self, operation: &str) -> bool {
        self.matching == Matching::Mqtt && operation == SUBSCRIBE_TO_IOT_CORE
    }
}

const SUBSCRIBE_TO_IOT_CORE: &str = "aws.greengrass#SubscribeToIoTCore";

/// The service with this id.
pub(super) fn find(id: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.id == id)
}

const fn standard(id: &'static str, operations: &'static [&'static str]) -> Service {
    Service { id, operations, matching: Matching::Standard }
}

static SERVICES: [Service; 9] = [
    standard(
        "aws.greengrass.ipc.pubsub",
        &["aws.greengrass#PublishToTopic", "aws.greengrass#SubscribeToTopic"],
    ),
    Service {
        id: "aws.greengrass.ipc.mqttproxy",
        operations: &["aws.greengrass#PublishToIoTCore", SUBSCRIBE_TO_IOT_CORE],
        matching: Matching::Mqtt,
    },
    standard(
        "aws.greengrass.ipc.lifecycle",
        &["aws.greengrass#PauseComponent", "aws.greengrass#ResumeComponent"],
    ),
    standard("aws.greengrass.ipc.componentmetric", &["aws.greengrass#PutComponentMetric"]),
    standard("aws.greengrass.SecretManager", &["aws.greengrass#GetSecretValue"]),
    standard(
        "aws.greengrass.ShadowManager",
        &[
            "aws.greengrass#GetThingShadow",
            "aws.greengrass#UpdateThingShadow",
            "aws.greengrass#DeleteThingShadow",
            "aws.greengrass#ListNamedShadowsForThing",
        ],
    ),
    standard(
        "aws.greengrass.clientdevices.Auth",
        &[
            "aws.greengrass#SubscribeToCertificateUpdates",
            "aws.greengrass#VerifyClientDeviceIdentity",
            "aws.greengrass#GetClientDeviceAuthToken",
            "aws.greengrass#AuthorizeClientDeviceAction",
        ],
    ),
    standard(
        "aws.greengrass.Cli",
        &[
            "aws.greengrass#GetComponentDetails",
            "aws.greengrass#ListComponents",
            "aws.greengrass#RestartComponent",
            "aws.greengrass#StopComponent",
            "aws.greengrass#CreateLocalDeployment",
            "aws.greengrass#CancelLocalDeployment",
            "aws.greengrass#GetLocalDeploymentStatus",
            "aws.greengrass#ListLocalDeployments",
            "aws.greengrass#CreateDebugPassword",
        ],
    ),
    standard("aws.greengrass.TokenExchangeService", &["getCredentials"]),
];
