//! The broker's sessions and retained messages in the cloud's store.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use marram_broker::{
    ByteString, Change, Kept, KeptDelivery, KeptMessage, KeptSession, KeptSubscription, Publish,
    PublishProperties, QoS, RetainHandling, SessionStore, StoreFailure, Storing, SubscribeOptions,
};
use marram_os::clock::SharedClock;
use marram_store::{MqttRetainedRow, MqttSessionRow, Store, Tx};
use serde::{Deserialize, Serialize};

/// How many retained messages are read at once.
const PAGE: i64 = 1000;

/// Keeps what the broker says in the store.
pub(crate) struct KeptInStore {
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
}

/// A message as it stands in the store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MessageJson {
    topic: String,
    /// Base64.
    payload: String,
    qos: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    retain: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subscription_ids: Vec<NonZeroU32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_topic: Option<String>,
    /// Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_data: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    user_properties: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    payload_format_utf8: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_expiry_s: Option<u32>,
}

impl MessageJson {
    fn new(message: &KeptMessage, retain: bool, subscription_ids: &[NonZeroU32]) -> Self {
        let KeptMessage { publish, expires_at_ms } = message;
        let properties = &publish.properties;
        let text = |text: &ByteString| text.to_string();
        let pair = |(name, value): &(ByteString, ByteString)| (text(name), text(value));
        Self {
            topic: text(&publish.topic),
            payload: BASE64.encode(&publish.payload),
            qos: u8::from(publish.qos == QoS::AtLeastOnce),
            expires_at_ms: *expires_at_ms,
            retain,
            subscription_ids: subscription_ids.to_vec(),
            response_topic: properties.response_topic.as_ref().map(text),
            correlation_data: properties.correlation_data.as_ref().map(|data| BASE64.encode(data)),
            user_properties: properties.user_properties.iter().map(pair).collect(),
            content_type: properties.content_type.as_ref().map(text),
            payload_format_utf8: properties.payload_format_utf8,
            message_expiry_s: properties.message_expiry_s,
        }
    }

    fn message(self, retain: bool) -> Result<KeptMessage, StoreFailure> {
        let correlation_data = self.correlation_data.map(|data| BASE64.decode(data)).transpose()?;
        let pair = |(name, value): (String, String)| (name.into(), value.into());
        let properties = PublishProperties {
            response_topic: self.response_topic.map(Into::into),
            correlation_data: correlation_data.map(Into::into),
            user_properties: self.user_properties.into_iter().map(pair).collect(),
            content_type: self.content_type.map(Into::into),
            payload_format_utf8: self.payload_format_utf8,
            message_expiry_s: self.message_expiry_s,
        };
        let publish = Publish {
            topic: self.topic.into(),
            payload: BASE64.decode(self.payload)?.into(),
            qos: if self.qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce },
            retain,
            properties,
        };
        Ok(KeptMessage { publish, expires_at_ms: self.expires_at_ms })
    }
}

/// A subscription's options as they stand in the store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OptionsJson {
    qos: u8,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subscription_id: Option<NonZeroU32>,
}

impl From<KeptSubscription> for OptionsJson {
    fn from(subscription: KeptSubscription) -> Self {
        let options = subscription.options;
        Self {
            qos: u8::from(options.qos == QoS::AtLeastOnce),
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            retain_handling: match options.retain_handling {
                RetainHandling::Send => 0,
                RetainHandling::SendIfNew => 1,
                RetainHandling::DoNotSend => 2,
            },
            subscription_id: subscription.subscription_id,
        }
    }
}

impl From<OptionsJson> for KeptSubscription {
    fn from(json: OptionsJson) -> Self {
        let options = SubscribeOptions {
            qos: if json.qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce },
            no_local: json.no_local,
            retain_as_published: json.retain_as_published,
            retain_handling: match json.retain_handling {
                0 => RetainHandling::Send,
                1 => RetainHandling::SendIfNew,
                _ => RetainHandling::DoNotSend,
            },
        };
        Self { options, subscription_id: json.subscription_id }
    }
}

