//! The `iotdata` service for people: shadows over HTTP, publishing, retained messages, and who is
//! connected.
//!
//! Shadows are the fleet's, so a change here is told to devices over MQTT exactly as if one of
//! them had made it.

mod properties;

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use hyper::http::request::Parts;
use marram_aws::ApiError;
use marram_aws::iot_data::{Operation, ROUTES};
use marram_aws::route::{BindError, find};
use marram_fleet::{Origin, shadow_error};
use marram_model::arn::Account;
use marram_model::shadow_topics::{ShadowTopic, ShadowVerb};
use serde_json::{Map, Value};

use crate::api::Services;
use crate::audit::Deed;
use crate::authority::Authority;
use crate::bind::unknown_operation;
use crate::envelope::Answer;
use crate::resources::Need;

pub use properties::MessageProperties;

/// AWS IoT's bound on an MQTT payload in bytes.
const MAX_PAYLOAD: usize = 128 * 1024;
/// AWS IoT's bound on a topic in bytes.
const MAX_TOPIC: usize = 256;

/// A message that somebody publishes over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// A topic name: neither empty nor with `+`, `#` or NUL, and none of AWS's own.
    pub topic: String,
    /// What is published.
    pub payload: Bytes,
    /// Whether subscribers get it at least once (QoS 1) rather than at most once.
    pub at_least_once: bool,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// What MQTT 5 says of it besides.
    pub properties: MessageProperties,
}

/// What the broker is asked, under way.
pub type Looking<'t, T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send + 't>>;

/// Where publications go: the MQTT broker.
pub trait Topics: Send + Sync + fmt::Debug {
    /// Hands a message to all subscribers; must not block.
    fn publish(&self, publication: Publication);

    /// Waits until what was published so far is kept, where it is retained or queued.
    fn kept(&self) -> Looking<'_, ()>;

    /// `GetRetainedMessage`: the answer's members.
    fn get_retained_message<'t>(&'t self, topic: &'t str) -> Looking<'t, Value>;

    /// `ListRetainedMessages`: the answer's members.
    fn list_retained_messages<'t>(
        &'t self,
        max_results: Option<i64>,
        next_token: Option<&'t str>,
    ) -> Looking<'t, Value>;
}

/// Answers one call; the body is the payload itself.
pub(crate) async fn answer(
    services: &Services,
    parts: &Parts,
    body: Bytes,
    authority: &Authority,
    deed: &mut Deed,
) -> Result<Answer, ApiError> {
    let Some((route, labels)) = find(ROUTES, parts.method.as_str(), parts.uri.path()) else {
        return Err(unknown_operation(parts));
    };
    let query = parts.uri.query().unwrap_or_default();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let members = route.bind(labels, query, header, Map::new()).map_err(|e| unbound(&e))?;
    let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    deed.begin(authority, &needs(route.operation, &members, services.registry.account()))?;
    let fleet = &services.fleet;
    let thing = text("thingName").unwrap_or_default();
    let shadow = text("shadowName");
    let token = text("nextToken");
    let number = |name: &str| members.get(name).and_then(Value::as_i64);
    let document = match route.operation {
        Operation::Publish => return publish(services, &members, body).await,
        Operation::ListNamedShadowsForThing => {
            let page = fleet.list_named_shadows(thing, number("pageSize"), token).await?;
            return Answer::json(route.status, &page);
        }
        Operation::GetRetainedMessage => {
            let topic = text("topic").unwrap_or_default();
            return Answer::json(route.status, &services.topics.get_retained_message(topic).await?);
        }
        Operation::ListRetainedMessages => {
            let page = services.topics.list_retained_messages(number("maxResults"), token).await?;
            return Answer::json(route.status, &page);
        }
        Operation::GetConnection => {
            let client_id = text("clientId").unwrap_or_default();
            let with_sockets = members.get("includeSocketInformation").and_then(Value::as_bool);
            let connection = fleet.get_connection(client_id, with_sockets.unwrap_or(false)).await?;
            return Answer::json(route.status, &connection);
        }
        Operation::GetThingShadow => fleet.get_shadow(thing, shadow, b"", Origin::Elsewhere).await,
        Operation::UpdateThingShadow => {
            fleet.update_shadow(thing, shadow, &body, Origin::Elsewhere).await
        }
        Operation::DeleteThingShadow => {
            fleet.delete_shadow(thing, shadow, b"", Origin::Elsewhere).await
        }
    };
    Answer::json(route.status, &document.map_err(shadow_error)?)
}

