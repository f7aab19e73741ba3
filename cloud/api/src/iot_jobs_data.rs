//! The `iot-jobs-data` service for people and programs: what a device does with its jobs.

use hyper::http::request::Parts;
use marram_aws::ApiError;
use marram_aws::iot_jobs_data::{Operation, ROUTES};

use crate::api::Services;
use crate::audit::Deed;
use crate::authority::Authority;
use crate::bind::{Bound, Dialect, bind};
use crate::envelope::Answer;
use crate::iot::run;
use crate::resources;

/// Answers one call.
pub(crate) async fn answer(
    services: &Services,
    parts: &Parts,
    body: &[u8],
    authority: &Authority,
    deed: &mut Deed,
) -> Result<Answer, ApiError> {
    use Operation as O;
    let Bound { operation, status, members: m } = bind(ROUTES, Dialect::Iot, parts, body)?;
    deed.begin(
        authority,
        &resources::of_iot_jobs_data(operation, &m, services.registry.account()),
    )?;
    let fleet = &services.fleet;
    let running = match operation {
        O::DescribeJobExecution => run(m, status, |q| fleet.describe_pending_job_execution(q)),
        O::GetPendingJobExecutions => run(m, status, |q| fleet.pending_job_executions(q)),
        O::StartNextPendingJobExecution => run(m, status, |q| fleet.start_next_job_execution(q)),
        O::UpdateJobExecution => run(m, status, |q| fleet.update_job_execution(q)),
    };
    running.await
}
