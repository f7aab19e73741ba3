//! Takes every message that arrives to where it belongs.

use std::sync::Arc;

use marram_model::jobs::{DEPLOYMENT_NAMESPACE, JobsApi, JobsTopic, Leg, NEXT};
use marram_model::shadow_topics::{DEPLOYMENT_SHADOW, ShadowTopic, ShadowVerb};
use marram_mqtt_client::{Event, Publish};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::worker::Work;
use super::{LinkEvent, Shared};
use crate::cloud::requests::Answer;
use crate::cloud::{jobs, shadow};
use crate::deployment::Source;

pub(super) async fn run(shared: Arc<Shared>, mut events: mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected { session_present } => {
                info!(thing = shared.thing, session_present, "connected to the cloud");
                shared.connected.send_replace(true);
                shared.begin(Work::SetUp);
            }
            Event::Disconnected { reason, is_cut } => {
                info!(thing = shared.thing, reason, "not connected to the cloud");
                shared.connected.send_replace(false);
                if is_cut {
                    shared.cut();
                }
                shared.drop_offline_messages();
            }
            Event::Message(message) => {
                shared.route(&message).await;
                shared.hand_to_components(0, message).await;
            }
        }
    }
}

impl Shared {
    /// Gives the worker something to do.
    pub(super) fn begin(&self, work: Work) {
        if let Err(error) = self.work.try_send(work) {
            // The next connection sets everything up again.
            warn!(%error, "too much to do on the cloud connection");
        }
    }

    async fn route(&self, message: &Publish) {
        if let Some(topic) = JobsTopic::parse(&self.thing, &message.topic) {
            if topic.namespace.as_deref() == Some(DEPLOYMENT_NAMESPACE) {
                self.route_job(&topic, message).await;
            }
            return;
        }
        let is_ours = |topic: &ShadowTopic| {
            topic.thing == self.thing && topic.shadow.as_deref() == Some(DEPLOYMENT_SHADOW)
        };
        if let Some(topic) = ShadowTopic::parse(&message.topic).filter(is_ours) {
            self.route_shadow(topic.verb, message).await;
        }
    }

    async fn route_job(&self, topic: &JobsTopic, message: &Publish) {
        match (&topic.api, topic.leg) {
            (JobsApi::Notify, Leg::Plain) => match serde_json::from_slice(&message.payload) {
                Ok(notify) => {
                    let actions = self.listeners().jobs.notified(&notify);
                    self.act_on_jobs(actions).await;
                }
                Err(error) => warn!(%error, "a job notification is unreadable"),
            },
            (JobsApi::Describe(job), leg) if job == NEXT => self.answer(leg, message),
            (JobsApi::Update(_), leg) => self.answer(leg, message),
            _ => {}
        }
    }

    async fn route_shadow(&self, verb: ShadowVerb, message: &Publish) {
        match verb {
            ShadowVerb::GetAccepted | ShadowVerb::UpdateAccepted => {
                let is_own = |token: &str| self.requests.is_own(token);
                let is_echo = verb == ShadowVerb::UpdateAccepted;
                let actions = self
                    .listeners()
                    .shadow
                    .document(&message.payload, |token| is_echo && is_own(token));
                self.act_on_shadow(actions).await;
                self.answer(Leg::Accepted, message);
            }
            ShadowVerb::UpdateRejected => self.answer(Leg::Rejected, message),
            _ => {}
        }
    }

    fn answer(&self, leg: Leg, message: &Publish) {
        let payload = message.payload.clone();
        match leg {
            Leg::Accepted => self.requests.answer(Answer::Accepted(payload)),
            Leg::Rejected => self.requests.answer(Answer::Rejected(payload)),
            Leg::Plain => {}
        }
    }

    pub(super) async fn act_on_jobs(&self, actions: Vec<jobs::Action>) {
        for action in actions {
            match action {
                jobs::Action::Describe => self.begin(Work::DescribeNext),
                jobs::Action::Offer { job_id, document } => {
                    self.tell(LinkEvent::Offer { source: Source::Job { job_id }, document }).await;
                }
                jobs::Action::Cancel { job_id } => {
                    self.tell(LinkEvent::Cancel { key: job_id }).await;
                }
            }
        }
    }

    pub(super) async fn act_on_shadow(&self, actions: Vec<shadow::Action>) {
        for action in actions {
            match action {
                shadow::Action::Get => self.begin(Work::GetShadow),
                shadow::Action::ReportAgain => self.begin(Work::ReportShadowAgain),
                shadow::Action::Offer { configuration_arn, document } => {
                    let source = Source::Shadow { configuration_arn };
                    self.tell(LinkEvent::Offer { source, document }).await;
                }
                shadow::Action::Cancel { configuration_arn } => {
                    self.tell(LinkEvent::Cancel { key: configuration_arn }).await;
                }
            }
        }
    }

    pub(super) async fn tell(&self, event: LinkEvent) {
        // A closed channel means that the nucleus is stopping.
        let _ = self.events.send(event).await;
    }
}
