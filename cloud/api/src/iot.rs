//! The `iot` service: operations on the registry, and on the fleet's jobs.

use std::pin::Pin;

use hyper::http::request::Parts;
use marram_aws::ApiError;
use marram_aws::iot::{Operation, ROUTES};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::Services;
use crate::audit::Deed;
use crate::authority::Authority;
use crate::bind::{Bound, Dialect, Members, bind};
use crate::envelope::Answer;
use crate::resources;

/// An operation under way.
pub(crate) type Running<'s> = Pin<Box<dyn Future<Output = Result<Answer, ApiError>> + Send + 's>>;

/// Reads the request, runs the operation, and puts its result into a body.
pub(crate) fn run<'s, T, U, F>(
    members: Members,
    status: u16,
    operation: impl FnOnce(T) -> F + Send + 's,
) -> Running<'s>
where
    T: DeserializeOwned + Send + 's,
    U: Serialize + Send + 's,
    F: Future<Output = Result<U, ApiError>> + Send + 's,
{
    Box::pin(async move {
        let result = operation(members.read()?).await?;
        Answer::json(status, &result)
    })
}

/// Answers one call.
pub(crate) async fn answer(
    services: &Services,
    parts: &Parts,
    body: &[u8],
    authority: &Authority,
    deed: &mut Deed,
) -> Result<Answer, ApiError> {
    use Operation as O;
    let Bound { operation, status, members: m } = bind(ROUTES, Dialect::Iot, parts, body)?;
    deed.begin(authority, &resources::of_iot(operation, &m, services.registry.account()))?;
    let (r, fleet) = (&services.registry, &services.fleet);
    let running = match operation {
        O::AddThingToThingGroup => run(m, status, |q| r.add_thing_to_thing_group(q)),
        O::AssociateTargetsWithJob => run(m, status, |q| fleet.associate_targets_with_job(q)),
        O::AttachPolicy => run(m, status, |q| r.attach_policy(q)),
        O::AttachPrincipalPolicy => run(m, status, |q| r.attach_principal_policy(q)),
        O::AttachThingPrincipal => run(m, status, |q| r.attach_thing_principal(q)),
        O::CancelJob => run(m, status, |q| fleet.cancel_job(q)),
        O::CancelJobExecution => run(m, status, |q| fleet.cancel_job_execution(q)),
        O::CreateCertificateFromCsr => run(m, status, |q| r.create_certificate_from_csr(q)),
        O::CreateJob => run(m, status, |q| fleet.create_job(q)),
        O::CreateKeysAndCertificate => run(m, status, |q| r.create_keys_and_certificate(q)),
        O::CreatePolicy => run(m, status, |q| r.create_policy(q)),
        O::CreatePolicyVersion => run(m, status, |q| r.create_policy_version(q)),
        O::CreateProvisioningClaim => run(m, status, |q| r.create_provisioning_claim(q)),
        O::CreateProvisioningTemplate => run(m, status, |q| r.create_provisioning_template(q)),
        O::CreateProvisioningTemplateVersion => {
            run(m, status, |q| r.create_provisioning_template_version(q))
        }
        O::CreateRoleAlias => run(m, status, |q| r.create_role_alias(q)),
        O::CreateThing => run(m, status, |q| r.create_thing(q)),
        O::CreateThingGroup => run(m, status, |q| r.create_thing_group(q)),
        O::CreateThingType => run(m, status, |q| r.create_thing_type(q)),
        O::DeleteCertificate => run(m, status, |q| r.delete_certificate(q)),
        O::DeleteJob => run(m, status, |q| fleet.delete_job(q)),
        O::DeleteJobExecution => run(m, status, |q| fleet.delete_job_execution(q)),
        O::DeletePolicy => run(m, status, |q| r.delete_policy(q)),
        O::DeletePolicyVersion => run(m, status, |q| r.delete_policy_version(q)),
        O::DeleteProvisioningTemplate => run(m, status, |q| r.delete_provisioning_template(q)),
        O::DeleteProvisioningTemplateVersion => {
            run(m, status, |q| r.delete_provisioning_template_version(q))
        }
        O::DeleteRoleAlias => run(m, status, |q| r.delete_role_alias(q)),
        O::DeleteThing => run(m, status, |q| r.delete_thing(q)),
        O::DeleteThingGroup => run(m, status, |q| r.delete_thing_group(q)),
        O::DeleteThingType => run(m, status, |q| r.delete_thing_type(q)),
        O::DeprecateThingType => run(m, status, |q| r.deprecate_thing_type(q)),
        O::DescribeCertificate => run(m, status, |q| r.describe_certificate(q)),
        O::DescribeEndpoint => run(m, status, |q| r.describe_endpoint(q)),
        O::DescribeJob => run(m, status, |q| fleet.describe_job(q)),
        O::DescribeJobExecution => run(m, status, |q| fleet.describe_job_execution(q)),
        O::DescribeProvisioningTemplate => run(m, status, |q| r.describe_provisioning_template(q)),
        O::DescribeProvisioningTemplateVersion => {
            run(m, status, |q| r.describe_provisioning_template_version(q))
        }
        O::DescribeRoleAlias => run(m, status, |q| r.describe_role_alias(q)),
        O::DescribeThing => run(m, status, |q| r.describe_thing(q)),
        O::DescribeThingGroup => run(m, status, |q| r.describe_thing_group(q)),
        O::DescribeThingType => run(m, status, |q| r.describe_thing_type(q)),
        O::DetachPolicy => run(m, status, |q| r.detach_policy(q)),
        O::DetachPrincipalPolicy => run(m, status, |q| r.detach_principal_policy(q)),
        O::DetachThingPrincipal => run(m, status, |q| r.detach_thing_principal(q)),
        O::GetJobDocument => run(m, status, |q| fleet.get_job_document(q)),
        O::GetPolicy => run(m, status, |q| r.get_policy(q)),
        O::GetPolicyVersion => run(m, status, |q| r.get_policy_version(q)),
        O::GetThingConnectivityData => run(m, status, |q| fleet.get_thing_connectivity_data(q)),
        O::ListAttachedPolicies => run(m, status, |q| r.list_attached_policies(q)),
        O::ListCertificates => run(m, status, |q| r.list_certificates(q)),
        O::ListJobExecutionsForJob => run(m, status, |q| fleet.list_job_executions_for_job(q)),
        O::ListJobExecutionsForThing => run(m, status, |q| fleet.list_job_executions_for_thing(q)),
        O::ListJobs => run(m, status, |q| fleet.list_jobs(q)),
        O::ListPolicies => run(m, status, |q| r.list_policies(q)),
        O::ListPolicyPrincipals => run(m, status, |q| r.list_policy_principals(q)),
        O::ListPolicyVersions => run(m, status, |q| r.list_policy_versions(q)),
        O::ListPrincipalPolicies => run(m, status, |q| r.list_principal_policies(q)),
        O::ListPrincipalThings => run(m, status, |q| r.list_principal_things(q)),
        O::ListProvisioningTemplateVersions => {
            run(m, status, |q| r.list_provisioning_template_versions(q))
        }
        O::ListProvisioningTemplates => run(m, status, |q| r.list_provisioning_templates(q)),
        O::ListRoleAliases => run(m, status, |q| r.list_role_aliases(q)),
        O::ListTagsForResource => run(m, status, |q| r.list_tags_for_resource(q)),
        O::ListTargetsForPolicy => run(m, status, |q| r.list_targets_for_policy(q)),
        O::ListThingGroups => run(m, status, |q| r.list_thing_groups(q)),
        O::ListThingGroupsForThing => run(m, status, |q| r.list_thing_groups_for_thing(q)),
        O::ListThingPrincipals => run(m, status, |q| r.list_thing_principals(q)),
        O::ListThingTypes => run(m, status, |q| r.list_thing_types(q)),
        O::ListThings => run(m, status, |q| r.list_things(q)),
        O::ListThingsInThingGroup => run(m, status, |q| r.list_things_in_thing_group(q)),
        O::RegisterCertificate => run(m, status, |q| r.register_certificate(q)),
        O::RegisterCertificateWithoutCA => run(m, status, |q| r.register_certificate_without_ca(q)),
        O::RegisterThing => run(m, status, |q| r.register_thing(q)),
        O::RemoveThingFromThingGroup => run(m, status, |q| r.remove_thing_from_thing_group(q)),
        O::SetDefaultPolicyVersion => run(m, status, |q| r.set_default_policy_version(q)),
        O::TagResource => run(m, status, |q| r.tag_resource(q)),
        O::UntagResource => run(m, status, |q| r.untag_resource(q)),
        O::UpdateCertificate => run(m, status, |q| r.update_certificate(q)),
        O::UpdateJob => run(m, status, |q| fleet.update_job(q)),
        O::UpdateProvisioningTemplate => run(m, status, |q| r.update_provisioning_template(q)),
        O::UpdateRoleAlias => run(m, status, |q| r.update_role_alias(q)),
        O::UpdateThing => run(m, status, |q| r.update_thing(q)),
        O::UpdateThingGroup => run(m, status, |q| r.update_thing_group(q)),
        O::UpdateThingGroupsForThing => run(m, status, |q| r.update_thing_groups_for_thing(q)),
    };
    running.await
}
