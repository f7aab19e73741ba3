//! Finds the answers to a resolver's queries: in the store, in the cloud, or in both
//! (recipes and deployments, B4, "Version of one component").

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marram_model::data_plane::{
    ComponentCandidate, ComponentPlatform, ResolveComponentCandidatesRequest,
    ResolvedComponentVersion,
};
use marram_model::error_code::ErrorCode;
use marram_model::{ComponentName, Version};
use marram_recipe::platform::Attributes;
use marram_recipe::{ComponentType, Format, Manifest, ParseRecipe, Recipe, Strictness};
use serde_json::Map;

use super::{Candidate, NUCLEUS, Next, Query, Resolution, Resolve, Resolver};
use crate::cloud::data_plane::{CallDataPlane, DataPlane};
use crate::deployment::local::LOCAL_DEPLOYMENT;
use crate::packages::source::BoxFuture;
use crate::packages::{LoadRecipe, Metadata, PackageStore, RetryPolicy, StoreRecipe, blocking};

/// Asks the cloud for component versions; [`DataPlane`] does.
pub trait CandidateSource: Send + Sync {
    /// Which version satisfies the requirements. Must end by itself when nothing comes.
    fn candidates<'a>(
        &'a self,
        request: &'a ResolveComponentCandidatesRequest,
    ) -> BoxFuture<'a, Result<Vec<ResolvedComponentVersion>, CallDataPlane>>;
}

impl CandidateSource for DataPlane {
    fn candidates<'a>(
        &'a self,
        request: &'a ResolveComponentCandidatesRequest,
    ) -> BoxFuture<'a, Result<Vec<ResolvedComponentVersion>, CallDataPlane>> {
        Box::pin(self.resolve_component_candidates(request))
    }
}

/// What a resolution works with.
#[derive(Clone, Copy)]
pub struct Negotiation<'a> {
    /// The recipes on this device; those that the cloud sends are kept in it.
    pub store: &'a PackageStore,
    /// The cloud; `None` if the device has none.
    pub cloud: Option<&'a dyn CandidateSource>,
    /// The versions that run now: what satisfies stays.
    pub running: &'a BTreeMap<ComponentName, Version>,
    /// What the device is.
    pub attributes: &'a Attributes,
    /// How soon an unreachable cloud is asked again.
    pub retry: RetryPolicy,
    /// A deployment made on the device itself: the cloud is asked only for what is not here.
    pub prefers_local: bool,
}

impl std::fmt::Debug for Negotiation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Negotiation").field("running", self.running).finish_non_exhaustive()
    }
}

