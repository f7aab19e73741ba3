//! Choosing component versions for a device (cloud API, section 3.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marram_aws::ApiError;
use marram_aws::greengrassv2::{
    ComponentCandidate, ResolveComponentCandidatesRequest, ResolveComponentCandidatesResponse,
    ResolvedComponentVersion,
};
use marram_model::{ComponentName, Requirement, Version};
use marram_recipe::platform::{self, Attributes};
use marram_recipe::{Manifest, Recipe};
use marram_store::{ComponentVersion, Reader};

use super::artifacts::rewrite_uris;
use super::catalogue::NUCLEUS;
use super::list::versions_of;
use super::{DEPLOYABLE, PRIVATE, PUBLIC, recipe_of};
use crate::fleet::Fleet;
use crate::thing_groups::LITE_RUNTIME;

impl Fleet {
    /// `ResolveComponentCandidates`: one version per candidate that satisfies all requirements and
    /// the platform; the one that the device has if that will do, or else the highest.
    ///
    /// # Errors
    /// 404 whose message tells the Java nucleus why, by the words `no usable version` and `claim
    /// platform`; 400 for a range that cannot be read.
    pub async fn resolve_component_candidates(
        &self,
        request: ResolveComponentCandidatesRequest,
    ) -> Result<ResolveComponentCandidatesResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let mut resolved_component_versions = Vec::new();
        for candidate in &request.component_candidates {
            let attributes = &request.platform.attributes;
            let resolved = self.resolve(&mut reader, candidate, attributes).await?;
            resolved_component_versions.push(resolved);
        }
        Ok(ResolveComponentCandidatesResponse { resolved_component_versions })
    }

    async fn resolve(
        &self,
        reader: &mut Reader,
        candidate: &ComponentCandidate,
        attributes: &Attributes,
    ) -> Result<ResolvedComponentVersion, ApiError> {
        let found = self.find_version(reader, candidate, Some(attributes)).await?;
        let found = found.map_err(|reason| unresolvable(candidate, &reason))?;
        self.resolved(reader, found).await
    }

    /// The version that a device gets, or why there is none. Without attributes, which a device
    /// has not told yet, any platform fits.
    ///
    /// # Errors
    /// A range cannot be read, or the store refused.
    pub(crate) async fn find_version(
        &self,
        reader: &mut Reader,
        candidate: &ComponentCandidate,
        attributes: Option<&Attributes>,
    ) -> Result<Result<FoundVersion, String>, ApiError> {
        let requirements = requirements_of(candidate)?;
        let (scope, versions) = deployable_versions(reader, &candidate.component_name).await?;
        if versions.is_empty() {
            return Ok(Err("there is no such component in this account".to_owned()));
        }
        let usable: Vec<_> = versions
            .into_iter()
            .filter(|(version, _)| requirements.iter().all(|range| range.matches(version)))
            .filter(|(_, row)| !is_update_of_nucleus(row, candidate))
            .collect();
        if usable.is_empty() {
            let reason = format!("no usable version for the requirements {}", texts(candidate));
            return Ok(Err(reason));
        }
        Ok(choose(usable, candidate, attributes)?
            .map(|(version, row, recipe)| FoundVersion { scope, version, row, recipe })
            .ok_or_else(|| {
                format!(
                    "what satisfies {} doesn't claim platform compatibility with {:?}",
                    texts(candidate),
                    attributes.cloned().unwrap_or_default()
                )
            }))
    }

    async fn resolved(
        &self,
        reader: &mut Reader,
        found: FoundVersion,
    ) -> Result<ResolvedComponentVersion, ApiError> {
        let FoundVersion { scope, version, row, mut recipe } = found;
        if scope == PRIVATE {
            let artifacts = reader.component_artifacts(&row.name, &row.version).await?;
            rewrite_uris(&mut recipe, &artifacts);
        }
        Ok(ResolvedComponentVersion {
            arn: self.owner(scope).component_version(&recipe.component_name, &version),
            component_name: row.name,
            component_version: row.version,
            recipe: STANDARD.encode(recipe.to_json_string()),
            vendor_guidance: Some("ACTIVE".to_owned()),
            message: None,
        })
    }

    /// Whether a deployment may name this version: the problem with it, if there is one.
    pub(crate) async fn undeployable(
        &self,
        reader: &mut Reader,
        name: &ComponentName,
        version: &Version,
    ) -> Result<Option<ApiError>, ApiError> {
        let text = version.to_string();
        let row = match reader.component_version(PRIVATE, name.as_str(), &text).await? {
            Some(row) => Some(row),
            None => reader.component_version(PUBLIC, name.as_str(), &text).await?,
        };
        let arn = self.inner.account.component_version(name, version);
        Ok(match row {
            None => Some(ApiError::not_found("componentVersion", &arn)),
            Some(row) if row.state != DEPLOYABLE => {
                let message =
                    format!("version {version} is {}: deploy one that is DEPLOYABLE", row.state);
                Some(ApiError::field(&format!("components.{name}"), message))
            }
            Some(_) => None,
        })
    }
}

