//! AWS IoT Greengrass V2's control plane (2020-11-30): operations, routes and shapes.
//!
//! The data plane that core devices call over mutual TLS shares the paths of
//! `ResolveComponentCandidates` and `GetComponentVersionArtifact`, so both halves bind requests
//! with this one table. Required members that serde cannot do without are plain fields: a request
//! without one fails to deserialize, which the API layer turns into a `ValidationException`.

mod client_devices;
mod components;
mod core_devices;
mod deployments;
mod rollout;
mod routes;
mod wire;

pub use client_devices::*;
pub use components::*;
pub use core_devices::*;
pub use deployments::*;
pub use rollout::*;
pub use routes::ROUTES;
pub use wire::Blob;

/// An operation of the service that Marram serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `AssociateServiceRoleToAccount`
    AssociateServiceRoleToAccount,
    /// `BatchAssociateClientDeviceWithCoreDevice`
    BatchAssociateClientDeviceWithCoreDevice,
    /// `BatchDisassociateClientDeviceFromCoreDevice`
    BatchDisassociateClientDeviceFromCoreDevice,
    /// `CancelDeployment`
    CancelDeployment,
    /// `CreateComponentVersion`
    CreateComponentVersion,
    /// `CreateDeployment`
    CreateDeployment,
    /// `DeleteComponent`
    DeleteComponent,
    /// `DeleteCoreDevice`
    DeleteCoreDevice,
    /// `DeleteDeployment`
    DeleteDeployment,
    /// `DescribeComponent`
    DescribeComponent,
    /// `DisassociateServiceRoleFromAccount`
    DisassociateServiceRoleFromAccount,
    /// `GetComponent`
    GetComponent,
    /// `GetComponentVersionArtifact`
    GetComponentVersionArtifact,
    /// `GetConnectivityInfo`
    GetConnectivityInfo,
    /// `GetCoreDevice`
    GetCoreDevice,
    /// `GetDeployment`
    GetDeployment,
    /// `GetServiceRoleForAccount`
    GetServiceRoleForAccount,
    /// `ListClientDevicesAssociatedWithCoreDevice`
    ListClientDevicesAssociatedWithCoreDevice,
    /// `ListComponentVersions`
    ListComponentVersions,
    /// `ListComponents`
    ListComponents,
    /// `ListCoreDevices`
    ListCoreDevices,
    /// `ListDeployments`
    ListDeployments,
    /// `ListEffectiveDeployments`
    ListEffectiveDeployments,
    /// `ListInstalledComponents`
    ListInstalledComponents,
    /// `ListTagsForResource`
    ListTagsForResource,
    /// `ResolveComponentCandidates`
    ResolveComponentCandidates,
    /// `TagResource`
    TagResource,
    /// `UntagResource`
    UntagResource,
    /// `UpdateConnectivityInfo`
    UpdateConnectivityInfo,
}

/// The success answer of operations without output members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Empty {}