impl SessionStore for KeptInStore {
    fn load(&self) -> Storing<'_, Kept> {
        Box::pin(self.load_all())
    }

    fn save<'s>(&'s self, changes: &'s [Change]) -> Storing<'s, ()> {
        Box::pin(async move {
            let mut tx = self.store.begin().await?;
            for change in changes {
                self.save_one(&mut tx, change).await?;
            }
            Ok(tx.commit().await?)
        })
    }
}

impl KeptInStore {
    async fn load_all(&self) -> Result<Kept, StoreFailure> {
        let mut reader = self.store.read().await?;
        let mut sessions: Vec<KeptSession> = Vec::new();
        for row in reader.mqtt_sessions().await? {
            sessions.push(KeptSession {
                client_id: row.client_id.into(),
                expiry_s: u32::try_from(row.expiry_s)?,
                expires_at_ms: row.expires_at_ms,
                subscriptions: Vec::new(),
                queue: Vec::new(),
            });
        }
        for (client_id, filter, options) in reader.mqtt_subscriptions().await? {
            let options: OptionsJson = serde_json::from_str(&options)?;
            if let Some(session) = find(&mut sessions, &client_id) {
                session.subscriptions.push((filter.into(), options.into()));
            }
        }
        for (client_id, position, message) in reader.mqtt_queues().await? {
            let mut json: MessageJson = serde_json::from_str(&message)?;
            let subscription_ids = std::mem::take(&mut json.subscription_ids);
            let retain = json.retain;
            let message = json.message(retain)?;
            let position = u64::try_from(position)?;
            if let Some(session) = find(&mut sessions, &client_id) {
                session.queue.push(KeptDelivery { position, message, retain, subscription_ids });
            }
        }
        let mut retained = Vec::new();
        let mut after = String::new();
        loop {
            let page = reader.mqtt_retained_after(&after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.topic);
            for row in page {
                retained.push(self::retained(&row)?);
            }
        }
        Ok(Kept { sessions, retained })
    }

    async fn save_one(&self, tx: &mut Tx, change: &Change) -> Result<(), StoreFailure> {
        match change {
            Change::Ended { client_id } => tx.delete_mqtt_session(client_id).await?,
            Change::Session { client_id, expiry_s, expires_at_ms } => {
                let row = MqttSessionRow {
                    client_id: client_id.to_string(),
                    expiry_s: i64::from(*expiry_s),
                    expires_at_ms: *expires_at_ms,
                };
                tx.put_mqtt_session(&row).await?;
            }
            Change::Subscribed { client_id, filter, subscription } => {
                let options = serde_json::to_string(&OptionsJson::from(*subscription))?;
                tx.put_mqtt_subscription(client_id, filter, &options).await?;
            }
            Change::Unsubscribed { client_id, filter } => {
                tx.delete_mqtt_subscription(client_id, filter).await?;
            }
            Change::Queued { client_id, delivery } => {
                let KeptDelivery { position, message, retain, subscription_ids } = delivery;
                let json = MessageJson::new(message, *retain, subscription_ids);
                let json = serde_json::to_string(&json)?;
                tx.put_mqtt_message(client_id, i64::try_from(*position)?, &json).await?;
            }
            Change::Settled { client_id, position } => {
                tx.delete_mqtt_message(client_id, i64::try_from(*position)?).await?;
            }
            Change::Retained(message) => {
                let json = MessageJson::new(message, true, &[]);
                let row = MqttRetainedRow {
                    topic: message.publish.topic.to_string(),
                    message_json: serde_json::to_string(&json)?,
                    modified_at_ms: self.clock.now_ms(),
                };
                tx.put_mqtt_retained(&row).await?;
            }
            Change::Cleared { topic } => tx.delete_mqtt_retained(topic).await?,
        }
        Ok(())
    }
}

/// The message of a retained one's row.
pub(crate) fn retained(row: &MqttRetainedRow) -> Result<KeptMessage, StoreFailure> {
    let json: MessageJson = serde_json::from_str(&row.message_json)?;
    json.message(true)
}

/// The client's session in the list, which is sorted by client id.
fn find<'s>(sessions: &'s mut [KeptSession], client_id: &str) -> Option<&'s mut KeptSession> {
    let at = sessions.binary_search_by(|session| (*session.client_id).cmp(client_id)).ok()?;
    sessions.get_mut(at)
}
