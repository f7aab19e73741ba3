//! Retained messages as the `iotdata` service shows them: what the broker has kept in the store.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use marram_aws::ApiError;
use marram_broker::{KeptMessage, QoS};
use marram_store::MqttRetainedRow;
use serde_json::{Value, json};

use crate::broker_sink::DeviceTopics;
use crate::kept;

/// AWS's bounds on a page.
const MAX_PAGE: i64 = 200;

impl DeviceTopics {
    /// `GetRetainedMessage`.
    ///
    /// # Errors
    /// The topic has none, or the store refused.
    pub async fn get_retained_message(&self, topic: &str) -> Result<Value, ApiError> {
        let row = self.store.read().await?.mqtt_retained(topic).await?;
        let message = row.as_ref().map(read).transpose()?;
        let (Some(row), Some(message)) = (row, message.filter(|found| self.is_live(found))) else {
            return Err(ApiError::not_found("RetainedMessage", topic));
        };
        let mut answer = json!({
            "topic": row.topic,
            "payload": STANDARD.encode(&message.publish.payload),
            "qos": qos(&message),
            "lastModifiedTime": row.modified_at_ms,
        });
        let properties = &message.publish.properties.user_properties;
        if !properties.is_empty() {
            let pairs = properties.iter().map(|(name, value)| json!({ &**name: &**value }));
            let pairs = Value::from_iter(pairs).to_string();
            answer["userProperties"] = Value::from(STANDARD.encode(pairs));
        }
        Ok(answer)
    }

    /// `ListRetainedMessages`: by topic.
    ///
    /// # Errors
    /// A page size or token that is not valid, or the store refused.
    pub async fn list_retained_messages(
        &self,
        max_results: Option<i64>,
        next_token: Option<&str>,
    ) -> Result<Value, ApiError> {
        let limit = max_results.unwrap_or(MAX_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            let message = format!("`maxResults` is {limit}: use 1 to {MAX_PAGE}");
            return Err(ApiError::invalid_request(message));
        }
        let after = after(next_token)?;
        let mut reader = self.store.read().await?;
        let mut rows = reader.mqtt_retained_after(&after, limit + 1).await?;
        let has_more = i64::try_from(rows.len()).is_ok_and(|count| count > limit);
        rows.truncate(usize::try_from(limit).unwrap_or_default());
        let mut topics = Vec::new();
        for row in &rows {
            let message = read(row)?;
            if self.is_live(&message) {
                topics.push(json!({
                    "topic": row.topic,
                    "payloadSize": message.publish.payload.len(),
                    "qos": qos(&message),
                    "lastModifiedTime": row.modified_at_ms,
                }));
            }
        }
        let mut answer = json!({ "retainedTopics": topics });
        if let Some(last) = rows.last().filter(|_| has_more) {
            answer["nextToken"] = Value::from(URL_SAFE_NO_PAD.encode(&last.topic));
        }
        Ok(answer)
    }

    /// The broker forgets an expired message only when somebody would get it.
    fn is_live(&self, message: &KeptMessage) -> bool {
        message.expires_at_ms.is_none_or(|at| at > self.clock.now_ms())
    }
}

fn read(row: &MqttRetainedRow) -> Result<KeptMessage, ApiError> {
    kept::retained(row).map_err(|error| {
        ApiError::internal(format!("the retained message of `{}` is damaged: {error}", row.topic))
    })
}

fn qos(message: &KeptMessage) -> i64 {
    i64::from(message.publish.qos == QoS::AtLeastOnce)
}

fn after(next_token: Option<&str>) -> Result<String, ApiError> {
    let Some(token) = next_token else { return Ok(String::new()) };
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| {
        ApiError::invalid_request(format!(
            "`nextToken` is `{token}`, which this list did not give: start without it"
        ))
    })
}
