//! As of when the values of a deployment count as set (recipes and deployments, B5.3).

use marram_model::deployment::DeploymentDocument;
use serde_json::Value;

use super::{CONFIGURATION, SERVICES};
use crate::config::ConfigStore;
use crate::resolve::NUCLEUS;

const TIME_SOURCE: &str = "deploymentConfigurationTimeSource";
const PROCESSING_TIME: &str = "deploymentProcessingTime";

/// The creation of the deployment, or `now_ms` where the nucleus's configuration, as the document
/// changes it, says so: then a late deployment wins over what components wrote in between.
pub fn merge_timestamp(
    running: &ConfigStore,
    document: &DeploymentDocument,
    created_ms: i64,
    now_ms: i64,
) -> i64 {
    let nucleus = document.components.iter().find(|(name, _)| name.as_str() == NUCLEUS);
    let update = nucleus.and_then(|(_, spec)| spec.configuration_update.as_ref());
    let said = update.and_then(|update| update.merge.as_ref()?.get(TIME_SOURCE).cloned());
    let source = said.or_else(|| running.get(&[SERVICES, NUCLEUS, CONFIGURATION, TIME_SOURCE]));
    let is_processing_time = source
        .as_ref()
        .and_then(Value::as_str)
        .is_some_and(|source| source.trim().eq_ignore_ascii_case(PROCESSING_TIME));
    if is_processing_time { now_ms } else { created_ms }
}
