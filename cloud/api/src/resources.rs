//! What each operation is about, as policies name it: the resources that the caller must be allowed
//! to do it to. Source: AWS's service authorization reference; where AWS gives an operation no
//! resource but it plainly is about one (`CreateDeployment`), it is that one, which a policy with
//! `*` covers too.
//!
//! The matches name every operation, so that a new one cannot be forgotten.

use marram_aws::{greengrassv2, iot, iot_jobs_data};
use marram_model::arn::Account;

use crate::bind::Members;

/// An action and the ARN, or `*`, that it is done to.
pub(crate) type Need = (String, String);

/// Reads resources out of a request's members; one that a member does not give is `*`.
struct About<'m> {
    members: &'m Members,
    account: &'m Account,
}

impl About<'_> {
    /// What `arn` makes of the text of a member.
    fn named(&self, member: &str, arn: fn(&Account, &str) -> String) -> String {
        self.members.text(member).map_or_else(nothing, |name| arn(self.account, name))
    }

    /// A member that is an ARN.
    fn arn(&self, member: &str) -> String {
        self.members.text(member).map_or_else(nothing, str::to_owned)
    }

    /// A resource that may be given by its name or by its ARN.
    fn either(&self, name: &str, arn: &str, of: fn(&Account, &str) -> String) -> String {
        match self.members.text(name) {
            Some(name) => of(self.account, name),
            None => self.arn(arn),
        }
    }

    fn thing(&self) -> String {
        self.either("thingName", "thingArn", Account::thing)
    }

    fn group(&self) -> String {
        self.either("thingGroupName", "thingGroupArn", Account::thing_group)
    }
}

fn nothing() -> String {
    "*".to_owned()
}

fn needs(service: &str, operation: &impl std::fmt::Debug, resources: Vec<String>) -> Vec<Need> {
    let action = format!("{service}:{operation:?}");
    resources.into_iter().map(|resource| (action.clone(), resource)).collect()
}

/// Whoever names a role gives its permissions away.
fn passed_role(members: &Members, member: &str) -> Option<Need> {
    members.text(member).map(|role| ("iam:PassRole".to_owned(), role.to_owned()))
}

/// What a call of `greengrass` needs.
pub(crate) fn of_greengrass(
    operation: greengrassv2::Operation,
    members: &Members,
    account: &Account,
) -> Vec<Need> {
    use greengrassv2::Operation as O;
    let about = About { members, account };
    let resource = match operation {
        O::CancelDeployment | O::DeleteDeployment | O::GetDeployment => {
            about.named("deploymentId", Account::deployment)
        }
        O::CreateDeployment => about.arn("targetArn"),
        O::DeleteComponent
        | O::DescribeComponent
        | O::GetComponent
        | O::GetComponentVersionArtifact
        | O::ListComponentVersions => about.arn("arn"),
        O::DeleteCoreDevice
        | O::GetCoreDevice
        | O::ListEffectiveDeployments
        | O::ListInstalledComponents => about.named("coreDeviceThingName", Account::core_device),
        O::BatchAssociateClientDeviceWithCoreDevice
        | O::BatchDisassociateClientDeviceFromCoreDevice
        | O::ListClientDevicesAssociatedWithCoreDevice => {
            about.named("coreDeviceThingName", Account::core_device)
        }
        O::GetConnectivityInfo | O::UpdateConnectivityInfo => about.thing(),
        O::ListTagsForResource | O::TagResource | O::UntagResource => about.arn("resourceArn"),
        O::AssociateServiceRoleToAccount
        | O::CreateComponentVersion
        | O::DisassociateServiceRoleFromAccount
        | O::GetServiceRoleForAccount
        | O::ListComponents
        | O::ListCoreDevices
        | O::ListDeployments
        | O::ResolveComponentCandidates => nothing(),
    };
    let mut needs = needs("greengrass", &operation, vec![resource]);
    if operation == O::AssociateServiceRoleToAccount {
        needs.extend(passed_role(members, "roleArn"));
    }
    needs
}

