//! The way of messages from the cloud to devices.

use std::fmt;

use bytes::Bytes;
use marram_broker::{Broker, Publish, QoS};
use marram_fleet::MessageSink;

use crate::device::DeviceHandler;

/// The topics of the devices' broker.
#[derive(Clone)]
pub struct DeviceTopics {
    broker: Broker<DeviceHandler>,
}

impl fmt::Debug for DeviceTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceTopics").finish_non_exhaustive()
    }
}

impl DeviceTopics {
    pub(crate) fn new(broker: Broker<DeviceHandler>) -> Self {
        Self { broker }
    }

    /// Publishes to all subscribers that may receive it, with QoS 1 if `at_least_once`.
    pub fn publish(&self, topic: &str, payload: Bytes, at_least_once: bool, retain: bool) {
        let qos = if at_least_once { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        self.broker.publish(Publish { retain, ..Publish::new(topic, payload).with_qos(qos) });
    }
}

/// The service speaks with QoS 1; a subscription with QoS 0 lowers it.
impl MessageSink for DeviceTopics {
    fn publish(&self, topic: String, payload: Vec<u8>) {
        self.broker.publish(Publish::new(topic, payload).with_qos(QoS::AtLeastOnce));
    }

    fn reply(&self, client_id: &str, topic: String, payload: Vec<u8>) {
        self.broker.reply(client_id, Publish::new(topic, payload).with_qos(QoS::AtLeastOnce));
    }
}
