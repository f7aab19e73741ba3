//! Tells the cloud how deployments stand.

use marram_model::jobs::{JobStatus, JobsApi, Leg, RejectCode, Rejected, UpdateRequest};
use marram_model::shadow_topics::{ReportedDeployment, ShadowVerb};
use marram_model::status::{DeploymentOutcome, DeploymentStatus};
use marram_mqtt_client::QoS;
use serde::Deserialize;
use tokio::time::timeout;
use tracing::debug;

use super::{CloudLink, Shared};
use crate::cloud::report::{Delivery, DeploymentStatusUpdate, Undelivered};
use crate::cloud::requests::{Answer, Waiting};
use crate::deployment::Source;

/// How often a shadow update is repeated whose version somebody else took.
const VERSION_ATTEMPTS: usize = 5;

/// A shadow's `update/rejected`.
#[derive(Debug, Deserialize)]
struct ShadowRejected {
    code: i64,
    #[serde(default)]
    message: String,
}

impl CloudLink {
    /// Tells the cloud how a deployment stands and waits for its answer. A terminal status also
    /// ends the deployment for the link: it is not offered again, and the next job is asked for.
    ///
    /// Statuses of one deployment must be told one after the other.
    pub async fn report(&self, update: &DeploymentStatusUpdate) -> Result<Delivery, Undelivered> {
        let shared = &self.shared;
        let outcome = &update.outcome;
        let is_end = outcome.status.is_terminal();
        match &update.source {
            Source::Job { job_id } => {
                if is_end {
                    shared.listeners().jobs.ended(job_id);
                }
                let delivery = shared.report_job(job_id, outcome).await?;
                if is_end {
                    let actions = shared.listeners().jobs.end_delivered();
                    shared.act_on_jobs(actions).await;
                }
                Ok(delivery)
            }
            Source::Shadow { configuration_arn } => {
                let version = &shared.nucleus_version;
                let status = ReportedDeployment::new(configuration_arn, outcome, version);
                {
                    let mut listeners = shared.listeners();
                    listeners.shadow.reporting(&status);
                    if is_end {
                        listeners.shadow.ended(configuration_arn);
                    }
                }
                shared.report_shadow(&status).await
            }
            Source::Local { .. } => Ok(Delivery::NotTold),
        }
    }
}

impl Shared {
    async fn report_job(
        &self,
        job_id: &str,
        outcome: &DeploymentOutcome,
    ) -> Result<Delivery, Undelivered> {
        let status = match outcome.status {
            DeploymentStatus::InProgress => JobStatus::InProgress,
            DeploymentStatus::Succeeded => JobStatus::Succeeded,
            DeploymentStatus::Failed => JobStatus::Failed,
            DeploymentStatus::Rejected => JobStatus::Rejected,
            DeploymentStatus::Queued | DeploymentStatus::Canceled => return Ok(Delivery::NotTold),
        };
        self.check_connected()?;
        let filters = [Leg::Accepted, Leg::Rejected]
            .map(|leg| self.jobs_topic(JobsApi::Update(job_id.to_owned()), leg));
        for filter in &filters {
            self.client
                .subscribe(filter.clone(), QoS::AtLeastOnce)
                .await
                .map_err(Undelivered::because)?;
        }
        let mut waiting = self.requests.begin();
        let request = UpdateRequest {
            job_id: Some(job_id.to_owned()),
            thing_name: Some(self.thing.clone()),
            client_token: Some(waiting.token().to_owned()),
            ..UpdateRequest::report(status, outcome.to_job_status_details())
        };
        let payload = serde_json::to_vec(&request).map_err(Undelivered::because)?;
        let topic = self.jobs_topic(JobsApi::Update(job_id.to_owned()), Leg::Plain);
        let answer = self.ask(&mut waiting, topic, payload).await;
        if outcome.status.is_terminal() {
            for filter in filters {
                if let Err(error) = self.client.unsubscribe(filter).await {
                    debug!(%error, "a finished job's answers stay subscribed");
                }
            }
        }
        match answer? {
            Answer::Accepted(_) => Ok(Delivery::Delivered),
            Answer::Rejected(payload) => job_rejection(&payload),
        }
    }

    pub(super) async fn report_shadow(
        &self,
        status: &ReportedDeployment,
    ) -> Result<Delivery, Undelivered> {
        for _ in 0..VERSION_ATTEMPTS {
            self.check_connected()?;
            let mut waiting = self.requests.begin();
            let update = self.listeners().shadow.update(&self.thing, status, waiting.token());
            let payload = update.to_string().into_bytes();
            let topic = self.shadow_topic(ShadowVerb::Update);
            let rejected = match self.ask(&mut waiting, topic, payload).await? {
                Answer::Accepted(_) => return Ok(Delivery::Delivered),
                Answer::Rejected(payload) => payload,
            };
            let rejected: ShadowRejected =
                serde_json::from_slice(&rejected).map_err(Undelivered::because)?;
            let reason = format!("{}: {}", rejected.code, rejected.message);
            match rejected.code {
                409 => self.refresh_shadow().await?,
                429 | 500.. => return Err(Undelivered { reason }),
                _ => return Ok(Delivery::DroppedByCloud { reason }),
            }
        }
        Err(Undelivered::because("the shadow's version changed at every attempt"))
    }

    /// Learns the shadow's version.
    async fn refresh_shadow(&self) -> Result<(), Undelivered> {
        let mut waiting = self.requests.begin();
        let request = serde_json::json!({"clientToken": waiting.token()});
        let topic = self.shadow_topic(ShadowVerb::Get);
        self.ask(&mut waiting, topic, request.to_string().into_bytes()).await.map(drop)
    }

    /// Publishes a request and waits for its answer, as long as the connection lasts: the answer
    /// to a request on a broken one need not come.
    pub(super) async fn ask(
        &self,
        waiting: &mut Waiting<'_>,
        topic: String,
        payload: Vec<u8>,
    ) -> Result<Answer, Undelivered> {
        self.publish(topic, payload).await.map_err(Undelivered::because)?;
        let mut connection = self.connected.subscribe();
        tokio::select! {
            answer = timeout(self.answer_deadline, waiting.answer()) => match answer {
                Ok(Some(answer)) => Ok(answer),
                Ok(None) => Err(Undelivered::because("the link was stopped")),
                Err(_) => Err(Undelivered {
                    reason: format!("no answer within {} ms", self.answer_deadline.as_millis()),
                }),
            },
            _ = connection.changed() => Err(Undelivered::because("the connection broke")),
        }
    }

    fn check_connected(&self) -> Result<(), Undelivered> {
        if self.client.is_connected() {
            return Ok(());
        }
        Err(Undelivered::because("the device is not connected"))
    }
}

/// Whether a rejected job update is worth repeating: only when the cloud itself is at fault.
fn job_rejection(payload: &[u8]) -> Result<Delivery, Undelivered> {
    let rejected: Rejected = match serde_json::from_slice(payload) {
        Ok(rejected) => rejected,
        // A code that this version does not know is still a refusal.
        Err(error) => return Ok(Delivery::DroppedByCloud { reason: error.to_string() }),
    };
    let reason = format!("{}: {}", rejected.code, rejected.message);
    match rejected.code {
        RejectCode::InternalError | RejectCode::RequestThrottled => Err(Undelivered { reason }),
        _ => Ok(Delivery::DroppedByCloud { reason }),
    }
}
