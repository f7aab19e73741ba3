//! Component versions: made from recipes, listed, given to devices.
//!
//! A private component's artifacts are copied into a bucket of the service when the version is
//! made; the copy shares its bytes on disk, so it takes no time and no room, and a version is
//! DEPLOYABLE or FAILED before its creator is answered. (The answer still says REQUESTED, as
//! AWS's does: scripts poll for the end.) Devices get `greengrass:` URIs in place of `s3://`
//! ones, so that none of them needs to reach, or be allowed to read, its author's bucket.

mod artifacts;
mod catalogue;
mod create;
mod list;
mod resolve;

use std::collections::BTreeMap;

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::greengrassv2::{
    Blob, ComponentArnRequest, ComponentPlatform, ComponentState, ComponentStatus,
    DescribeComponentResponse, GetComponentRequest, GetComponentResponse, RecipeOutputFormat, Tags,
    VendorGuidance,
};
use marram_model::arn::{Account, ComponentArn};
use marram_model::{ComponentName, Version};
use marram_recipe::{Format, Manifest, Recipe, Strictness};
use marram_store::{ComponentVersion, Reader};

pub use artifacts::{ARTIFACT_BUCKET, ArtifactUrls};

use crate::fleet::Fleet;

const PRIVATE: &str = "PRIVATE";
const PUBLIC: &str = "PUBLIC";
const DEPLOYABLE: &str = "DEPLOYABLE";
const FAILED: &str = "FAILED";

/// Which component version an ARN names.
struct Named {
    scope: &'static str,
    name: ComponentName,
    version: Version,
}

impl Fleet {
    /// `DescribeComponent`.
    ///
    /// # Errors
    /// There is no such component version.
    pub async fn describe_component(
        &self,
        request: ComponentArnRequest,
    ) -> Result<DescribeComponentResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let row = self.find_component(&mut reader, &request.arn).await?;
        let recipe = recipe_of(&row)?;
        let tags = reader.tags(&request.arn).await?;
        Ok(DescribeComponentResponse {
            arn: request.arn,
            component_name: row.name.clone(),
            component_version: row.version.clone(),
            creation_timestamp: EpochMs(row.created_at_ms),
            publisher: recipe.component_publisher.clone(),
            description: recipe.component_description.clone(),
            status: status_of(&row)?,
            platforms: platforms_of(&recipe),
            tags,
        })
    }

    /// `GetComponent`.
    ///
    /// # Errors
    /// There is no such component version.
    pub async fn get_component(
        &self,
        request: GetComponentRequest,
    ) -> Result<GetComponentResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let row = self.find_component(&mut reader, &request.arn).await?;
        let recipe = recipe_of(&row)?;
        let uploaded = match row.uploaded_format.as_str() {
            "YAML" => RecipeOutputFormat::Yaml,
            _ => RecipeOutputFormat::Json,
        };
        let recipe_output_format = request.recipe_output_format.unwrap_or(uploaded);
        let text = match recipe_output_format {
            RecipeOutputFormat::Json => recipe.to_json_string(),
            RecipeOutputFormat::Yaml => recipe.to_yaml().map_err(|error| {
                ApiError::internal(format!("the recipe of {} has no YAML: {error}", row.name))
            })?,
        };
        let tags: Tags = reader.tags(&request.arn).await?;
        Ok(GetComponentResponse { recipe_output_format, recipe: Blob(text.into_bytes()), tags })
    }

    /// `DeleteComponent`: the version and the service's copies of its artifacts. Devices that run
    /// it are not touched; deployments that name it fail from now on.
    ///
    /// # Errors
    /// There is no such component version, or it comes with the cloud.
    pub async fn delete_component(&self, request: ComponentArnRequest) -> Result<(), ApiError> {
        let mut unit = self.unit().await?;
        let row = self.find_component(&mut unit.tx, &request.arn).await?;
        if row.scope == PUBLIC {
            let message = format!("component `{}` comes with the cloud: it stays", row.name);
            return Err(ApiError::access_denied(message));
        }
        let artifacts = unit.tx.component_artifacts(&row.name, &row.version).await?;
        unit.tx.delete_component_version(&row.name, &row.version).await?;
        unit.tx.delete_tags(&request.arn).await?;
        unit.commit().await?;
        self.delete_copies(&artifacts).await;
        Ok(())
    }

    pub(crate) async fn find_component(
        &self,
        reader: &mut Reader,
        arn: &str,
    ) -> Result<ComponentVersion, ApiError> {
        let named = self.component_version_named(arn)?;
        let Named { scope, name, version } = &named;
        reader
            .component_version(scope, name.as_str(), &version.to_string())
            .await?
            .ok_or_else(|| ApiError::not_found("componentVersion", arn))
    }

    fn component_version_named(&self, arn: &str) -> Result<Named, ApiError> {
        let ComponentArn { account_field, name, version } =
            ComponentArn::parse(arn).map_err(|error| ApiError::field("arn", error.to_string()))?;
        let Some(version) = version else {
            let message = format!("`{arn}` names no version: add `:versions:VERSION`");
            return Err(ApiError::field("arn", message));
        };
        let scope = self.scope_of(&account_field, arn)?;
        Ok(Named { scope, name, version })
    }

    /// Whose the component is. It has the one ARN by which policies name it; another region's or
    /// partition's names nothing here.
    fn scope_of(&self, account_field: &str, arn: &str) -> Result<&'static str, ApiError> {
        let Account { partition, region, account_id } = &self.inner.account;
        let is_here = arn.starts_with(&format!("arn:{partition}:greengrass:{region}:"));
        match account_field {
            "aws" if is_here => Ok(PUBLIC),
            own if is_here && own == account_id => Ok(PRIVATE),
            _ => Err(ApiError::not_found("component", arn)),
        }
    }

    /// The account that ARNs of components in `scope` carry.
    fn owner(&self, scope: &str) -> Account {
        let account = self.inner.account.clone();
        match scope {
            PUBLIC => Account { account_id: "aws".to_owned(), ..account },
            _ => account,
        }
    }
}

