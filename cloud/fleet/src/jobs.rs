//! The jobs API of devices, over MQTT.
//!
//! All jobs are deployments', in the namespace of Greengrass; on the topics without a namespace,
//! or with another, a device sees that it has no jobs. Step timers do not exist: a deployment has
//! its own deadlines on the device.

mod look;
pub(crate) mod queue;
pub(crate) mod spread;

use marram_aws::ApiError;
use marram_model::jobs::{
    DEPLOYMENT_NAMESPACE, DescribeRequest, ExecutionReply, ExecutionState, GetPendingAccepted,
    GetPendingRequest, JobStatus, JobsApi, JobsTopic, Leg, NEXT, RejectCode, Rejected,
    StartNextRequest, StatusDetails, UpdateAccepted, UpdateRequest,
};
use marram_store::ExecutionRow;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fleet::Fleet;
use crate::job_execution::{Event, Execution};
use crate::unit::Unit;

/// AWS's limit for one value of the status details, in characters.
const MAX_DETAIL_CHARS: usize = 1024;

/// nucleus-lite reads replies to updates into 1024 bytes; longer details are left out of them.
const MAX_REPLIED_DETAILS_BYTES: usize = 500;

/// Why a request is rejected.
struct Reject {
    code: RejectCode,
    message: String,
    state: Option<ExecutionState>,
}

impl Reject {
    fn new(code: RejectCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), state: None }
    }

    fn no_job(job_id: &str) -> Self {
        Self::new(RejectCode::ResourceNotFound, format!("there is no job `{job_id}` here"))
    }
}

