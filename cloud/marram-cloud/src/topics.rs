//! The seam between the control plane's publishing and the devices' broker.

use marram_api::{Publication, Topics};
use marram_gateway::DeviceTopics;

/// Publications of `iotdata` go to devices.
#[derive(Debug)]
pub(crate) struct ToDevices(pub(crate) DeviceTopics);

impl Topics for ToDevices {
    fn publish(&self, publication: Publication) {
        let Publication { topic, payload, at_least_once, retain } = publication;
        self.0.publish(&topic, payload, at_least_once, retain);
    }
}
