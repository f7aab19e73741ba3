//! What a component is asked before a deployment: whether now is a good time, and whether it can
//! live with its new configuration.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::encoding::to_json;

/// Answers a [`ComponentUpdateEvent::PreUpdateEvent`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeferComponentUpdateRequest {
    /// The deployment that the event named; required.
    pub deployment_id: Option<String>,
    /// Why, for the log.
    pub message: Option<String>,
    /// Milliseconds after which the component wants to be asked again; zero, the default, lets the
    /// update begin.
    pub recheck_after_ms: Option<i64>,
}

/// An update that is to come, or that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ComponentUpdateEvent<'a> {
    /// An update waits for the component's answer.
    PreUpdateEvent {
        /// The `deploymentId` of the deployment's document.
        deployment_id: &'a str,
        /// Whether the nucleus restarts.
        is_ggc_restarting: bool,
    },
    /// The update is over, whatever became of it.
    PostUpdateEvent {
        /// As before.
        deployment_id: &'a str,
    },
}

impl ComponentUpdateEvent<'_> {
    /// The event as compact JSON, which is its union.
    pub fn event(&self) -> Vec<u8> {
        to_json(self)
    }
}

/// Asks a component about the configuration that a deployment has for it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateConfigurationUpdateEvent<'a> {
    /// All of the configuration as it would be.
    pub configuration: &'a Value,
    /// The deployment's id on the device.
    pub deployment_id: &'a str,
}

impl ValidateConfigurationUpdateEvent<'_> {
    /// The event as compact JSON, in its union.
    pub fn event(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Union<'a> {
            validate_configuration_update_event: &'a ValidateConfigurationUpdateEvent<'a>,
        }

        to_json(&Union { validate_configuration_update_event: self })
    }
}

/// Answers a [`ValidateConfigurationUpdateEvent`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendConfigurationValidityReportRequest {
    /// The answer; required.
    pub configuration_validity_report: Option<ConfigurationValidityReport>,
}

/// What a component says of its new configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationValidityReport {
    /// Required.
    pub status: Option<ConfigurationValidityStatus>,
    /// The deployment that the event named; required.
    pub deployment_id: Option<String>,
    /// Why, for whoever made the deployment.
    pub message: Option<String>,
}

/// Whether a component can live with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ConfigurationValidityStatus {
    /// It can.
    Accepted,
    /// It cannot, so the deployment fails.
    Rejected,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(event: Vec<u8>) -> String {
        String::from_utf8(event).unwrap()
    }

    #[test]
    fn ipc_45_update_events_are_unions_of_one_member() {
        let before =
            ComponentUpdateEvent::PreUpdateEvent { deployment_id: "d", is_ggc_restarting: true };
        let expected = r#"{"preUpdateEvent":{"deploymentId":"d","isGgcRestarting":true}}"#;
        assert_eq!(text(before.event()), expected);
        let after = ComponentUpdateEvent::PostUpdateEvent { deployment_id: "d" };
        assert_eq!(text(after.event()), r#"{"postUpdateEvent":{"deploymentId":"d"}}"#);
    }

    #[test]
    fn ipc_43_the_validation_event_has_the_whole_configuration() {
        let configuration = json!({"a": {"b": 1}});
        let event =
            ValidateConfigurationUpdateEvent { configuration: &configuration, deployment_id: "d" };
        let expected = concat!(
            r#"{"validateConfigurationUpdateEvent":"#,
            r#"{"configuration":{"a":{"b":1}},"deploymentId":"d"}}"#
        );
        assert_eq!(text(event.event()), expected);
    }

    #[test]
    fn requests_take_null_as_absent() {
        let request: DeferComponentUpdateRequest =
            serde_json::from_str(r#"{"deploymentId":"d","recheckAfterMs":null}"#).unwrap();
        assert_eq!(request.recheck_after_ms, None);
        let request: SendConfigurationValidityReportRequest = serde_json::from_str(
            r#"{"configurationValidityReport":{"status":"REJECTED","deploymentId":"d"}}"#,
        )
        .unwrap();
        let report = request.configuration_validity_report.unwrap();
        assert_eq!(report.status, Some(ConfigurationValidityStatus::Rejected));
        assert!(report.message.is_none());
    }
}