/// Why the components of a deployment could not be determined.
#[derive(Debug, thiserror::Error)]
pub enum ResolveComponents {
    /// The requirements cannot be met.
    #[error(transparent)]
    Unresolvable(#[from] Resolve),
    /// The cloud did not answer, or refused.
    #[error("the cloud was asked for {component} in vain")]
    Cloud {
        /// The component.
        component: ComponentName,
        /// Why.
        #[source]
        source: CallDataPlane,
    },
    /// The cloud answered with something that is not an answer.
    #[error("the cloud's answer about {component} cannot be used: {reason}")]
    BadAnswer {
        /// The component.
        component: ComponentName,
        /// What is wrong with it.
        reason: String,
    },
    /// The cloud sent a recipe that is none.
    #[error("the cloud's recipe of {component} cannot be used")]
    BadRecipe {
        /// The component.
        component: ComponentName,
        /// What is wrong with it.
        #[source]
        source: ParseRecipe,
    },
    /// The store cannot be read.
    #[error("the recipes on this device cannot be read")]
    Load(#[source] LoadRecipe),
    /// The store cannot be written.
    #[error("the cloud's recipe of {component} cannot be kept")]
    Store {
        /// The component.
        component: ComponentName,
        /// Why.
        #[source]
        source: StoreRecipe,
    },
}

impl ResolveComponents {
    /// The codes that a deployment reports for it, after `DEPLOYMENT_FAILURE`.
    pub fn error_codes(&self) -> Vec<ErrorCode> {
        match self {
            Self::Unresolvable(resolve) => resolve.error_codes(),
            Self::Cloud { source, .. } if source.is_access_denied() => {
                vec![ErrorCode::CloudApiError, ErrorCode::ResolveComponentCandidatesAccessDenied]
            }
            Self::Cloud { source, .. } => cloud_codes(source),
            Self::BadAnswer { .. } => vec![ErrorCode::ResolveComponentCandidatesBadResponse],
            Self::BadRecipe { .. } => vec![ErrorCode::RecipeParseError],
            Self::Load(error) => error.error_codes(),
            Self::Store { source, .. } => source.error_codes(),
        }
    }
}

/// The codes of a call that failed, by the answer's HTTP status (B7.1).
pub(crate) fn cloud_codes(error: &CallDataPlane) -> Vec<ErrorCode> {
    let specific = match error {
        CallDataPlane::Unreachable { .. } => return vec![ErrorCode::NetworkError],
        CallDataPlane::BadAnswer { .. } => None,
        CallDataPlane::Refused { status, .. } => match status.as_u16() {
            400 => Some(ErrorCode::BadRequest),
            403 => Some(ErrorCode::AccessDenied),
            404 => Some(ErrorCode::ResourceNotFound),
            409 => Some(ErrorCode::ConflictedRequest),
            429 => Some(ErrorCode::ThrottlingError),
            500.. => Some(ErrorCode::ServerError),
            _ => None,
        },
    };
    [ErrorCode::CloudApiError].into_iter().chain(specific).collect()
}

impl Negotiation<'_> {
    /// Runs a resolution to its end. An unreachable cloud is asked again and again, as
    /// `retry` says; dropping the future ends it.
    pub async fn resolve(&self, mut resolver: Resolver) -> Result<Resolution, ResolveComponents> {
        loop {
            match resolver.next()? {
                Next::Done(resolution) => return Ok(resolution),
                Next::Query(query) => {
                    let recipe = self.find(&query, resolver.running_nucleus()).await?;
                    resolver.answer(&query, Candidate::from(&recipe))?;
                }
            }
        }
    }

    async fn find(
        &self,
        query: &Query,
        running_nucleus: Option<&Version>,
    ) -> Result<Recipe, ResolveComponents> {
        if query.component.as_str() == NUCLEUS
            && let Some(running) = running_nucleus.filter(|running| query.accepts(running))
        {
            return self.own_nucleus(query, running).await;
        }
        let local = self.local_candidate(query).await?;
        let Some(cloud) = self.cloud else {
            let offline = "the device is not connected to a cloud, and no stored version of";
            return local.ok_or_else(|| Resolve::no_version(query, offline).into());
        };
        if let Some(local) = &local
            && (self.prefers_local || query.requirements.contains_key(LOCAL_DEPLOYMENT))
        {
            return Ok(local.clone());
        }
        match (self.ask(cloud, query, local.as_ref()).await, local) {
            (Ok(recipe), _) => Ok(recipe),
            (Err(error), Some(local)) => {
                tracing::warn!(
                    component = %query.component,
                    version = %local.component_version,
                    error = &error as &(dyn std::error::Error + 'static),
                    "the cloud gave no version; the one on this device is used"
                );
                Ok(local)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// The running version if it does, otherwise the highest stored one that does.
    async fn local_candidate(&self, query: &Query) -> Result<Option<Recipe>, ResolveComponents> {
        let (store, query) = (self.store.clone(), query.clone());
        let running = self.running.get(&query.component).cloned();
        blocking::run(move |_| {
            let stored = store.versions_of(&query.component).map_err(ResolveComponents::Load)?;
            let candidates = running.into_iter().chain(stored).filter(|v| query.accepts(v));
            for version in candidates {
                match store.load_recipe(&query.component, &version) {
                    Ok(recipe) => return Ok(Some(recipe)),
                    // The cloud may have it whole.
                    Err(error) => tracing::warn!(
                        error = &error as &(dyn std::error::Error + 'static),
                        "a recipe on this device is passed over"
                    ),
                }
            }
            Ok(None)
        })
        .await
    }

    /// This program's own recipe. The cloud is not asked: another cloud's nucleus of the same
    /// version is another program. One that is not stored has nothing to say but its version.
    async fn own_nucleus(
        &self,
        query: &Query,
        running: &Version,
    ) -> Result<Recipe, ResolveComponents> {
        let recipe = Recipe {
            component_name: query.component.clone(),
            component_version: running.clone(),
            component_type: ComponentType::Nucleus,
            component_description: None,
            component_publisher: None,
            component_source: None,
            default_configuration: Map::new(),
            dependencies: BTreeMap::new(),
            manifests: vec![Manifest::default()],
            lifecycle: Map::new(),
        };
        let store = self.store.clone();
        blocking::run(move |_| {
            match store.load_recipe(&recipe.component_name, &recipe.component_version) {
                Ok(stored) => Ok(stored),
                Err(_) => keep(&store, recipe, &Metadata::default()),
            }
        })
        .await
    }

    /// The cloud's choice, kept in the store. Asks again for ever only where there is nothing to
    /// fall back on.
    async fn ask(
        &self,
        cloud: &dyn CandidateSource,
        query: &Query,
        local: Option<&Recipe>,
    ) -> Result<Recipe, ResolveComponents> {
        let request = self.request(query, local);
        let mut failures = 0;
        let answer = loop {
            match cloud.candidates(&request).await {
                Ok(answer) => break answer,
                Err(error) if error.is_transient() && local.is_none() => {
                    failures += 1;
                    tracing::warn!(
                        component = %query.component,
                        failures,
                        error = &error as &(dyn std::error::Error + 'static),
                        "the cloud cannot be asked for versions"
                    );
                    if self.retry.gives_up_after(failures) {
                        return Err(refused(query, error));
                    }
                    self.retry.pause(failures).await;
                }
                Err(error) => return Err(refused(query, error)),
            }
        };
        let (recipe, arn) = read_answer(query, answer)?;
        let metadata = Metadata { component_version_arn: Some(arn) };
        let store = self.store.clone();
        blocking::run(move |_| keep(&store, recipe, &metadata)).await
    }

    fn request(&self, query: &Query, local: Option<&Recipe>) -> ResolveComponentCandidatesRequest {
        let requirements = query.requirements.iter();
        ResolveComponentCandidatesRequest {
            platform: ComponentPlatform { name: None, attributes: self.attributes.clone() },
            component_candidates: vec![ComponentCandidate {
                component_name: query.component.to_string(),
                component_version: local.map(|recipe| recipe.component_version.to_string()),
                version_requirements: requirements
                    .map(|(requirer, requirement)| (requirer.clone(), requirement.to_string()))
                    .collect(),
            }],
        }
    }
}

fn keep(
    store: &PackageStore,
    recipe: Recipe,
    metadata: &Metadata,
) -> Result<Recipe, ResolveComponents> {
    match store.save_recipe(&recipe, metadata) {
        Ok(()) => Ok(recipe),
        Err(source) => Err(ResolveComponents::Store { component: recipe.component_name, source }),
    }
}

/// A refusal; "not found" means that there is no such version.
fn refused(query: &Query, error: CallDataPlane) -> ResolveComponents {
    match error.not_found_message() {
        Some(message) => {
            let reason = format!("the cloud says `{message}`: no version of");
            Resolve::no_version(query, reason).into()
        }
        None => ResolveComponents::Cloud { component: query.component.clone(), source: error },
    }
}

/// The recipe and its ARN, if the answer is one and is about what was asked.
fn read_answer(
    query: &Query,
    answer: Vec<ResolvedComponentVersion>,
) -> Result<(Recipe, String), ResolveComponents> {
    let component = || query.component.clone();
    let bad = |reason: String| ResolveComponents::BadAnswer { component: component(), reason };
    let count = answer.len();
    let Ok([resolved]) = <[ResolvedComponentVersion; 1]>::try_from(answer) else {
        return Err(bad(format!("it has {count} versions instead of one")));
    };
    let bytes = STANDARD
        .decode(&resolved.recipe)
        .map_err(|error| bad(format!("its recipe is not in base64 ({error})")))?;
    let recipe = marram_recipe::parse(&bytes, Format::Detect, Strictness::Device)
        .map_err(|source| ResolveComponents::BadRecipe { component: component(), source })?;
    if recipe.component_name != query.component
        || recipe.component_version.to_string() != resolved.component_version
    {
        let (name, version) = (&recipe.component_name, &recipe.component_version);
        return Err(bad(format!("its recipe is of {name} {version}")));
    }
    if resolved.vendor_guidance.as_deref() == Some("DISCONTINUED") {
        let message = resolved.message.as_deref().unwrap_or_default();
        tracing::warn!(component = %query.component, message, "the version is discontinued");
    }
    Ok((recipe, resolved.arn))
}

#[cfg(test)]
mod tests;
