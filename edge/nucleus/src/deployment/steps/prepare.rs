//! Before anything changes: which versions, and their files.

use std::time::Duration;

use marram_model::Version;
use marram_model::error_code::ErrorCode;
use serde_json::Value;

use super::NucleusSteps;
use crate::compose::device_attributes;
use crate::compose::services::running_versions;
use crate::deployment::current::Current;
use crate::deployment::machine::Failure;
use crate::nucleus::NUCLEUS_VERSION;
use crate::packages::source::ArtifactSource;
use crate::packages::{PrepareSettings, RetryPolicy};
use crate::resolve::negotiate::{CandidateSource, Negotiation};
use crate::resolve::{NUCLEUS, Resolver};

impl NucleusSteps {
    pub(super) async fn resolve(&self, current: &Current) -> Result<(), Failure> {
        let groups = self.state.groups();
        let roots = groups.roots_with(&current.document, current.membership.as_ref());
        let nucleus: Option<Version> = NUCLEUS_VERSION.parse().ok();
        let resolver = Resolver::new(&current.document.group_name(), roots, nucleus);
        let negotiation = Negotiation {
            store: &self.store,
            cloud: self.data_plane.as_ref().map(|cloud| cloud as &dyn CandidateSource),
            running: &running_versions(&self.config),
            attributes: &device_attributes(&self.config),
            retry: self.retry_policy(),
        };
        let resolution = negotiation
            .resolve(resolver)
            .await
            .map_err(|error| Failure::of(&error, error.error_codes()))?;
        tracing::info!(components = resolution.components.len(), "resolved");
        self.set_resolution(Some(resolution));
        Ok(())
    }

    pub(super) async fn prepare(&self) -> Result<(), Failure> {
        let resolution = self.resolution()?;
        let attributes = device_attributes(&self.config);
        let settings = self.prepare_settings();
        for (name, component) in &resolution.components {
            if name.as_str() == NUCLEUS {
                running_nucleus_only(&component.version)?;
                continue;
            }
            let recipe = self
                .store
                .recipe_for_platform(name, &component.version, &attributes)
                .map_err(|error| Failure::of(&error, error.error_codes()))?;
            if recipe.manifest.artifacts.is_empty() {
                continue;
            }
            let Some(source) = &self.data_plane else {
                return Err(Failure {
                    cause: format!("{name} has artifacts, and this device has no cloud"),
                    codes: vec![ErrorCode::DeviceConfigNotValidForArtifactDownload],
                });
            };
            self.store
                .prepare_artifacts(
                    &recipe.recipe,
                    &recipe.manifest,
                    source as &dyn ArtifactSource,
                    &settings,
                )
                .await
                .map_err(|error| Failure::of(&error, error.error_codes()))?;
        }
        Ok(())
    }

    /// `downloadRetry` is Marram's own key: seconds between attempts, and how many.
    pub(super) fn retry_policy(&self) -> RetryPolicy {
        let mut policy = RetryPolicy::default();
        let retry = self.nucleus_setting("downloadRetry").unwrap_or_default();
        if let Some(seconds) = retry["intervalSeconds"].as_f64()
            && let Ok(interval) = Duration::try_from_secs_f64(seconds)
        {
            policy.interval = interval;
        }
        if let Some(attempts) = retry["maxAttempts"].as_u64() {
            let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
            policy.digest_attempts = attempts;
            policy.network_attempts = Some(attempts);
        }
        policy
    }

    fn prepare_settings(&self) -> PrepareSettings {
        let mut settings =
            PrepareSettings { retry: self.retry_policy(), ..PrepareSettings::default() };
        let limit = self.nucleus_setting("componentStoreMaxSizeBytes");
        if let Some(bytes) = limit.as_ref().and_then(Value::as_u64) {
            settings.max_store_bytes = bytes;
        }
        settings
    }

    fn nucleus_setting(&self, key: &str) -> Option<Value> {
        self.config.get(&["services", NUCLEUS, "configuration", key])
    }
}

/// This program cannot replace itself by a deployment.
fn running_nucleus_only(wanted: &Version) -> Result<(), Failure> {
    if wanted.to_string() == NUCLEUS_VERSION {
        return Ok(());
    }
    Err(Failure {
        cause: format!(
            "{NUCLEUS} {wanted} is wanted, and {NUCLEUS_VERSION} runs: name that version, or \
             leave {NUCLEUS} out of the deployment"
        ),
        codes: vec![ErrorCode::NucleusVersionNotFound],
    })
}