/// What a call needs; a kept message needs more than one that passes by (AWS IoT developer guide,
/// "AWS IoT Core policy actions"). A shadow with a name stands below its thing.
fn needs(operation: Operation, members: &Map<String, Value>, account: &Account) -> Vec<Need> {
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let action = format!("iot:{operation:?}");
    match operation {
        Operation::Publish => {
            let topic = account.topic(text("topic"));
            let retains = members.get("retain").and_then(Value::as_bool).unwrap_or(false);
            let retained = retains.then(|| ("iot:RetainPublish".to_owned(), topic.clone()));
            [(action, topic)].into_iter().chain(retained).collect()
        }
        Operation::GetRetainedMessage => vec![(action, account.topic(text("topic")))],
        Operation::ListRetainedMessages => vec![(action, "*".to_owned())],
        Operation::GetConnection => vec![(action, account.client(text("clientId")))],
        Operation::ListNamedShadowsForThing => vec![(action, account.thing(text("thingName")))],
        Operation::DeleteThingShadow | Operation::GetThingShadow | Operation::UpdateThingShadow => {
            let thing = account.thing(text("thingName"));
            let shadow = text("shadowName");
            let separator = if shadow.is_empty() { "" } else { "/" };
            vec![(action, format!("{thing}{separator}{shadow}"))]
        }
    }
}

async fn publish(
    services: &Services,
    members: &Map<String, Value>,
    payload: Bytes,
) -> Result<Answer, ApiError> {
    let topic = members.get("topic").and_then(Value::as_str).unwrap_or_default();
    if topic.is_empty() || topic.len() > MAX_TOPIC || topic.contains(['+', '#', '\0']) {
        return Err(ApiError::invalid_request(format!(
            "`topic` is `{topic}`: use 1 to {MAX_TOPIC} bytes without `+` and `#`"
        )));
    }
    if payload.len() > MAX_PAYLOAD {
        let message = format!("the payload has {} bytes: at most {MAX_PAYLOAD}", payload.len());
        return Err(ApiError::new("RequestEntityTooLargeException", 413, message));
    }
    let at_least_once = match members.get("qos").and_then(Value::as_i64).unwrap_or(0) {
        0 => false,
        1 => true,
        other => return Err(ApiError::invalid_request(format!("`qos` is {other}: use 0 or 1"))),
    };
    if topic.starts_with('$') {
        publish_reserved(services, topic, &payload).await?;
    } else {
        let retain = members.get("retain").and_then(Value::as_bool).unwrap_or(false);
        let topic = topic.to_owned();
        let properties = MessageProperties::read(members, &payload)?;
        services.topics.publish(Publication { topic, payload, at_least_once, retain, properties });
        if retain || at_least_once {
            services.topics.kept().await?;
        }
    }
    Answer::json(200, &serde_json::json!({ "message": "OK" }))
}

/// What is published to AWS's own topics is a request to the cloud, not a message. Only those
/// that change a shadow make sense without a connection that hears the answer.
async fn publish_reserved(
    services: &Services,
    topic: &str,
    payload: &[u8],
) -> Result<(), ApiError> {
    let fleet = &services.fleet;
    let request = ShadowTopic::parse(topic);
    let done = match request.as_ref().map(|request| (&request.thing, &request.shadow, request.verb))
    {
        Some((thing, shadow, ShadowVerb::Update)) => {
            fleet.update_shadow(thing, shadow.as_deref(), payload, Origin::Elsewhere).await
        }
        Some((thing, shadow, ShadowVerb::Delete)) => {
            fleet.delete_shadow(thing, shadow.as_deref(), payload, Origin::Elsewhere).await
        }
        _ => {
            return Err(ApiError::invalid_request(format!(
                "`topic` is `{topic}`: of the reserved topics only a shadow's update and delete \
                 can be published to over HTTP"
            )));
        }
    };
    done.map(drop).map_err(shadow_error)
}

fn unbound(error: &BindError) -> ApiError {
    ApiError::invalid_request(error.to_string())
}
