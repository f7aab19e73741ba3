//! The seam between the control plane's publishing and the devices' broker.

use marram_api::{Looking, Publication, Topics};
use marram_gateway::DeviceTopics;
use serde_json::Value;

/// Publications of `iotdata` go to devices.
#[derive(Debug)]
pub(crate) struct ToDevices(pub(crate) DeviceTopics);

impl Topics for ToDevices {
    fn publish(&self, publication: Publication) {
        let Publication { topic, payload, at_least_once, retain } = publication;
        self.0.publish(&topic, payload, at_least_once, retain);
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
