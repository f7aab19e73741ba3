//! Subscribes, asks, and asks again: all that has to wait for the connection.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use marram_model::jobs::{DescribeRequest, ExecutionReply, JobsApi, Leg, NEXT, Rejected};
use marram_model::shadow_topics::{DEPLOYMENT_SHADOW, ShadowVerb};
use marram_mqtt_client::QoS;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::{LinkEvent, Shared};
use crate::cloud::requests::Answer;

/// Until the cloud is asked again after it failed to answer.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Something to do on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Work {
    /// After a connection: subscribe and ask for everything.
    SetUp,
    /// Do that again after a pause, because the cloud did not take a subscription.
    SetUpLater,
    /// Ask which job is next.
    DescribeNext,
    /// Ask that again after a pause, because there was no answer.
    AskLater,
    /// Ask for the deployment shadow.
    GetShadow,
    /// Say the last shadow status once more.
    ReportShadowAgain,
}

/// Runs each kind of work at most once at a time: another request for it meanwhile is noted, and
/// done afterwards.
pub(super) async fn run(shared: Arc<Shared>, mut work: mpsc::Receiver<Work>) {
    let mut running = JoinSet::new();
    let mut busy = HashSet::new();
    let mut again = HashSet::new();
    loop {
        let next = tokio::select! {
            next = work.recv() => match next {
                Some(next) => next,
                None => return,
            },
            Some(done) = running.join_next() => match done {
                Ok(done) => {
                    busy.remove(&done);
                    if !again.remove(&done) {
                        continue;
                    }
                    done
                }
                Err(error) => {
                    warn!(%error, "work on the cloud connection ended badly");
                    busy.clear();
                    continue;
                }
            },
        };
        if !busy.insert(next) {
            again.insert(next);
            continue;
        }
        let shared = Arc::clone(&shared);
        running.spawn(async move {
            match next {
                Work::SetUp => shared.set_up().await,
                Work::SetUpLater => shared.set_up_later().await,
                Work::DescribeNext => shared.describe_next().await,
                Work::AskLater => shared.ask_later().await,
                Work::GetShadow => shared.get_shadow().await,
                Work::ReportShadowAgain => shared.report_shadow_again().await,
            }
            next
        });
    }
}

impl Shared {
    async fn set_up(&self) {
        let mut is_deaf = false;
        for filter in self.own_filters() {
            let _changing = self.changing_filters.lock().await;
            if let Err(error) = self.client.subscribe(filter, QoS::AtLeastOnce).await {
                warn!(%error, retry_in = ?RETRY_PAUSE, "no deployments can come this way");
                is_deaf = true;
            }
        }
        if is_deaf {
            self.begin(Work::SetUpLater);
        }
        self.tell(LinkEvent::Connected).await;
        let (jobs, shadow) = {
            let mut listeners = self.listeners();
            (listeners.jobs.connected(), listeners.shadow.connected())
        };
        self.act_on_jobs(jobs).await;
        self.act_on_shadow(shadow).await;
    }

    async fn set_up_later(&self) {
        sleep(RETRY_PAUSE).await;
        // Without a connection, the next one sets up.
        if self.client.is_connected() {
            self.begin(Work::SetUp);
        }
    }

    async fn describe_next(&self) {
        let actions = match self.ask_next().await {
            Ok(reply) => self.listeners().jobs.described(reply),
            Err(reason) => {
                debug!(reason, "the cloud did not say which job is next");
                self.begin(Work::AskLater);
                self.listeners().jobs.describe_failed()
            }
        };
        self.act_on_jobs(actions).await;
    }

    async fn ask_later(&self) {
        sleep(RETRY_PAUSE).await;
        // Without a connection, the next one asks.
        if self.client.is_connected() {
            let actions = self.listeners().jobs.retry();
            self.act_on_jobs(actions).await;
        }
    }

    async fn ask_next(&self) -> Result<ExecutionReply, String> {
        let mut waiting = self.requests.begin();
        let request = DescribeRequest {
            job_id: Some(NEXT.to_owned()),
            thing_name: Some(self.thing.clone()),
            include_job_document: Some(true),
            execution_number: None,
            client_token: Some(waiting.token().to_owned()),
        };
        let payload = serde_json::to_vec(&request).map_err(|error| error.to_string())?;
        let topic = self.jobs_topic(JobsApi::Describe(NEXT.to_owned()), Leg::Plain);
        match self.ask(&mut waiting, topic, payload).await.map_err(|error| error.reason)? {
            Answer::Accepted(payload) => {
                serde_json::from_slice(&payload).map_err(|error| error.to_string())
            }
            Answer::Rejected(payload) => Err(serde_json::from_slice::<Rejected>(&payload)
                .map_or_else(
                    |error| error.to_string(),
                    |rejected| format!("{}: {}", rejected.code, rejected.message),
                )),
        }
    }

    async fn get_shadow(&self) {
        let request = json!({"thingName": self.thing, "shadowName": DEPLOYMENT_SHADOW});
        let topic = self.shadow_topic(ShadowVerb::Get);
        if let Err(error) = self.publish(topic, request.to_string().into_bytes()).await {
            debug!(%error, "the deployment shadow is asked for again at the next connection");
        }
    }

    async fn report_shadow_again(&self) {
        let last = self.listeners().shadow.last_report().cloned();
        let Some(last) = last else { return };
        if let Err(error) = self.report_shadow(&last).await {
            debug!(%error, "the shadow's status is corrected at the next connection");
        }
    }
}
