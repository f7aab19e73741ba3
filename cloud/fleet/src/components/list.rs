//! Listing components and their versions.

use std::cmp::Reverse;

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::greengrassv2::{
    Component, ComponentLatestVersion, ComponentScope, ComponentVersionListItem,
    ListComponentVersionsRequest, ListComponentVersionsResponse, ListComponentsRequest,
    ListComponentsResponse,
};
use marram_model::arn::ComponentArn;
use marram_model::{ComponentName, Version};
use marram_store::{ComponentVersion, Reader};

use super::{PRIVATE, PUBLIC, platforms_of, recipe_of, version_of};
use crate::fleet::Fleet;
use crate::paging;

impl Fleet {
    /// `ListComponents`: one row per component, by name.
    ///
    /// # Errors
    /// A page size or token that is not valid.
    pub async fn list_components(
        &self,
        request: ListComponentsRequest,
    ) -> Result<ListComponentsResponse, ApiError> {
        let size = paging::size(request.max_results)?;
        let after = paging::after(request.next_token.as_deref())?;
        let scope = match request.scope {
            ComponentScope::Private => PRIVATE,
            ComponentScope::Public => PUBLIC,
        };
        let mut reader = self.inner.store.read().await?;
        let names = reader.component_names_after(scope, &after, paging::limit(size)).await?;
        let (names, next_token) = paging::cut(names, size, Clone::clone);
        let mut components = Vec::new();
        for name in names {
            let versions = versions_of(&mut reader, scope, &name).await?;
            if let Some((version, row)) = versions.first() {
                components.push(self.listed(scope, version, row)?);
            }
        }
        Ok(ListComponentsResponse { components, next_token })
    }

    fn listed(
        &self,
        scope: &str,
        version: &Version,
        row: &ComponentVersion,
    ) -> Result<Component, ApiError> {
        let recipe = recipe_of(row)?;
        let owner = self.owner(scope);
        Ok(Component {
            arn: owner.component(&recipe.component_name),
            component_name: row.name.clone(),
            latest_version: ComponentLatestVersion {
                arn: owner.component_version(&recipe.component_name, version),
                component_version: row.version.clone(),
                creation_timestamp: EpochMs(row.created_at_ms),
                platforms: platforms_of(&recipe),
                description: recipe.component_description,
                publisher: recipe.component_publisher,
            },
        })
    }

    /// `ListComponentVersions`: highest first.
    ///
    /// # Errors
    /// An ARN, page size or token that is not valid, or no such component.
    pub async fn list_component_versions(
        &self,
        request: ListComponentVersionsRequest,
    ) -> Result<ListComponentVersionsResponse, ApiError> {
        let size = paging::size(request.max_results)?;
        let after = paging::after(request.next_token.as_deref())?;
        let arn = ComponentArn::parse(&request.arn)
            .map_err(|error| ApiError::field("arn", error.to_string()))?;
        if arn.version.is_some() {
            let message = format!("`{}` names a version: leave it out", request.arn);
            return Err(ApiError::field("arn", message));
        }
        let scope = self.scope_of(&arn.account_field, &request.arn)?;
        let mut reader = self.inner.store.read().await?;
        let versions = versions_of(&mut reader, scope, arn.name.as_str()).await?;
        if versions.is_empty() {
            return Err(ApiError::not_found("component", &request.arn));
        }
        let rows = versions
            .into_iter()
            .skip_while(|(_, row)| !after.is_empty() && row.version != after)
            .skip(usize::from(!after.is_empty()))
            .take(size + 1)
            .collect();
        let (rows, next_token) = paging::cut(rows, size, |(_, row)| row.version.clone());
        let component_versions =
            rows.into_iter().map(|(version, row)| self.item(scope, &arn.name, &version, row));
        Ok(ListComponentVersionsResponse {
            component_versions: component_versions.collect(),
            next_token,
        })
    }

    fn item(
        &self,
        scope: &str,
        name: &ComponentName,
        version: &Version,
        row: ComponentVersion,
    ) -> ComponentVersionListItem {
        ComponentVersionListItem {
            component_name: row.name,
            component_version: row.version,
            arn: self.owner(scope).component_version(name, version),
        }
    }
}

/// All versions of a component, highest first.
pub(super) async fn versions_of(
    reader: &mut Reader,
    scope: &str,
    name: &str,
) -> Result<Vec<(Version, ComponentVersion)>, ApiError> {
    let mut versions = Vec::new();
    for row in reader.component_versions(scope, name).await? {
        versions.push((version_of(&row)?, row));
    }
    versions.sort_by_cached_key(|(version, _)| Reverse(version.clone()));
    Ok(versions)
}
