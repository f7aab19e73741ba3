//! The `iot` service (2015-05-28): its operations, where they lie on the wire, and their shapes.
//!
//! Shapes are named after the model's; only members that mean something here are listed, and an
//! unknown one is ignored. Times are [`EpochMs`](crate::epoch::EpochMs).

mod certificates;
mod connectivity;
mod endpoint;
mod groups;
mod job_executions;
mod jobs;
mod policies;
mod policy_versions;
mod provisioning;
mod role_aliases;
mod tags;
mod thing_types;
mod things;

use serde::Serialize;

use crate::route::{Kind, Route};

pub use certificates::*;
pub use connectivity::*;
pub use endpoint::*;
pub use groups::*;
pub use job_executions::*;
pub use jobs::*;
pub use policies::*;
pub use policy_versions::*;
pub use provisioning::*;
pub use role_aliases::*;
pub use tags::*;
pub use thing_types::*;
pub use things::*;

/// The operations that are served, by their names in the model.
#[allow(missing_docs, clippy::upper_case_acronyms, reason = "the names are the model's")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    AddThingToThingGroup,
    AssociateTargetsWithJob,
    AttachPolicy,
    AttachPrincipalPolicy,
    AttachThingPrincipal,
    CancelJob,
    CancelJobExecution,
    CreateCertificateFromCsr,
    CreateJob,
    CreateKeysAndCertificate,
    CreatePolicy,
    CreatePolicyVersion,
    CreateProvisioningClaim,
    CreateProvisioningTemplate,
    CreateProvisioningTemplateVersion,
    CreateRoleAlias,
    CreateThing,
    CreateThingGroup,
    CreateThingType,
    DeleteCertificate,
    DeleteJob,
    DeleteJobExecution,
    DeletePolicy,
    DeletePolicyVersion,
    DeleteProvisioningTemplate,
    DeleteProvisioningTemplateVersion,
    DeleteRoleAlias,
    DeleteThing,
    DeleteThingGroup,
    DeleteThingType,
    DeprecateThingType,
    DescribeCertificate,
    DescribeEndpoint,
    DescribeJob,
    DescribeJobExecution,
    DescribeProvisioningTemplate,
    DescribeProvisioningTemplateVersion,
    DescribeRoleAlias,
    DescribeThing,
    DescribeThingGroup,
    DescribeThingType,
    DetachPolicy,
    DetachPrincipalPolicy,
    DetachThingPrincipal,
    GetJobDocument,
    GetPolicy,
    GetPolicyVersion,
    GetThingConnectivityData,
    ListAttachedPolicies,
    ListCertificates,
    ListJobExecutionsForJob,
    ListJobExecutionsForThing,
    ListJobs,
    ListPolicies,
    ListPolicyPrincipals,
    ListPolicyVersions,
    ListPrincipalPolicies,
    ListPrincipalThings,
    ListProvisioningTemplateVersions,
    ListProvisioningTemplates,
    ListRoleAliases,
    ListTagsForResource,
    ListTargetsForPolicy,
    ListThingGroups,
    ListThingGroupsForThing,
    ListThingPrincipals,
    ListThingTypes,
    ListThings,
    ListThingsInThingGroup,
    RegisterCertificate,
    RegisterCertificateWithoutCA,
    RegisterThing,
    RemoveThingFromThingGroup,
    SetDefaultPolicyVersion,
    TagResource,
    UntagResource,
    UpdateCertificate,
    UpdateJob,
    UpdateProvisioningTemplate,
    UpdateRoleAlias,
    UpdateThing,
    UpdateThingGroup,
    UpdateThingGroupsForThing,
}

/// The answer of an operation that has none: `{}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

type Query = &'static [(&'static str, &'static str, Kind)];
type Headers = &'static [(&'static str, &'static str)];

const VERSION: Query = &[("expectedVersion", "expectedVersion", Kind::Int)];
const FORCE: Query = &[("force", "force", Kind::Bool)];
const NAMESPACE: Query = &[("namespaceId", "namespaceId", Kind::Text)];
const SET_AS_ACTIVE: Query = &[("setAsActive", "setAsActive", Kind::Bool)];
const PAGE: Query =
    &[("nextToken", "nextToken", Kind::Text), ("maxResults", "maxResults", Kind::Int)];