/// What a call of `iot` needs.
pub(crate) fn of_iot(operation: iot::Operation, members: &Members, account: &Account) -> Vec<Need> {
    use iot::Operation as O;
    let about = About { members, account };
    let job = || about.named("jobId", Account::job);
    let resources = match operation {
        O::AddThingToThingGroup | O::RemoveThingFromThingGroup => {
            vec![about.group(), about.thing()]
        }
        O::UpdateThingGroupsForThing => {
            let named = ["thingGroupsToAdd", "thingGroupsToRemove"];
            let groups = named.into_iter().flat_map(|member| members.texts(member));
            groups.map(|name| account.thing_group(name)).chain([about.thing()]).collect()
        }
        O::AttachPolicy | O::DetachPolicy | O::ListAttachedPolicies => vec![about.arn("target")],
        O::AttachPrincipalPolicy | O::DetachPrincipalPolicy | O::ListPrincipalPolicies => {
            vec![about.arn("principal")]
        }
        O::AttachThingPrincipal
        | O::CreateThing
        | O::DeleteThing
        | O::DescribeThing
        | O::DetachThingPrincipal
        | O::GetThingConnectivityData
        | O::ListJobExecutionsForThing
        | O::ListThingGroupsForThing
        | O::ListThingPrincipals
        | O::UpdateThing => vec![about.thing()],
        O::CreateThingGroup
        | O::DeleteThingGroup
        | O::DescribeThingGroup
        | O::ListThingsInThingGroup
        | O::UpdateThingGroup => vec![about.group()],
        O::CreateThingType | O::DeleteThingType | O::DeprecateThingType | O::DescribeThingType => {
            vec![about.named("thingTypeName", Account::thing_type)]
        }
        O::CreatePolicy
        | O::CreatePolicyVersion
        | O::DeletePolicy
        | O::DeletePolicyVersion
        | O::GetPolicy
        | O::GetPolicyVersion
        | O::ListPolicyPrincipals
        | O::ListPolicyVersions
        | O::ListTargetsForPolicy
        | O::SetDefaultPolicyVersion => vec![about.named("policyName", Account::policy)],
        O::CreateProvisioningClaim
        | O::CreateProvisioningTemplate
        | O::CreateProvisioningTemplateVersion
        | O::DeleteProvisioningTemplate
        | O::DeleteProvisioningTemplateVersion
        | O::DescribeProvisioningTemplate
        | O::DescribeProvisioningTemplateVersion
        | O::ListProvisioningTemplateVersions
        | O::UpdateProvisioningTemplate => {
            vec![about.named("templateName", Account::provisioning_template)]
        }
        O::DeleteCertificate | O::DescribeCertificate | O::UpdateCertificate => {
            vec![about.named("certificateId", Account::certificate)]
        }
        O::CreateRoleAlias | O::DeleteRoleAlias | O::DescribeRoleAlias | O::UpdateRoleAlias => {
            vec![about.named("roleAlias", Account::role_alias)]
        }
        O::AssociateTargetsWithJob | O::CreateJob => {
            let targets = members.texts("targets").into_iter().map(str::to_owned);
            targets.chain([job()]).collect()
        }
        O::CancelJob
        | O::DeleteJob
        | O::DescribeJob
        | O::GetJobDocument
        | O::ListJobExecutionsForJob
        | O::UpdateJob => vec![job()],
        O::CancelJobExecution | O::DeleteJobExecution | O::DescribeJobExecution => {
            vec![job(), about.thing()]
        }
        O::ListTagsForResource | O::TagResource | O::UntagResource => {
            vec![about.arn("resourceArn")]
        }
        O::CreateCertificateFromCsr
        | O::CreateKeysAndCertificate
        | O::DescribeEndpoint
        | O::ListCertificates
        | O::ListJobs
        | O::ListPolicies
        | O::ListPrincipalThings
        | O::ListProvisioningTemplates
        | O::ListRoleAliases
        | O::ListThingGroups
        | O::ListThingTypes
        | O::ListThings
        | O::RegisterCertificate
        | O::RegisterCertificateWithoutCA
        | O::RegisterThing => vec![nothing()],
    };
    let mut needs = needs("iot", &operation, resources);
    let role = match operation {
        O::CreateRoleAlias | O::UpdateRoleAlias => "roleArn",
        O::CreateProvisioningTemplate | O::UpdateProvisioningTemplate => "provisioningRoleArn",
        _ => return needs,
    };
    needs.extend(passed_role(members, role));
    needs
}

/// What a call of `iot-jobs-data` needs. Policies name its service `iotjobsdata`.
pub(crate) fn of_iot_jobs_data(
    operation: iot_jobs_data::Operation,
    members: &Members,
    account: &Account,
) -> Vec<Need> {
    use iot_jobs_data::Operation as O;
    let about = About { members, account };
    match operation {
        O::DescribeJobExecution
        | O::GetPendingJobExecutions
        | O::StartNextPendingJobExecution
        | O::UpdateJobExecution => needs("iotjobsdata", &operation, vec![about.thing()]),
    }
}