impl From<ApiError> for Reject {
    fn from(error: ApiError) -> Self {
        tracing::error!(%error, "a jobs request failed");
        Self::new(RejectCode::InternalError, "the request failed: try again")
    }
}

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

    fn is_of_deployments(&self) -> bool {
        self.topic.namespace.as_deref() == Some(DEPLOYMENT_NAMESPACE)
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

async fn pending(unit: &mut Unit, request: &Request<'_>) -> Result<Vec<ExecutionRow>, Reject> {
    if !request.is_of_deployments() {
        return Ok(Vec::new());
    }
    Ok(queue::visible(&mut unit.tx, request.thing).await?)
}

async fn find(
    unit: &mut Unit,
    request: &Request<'_>,
    job_id: &str,
) -> Result<ExecutionRow, Reject> {
    if !request.is_of_deployments() {
        return Err(Reject::no_job(job_id));
    }
    let row = unit.tx.execution(job_id, request.thing).await.map_err(ApiError::from)?;
    row.filter(|row| row.is_released).ok_or_else(|| Reject::no_job(job_id))
}

async fn get_pending(unit: &mut Unit, request: &Request<'_>) -> Result<Vec<u8>, Reject> {
    let asked: GetPendingRequest = request.parse()?;
    let jobs = queue::by_status(&pending(unit, request).await?);
    json(&GetPendingAccepted {
        in_progress_jobs: jobs.in_progress,
        queued_jobs: jobs.queued,
        timestamp: unit.now_s(),
        client_token: asked.client_token,
    })
}

async fn describe(unit: &mut Unit, request: &Request<'_>, job_id: &str) -> Result<Vec<u8>, Reject> {
    let asked: DescribeRequest = request.parse()?;
    let row = if job_id == NEXT {
        queue::head(&pending(unit, request).await?).cloned()
    } else {
        let row = find(unit, request, job_id).await?;
        if !row.is_pending {
            let message = format!("job `{job_id}` is {}", row.status);
            return Err(Reject::new(RejectCode::TerminalStateReached, message));
        }
        Some(row)
    };
    let is_other = |row: &&ExecutionRow| asked.execution_number.is_some_and(|n| n != row.number);
    if let Some(row) = row.as_ref().filter(is_other) {
        let message = format!("job `{}` is at execution number {}", row.job_id, row.number);
        return Err(Reject::new(RejectCode::ResourceNotFound, message));
    }
    let execution = match row {
        None => None,
        Some(row) => {
            let with_document = asked.include_job_document.unwrap_or(true);
            Some(queue::describe(&mut unit.tx, &row, with_document).await?)
        }
    };
    let timestamp = unit.now_s();
    json(&ExecutionReply { client_token: asked.client_token, timestamp, execution })
}

async fn start_next(unit: &mut Unit, request: &Request<'_>) -> Result<Vec<u8>, Reject> {
    let asked: StartNextRequest = request.parse()?;
    check_details(asked.status_details.as_ref())?;
    let pending = pending(unit, request).await?;
    let execution = match queue::head(&pending) {
        None => None,
        Some(row) => {
            if row.status == JobStatus::Queued.as_str() {
                let event = Event::Update {
                    status: JobStatus::InProgress,
                    details: asked.status_details,
                    expected_version: None,
                    number: None,
                };
                change(unit, row, event).await?;
            }
            let row = find(unit, request, &row.job_id).await?;
            Some(queue::describe(&mut unit.tx, &row, true).await?)
        }
    };
    let timestamp = unit.now_s();
    json(&ExecutionReply { client_token: asked.client_token, timestamp, execution })
}

async fn update(unit: &mut Unit, request: &Request<'_>, job_id: &str) -> Result<Vec<u8>, Reject> {
    let asked: UpdateRequest = request.parse()?;
    check_details(asked.status_details.as_ref())?;
    let row = find(unit, request, job_id).await?;
    let event = Event::Update {
        status: asked.status,
        details: asked.status_details,
        expected_version: asked.expected_version,
        number: asked.execution_number,
    };
    let next = change(unit, &row, event).await?;
    let wants_state = asked.include_job_execution_state == Some(true);
    let job_document = match asked.include_job_document {
        Some(true) => Some(queue::document(&mut unit.tx, job_id).await?),
        _ => None,
    };
    json(&UpdateAccepted {
        client_token: asked.client_token,
        timestamp: unit.now_s(),
        execution_state: wants_state.then(|| state_of(&next)),
        job_document,
    })
}

async fn change(unit: &mut Unit, row: &ExecutionRow, event: Event) -> Result<Execution, Reject> {
    let deployment = unit.tx.deployment_of_job(&row.job_id).await.map_err(ApiError::from)?;
    let Some(deployment) = deployment else {
        return Err(Reject::no_job(&row.job_id));
    };
    match queue::apply(unit, &deployment, row, event).await? {
        Ok(next) => Ok(next),
        Err(refused) => {
            let with_state = matches!(
                refused.code(),
                RejectCode::InvalidStateTransition | RejectCode::VersionMismatch
            );
            let mut reject = Reject::new(refused.code(), refused.to_string());
            if with_state {
                reject.state = Some(state_of(&queue::execution_of(row)?));
            }
            Err(reject)
        }
    }
}

fn state_of(execution: &Execution) -> ExecutionState {
    let details = &execution.details;
    let fits = Value::Object(details.clone()).to_string().len() <= MAX_REPLIED_DETAILS_BYTES;
    ExecutionState {
        status: execution.status,
        status_details: (fits && !details.is_empty()).then(|| details.clone()),
        version_number: execution.version,
    }
}

fn check_details(details: Option<&StatusDetails>) -> Result<(), Reject> {
    let wrong = details.into_iter().flatten().find(|(_, value)| {
        value.as_str().is_none_or(|text| text.chars().count() > MAX_DETAIL_CHARS)
    });
    match wrong {
        None => Ok(()),
        Some((key, _)) => {
            let message = format!(
                "statusDetails.{key} must be a text of at most {MAX_DETAIL_CHARS} characters"
            );
            Err(Reject::new(RejectCode::InvalidRequest, message))
        }
    }
}

#[cfg(test)]
mod tests;
