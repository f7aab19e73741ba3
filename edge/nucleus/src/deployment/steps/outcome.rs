//! What is left to do when a deployment is over: the books, what is told, the store.

use marram_model::fleet_status::{DeploymentInformation, Trigger};
use marram_model::shadow_topics::ReportedDetails;
use marram_model::status::{DeploymentOutcome, DeploymentStatus, DetailedStatus};

use super::NucleusSteps;
use crate::cloud::fleet_status::DeploymentEnd;
use crate::compose::services::kept_versions;
use crate::config::ChangeConfig;
use crate::deployment::current::Current;
use crate::deployment::request::Source;
use crate::packages::blocking;

impl NucleusSteps {
    /// Files the roots under their group if they are in force (B5.10), forgets the position, and
    /// notes what the cloud, or whoever asked on this device, has to hear: all of it or nothing. A
    /// device that is killed has ended the deployment, or goes on with it and has told nobody.
    pub(super) async fn close_books(
        &self,
        current: &Current,
        outcome: &DeploymentOutcome,
    ) -> Result<(), ChangeConfig> {
        let in_force = outcome.status == DeploymentStatus::Succeeded
            || outcome.detailed == Some(DetailedStatus::FailedRollbackNotRequested);
        let groups = in_force.then(|| {
            let mut groups = self.state.groups();
            groups.record(
                &current.document,
                current.config_arn(),
                current.timestamp(),
                current.membership.as_ref(),
            );
            groups
        });
        self.state.close(groups.as_ref(), &current.request.source, outcome).await?;
        self.outcome_added.notify_one();
        Ok(())
    }

    /// Removes what no component needs any more.
    pub(super) async fn clean_up(&self, current: &Current) {
        self.forget_snapshot(current);
        self.set_resolution(None);
        // Large artifacts take their time to go, and components' messages must not wait for that.
        let (store, keep) = (self.store.clone(), kept_versions(&self.config));
        if let Err(error) = blocking::run(move |_| store.clean_up(&keep)).await {
            let error = &error as &(dyn std::error::Error + 'static);
            tracing::warn!(error, "stale versions could not be removed");
        }
        marram_os::memory::trim();
    }
}

pub(super) fn for_fleet_status(current: &Current, outcome: &DeploymentOutcome) -> DeploymentEnd {
    let trigger = match current.request.source {
        Source::Job { .. } => Trigger::ThingGroupDeployment,
        Source::Shadow { .. } => Trigger::ThingDeployment,
        Source::Local { .. } => Trigger::LocalDeployment,
    };
    let document = &current.document;
    let information = DeploymentInformation {
        status: Some(outcome.status.to_string()),
        status_details: Some(ReportedDetails::from(outcome)),
        fleet_configuration_arn_for_status: Some(current.config_arn().to_owned()),
        deployment_id: Some(document.deployment_id.clone()),
        unchanged_root_components: Vec::new(),
    };
    DeploymentEnd { trigger, information }
}
