//! SubscribeToValidateConfigurationUpdates and SendConfigurationValidityReport: components check
//! the configuration that a deployment has for them before it becomes theirs.
//!
//! Source: ipc 4.4 (`nucleus: builtin/services/configstore/ConfigStoreIPCEventStreamAgent.java`).
//! Unlike there, the latest of a component's open streams is asked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use marram_ipc::IpcError;
use marram_ipc::shapes::{
    ConfigurationValidityStatus, SendConfigurationValidityReportRequest,
    ValidateConfigurationUpdateEvent,
};
use marram_model::ComponentName;
use serde_json::Value;

use super::consultation::Consultation;
use super::outbox::Outbox;
use super::session::StreamKey;

/// Who wants to check its configuration. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct ConfigurationValidators(Arc<Consultation<Verdict>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Rejected { message: String },
}

/// A component that does not accept its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotAccepted {
    component: ComponentName,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    Rejected { message: String },
    NoAnswer { limit: Duration },
    Gone,
}

impl NotAccepted {
    /// Whether the component itself has said so.
    pub(crate) fn is_rejected(&self) -> bool {
        matches!(self.why, Why::Rejected { .. })
    }
}

impl fmt::Display for NotAccepted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let component = &self.component;
        match &self.why {
            // Java's text.
            Why::Rejected { message } => {
                write!(formatter, "{{ name = {component}, message = {message} }}")
            }
            Why::NoAnswer { limit } => write!(
                formatter,
                "{component} did not say within {} s whether its new configuration is valid",
                limit.as_secs()
            ),
            Why::Gone => write!(
                formatter,
                "{component} was asked whether its new configuration is valid, and has gone"
            ),
        }
    }
}

impl ConfigurationValidators {
    /// Asks each component that has subscribed about its new configuration, and waits for at most
    /// `limit`. Returns those that do not accept it.
    pub(crate) async fn ask(
        &self,
        deployment_id: &str,
        proposed: &BTreeMap<ComponentName, Value>,
        limit: Duration,
    ) -> Vec<NotAccepted> {
        let latest: BTreeMap<ComponentName, StreamKey> =
            self.0.streams().into_iter().map(|(key, component)| (component, key)).collect();
        let (mut questions, mut asked) = (Vec::new(), Vec::new());
        for (component, configuration) in proposed {
            if let Some(key) = latest.get(component) {
                let event = ValidateConfigurationUpdateEvent { configuration, deployment_id };
                questions.push((*key, Bytes::from(event.event())));
                asked.push(component.clone());
            }
        }
        let mut answers = self.0.ask(deployment_id, questions, limit).await;
        let not_accepted = asked.into_iter().filter_map(|component| {
            let why = match answers.remove(&component) {
                Some(Some(Verdict::Accepted)) => return None,
                Some(Some(Verdict::Rejected { message })) => Why::Rejected { message },
                Some(None) => Why::NoAnswer { limit },
                None => Why::Gone,
            };
            Some(NotAccepted { component, why })
        });
        not_accepted.collect()
    }

    /// Adds a stream whose lane exists already.
    pub(super) fn subscribe(&self, key: StreamKey, component: &ComponentName, to: &Arc<Outbox>) {
        self.0.subscribe(key, component, to);
    }

    pub(super) fn unsubscribe(&self, key: StreamKey) {
        self.0.unsubscribe(key);
    }

    /// Answers SendConfigurationValidityReport.
    pub(super) fn report(
        &self,
        component: &ComponentName,
        request: SendConfigurationValidityReportRequest,
    ) -> Result<(), IpcError> {
        let invalid = |text: &str| Err(IpcError::invalid_arguments(text));
        let Some(report) = request.configuration_validity_report else {
            return invalid("configurationValidityReport is required");
        };
        let Some(deployment_id) = report.deployment_id else {
            return invalid(
                "Cannot accept configuration validity report, the deployment ID provided was null",
            );
        };
        let message = report.message.unwrap_or_default();
        let verdict = match report.status {
            Some(ConfigurationValidityStatus::Accepted) => Verdict::Accepted,
            Some(ConfigurationValidityStatus::Rejected) => Verdict::Rejected { message },
            None => return invalid("status is required; use ACCEPTED or REJECTED"),
        };
        self.0
            .answer(component, &deployment_id, verdict)
            .or_else(|_| invalid("Validation request either timed out or was never made"))
    }
}
