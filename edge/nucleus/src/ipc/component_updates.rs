//! SubscribeToComponentUpdates and DeferComponentUpdate: components are asked before a deployment
//! changes the device, and told when it is over.
//!
//! Source: ipc 4.5 (`nucleus: builtin/services/lifecycle/LifecycleIPCEventStreamAgent.java`).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use marram_ipc::IpcError;
use marram_ipc::shapes::{ComponentUpdateEvent, DeferComponentUpdateRequest};
use marram_model::ComponentName;
use tokio::time::timeout;

use super::consultation::Consultation;
use super::outbox::Outbox;
use super::session::StreamKey;
use crate::config::ConfigStore;

/// Who wants to be asked. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct ComponentUpdates(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Answers are how long a component wants to put the update off.
    asked: Consultation<Duration>,
    /// The deployment that components were asked about, and whose end they have still to hear of.
    announced: Mutex<Option<String>>,
}

/// A component that puts an update off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deferral {
    pub(crate) component: ComponentName,
    pub(crate) recheck_after: Duration,
}

impl ComponentUpdates {
    /// Asks all subscribed components and waits for their answers, for at most `limit`. Returns
    /// those that put the update off; who does not answer, does not.
    pub(crate) async fn ask(
        &self,
        deployment_id: &str,
        is_ggc_restarting: bool,
        limit: Duration,
    ) -> Vec<Deferral> {
        self.set_announced(Some(deployment_id.to_owned()));
        let event = ComponentUpdateEvent::PreUpdateEvent { deployment_id, is_ggc_restarting };
        let event = Bytes::from(event.event());
        let streams = self.0.asked.streams().into_iter();
        let questions = streams.map(|(key, _)| (key, event.clone())).collect();
        let answers = self.0.asked.ask(deployment_id, questions, limit).await;
        let deferrals = answers.into_iter().filter_map(|(component, answer)| {
            let recheck_after = answer.filter(|wait| !wait.is_zero())?;
            Some(Deferral { component, recheck_after })
        });
        deferrals.collect()
    }

    /// The components that would be asked now.
    pub(crate) fn subscribers(&self) -> BTreeSet<ComponentName> {
        self.0.asked.streams().into_iter().map(|(_, component)| component).collect()
    }

    /// Waits until each of the components has subscribed, for at most `limit`: after a restart of
    /// the nucleus, those that were asked must be asked again, and they are still starting.
    pub(crate) async fn until_subscribed(
        &self,
        components: &BTreeSet<ComponentName>,
        limit: Duration,
    ) {
        if timeout(limit, self.0.asked.until_subscribed(components)).await.is_err() {
            tracing::warn!(?components, "not all components that were asked before came back");
        }
    }

    /// The deployment is over, whatever became of it. Nobody hears of one that nobody was asked
    /// about.
    pub(crate) fn over(&self, deployment_id: &str) {
        if self.set_announced(None).as_deref() != Some(deployment_id) {
            return;
        }
        let event = Bytes::from(ComponentUpdateEvent::PostUpdateEvent { deployment_id }.event());
        for (key, _) in self.0.asked.streams() {
            self.0.asked.tell(key, &event);
        }
    }

    fn set_announced(&self, deployment: Option<String>) -> Option<String> {
        let mut announced = self.0.announced.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut announced, deployment)
    }

    /// Adds a stream whose lane exists already.
    pub(super) fn subscribe(&self, key: StreamKey, component: &ComponentName, to: &Arc<Outbox>) {
        self.0.asked.subscribe(key, component, to);
    }

    pub(super) fn unsubscribe(&self, key: StreamKey) {
        self.0.asked.unsubscribe(key);
    }

    /// Answers DeferComponentUpdate.
    pub(super) fn defer(
        &self,
        component: &ComponentName,
        request: DeferComponentUpdateRequest,
    ) -> Result<(), IpcError> {
        if !self.0.asked.is_subscribed(component) {
            return Err(IpcError::invalid_arguments(
                "Component is not subscribed to component update events",
            ));
        }
        let Some(deployment_id) = request.deployment_id else {
            return Err(IpcError::invalid_arguments(
                "Cannot defer the update, the deployment ID provided was null",
            ));
        };
        let milliseconds = u64::try_from(request.recheck_after_ms.unwrap_or(0)).unwrap_or(0);
        let wait = Duration::from_millis(milliseconds);
        self.0.asked.answer(component, &deployment_id, wait).map_err(|_| {
            IpcError::service("Time limit to respond to PreComponentUpdateEvent exceeded")
        })?;
        let message = request.message.unwrap_or_default();
        tracing::info!(%component, deployment_id, milliseconds, message, "answered to an update");
        Ok(())
    }
}

/// Refuses whoever is no component of this device, such as a person.
pub(super) fn check_known(config: &ConfigStore, component: &ComponentName) -> Result<(), IpcError> {
    if config.get_node(&["services", component.as_str()]).is_some() {
        return Ok(());
    }
    Err(IpcError::not_found("Component with given name not found currently in Greengrass")
        .with_resource("Component", component.as_str()))
}
