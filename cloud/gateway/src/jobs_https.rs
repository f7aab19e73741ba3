//! `iot-jobs-data` by client certificate: the jobs topics' twins for devices that speak HTTPS.

use marram_aws::ApiError;
use marram_aws::iot_jobs_data::Operation;
use marram_fleet::Fleet;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The action of the device's policies that the operation is; its resource is the thing.
pub(crate) fn action(operation: Operation) -> String {
    format!("iot:{operation:?}")
}

/// The members of a body; a bodiless request has none.
///
/// # Errors
/// The body is no JSON object.
pub(crate) fn members(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiError::invalid_request(format!("the body is not a JSON object: {error}"))
    })
}

/// Answers a call whose caller may make it.
///
/// # Errors
/// A member is wrong, or the fleet refuses.
pub(crate) async fn answer(
    fleet: &Fleet,
    operation: Operation,
    members: Map<String, Value>,
) -> Result<Vec<u8>, ApiError> {
    match operation {
        Operation::DescribeJobExecution => {
            json(&fleet.describe_pending_job_execution(read(members)?).await?)
        }
        Operation::GetPendingJobExecutions => {
            json(&fleet.pending_job_executions(read(members)?).await?)
        }
        Operation::StartNextPendingJobExecution => {
            json(&fleet.start_next_job_execution(read(members)?).await?)
        }
        Operation::UpdateJobExecution => json(&fleet.update_job_execution(read(members)?).await?),
    }
}

fn read<T: DeserializeOwned>(members: Map<String, Value>) -> Result<T, ApiError> {
    serde_json::from_value(Value::Object(members))
        .map_err(|error| ApiError::invalid_request(error.to_string()))
}

fn json<T: Serialize>(answer: &T) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(answer)
        .map_err(|error| ApiError::internal(format!("an answer has no JSON: {error}")))
}