const MARKED_PAGE: Query = &[("marker", "marker", Kind::Text), ("pageSize", "pageSize", Kind::Int)];
const ORDERED_PAGE: Query = &[
    ("marker", "marker", Kind::Text),
    ("pageSize", "pageSize", Kind::Int),
    ("isAscendingOrder", "ascendingOrder", Kind::Bool),
];
const OLD_PRINCIPAL: Headers = &[("x-amzn-iot-principal", "principal")];
const SET_AS_DEFAULT: Query = &[("setAsDefault", "setAsDefault", Kind::Bool)];
const PRINCIPAL: Headers = &[("x-amzn-principal", "principal")];

const fn route(
    operation: Operation,
    method: &'static str,
    template: &'static str,
    query: Query,
    headers: Headers,
) -> Route<Operation> {
    Route { operation, method, template, query, headers, status: 200 }
}

/// Where the operations lie.
#[rustfmt::skip]
pub const ROUTES: &[Route<Operation>] = &[
    route(Operation::CreateThing, "POST", "/things/{thingName}", &[], &[]),
    route(Operation::DescribeThing, "GET", "/things/{thingName}", &[], &[]),
    route(Operation::UpdateThing, "PATCH", "/things/{thingName}", &[], &[]),
    route(Operation::DeleteThing, "DELETE", "/things/{thingName}", VERSION, &[]),
    route(Operation::ListThings, "GET", "/things", &[
        ("nextToken", "nextToken", Kind::Text),
        ("maxResults", "maxResults", Kind::Int),
        ("attributeName", "attributeName", Kind::Text),
        ("attributeValue", "attributeValue", Kind::Text),
        ("thingTypeName", "thingTypeName", Kind::Text),
        ("usePrefixAttributeValue", "usePrefixAttributeValue", Kind::Bool),
    ], &[]),
    route(Operation::AttachThingPrincipal, "PUT", "/things/{thingName}/principals", &[
        ("thingPrincipalType", "thingPrincipalType", Kind::Text),
    ], PRINCIPAL),
    route(Operation::DetachThingPrincipal, "DELETE", "/things/{thingName}/principals", &[], PRINCIPAL),
    route(Operation::ListThingPrincipals, "GET", "/things/{thingName}/principals", PAGE, &[]),
    route(Operation::ListPrincipalThings, "GET", "/principals/things", PAGE, PRINCIPAL),
    route(Operation::ListThingGroupsForThing, "GET", "/things/{thingName}/thing-groups", PAGE, &[]),
    route(Operation::CreateThingGroup, "POST", "/thing-groups/{thingGroupName}", &[], &[]),
    route(Operation::DescribeThingGroup, "GET", "/thing-groups/{thingGroupName}", &[], &[]),
    route(Operation::UpdateThingGroup, "PATCH", "/thing-groups/{thingGroupName}", &[], &[]),
    route(Operation::DeleteThingGroup, "DELETE", "/thing-groups/{thingGroupName}", VERSION, &[]),
    route(Operation::ListThingGroups, "GET", "/thing-groups", &[
        ("nextToken", "nextToken", Kind::Text),
        ("maxResults", "maxResults", Kind::Int),
        ("parentGroup", "parentGroup", Kind::Text),
        ("namePrefixFilter", "namePrefixFilter", Kind::Text),
        ("recursive", "recursive", Kind::Bool),
    ], &[]),
    route(Operation::ListThingsInThingGroup, "GET", "/thing-groups/{thingGroupName}/things", &[
        ("recursive", "recursive", Kind::Bool),
        ("nextToken", "nextToken", Kind::Text),
        ("maxResults", "maxResults", Kind::Int),
    ], &[]),
    route(Operation::AddThingToThingGroup, "PUT", "/thing-groups/addThingToThingGroup", &[], &[]),
    route(Operation::RemoveThingFromThingGroup, "PUT", "/thing-groups/removeThingFromThingGroup", &[], &[]),
    route(Operation::UpdateThingGroupsForThing, "PUT", "/thing-groups/updateThingGroupsForThing", &[], &[]),
    route(Operation::RegisterThing, "POST", "/things", &[], &[]),
    route(Operation::GetThingConnectivityData, "POST", "/things/{thingName}/connectivity-data", &[], &[]),
    route(Operation::CreateThingType, "POST", "/thing-types/{thingTypeName}", &[], &[]),
    route(Operation::DescribeThingType, "GET", "/thing-types/{thingTypeName}", &[], &[]),
    route(Operation::ListThingTypes, "GET", "/thing-types", &[
        ("nextToken", "nextToken", Kind::Text),
        ("maxResults", "maxResults", Kind::Int),
        ("thingTypeName", "thingTypeName", Kind::Text),
    ], &[]),
    route(Operation::DeprecateThingType, "POST", "/thing-types/{thingTypeName}/deprecate", &[], &[]),
    route(Operation::DeleteThingType, "DELETE", "/thing-types/{thingTypeName}", &[], &[]),
    route(Operation::RegisterCertificate, "POST", "/certificate/register", SET_AS_ACTIVE, &[]),
    route(Operation::RegisterCertificateWithoutCA, "POST", "/certificate/register-no-ca", &[], &[]),
    route(Operation::CreateKeysAndCertificate, "POST", "/keys-and-certificate", SET_AS_ACTIVE, &[]),
    route(Operation::CreateCertificateFromCsr, "POST", "/certificates", SET_AS_ACTIVE, &[]),
    route(Operation::DescribeCertificate, "GET", "/certificates/{certificateId}", &[], &[]),
    route(Operation::UpdateCertificate, "PUT", "/certificates/{certificateId}", &[
        ("newStatus", "newStatus", Kind::Text),
    ], &[]),
    route(Operation::DeleteCertificate, "DELETE", "/certificates/{certificateId}", &[
        ("forceDelete", "forceDelete", Kind::Bool),
    ], &[]),
    route(Operation::ListCertificates, "GET", "/certificates", ORDERED_PAGE, &[]),
    route(Operation::CreatePolicy, "POST", "/policies/{policyName}", &[], &[]),
    route(Operation::GetPolicy, "GET", "/policies/{policyName}", &[], &[]),
    route(Operation::DeletePolicy, "DELETE", "/policies/{policyName}", &[], &[]),
    route(Operation::ListPolicies, "GET", "/policies", ORDERED_PAGE, &[]),
    route(Operation::CreatePolicyVersion, "POST", "/policies/{policyName}/version", SET_AS_DEFAULT, &[]),
    route(Operation::ListPolicyVersions, "GET", "/policies/{policyName}/version", &[], &[]),
    route(Operation::GetPolicyVersion, "GET", "/policies/{policyName}/version/{policyVersionId}", &[], &[]),
    route(Operation::SetDefaultPolicyVersion, "PATCH", "/policies/{policyName}/version/{policyVersionId}", &[], &[]),
    route(Operation::DeletePolicyVersion, "DELETE", "/policies/{policyName}/version/{policyVersionId}", &[], &[]),
    route(Operation::AttachPrincipalPolicy, "PUT", "/principal-policies/{policyName}", &[], OLD_PRINCIPAL),
    route(Operation::DetachPrincipalPolicy, "DELETE", "/principal-policies/{policyName}", &[], OLD_PRINCIPAL),
    route(Operation::ListPrincipalPolicies, "GET", "/principal-policies", ORDERED_PAGE, OLD_PRINCIPAL),
    route(Operation::ListPolicyPrincipals, "GET", "/policy-principals", ORDERED_PAGE, &[
        ("x-amzn-iot-policy", "policyName"),
    ]),
    route(Operation::AttachPolicy, "PUT", "/target-policies/{policyName}", &[], &[]),
    route(Operation::DetachPolicy, "POST", "/target-policies/{policyName}", &[], &[]),
    route(Operation::ListAttachedPolicies, "POST", "/attached-policies/{target}", &[
        ("recursive", "recursive", Kind::Bool),
        ("marker", "marker", Kind::Text),
        ("pageSize", "pageSize", Kind::Int),
    ], &[]),
    route(Operation::ListTargetsForPolicy, "POST", "/policy-targets/{policyName}", MARKED_PAGE, &[]),
    route(Operation::DescribeEndpoint, "GET", "/endpoint", &[
        ("endpointType", "endpointType", Kind::Text),
    ], &[]),
    route(Operation::CreateRoleAlias, "POST", "/role-aliases/{roleAlias}", &[], &[]),
    route(Operation::DescribeRoleAlias, "GET", "/role-aliases/{roleAlias}", &[], &[]),
    route(Operation::UpdateRoleAlias, "PUT", "/role-aliases/{roleAlias}", &[], &[]),
    route(Operation::DeleteRoleAlias, "DELETE", "/role-aliases/{roleAlias}", &[], &[]),
    route(Operation::ListRoleAliases, "GET", "/role-aliases", ORDERED_PAGE, &[]),
    route(Operation::CreateJob, "PUT", "/jobs/{jobId}", &[], &[]),
    route(Operation::UpdateJob, "PATCH", "/jobs/{jobId}", NAMESPACE, &[]),
    route(Operation::DeleteJob, "DELETE", "/jobs/{jobId}", &[
        ("force", "force", Kind::Bool),
        ("namespaceId", "namespaceId", Kind::Text),
    ], &[]),
    route(Operation::CancelJob, "PUT", "/jobs/{jobId}/cancel", FORCE, &[]),
    route(Operation::AssociateTargetsWithJob, "POST", "/jobs/{jobId}/targets", NAMESPACE, &[]),
    route(Operation::GetJobDocument, "GET", "/jobs/{jobId}/job-document", &[
        ("beforeSubstitution", "beforeSubstitution", Kind::Bool),
    ], &[]),
    route(Operation::ListJobs, "GET", "/jobs", &[
        ("status", "status", Kind::Text),
        ("targetSelection", "targetSelection", Kind::Text),
        ("maxResults", "maxResults", Kind::Int),
        ("nextToken", "nextToken", Kind::Text),
        ("thingGroupName", "thingGroupName", Kind::Text),
        ("thingGroupId", "thingGroupId", Kind::Text),
        ("namespaceId", "namespaceId", Kind::Text),
    ], &[]),
    route(Operation::ListJobExecutionsForJob, "GET", "/jobs/{jobId}/things", &[
        ("status", "status", Kind::Text),
        ("maxResults", "maxResults", Kind::Int),
        ("nextToken", "nextToken", Kind::Text),
    ], &[]),
    route(Operation::CancelJobExecution, "PUT", "/things/{thingName}/jobs/{jobId}/cancel", FORCE, &[]),
    route(
        Operation::DeleteJobExecution,
        "DELETE",
        "/things/{thingName}/jobs/{jobId}/executionNumber/{executionNumber}",
        &[("force", "force", Kind::Bool), ("namespaceId", "namespaceId", Kind::Text)],
        &[],
    ),
    route(Operation::CreateProvisioningTemplate, "POST", "/provisioning-templates", &[], &[]),
    route(Operation::ListProvisioningTemplates, "GET", "/provisioning-templates", PAGE, &[]),
    route(Operation::DescribeProvisioningTemplate, "GET", "/provisioning-templates/{templateName}", &[], &[]),
    route(Operation::UpdateProvisioningTemplate, "PATCH", "/provisioning-templates/{templateName}", &[], &[]),
    route(Operation::DeleteProvisioningTemplate, "DELETE", "/provisioning-templates/{templateName}", &[], &[]),
    route(Operation::CreateProvisioningTemplateVersion, "POST", "/provisioning-templates/{templateName}/versions", SET_AS_DEFAULT, &[]),
    route(Operation::ListProvisioningTemplateVersions, "GET", "/provisioning-templates/{templateName}/versions", PAGE, &[]),
    route(Operation::DescribeProvisioningTemplateVersion, "GET", "/provisioning-templates/{templateName}/versions/{versionId}", &[], &[]),
    route(Operation::DeleteProvisioningTemplateVersion, "DELETE", "/provisioning-templates/{templateName}/versions/{versionId}", &[], &[]),
    route(Operation::CreateProvisioningClaim, "POST", "/provisioning-templates/{templateName}/provisioning-claim", &[], &[]),
    route(Operation::DescribeJob, "GET", "/jobs/{jobId}", &[
        ("beforeSubstitution", "beforeSubstitution", Kind::Bool),
    ], &[]),
    route(Operation::ListJobExecutionsForThing, "GET", "/things/{thingName}/jobs", &[
        ("status", "status", Kind::Text),
        ("namespaceId", "namespaceId", Kind::Text),
        ("maxResults", "maxResults", Kind::Int),
        ("nextToken", "nextToken", Kind::Text),
        ("jobId", "jobId", Kind::Text),
    ], &[]),
    route(Operation::DescribeJobExecution, "GET", "/things/{thingName}/jobs/{jobId}", &[
        ("executionNumber", "executionNumber", Kind::Int),
    ], &[]),
    route(Operation::TagResource, "POST", "/tags", &[], &[]),
    route(Operation::UntagResource, "POST", "/untag", &[], &[]),
    route(Operation::ListTagsForResource, "GET", "/tags", &[
        ("resourceArn", "resourceArn", Kind::Text),
        ("nextToken", "nextToken", Kind::Text),
    ], &[]),
];
