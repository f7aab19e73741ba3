//! The seam between the control plane's publishing and the devices' broker.

use marram_api::{Looking, Publication, Topics};
use marram_gateway::{DeviceTopics, PublishProperties};
use serde_json::Value;

/// Publications of `iotdata` go to devices.
#[derive(Debug)]
pub(crate) struct ToDevices(pub(crate) DeviceTopics);

impl Topics for ToDevices {
    fn publish(&self, publication: Publication) {
        let Publication { topic, payload, at_least_once, retain, properties } = publication;
        let properties = PublishProperties {
            response_topic: properties.response_topic.map(Into::into),
            correlation_data: properties.correlation_data,
            user_properties: properties
                .user_properties
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            content_type: properties.content_type.map(Into::into),
            payload_format_utf8: properties.is_utf8,
            message_expiry_s: properties.expires_after_s,
        };
        self.0.publish_with(&topic, payload, at_least_once, retain, properties);
    }

    fn kept(&self) -> Looking<'_, ()> {
        Box::pin(self.0.kept())
    }

    fn get_retained_message<'t>(&'t self, topic: &'t str) -> Looking<'t, Value> {
        Box::pin(self.0.get_retained_message(topic))
    }

    fn list_retained_messages<'t>(
        &'t self,
        max_results: Option<i64>,
        next_token: Option<&'t str>,
    ) -> Looking<'t, Value> {
        Box::pin(self.0.list_retained_messages(max_results, next_token))
    }
}
