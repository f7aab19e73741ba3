//! Before anything changes: which versions, and their files.

use std::time::Duration;

use marram_model::error_code::ErrorCode;
use serde_json::Value;

use super::NucleusSteps;
use crate::compose::device_attributes;
use crate::compose::services::running_versions;
use crate::deployment::current::Current;
use crate::deployment::machine::Failure;
use crate::packages::source::{
    ArtifactRequest, ArtifactSource, BoxFuture, FetchArtifact, OpenArtifact,
};
use crate::packages::{PrepareSettings, RetryPolicy};
use crate::resolve::negotiate::{CandidateSource, Negotiation};
use crate::resolve::{NUCLEUS, Resolver};

impl NucleusSteps {
    pub(super) async fn resolve(&self, current: &Current) -> Result<(), Failure> {
        let groups = self.state.groups();
        let roots = groups.roots_with(&current.document, current.membership.as_ref());
        let nucleus = self.program.version.clone();
        let resolver = Resolver::new(&current.document.group_name(), roots, Some(nucleus));
        let negotiation = Negotiation {
            store: &self.store,
            cloud: self.data_plane.as_deref().map(|cloud| cloud as &dyn CandidateSource),
            running: &running_versions(&self.config),
            attributes: &device_attributes(&self.config),
            retry: self.retry_policy(),
            prefers_local: current.request.source.is_local(),
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
            let is_nucleus = name.as_str() == NUCLEUS;
            if is_nucleus && component.version == self.program.version {
                continue;
            }
            let recipe = self
                .store
                .recipe_for_platform(name, &component.version, &attributes)
                .map_err(|error| Failure::of(&error, error.error_codes()))?;
            if is_nucleus {
                self.check_replaceable(&recipe)?;
            }
            if recipe.manifest.artifacts.is_empty() {
                continue;
            }
            let source: &dyn ArtifactSource = match self.data_plane.as_deref() {
                Some(data_plane) => data_plane,
                None => &NoCloud,
            };
            self.store
                .prepare_artifacts(&recipe.recipe, &recipe.manifest, source, &settings)
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

    pub(super) fn nucleus_setting(&self, key: &str) -> Option<Value> {
        self.config.get(&["services", NUCLEUS, "configuration", key])
    }
}

/// Where a device without a cloud gets artifacts that it does not have: nowhere.
#[derive(Debug, thiserror::Error)]
#[error(
    "this device has no cloud to fetch it from: put it into the local deployment's artifact \
     folder, as <component>/<version>/<file>"
)]
struct NoCloud;

impl ArtifactSource for NoCloud {
    fn open<'a>(
        &'a self,
        _: &'a ArtifactRequest,
    ) -> BoxFuture<'a, Result<OpenArtifact, FetchArtifact>> {
        Box::pin(async {
            Err(FetchArtifact {
                is_transient: false,
                codes: vec![ErrorCode::DeviceConfigNotValidForArtifactDownload],
                source: Box::new(Self),
            })
        })
    }
}
