//! Deployments to one thing: the named shadow `AWSManagedGreengrassV2Deployment`.
//!
//! A pure machine after the Java nucleus's `ShadowDeploymentListener` (device-cloud protocol 5;
//! recipes and deployments B1.2). The device reads `update/accepted`, not `update/delta`, and asks
//! for the whole document at each connection.

use marram_model::shadow_topics::{DesiredDeployment, ReportedDeployment};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::warn;

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Publish a `get`.
    Get,
    /// Hand a deployment over.
    Offer {
        /// The document's configuration ARN: the deployment's id on the device.
        configuration_arn: String,
        /// The document as it came.
        document: String,
    },
    /// Withdraw a deployment that was handed over.
    Cancel {
        /// Its configuration ARN.
        configuration_arn: String,
    },
    /// The cloud shows another status than the device's last one: publish that again.
    ReportAgain,
}

/// What the device knows of its deployment shadow.
#[derive(Debug, Default)]
pub(crate) struct ShadowListener {
    /// The highest version seen: older messages are late ones.
    version: i64,
    /// The deployment that was taken up last, running or ended.
    known_arn: Option<String>,
    /// Whether [`Self::known_arn`] has not ended.
    is_running: bool,
    /// What the device said last.
    reported: Option<ReportedDeployment>,
}

/// The parts of `get/accepted` and `update/accepted` that matter.
#[derive(Debug, Deserialize)]
struct Document {
    #[serde(default)]
    state: State,
    #[serde(default)]
    version: i64,
    #[serde(default, rename = "clientToken")]
    client_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct State {
    desired: Option<Value>,
    reported: Option<Value>,
}

impl ShadowListener {
    /// The connection is there, new or again, and the topics are subscribed.
    pub(crate) fn connected(&mut self) -> Vec<Action> {
        vec![Action::Get]
    }

    /// A `get/accepted` or `update/accepted` arrived. `is_own` says whether a client token is that
    /// of an update of this device: its echo tells nothing new.
    pub(crate) fn document(
        &mut self,
        payload: &[u8],
        is_own: impl Fn(&str) -> bool,
    ) -> Vec<Action> {
        let document: Document = match serde_json::from_slice(payload) {
            Ok(document) => document,
            Err(error) => {
                warn!(%error, "the deployment shadow sent something unreadable");
                return Vec::new();
            }
        };
        if document.version < self.version {
            return Vec::new();
        }
        self.version = document.version;
        if document.client_token.as_deref().is_some_and(is_own) {
            return Vec::new();
        }
        let shown = document
            .state
            .reported
            .and_then(|value| serde_json::from_value::<ReportedDeployment>(value).ok());
        let mut actions = Vec::new();
        if let (Some(shown), Some(own)) = (&shown, &self.reported)
            && !is_same_status(shown, own)
        {
            actions.push(Action::ReportAgain);
        }
        if let Some(desired) = document.state.desired {
            actions.extend(self.desired(desired, shown.as_ref()));
        }
        actions
    }

    /// A deployment ended here, whatever its outcome.
    pub(crate) fn ended(&mut self, configuration_arn: &str) {
        if self.known_arn.as_deref() == Some(configuration_arn) {
            self.is_running = false;
        }
    }

    /// The device is about to say this; it is what the cloud should show from now on.
    pub(crate) fn reporting(&mut self, status: &ReportedDeployment) {
        self.reported = Some(status.clone());
    }

    /// What the device said last.
    pub(crate) fn last_report(&self) -> Option<&ReportedDeployment> {
        self.reported.as_ref()
    }

    /// The payload of an `update` that says `status`.
    pub(crate) fn update(&self, thing: &str, status: &ReportedDeployment, token: &str) -> Value {
        let mut update = json!({
            "shadowName": marram_model::shadow_topics::DEPLOYMENT_SHADOW,
            "thingName": thing,
            "state": {"reported": status},
            "clientToken": token,
        });
        if self.version > 0 {
            update["version"] = self.version.into();
        }
        update
    }

    fn desired(&mut self, desired: Value, shown: Option<&ReportedDeployment>) -> Vec<Action> {
        let desired: DesiredDeployment = match serde_json::from_value(desired) {
            Ok(desired) => desired,
            Err(error) => {
                warn!(%error, "the deployment shadow's desired state is not a deployment");
                return Vec::new();
            }
        };
        let Some(configuration_arn) = configuration_arn(&desired.fleet_config) else {
            warn!("the deployment shadow's fleetConfig has no configurationArn");
            return Vec::new();
        };
        let shown = shown.filter(|s| s.fleet_configuration_arn_for_status == configuration_arn);
        if desired.is_cancel() {
            return self.cancelled(configuration_arn, shown);
        }
        if self.known_arn.as_ref() == Some(&configuration_arn) {
            return Vec::new();
        }
        let mut actions = self.withdraw();
        let is_over = shown.is_some_and(|shown| shown.status.is_terminal());
        self.known_arn = Some(configuration_arn.clone());
        self.is_running = !is_over;
        if !is_over {
            let document = desired.fleet_config;
            actions.push(Action::Offer { configuration_arn, document });
        }
        actions
    }

    /// Withdraws what runs, which the shadow no longer wants; also a deployment from before this
    /// start that the cloud shows as under way: the engine may be resuming it.
    fn cancelled(
        &mut self,
        configuration_arn: String,
        shown: Option<&ReportedDeployment>,
    ) -> Vec<Action> {
        let is_resumed = self.known_arn.is_none() && shown.is_some_and(|s| !s.status.is_terminal());
        let mut actions = self.withdraw();
        self.known_arn = Some(configuration_arn.clone());
        if is_resumed {
            actions.push(Action::Cancel { configuration_arn });
        }
        actions
    }

    fn withdraw(&mut self) -> Vec<Action> {
        if !std::mem::take(&mut self.is_running) {
            return Vec::new();
        }
        let running = self.known_arn.clone();
        running.map(|configuration_arn| Action::Cancel { configuration_arn }).into_iter().collect()
    }
}

fn is_same_status(one: &ReportedDeployment, other: &ReportedDeployment) -> bool {
    one.status == other.status
        && one.fleet_configuration_arn_for_status == other.fleet_configuration_arn_for_status
}

fn configuration_arn(fleet_config: &str) -> Option<String> {
    let document: Value = serde_json::from_str(fleet_config).ok()?;
    document.get("configurationArn")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests;
