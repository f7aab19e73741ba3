//! Jobs: what devices are given to do, and how people make it.
//!
//! A job carries a deployment, in the namespace of Greengrass, or is one that people made, mostly
//! on the topics without a namespace; in each namespace a device sees its jobs alone. Both keep to
//! the same machine ([`crate::job_execution`]) and the same arithmetic ([`crate::rollout`]). Here
//! is their API over MQTT.

mod control;
mod device;
mod executions;
mod fields;
mod https;
pub(crate) mod job;
mod look;
mod make;
pub(crate) mod queue;
pub(crate) mod spread;

use marram_aws::ApiError;
use marram_model::jobs::{
    DescribeRequest, ExecutionReply, GetPendingAccepted, GetPendingRequest, JobsApi, JobsTopic,
    Leg, RejectCode, Rejected, StartNextRequest, UpdateAccepted, UpdateRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::device::{Reject, Scope};
use crate::fleet::Fleet;
use crate::unit::Unit;

/// A request's common parts.
struct Request<'a> {
    thing: &'a str,
    topic: &'a JobsTopic,
    payload: Value,
}

impl Request<'_> {
    fn parse<T: DeserializeOwned>(&self) -> Result<T, Reject> {
        serde_json::from_value(self.payload.clone())
            .map_err(|error| Reject::new(RejectCode::InvalidRequest, error.to_string()))
    }

    fn scope(&self) -> Scope<'_> {
        let namespace = self.topic.namespace.as_deref().unwrap_or_default();
        Scope { thing: self.thing, namespace }
    }
}

impl Fleet {
    /// Answers a jobs request of `client_id` for `thing`; replies go through the sink, before the
    /// notifications that follow from them. A topic that is no request of the API is rejected
    /// with `InvalidTopic`.
    pub async fn jobs_request(&self, client_id: &str, thing: &str, topic: &str, payload: &[u8]) {
        let parsed = JobsTopic::parse(thing, topic).filter(|parsed| {
            let is_notification = matches!(parsed.api, JobsApi::Notify | JobsApi::NotifyNext);
            parsed.leg == Leg::Plain && !is_notification
        });
        let (body, token) = match parse_payload(payload) {
            Ok(body) => {
                let token = body.get("clientToken").and_then(Value::as_str).map(str::to_owned);
                (Ok(body), token)
            }
            Err(rejected) => (Err(rejected), None),
        };
        let outcome = match (parsed, body) {
            (None, _) => {
                let message = format!("`{topic}` is no topic of the jobs API");
                Err(Reject::new(RejectCode::InvalidTopic, message))
            }
            (Some(_), Err(rejected)) => Err(rejected),
            (Some(parsed), Ok(payload)) => {
                let request = Request { thing, topic: &parsed, payload };
                self.dispatch(client_id, topic, &request).await
            }
        };
        if let Err(rejected) = outcome {
            self.reject(client_id, topic, rejected, token);
        }
    }

    async fn dispatch(
        &self,
        client_id: &str,
        topic: &str,
        request: &Request<'_>,
    ) -> Result<(), Reject> {
        let mut unit = self.unit().await?;
        let reply = match &request.topic.api {
            JobsApi::GetPending => get_pending(&mut unit, request).await?,
            JobsApi::StartNext => start_next(&mut unit, request).await?,
            JobsApi::Describe(job_id) => describe(&mut unit, request, job_id).await?,
            JobsApi::Update(job_id) => update(&mut unit, request, job_id).await?,
            JobsApi::Notify | JobsApi::NotifyNext => {
                let message = format!("devices only receive on `{topic}`");
                return Err(Reject::new(RejectCode::InvalidTopic, message));
            }
        };
        unit.reply(client_id, format!("{topic}/accepted"), reply);
        Ok(unit.commit().await?)
    }

    fn reject(&self, client_id: &str, topic: &str, rejected: Reject, token: Option<String>) {
        let body = Rejected {
            code: rejected.code,
            message: rejected.message,
            client_token: token,
            timestamp: self.inner.now_ms().div_euclid(1000),
            execution_state: rejected.state,
        };
        // A struct of texts and numbers always has JSON.
        let payload = serde_json::to_vec(&body).unwrap_or_default();
        if let Some(sink) = self.inner.sink() {
            sink.reply(client_id, format!("{topic}/rejected"), payload);
        }
    }
}

fn parse_payload(payload: &[u8]) -> Result<Value, Reject> {
    if payload.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    match serde_json::from_slice(payload) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Reject::new(RejectCode::InvalidJson, "the payload must be a JSON object")),
        Err(error) => {
            Err(Reject::new(RejectCode::InvalidJson, format!("the payload is not JSON: {error}")))
        }
    }
}

fn json<T: Serialize>(body: &T) -> Result<Vec<u8>, Reject> {
    serde_json::to_vec(body)
        .map_err(|error| Reject::from(ApiError::internal(format!("a reply has no JSON: {error}"))))
}

async fn get_pending(unit: &mut Unit, request: &Request<'_>) -> Result<Vec<u8>, Reject> {
    let asked: GetPendingRequest = request.parse()?;
    let jobs = device::get_pending(unit, request.scope()).await?;
    json(&GetPendingAccepted {
        in_progress_jobs: jobs.in_progress,
        queued_jobs: jobs.queued,
        timestamp: unit.now_s(),
        client_token: asked.client_token,
    })
}

async fn describe(unit: &mut Unit, request: &Request<'_>, job_id: &str) -> Result<Vec<u8>, Reject> {
    let asked: DescribeRequest = request.parse()?;
    let found = device::describe(unit, request.scope(), job_id, &asked).await?;
    let (timestamp, execution) = (unit.now_s(), found.map(|(_, execution)| execution));
    json(&ExecutionReply { client_token: asked.client_token, timestamp, execution })
}

async fn start_next(unit: &mut Unit, request: &Request<'_>) -> Result<Vec<u8>, Reject> {
    let mut asked: StartNextRequest = request.parse()?;
    let client_token = asked.client_token.take();
    let started = device::start_next(unit, request.scope(), asked).await?;
    let (timestamp, execution) = (unit.now_s(), started.map(|(_, execution)| execution));
    json(&ExecutionReply { client_token, timestamp, execution })
}

async fn update(unit: &mut Unit, request: &Request<'_>, job_id: &str) -> Result<Vec<u8>, Reject> {
    let mut asked: UpdateRequest = request.parse()?;
    let client_token = asked.client_token.take();
    let updated = device::update(unit, request.scope(), job_id, asked).await?;
    json(&UpdateAccepted {
        client_token,
        timestamp: unit.now_s(),
        execution_state: updated.state,
        job_document: updated.document,
    })
}

#[cfg(test)]
mod tests;
