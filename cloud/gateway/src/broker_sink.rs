//! The way of messages from the cloud to devices.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use marram_aws::ApiError;
use marram_broker::{Broker, Publish, PublishProperties, QoS};
use marram_fleet::MessageSink;
use marram_os::clock::SharedClock;
use marram_store::Store;
use tokio::time::timeout;

use crate::device::DeviceHandler;

/// How long a published message may wait for the store.
const KEEPING: Duration = Duration::from_secs(20);

/// The topics of the devices' broker.
#[derive(Clone)]
pub struct DeviceTopics {
    broker: Broker<DeviceHandler>,
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
}

impl fmt::Debug for DeviceTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceTopics").finish_non_exhaustive()
    }
}

impl DeviceTopics {
    pub(crate) fn new(broker: Broker<DeviceHandler>, store: Store, clock: SharedClock) -> Self {
        Self { broker, store, clock }
    }

    /// Publishes to all subscribers that may receive it, with QoS 1 if `at_least_once`.
    pub fn publish(&self, topic: &str, payload: Bytes, at_least_once: bool, retain: bool) {
        self.publish_with(topic, payload, at_least_once, retain, PublishProperties::default());
    }

    /// The same, with what MQTT 5 says of the message besides.
    pub fn publish_with(
        &self,
        topic: &str,
        payload: Bytes,
        at_least_once: bool,
        retain: bool,
        properties: PublishProperties,
    ) {
        let qos = if at_least_once { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let publish = Publish::new(topic, payload).with_qos(qos);
        self.broker.publish(Publish { retain, properties, ..publish });
    }

    /// Waits until what was published so far is kept, where it is retained or queued.
    ///
    /// # Errors
    /// The store did not take it in time; it may still do so.
    pub async fn kept(&self) -> Result<(), ApiError> {
        timeout(KEEPING, self.broker.settled()).await.map_err(|_| {
            let seconds = KEEPING.as_secs();
            ApiError::new(
                "ServiceUnavailableException",
                503,
                format!("the message could not be kept within {seconds} s: try again"),
            )
        })
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
