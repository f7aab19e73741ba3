//! GetConfiguration, UpdateConfiguration and SubscribeToConfigurationUpdate.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::encoding::{Timestamp, to_json};
use crate::error::IpcError;
use crate::operation::Operation;
use crate::shapes::parse;

/// Reads a component's configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetConfigurationRequest {
    /// Whose; the asking component's own by default.
    pub component_name: Option<String>,
    /// Where below `configuration`; all of it by default.
    pub key_path: Option<Vec<String>>,
}

impl GetConfigurationRequest {
    /// [`parse`], compiled in this crate as [`crate::shapes::PublishToTopicRequest::parse`] is.
    pub fn parse(payload: &[u8]) -> Result<Self, IpcError> {
        parse(Operation::GetConfiguration, payload)
    }
}

/// The answer to [`GetConfigurationRequest`].
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetConfigurationResponse<'a> {
    /// The component, as it was asked for.
    pub component_name: &'a str,
    /// Always an object: a leaf comes as `{"<its name>": <leaf>}`.
    pub value: &'a Map<String, Value>,
}

impl GetConfigurationResponse<'_> {
    /// The response as compact JSON.
    pub fn payload(&self) -> Vec<u8> {
        to_json(self)
    }
}

/// Merges into the asking component's configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateConfigurationRequest {
    /// Where below `configuration`; its root by default.
    pub key_path: Option<Vec<String>>,
    /// When the values were decided; required. Zero and less mean now: the C component SDK sends
    /// `0.0` when its caller gave none.
    pub timestamp: Option<Timestamp>,
    /// Must be an object; required.
    pub value_to_merge: Option<Value>,
}

/// Subscribes to changes of a component's configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeToConfigurationUpdateRequest {
    /// Whose; the asking component's own by default.
    pub component_name: Option<String>,
    /// Where below `configuration`; all of it by default.
    pub key_path: Option<Vec<String>>,
}

/// A leaf changed or was removed. The value is not sent: clients read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationUpdateEvent<'a> {
    /// The component.
    pub component_name: &'a str,
    /// From the root of its configuration to what changed.
    pub key_path: &'a [String],
}

impl ConfigurationUpdateEvent<'_> {
    /// The event as compact JSON, in its union.
    pub fn event(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Union<'a> {
            configuration_update_event: &'a ConfigurationUpdateEvent<'a>,
        }

        to_json(&Union { configuration_update_event: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c41_the_c_sdks_update_without_a_timestamp_parses() {
        let request: UpdateConfigurationRequest = serde_json::from_str(
            r#"{"keyPath":["a"],"timestamp":0.0000000000000000,"valueToMerge":{"k":5}}"#,
        )
        .unwrap();
        assert_eq!(request.timestamp.unwrap().ms, 0);
        assert_eq!(request.value_to_merge.unwrap()["k"], 5);
    }

    #[test]
    fn events_name_the_whole_path() {
        let path = ["a".to_owned(), "b".to_owned()];
        let event = ConfigurationUpdateEvent { component_name: "x", key_path: &path }.event();
        let expected = r#"{"configurationUpdateEvent":{"componentName":"x","keyPath":["a","b"]}}"#;
        assert_eq!(String::from_utf8(event).unwrap(), expected);
    }
}
