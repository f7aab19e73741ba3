//! What a device tells of its components (device-cloud protocol, section 8).
//!
//! Reading is lenient, because three kinds of nuclei write these: unknown states, codes and
//! triggers are kept as text.

use serde::{Deserialize, Serialize};

use crate::error_code::ErrorCode;
use crate::shadow_topics::{ReportedDetails, null_is_default};
use crate::text::words;

/// The topic on which `thing` publishes its status.
pub fn topic(thing: &str) -> String {
    format!("$aws/things/{thing}/greengrassv2/health/json")
}

/// The thing whose status topic this is.
pub fn thing_of_topic(topic: &str) -> Option<&str> {
    let thing = topic.strip_prefix("$aws/things/")?.strip_suffix("/greengrassv2/health/json")?;
    (!thing.is_empty() && !thing.contains('/')).then_some(thing)
}

words! {
    /// Whether a message tells of all components.
    MessageType {
        /// Of all: what is not in it is gone.
        Complete = "COMPLETE",
        /// Of those that changed.
        Partial = "PARTIAL",
    }
}

words! {
    /// Why a device sends its status.
    Trigger {
        /// First connection after its start.
        NucleusLaunch = "NUCLEUS_LAUNCH",
        /// Reconnection after a change of the device's settings.
        NetworkReconfigure = "NETWORK_RECONFIGURE",
        /// Regularly, once a day.
        Cadence = "CADENCE",
        /// End of a local deployment.
        LocalDeployment = "LOCAL_DEPLOYMENT",
        /// End of a deployment to the thing.
        ThingDeployment = "THING_DEPLOYMENT",
        /// End of a deployment to a group.
        ThingGroupDeployment = "THING_GROUP_DEPLOYMENT",
        /// A component changed its state.
        ComponentStatusChange = "COMPONENT_STATUS_CHANGE",
        /// The connection is back.
        Reconnect = "RECONNECT",
    }
}

words! {
    /// The device in one word.
    OverallDeviceStatus {
        /// No component is BROKEN.
        Healthy = "HEALTHY",
        /// Some component is BROKEN.
        Unhealthy = "UNHEALTHY",
    }
}

/// One status message, or one chunk of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetStatus {
    /// The nucleus's version.
    pub ggc_version: String,
    /// The operating system, for example `linux`.
    pub platform: String,
    /// For example `amd64`.
    pub architecture: String,
    /// `aws_nucleus_lite`; absent for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The core device.
    pub thing: String,
    /// The device in one word.
    pub overall_device_status: OverallDeviceStatus,
    /// Rises by one with each message, kept over restarts.
    pub sequence_number: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Whether the message tells of all components.
    pub message_type: MessageType,
    /// A [`Trigger`]; one of a newer nucleus is kept.
    pub trigger: String,
    /// Absent unless the message was split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_info: Option<ChunkInfo>,
    /// The components that it tells of.
    #[serde(default, deserialize_with = "null_is_default")]
    pub components: Vec<ComponentReport>,
    /// The deployment that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_information: Option<DeploymentInformation>,
}

impl FleetStatus {
    /// The reason for the message, if it is a known one.
    pub fn known_trigger(&self) -> Option<Trigger> {
        self.trigger.parse().ok()
    }
}

/// Which part of a split message this is. All parts share sequence number, type and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkInfo {
    /// From 1.
    pub chunk_id: i64,
    /// How many there are.
    pub total_chunks: i64,
}

/// One component of the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentReport {
    /// Its name.
    pub component_name: String,
    /// Its version; absent for built-in services, empty for one that nucleus-lite removed.
    #[serde(default)]
    pub version: Option<String>,
    /// The configuration ARN of every deployment that brings it; a local deployment's id.
    #[serde(default, deserialize_with = "null_is_default")]
    pub fleet_config_arns: Vec<String>,
    /// Why it is ERRORED or BROKEN.
    #[serde(default)]
    pub component_status_details: Option<ComponentStatusDetails>,
    /// Whether a deployment names it, or only another component.
    #[serde(default)]
    pub is_root: bool,
    /// A [`ComponentState`](crate::component_state::ComponentState); unknown ones are kept.
    pub status: String,
}

/// Why a component is in its state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentStatusDetails {
    /// [`StatusCode`](crate::component_state::StatusCode)s; unknown ones are kept.
    #[serde(deserialize_with = "null_is_default")]
    pub status_codes: Vec<String>,
    /// In words.
    #[serde(deserialize_with = "null_is_default")]
    pub status_reason: String,
}

/// The deployment that ended; every member may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentInformation {
    /// A [`DeploymentStatus`](crate::status::DeploymentStatus).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_details: Option<ReportedDetails>,
    /// The configuration ARN of its document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fleet_configuration_arn_for_status: Option<String>,
    /// The document's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
    /// Roots that it names and left as they were.
    #[serde(deserialize_with = "null_is_default")]
    pub unchanged_root_components: Vec<String>,
}

impl DeploymentInformation {
    /// The error stack, empty if there is none.
    pub fn error_stack(&self) -> &[ErrorCode] {
        self.status_details.as_ref().map(|d| d.error_stack.as_slice()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_java_nucleus_and_of_lite_are_read() {
        let java = r#"{"ggcVersion":"2.17.0","platform":"linux","architecture":"amd64","thing":"core1","sequenceNumber":0,"timestamp":1767323100123,"messageType":"COMPLETE","trigger":"NUCLEUS_LAUNCH","components":[{"componentName":"DeploymentService","version":null,"fleetConfigArns":["arn:1"],"componentStatusDetails":null,"status":"RUNNING","isRoot":false}],"overallDeviceStatus":"HEALTHY"}"#;
        let status: FleetStatus = serde_json::from_str(java).unwrap();
        assert_eq!(status.components[0].version, None);
        assert_eq!(status.known_trigger(), Some(Trigger::NucleusLaunch));
        let lite = r#"{"ggcVersion":"2.6.0","platform":"linux","architecture":"aarch64","runtime":"aws_nucleus_lite","thing":"core2","sequenceNumber":5,"timestamp":1767323300789,"messageType":"PARTIAL","trigger":"NEW_ONE","overallDeviceStatus":"HEALTHY","components":[{"componentName":"com.example.Old","version":"","fleetConfigArns":[],"isRoot":true,"status":"UNINSTALLED"}],"deploymentInformation":{"status":"SUCCEEDED","statusDetails":{"detailedStatus":"SUCCESSFUL"},"unchangedRootComponents":[]}}"#;
        let status: FleetStatus = serde_json::from_str(lite).unwrap();
        assert_eq!(status.known_trigger(), None);
        let information = status.deployment_information.unwrap();
        assert_eq!(information.status_details.unwrap().detailed_status, "SUCCESSFUL");
        let empty: DeploymentInformation = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, DeploymentInformation::default());
    }

    #[test]
    fn the_topic_names_its_thing() {
        assert_eq!(thing_of_topic(&topic("a:b")), Some("a:b"));
        assert_eq!(thing_of_topic("$aws/things/x/y/greengrassv2/health/json"), None);
    }
}
