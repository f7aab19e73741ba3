//! Checking a `CreateDeployment` request, and writing out its defaults.

use std::collections::BTreeMap;

use marram_aws::ApiError;
use marram_aws::greengrassv2::{
    ComponentDeploymentSpecification, ComponentUpdateAction, ComponentUpdatePolicy,
    ConfigurationValidationPolicy, CreateDeploymentRequest, DeploymentPolicies,
    FailureHandlingPolicy,
};
use marram_model::ComponentName;
use marram_model::arn::{Account, Target};
use marram_model::deployment::{ComponentSpec, ConfigurationUpdate, RunWith, SystemResourceLimits};
use serde_json::{Map, Value};

use crate::rollout::configuration::{Rules, check};
use crate::tags;

/// The API's default, unlike the device's own 60 s; always sent explicitly.
const VALIDATION_TIMEOUT_S: i64 = 30;
const UPDATE_TIMEOUT_S: i64 = 60;

/// A request without mistakes that can be seen without the store.
#[derive(Debug)]
pub(super) struct Valid {
    pub(super) target: Target,
    pub(super) parent: Option<String>,
    pub(super) components: BTreeMap<ComponentName, ComponentSpec>,
    pub(super) policies: DeploymentPolicies,
}

pub(super) fn validate(
    request: &CreateDeploymentRequest,
    account: &Account,
) -> Result<Valid, ApiError> {
    tags::check(&request.tags)?;
    let target = target(&request.target_arn, account, "targetArn")?;
    let is_thing = matches!(target, Target::Thing(_));
    if let Some(name) = &request.deployment_name
        && !(1..=256).contains(&name.chars().count())
    {
        return Err(ApiError::field("deploymentName", "must have 1 to 256 characters"));
    }
    if is_thing && request.iot_job_configuration.is_some() {
        let message = "a thing's deployment is no job: leave it out, or target a thing group";
        return Err(ApiError::field("iotJobConfiguration", message));
    }
    if let Some(configuration) = &request.iot_job_configuration {
        check(&configuration.clone().into(), Rules::Greengrass).map_err(|wrong| {
            ApiError::field(&format!("iotJobConfiguration.{}", wrong.name), wrong.message)
        })?;
    }
    let parent = parent(request, is_thing, account)?;
    let components = request
        .components
        .iter()
        .map(|(name, spec)| component(name, spec))
        .collect::<Result<_, _>>()?;
    Ok(Valid { target, parent, components, policies: with_defaults(&request.deployment_policies)? })
}

/// The target that the ARN names, if it is one of this account.
fn target(arn: &str, account: &Account, field: &str) -> Result<Target, ApiError> {
    let target =
        Target::parse_arn(arn).map_err(|error| ApiError::field(field, error.to_string()))?;
    let (own, kind) = match &target {
        Target::Thing(name) => (account.thing(name), "thing"),
        Target::ThingGroup(name) => (account.thing_group(name), "thingGroup"),
    };
    if own == arn { Ok(target) } else { Err(ApiError::not_found(kind, arn)) }
}

fn parent(
    request: &CreateDeploymentRequest,
    is_thing: bool,
    account: &Account,
) -> Result<Option<String>, ApiError> {
    let Some(arn) = &request.parent_target_arn else {
        return Ok(None);
    };
    if is_thing {
        let message = "a subdeployment's target must be a thing group";
        return Err(ApiError::field("targetArn", message));
    }
    match target(arn, account, "parentTargetArn")? {
        Target::ThingGroup(group) => Ok(Some(group)),
        Target::Thing(_) => Err(ApiError::field("parentTargetArn", "must be a thing group's ARN")),
    }
}

fn component(
    name: &str,
    spec: &ComponentDeploymentSpecification,
) -> Result<(ComponentName, ComponentSpec), ApiError> {
    let field = |member: &str, message: String| {
        ApiError::field(&format!("components.{name}{member}"), message)
    };
    let component: ComponentName = name.parse().map_err(|error| field("", format!("{error}")))?;
    let version = spec
        .component_version
        .parse()
        .map_err(|error| field(".componentVersion", format!("{error}")))?;
    let configuration_update = match &spec.configuration_update {
        None => None,
        Some(update) => {
            let prefix = ".configurationUpdate";
            let merge = update.merge.as_deref().map(merge_object).transpose();
            let merge = merge.map_err(|error| field(&format!("{prefix}.merge"), error))?;
            let reset = update.reset.clone().unwrap_or_default();
            if let Some(bad) = reset.iter().find(|at| !at.is_empty() && !at.starts_with('/')) {
                let message = format!("`{bad}` is no JSON pointer: use `` or `/key/…`");
                return Err(field(&format!("{prefix}.reset"), message));
            }
            Some(ConfigurationUpdate { merge, reset })
        }
    };
    let run_with = spec.run_with.as_ref().map(|run_with| RunWith {
        posix_user: run_with.posix_user.clone(),
        windows_user: run_with.windows_user.clone(),
        system_resource_limits: run_with
            .system_resource_limits
            .as_ref()
            .map(|limits| SystemResourceLimits { memory: limits.memory, cpus: limits.cpus }),
    });
    check_run_with(run_with.as_ref()).map_err(|error| field(".runWith", error.to_owned()))?;
    Ok((component, ComponentSpec { version, configuration_update, run_with }))
}

/// The object whose JSON is the text: the API carries it in a string, devices get it as it is.
fn merge_object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err("must be the JSON of an object, for example `{\"key\": 1}`".to_owned()),
        Err(error) => Err(format!("is not JSON: {error}")),
    }
}

fn check_run_with(run_with: Option<&RunWith>) -> Result<(), &'static str> {
    let Some(run_with) = run_with else {
        return Ok(());
    };
    if run_with.posix_user.as_deref() == Some("") {
        return Err("posixUser is empty: name a user, `USER[:GROUP]`");
    }
    match run_with.system_resource_limits {
        Some(limits) if limits.memory.is_some_and(|memory| memory < 0) => {
            Err("memory must not be negative")
        }
        Some(limits) if limits.cpus.is_some_and(|cpus| cpus < 0.0) => {
            Err("cpus must not be negative")
        }
        _ => Ok(()),
    }
}

fn with_defaults(asked: &Option<DeploymentPolicies>) -> Result<DeploymentPolicies, ApiError> {
    let asked = asked.clone().unwrap_or_default();
    let update = asked.component_update_policy.unwrap_or_default();
    let validation = asked.configuration_validation_policy.unwrap_or_default();
    let update_timeout = update.timeout_in_seconds.unwrap_or(UPDATE_TIMEOUT_S);
    let validation_timeout = validation.timeout_in_seconds.unwrap_or(VALIDATION_TIMEOUT_S);
    for (policy, timeout) in [
        ("componentUpdatePolicy", update_timeout),
        ("configurationValidationPolicy", validation_timeout),
    ] {
        if timeout < 0 {
            let field = format!("deploymentPolicies.{policy}.timeoutInSeconds");
            return Err(ApiError::field(&field, format!("`{timeout}` is negative")));
        }
    }
    Ok(DeploymentPolicies {
        failure_handling_policy: Some(
            asked.failure_handling_policy.unwrap_or(FailureHandlingPolicy::Rollback),
        ),
        component_update_policy: Some(ComponentUpdatePolicy {
            timeout_in_seconds: Some(update_timeout),
            action: Some(update.action.unwrap_or(ComponentUpdateAction::NotifyComponents)),
        }),
        configuration_validation_policy: Some(ConfigurationValidationPolicy {
            timeout_in_seconds: Some(validation_timeout),
        }),
    })
}