/// A private component hides the public one of its name.
async fn deployable_versions(
    reader: &mut Reader,
    name: &str,
) -> Result<(&'static str, Vec<(Version, ComponentVersion)>), ApiError> {
    let private = versions_of(reader, PRIVATE, name).await?;
    let (scope, versions) = match private.is_empty() {
        false => (PRIVATE, private),
        true => (PUBLIC, versions_of(reader, PUBLIC, name).await?),
    };
    Ok((scope, versions.into_iter().filter(|(_, row)| row.state == DEPLOYABLE).collect()))
}

/// A public nucleus stands for the runtime that a device has: to a device that has another, a
/// Java nucleus for example, it would be an update without a program in it.
fn is_update_of_nucleus(row: &ComponentVersion, candidate: &ComponentCandidate) -> bool {
    row.scope == PUBLIC
        && row.name == NUCLEUS
        && candidate.component_version.as_ref() != Some(&row.version)
}

/// A version that a device gets.
#[derive(Debug)]
pub(crate) struct FoundVersion {
    scope: &'static str,
    version: Version,
    row: ComponentVersion,
    /// Its recipe, as its author wrote it.
    pub(crate) recipe: Recipe,
}

type Chosen = (Version, ComponentVersion, Recipe);

/// The version that the device has, or else the highest, of those for its platform.
fn choose(
    usable: Vec<(Version, ComponentVersion)>,
    candidate: &ComponentCandidate,
    attributes: Option<&Attributes>,
) -> Result<Option<Chosen>, ApiError> {
    let had = candidate.component_version.as_deref();
    let mut highest = None;
    for (version, row) in usable {
        let is_had = had == Some(row.version.as_str());
        if highest.is_some() && !is_had {
            continue;
        }
        let recipe = recipe_of(&row)?;
        let fits = |manifest| attributes.is_none_or(|attributes| is_for(manifest, attributes));
        if recipe.manifests.iter().any(fits) {
            let chosen = (version, row, recipe);
            if is_had {
                return Ok(Some(chosen));
            }
            highest = Some(chosen);
        }
    }
    Ok(highest)
}

/// nucleus-lite passes over manifests that do not name a runtime.
fn is_for(manifest: &Manifest, attributes: &Attributes) -> bool {
    let is_lite = attributes.get("runtime").is_some_and(|runtime| runtime == LITE_RUNTIME);
    match &manifest.platform {
        None => !is_lite,
        Some(template) => {
            platform::matches(template, attributes)
                && (!is_lite || template.contains_key("runtime"))
        }
    }
}

fn requirements_of(candidate: &ComponentCandidate) -> Result<Vec<Requirement>, ApiError> {
    candidate
        .version_requirements
        .iter()
        .map(|(requirer, range)| {
            range.parse().map_err(|error| {
                let field = format!("componentCandidates.versionRequirements.{requirer}");
                ApiError::field(&field, format!("{error}"))
            })
        })
        .collect()
}

fn texts(candidate: &ComponentCandidate) -> String {
    let texts: Vec<String> = candidate
        .version_requirements
        .iter()
        .map(|(who, range)| format!("{who} {range}"))
        .collect();
    texts.join(", ")
}

fn unresolvable(candidate: &ComponentCandidate, reason: &str) -> ApiError {
    let name = &candidate.component_name;
    ApiError::new("ResourceNotFoundException", 404, format!("{name}: {reason}"))
        .with("resourceId", name.as_str())
        .with("resourceType", "component")
}
