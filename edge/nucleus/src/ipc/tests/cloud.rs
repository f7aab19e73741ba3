//! A cloud that remembers what it was asked for.

use std::collections::BTreeSet;
use std::sync::Mutex;

use marram_mqtt::{Publish, QoS};
use tokio::sync::watch;

use crate::ipc::iot_core::{BoxFuture, IotCore, PublishFailed, SubscribeFailed};

#[derive(Debug)]
pub(super) struct PlayedCloud {
    pub(super) published: Mutex<Vec<Publish>>,
    /// Every subscribe (`+filter`) and unsubscribe (`-filter`), in order.
    pub(super) requests: Mutex<Vec<String>>,
    pub(super) filters: Mutex<BTreeSet<String>>,
    pub(super) online: watch::Sender<bool>,
    /// Filters that are refused.
    pub(super) refused: Mutex<BTreeSet<String>>,
}

impl Default for PlayedCloud {
    fn default() -> Self {
        Self {
            published: Mutex::default(),
            requests: Mutex::default(),
            filters: Mutex::default(),
            online: watch::Sender::new(true),
            refused: Mutex::default(),
        }
    }
}

impl PlayedCloud {
    pub(super) fn filters(&self) -> Vec<String> {
        self.filters.lock().unwrap().iter().cloned().collect()
    }
}

impl IotCore for PlayedCloud {
    fn publish(&self, message: Publish) -> BoxFuture<Result<(), PublishFailed>> {
        let result = if message.topic == "refused" {
            Err(PublishFailed { reason: "no".to_owned() })
        } else {
            Ok(())
        };
        self.published.lock().unwrap().push(message);
        Box::pin(async { result })
    }

    fn subscribe(&self, filter: String, _qos: QoS) -> BoxFuture<Result<(), SubscribeFailed>> {
        self.requests.lock().unwrap().push(format!("+{filter}"));
        if self.refused.lock().unwrap().contains(&filter) {
            let reason = "Not authorized".to_owned();
            return Box::pin(async { Err(SubscribeFailed { reason, reason_code: Some(135) }) });
        }
        self.filters.lock().unwrap().insert(filter);
        let mut online = self.online.subscribe();
        Box::pin(async move {
            online.wait_for(|online| *online).await.unwrap();
            Ok(())
        })
    }

    fn unsubscribe(&self, filter: String) -> BoxFuture<()> {
        self.requests.lock().unwrap().push(format!("-{filter}"));
        self.filters.lock().unwrap().remove(&filter);
        Box::pin(async {})
    }

    fn connection(&self) -> watch::Receiver<bool> {
        self.online.subscribe()
    }
}
