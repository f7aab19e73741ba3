//! The document that devices get (device-cloud protocol, section 4).

use marram_aws::ApiError;
use marram_aws::greengrassv2::{self as api, DeploymentPolicies};
use marram_model::arn::Account;
use marram_model::deployment::{
    ComponentUpdateAction, ComponentUpdatePolicy, ConfigurationValidationPolicy,
    DeploymentDocument, FailureHandlingPolicy, LINUX_RESOURCE_LIMITS, SUB_DEPLOYMENTS, SchemaDate,
};

use super::validate::Valid;

/// A deployment's own members, beside what was asked for.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) revision: i64,
    pub(super) created_at_ms: i64,
}

pub(super) fn document(
    valid: &Valid,
    identity: &Identity,
    account: &Account,
) -> Result<String, ApiError> {
    let parent = valid.parent.as_deref().map(|group| account.thing_group(group));
    let policies = &valid.policies;
    let document = DeploymentDocument {
        deployment_id: identity.id.clone(),
        schema_date: SchemaDate::V20210517,
        deployment_name: identity.name.clone(),
        configuration_arn: account.configuration(&valid.target, identity.revision.unsigned_abs()),
        // A subdeployment's result is filed under the group above.
        on_behalf_of: parent.clone(),
        parent_target_arn: parent,
        creation_timestamp: Some(identity.created_at_ms),
        components: valid.components.clone(),
        failure_handling_policy: failure_handling(policies),
        component_update_policy: component_update(policies),
        configuration_validation_policy: configuration_validation(policies),
        required_capabilities: capabilities(valid),
    };
    serde_json::to_string(&document)
        .map_err(|error| ApiError::internal(format!("a deployment document has no JSON: {error}")))
}

fn capabilities(valid: &Valid) -> Vec<String> {
    let has_limits = valid.components.values().any(|component| {
        component.run_with.as_ref().is_some_and(|run| run.system_resource_limits.is_some())
    });
    [(has_limits, LINUX_RESOURCE_LIMITS), (valid.parent.is_some(), SUB_DEPLOYMENTS)]
        .into_iter()
        .filter(|(is_needed, _)| *is_needed)
        .map(|(_, word)| word.to_owned())
        .collect()
}

fn failure_handling(policies: &DeploymentPolicies) -> FailureHandlingPolicy {
    match policies.failure_handling_policy {
        Some(api::FailureHandlingPolicy::DoNothing) => FailureHandlingPolicy::DoNothing,
        _ => FailureHandlingPolicy::Rollback,
    }
}

fn component_update(policies: &DeploymentPolicies) -> ComponentUpdatePolicy {
    let asked = policies.component_update_policy.clone().unwrap_or_default();
    let defaults = ComponentUpdatePolicy::default();
    ComponentUpdatePolicy {
        timeout: asked.timeout_in_seconds.unwrap_or(defaults.timeout),
        action: match asked.action {
            Some(api::ComponentUpdateAction::SkipNotifyComponents) => {
                ComponentUpdateAction::SkipNotifyComponents
            }
            _ => ComponentUpdateAction::NotifyComponents,
        },
    }
}

fn configuration_validation(policies: &DeploymentPolicies) -> ConfigurationValidationPolicy {
    let asked = policies.configuration_validation_policy.clone().unwrap_or_default();
    let defaults = ConfigurationValidationPolicy::default();
    ConfigurationValidationPolicy { timeout: asked.timeout_in_seconds.unwrap_or(defaults.timeout) }
}
