//! What each step of a deployment does on this device.

mod apply;
mod consult;
pub(super) mod large;
mod local;
mod nucleus;
mod outcome;
mod prepare;
mod restart;
mod settle;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use marram_model::deployment::{
    DeploymentDocument, LARGE_CONFIGURATION, LINUX_RESOURCE_LIMITS, SUB_DEPLOYMENTS,
};
use marram_model::error_code::ErrorCode;
use marram_model::status::{DeploymentOutcome, DetailedStatus};
use marram_os::clock::SharedClock;
use tokio::sync::Notify;

use super::current::Current;
use super::engine::Steps;
use super::machine::{Failure, Step};
use super::membership::{self, FleetData};
use super::request::{Request, Source};
use super::state::DeploymentState;
use crate::cloud::status_publisher::StatusPublisher;
use crate::compose::services::Natives;
use crate::config::{ChangeConfig, ConfigStore};
use crate::ipc::component_updates::ComponentUpdates;
use crate::ipc::validation::ConfigurationValidators;
use crate::nucleus::{Program, RestartSwitch};
use crate::packages::PackageStore;
use crate::paths::NucleusPaths;
use crate::resolve::Resolution;
use crate::supervisor::Supervisor;

/// What a document may ask of this device (B1.1).
const CAPABILITIES: &[&str] = &[LARGE_CONFIGURATION, LINUX_RESOURCE_LIMITS, SUB_DEPLOYMENTS];

/// The device, as deployments see it.
#[derive(Debug)]
pub(crate) struct NucleusSteps {
    pub(crate) config: ConfigStore,
    pub(crate) state: DeploymentState,
    pub(crate) store: PackageStore,
    pub(crate) paths: NucleusPaths,
    pub(crate) supervisor: Supervisor,
    pub(crate) natives: Natives,
    /// `None` on a device without a cloud.
    pub(crate) data_plane: Option<Arc<dyn FleetData>>,
    /// `None` on a device without a cloud.
    pub(crate) fleet_status: Option<Arc<StatusPublisher>>,
    /// There is something new to tell the cloud.
    pub(crate) outcome_added: Arc<Notify>,
    pub(crate) clock: SharedClock,
    /// What Resolve found, for Prepare and Apply; found again after a restart.
    pub(crate) resolution: Mutex<Option<Resolution>>,
    pub(crate) program: Program,
    pub(crate) restart: RestartSwitch,
    /// Components that want to be asked before an update.
    pub(crate) updates: ComponentUpdates,
    /// Components that want to check their configuration.
    pub(crate) validators: ConfigurationValidators,
}

impl Steps for NucleusSteps {
    fn accept(&self, request: &Request) -> Result<Current, DeploymentOutcome> {
        if let Source::Local { deployment_id } = &request.source {
            return self.accept_local(request, deployment_id).map_err(not_read);
        }
        let document = DeploymentDocument::parse(request.document.as_bytes())
            .map_err(|error| not_read(Failure::of(&error, error.error_codes())))?;
        let current = Current::new(request.clone(), document);
        let group = current.document.group_name();
        if request.source.is_job() && self.state.groups().is_stale(&group, current.timestamp()) {
            return Err(DeploymentOutcome::failed(
                DetailedStatus::Rejected,
                format!("a newer deployment for {group} is in force already"),
                [ErrorCode::RejectedStaleDeployment],
            ));
        }
        let missing = current.document.missing_capabilities(CAPABILITIES);
        if !missing.is_empty() {
            return Err(DeploymentOutcome::failed(
                DetailedStatus::FailedNoStateChange,
                format!("this nucleus does not have: {}", missing.join(", ")),
                [ErrorCode::NucleusMissingRequiredCapabilities],
            ));
        }
        Ok(current)
    }

    async fn run(&self, step: Step, current: &mut Current) -> Result<(), Failure> {
        match step {
            Step::Gather => self.gather(current).await,
            Step::Resolve => {
                self.resolve(current).await?;
                self.complete(current).await
            }
            Step::Prepare => self.prepare().await,
            Step::NotifyComponents => self.notify_components(current).await,
            Step::ValidateConfiguration => self.validate_configuration(current).await,
            Step::Apply => self.apply(current),
            Step::Bootstrap => self.bootstrap(current).await,
            Step::Restart => self.restart_forward(current).await,
            Step::Settle => self.settle(current).await,
            Step::Remove => self.remove(current).await,
            Step::Restore => self.restore(current),
            Step::BootstrapRestored => self.bootstrap_restored(current).await,
            Step::RestartRestored => self.restart_back(current).await,
            Step::SettleRestored => self.settle_restored(current).await,
        }
    }

    async fn save(&self, current: &Current) -> Result<(), Failure> {
        self.state.save_current(current).await.map_err(|error| not_kept(&error))
    }

    fn saved(&self) -> Option<Current> {
        self.state.current()
    }

    async fn close(&self, current: &Current, outcome: &DeploymentOutcome) -> Result<(), Failure> {
        self.close_trial(current);
        self.close_books(current, outcome).await.map_err(|error| not_kept(&error))
    }

    async fn report(&self, request: &Request, outcome: DeploymentOutcome) -> Result<(), Failure> {
        self.state
            .add_outcome(&request.source, &outcome)
            .await
            .map_err(|error| not_kept(&error))?;
        self.outcome_added.notify_one();
        Ok(())
    }

    async fn began(&self) {
        if let Some(fleet_status) = &self.fleet_status {
            fleet_status.deployment_began().await;
        }
    }

    async fn ended(&self, current: &Current, outcome: &DeploymentOutcome) {
        self.updates.over(&current.document.deployment_id);
        self.clean_up(current).await;
        self.run_what_was_halted(current);
        if let Some(fleet_status) = &self.fleet_status {
            fleet_status.deployment_ended(outcome::for_fleet_status(current, outcome)).await;
        }
    }
}

fn not_kept(error: &ChangeConfig) -> Failure {
    Failure::of(error, vec![ErrorCode::IoWriteError])
}

/// What is reported of a document that nobody can read.
fn not_read(failure: Failure) -> DeploymentOutcome {
    let (cause, codes) = (failure.cause, failure.codes);
    let detailed = DetailedStatus::FailedNoStateChange;
    DeploymentOutcome { detailed: None, ..DeploymentOutcome::failed(detailed, cause, codes) }
}

impl NucleusSteps {
    async fn gather(&self, current: &mut Current) -> Result<(), Failure> {
        if current.request.source.is_local() {
            return self.gather_local(current).await;
        }
        if let Some(data_plane) = &self.data_plane {
            current.membership = membership::ask(&**data_plane, self.retry_policy()).await?;
        }
        Ok(())
    }

    fn set_resolution(&self, resolution: Option<Resolution>) {
        *self.resolution.lock().unwrap_or_else(PoisonError::into_inner) = resolution;
    }

    fn resolution(&self) -> Result<Resolution, Failure> {
        let resolution = self.resolution.lock().unwrap_or_else(PoisonError::into_inner);
        resolution.clone().ok_or_else(|| Failure {
            cause: "the deployment's components were not resolved".to_owned(),
            codes: vec![ErrorCode::DeploymentInterrupted],
        })
    }

    /// Where the configuration of before is kept while a deployment may have to go back.
    fn snapshot_file(&self, current: &Current) -> PathBuf {
        let safe = current.key().replace(':', ".").replace('/', "+");
        self.paths.deployments().join(safe).join("rollback_snapshot.json")
    }
}