/// The row's recipe; it was checked when it came.
fn recipe_of(row: &ComponentVersion) -> Result<Recipe, ApiError> {
    marram_recipe::parse(row.recipe_json.as_bytes(), Format::Json, Strictness::Device).map_err(
        |error| {
            let key = format!("{} {}", row.name, row.version);
            ApiError::internal(format!("the recipe of {key} is damaged: {error}"))
        },
    )
}

fn version_of(row: &ComponentVersion) -> Result<Version, ApiError> {
    row.version.parse().map_err(|error| {
        ApiError::internal(format!("the version of component {} is damaged: {error}", row.name))
    })
}

fn status_of(row: &ComponentVersion) -> Result<ComponentStatus, ApiError> {
    let errors: BTreeMap<String, String> =
        serde_json::from_str(&row.errors_json).map_err(|error| {
            ApiError::internal(format!("component {} is damaged: {error}", row.name))
        })?;
    let (component_state, message) = match row.state.as_str() {
        DEPLOYABLE => (ComponentState::Deployable, "NONE"),
        _ => (ComponentState::Failed, "artifacts of the component cannot be used"),
    };
    Ok(ComponentStatus {
        component_state,
        message: message.to_owned(),
        errors,
        vendor_guidance: VendorGuidance::Active,
    })
}

fn platforms_of(recipe: &Recipe) -> Vec<ComponentPlatform> {
    recipe.manifests.iter().map(platform_of).collect()
}

fn platform_of(manifest: &Manifest) -> ComponentPlatform {
    let attributes: BTreeMap<String, String> = manifest
        .platform
        .iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
        .collect();
    let words: Vec<&str> = ["os", "architecture"]
        .iter()
        .filter_map(|key| attributes.get(*key))
        .map(String::as_str)
        .collect();
    let generated = if words.is_empty() { "all".to_owned() } else { words.join(" ") };
    ComponentPlatform { name: Some(manifest.name.clone().unwrap_or(generated)), attributes }
}

#[cfg(test)]
mod tests;
