//! Requests, responses and events of the operations that are built.
//!
//! Requests ignore unknown members and take `null` as absent, as AWS's server does. Required
//! members are `Option`s where the operation has its own error for their absence. Nothing written
//! ever has a `null`: the Python SDK cannot read it.

mod cli;
mod configuration;
mod consent;
mod iot_core;
mod lifecycle;
mod metric;
mod pubsub;

use serde::Deserialize;

use crate::error::IpcError;
use crate::operation::Operation;

pub use cli::{
    CancelLocalDeploymentResponse, ComponentDetails, ComponentRequest, CreateDebugPasswordResponse,
    CreateLocalDeploymentResponse, DeploymentStatusDetails, GetComponentDetailsResponse,
    GetLocalDeploymentStatusResponse, ListComponentsResponse, ListLocalDeploymentsResponse,
    LocalDeployment, LocalDeploymentRequest, RequestStatus, RestartComponentResponse,
    StopComponentResponse, payload,
};
pub use configuration::{
    ConfigurationUpdateEvent, GetConfigurationRequest, GetConfigurationResponse,
    SubscribeToConfigurationUpdateRequest, UpdateConfigurationRequest,
};
pub use consent::{
    ComponentUpdateEvent, ConfigurationValidityReport, ConfigurationValidityStatus,
    DeferComponentUpdateRequest, SendConfigurationValidityReportRequest,
    ValidateConfigurationUpdateEvent,
};
pub use iot_core::{
    IoTCoreConnectionStatusEvent, IoTCoreMessage, PublishToIoTCoreRequest,
    SubscribeToIoTCoreRequest, UserProperty,
};
pub use lifecycle::{PauseComponentRequest, ReportedLifecycleState, UpdateStateRequest};
pub use metric::{
    Metric, PutComponentMetricRequest, ValidateAuthorizationTokenRequest,
    ValidateAuthorizationTokenResponse,
};
pub use pubsub::{
    MessageBody, PublishMessage, PublishToTopicRequest, ReceiveMode, SubscribeToTopicRequest,
};

/// Parses a request; the error is what the client gets.
pub fn parse<'a, T: Deserialize<'a>>(
    operation: Operation,
    payload: &'a [u8],
) -> Result<T, IpcError> {
    serde_json::from_slice(payload).map_err(|error| IpcError::malformed(operation, &error))
}
