//! Operations on thing groups.

use std::collections::BTreeMap;

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::iot::{
    AttributePayload, CreateThingGroupRequest, CreateThingGroupResponse, DeleteThingGroupRequest,
    DescribeThingGroupRequest, DescribeThingGroupResponse, Empty, GroupNameAndArn,
    ListThingGroupsRequest, ThingGroupMetadata, ThingGroupProperties, ThingGroupsResponse,
    UpdateThingGroupRequest, UpdateThingGroupResponse,
};
use marram_store::{GroupScope, Reader, ThingGroup};

use crate::change::Change;
use crate::fields;
use crate::page::Page;
use crate::registry::{Registry, check_version};
use crate::tags::put_tags;
use crate::things::updated;

/// AWS's quota: a root group is at depth 1.
const MAX_DEPTH: usize = 7;
const MAX_DESCRIPTION: usize = 2028;

/// A group and all groups it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChain {
    /// The group.
    pub name: String,
    /// The groups it lies in, root first; empty for a root.
    pub ancestors: Vec<String>,
}

impl Registry {
    /// `CreateThingGroup`. The same request again answers with the group that is there.
    ///
    /// # Errors
    /// A member is not valid, the parent does not exist or lies too deep, or a group of this
    /// name with another parent or other properties exists.
    pub async fn create_thing_group(
        &self,
        request: CreateThingGroupRequest,
    ) -> Result<CreateThingGroupResponse, ApiError> {
        fields::name("thingGroupName", &request.thing_group_name)?;
        fields::tags(&request.tags)?;
        let group = self.new_group(&request)?;
        let mut tx = self.inner.store.begin().await?;
        if let Some(existing) = tx.thing_group(&group.name).await? {
            return self.created_before(existing, &group);
        }
        if let Some(parent) = &group.parent {
            existing_group(&mut tx, parent).await?;
            let depth = tx.group_ancestors(parent).await?.len() + 2;
            if depth > MAX_DEPTH {
                return Err(ApiError::invalid_request(format!(
                    "`parentGroupName` is `{parent}`, which would put the group at depth {depth}: \
                     at most {MAX_DEPTH}"
                )));
            }
        }
        tx.insert_thing_group(&group).await?;
        put_tags(&mut tx, &self.inner.account.thing_group(&group.name), &request.tags).await?;
        tx.commit().await?;
        Ok(self.created_group(group))
    }

    fn new_group(&self, request: &CreateThingGroupRequest) -> Result<ThingGroup, ApiError> {
        let properties = request.thing_group_properties.clone().unwrap_or_default();
        let attributes = properties.attribute_payload.unwrap_or_default().attributes;
        check_properties(properties.thing_group_description.as_deref(), &attributes)?;
        Ok(ThingGroup {
            name: request.thing_group_name.clone(),
            id: uuid::Uuid::new_v4().to_string(),
            parent: request.parent_group_name.clone(),
            description: properties.thing_group_description,
            attributes,
            version: 1,
            created_at_ms: self.now_ms(),
        })
    }

    fn created_before(
        &self,
        existing: ThingGroup,
        wanted: &ThingGroup,
    ) -> Result<CreateThingGroupResponse, ApiError> {
        let is_same = existing.parent == wanted.parent
            && existing.description == wanted.description
            && existing.attributes == wanted.attributes;
        if is_same {
            return Ok(self.created_group(existing));
        }
        Err(ApiError::already_exists(
            &existing.id,
            &self.inner.account.thing_group(&existing.name),
            format!(
                "thing group `{}` exists with another parent or other properties",
                existing.name
            ),
        ))
    }

    fn created_group(&self, group: ThingGroup) -> CreateThingGroupResponse {
        CreateThingGroupResponse {
            thing_group_arn: self.inner.account.thing_group(&group.name),
            thing_group_name: group.name,
            thing_group_id: group.id,
        }
    }

    /// `DescribeThingGroup`.
    ///
    /// # Errors
    /// There is no such group.
    pub async fn describe_thing_group(
        &self,
        request: DescribeThingGroupRequest,
    ) -> Result<DescribeThingGroupResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let group = existing_group(&mut reader, &request.thing_group_name).await?;
        let ancestors = reader.group_ancestors(&group.name).await?;
        Ok(DescribeThingGroupResponse {
            thing_group_arn: self.inner.account.thing_group(&group.name),
            thing_group_name: group.name,
            thing_group_id: group.id,
            version: group.version,
            thing_group_properties: ThingGroupProperties {
                thing_group_description: group.description,
                attribute_payload: Some(AttributePayload {
                    attributes: group.attributes,
                    merge: false,
                }),
            },
            thing_group_metadata: ThingGroupMetadata {
                parent_group_name: group.parent,
                root_to_parent_thing_groups: self.group_refs(ancestors),
                creation_date: EpochMs(group.created_at_ms),
            },
        })
    }

    /// `UpdateThingGroup`. Properties that are not given stay.
    ///
    /// # Errors
    /// A member is not valid, there is no such group, or it has another version than expected.
    pub async fn update_thing_group(
        &self,
        request: UpdateThingGroupRequest,
    ) -> Result<UpdateThingGroupResponse, ApiError> {
        let properties = request.thing_group_properties;
        let mut tx = self.inner.store.begin().await?;
        let mut group = existing_group(&mut tx, &request.thing_group_name).await?;
        check_version("thing group", &group.name, request.expected_version, group.version)?;
        group.description = properties.thing_group_description.or(group.description);
        if let Some(payload) = properties.attribute_payload {
            group.attributes = updated(group.attributes, payload);
        }
        check_properties(group.description.as_deref(), &group.attributes)?;
        group.version += 1;
        tx.update_thing_group(&group).await?;
        tx.commit().await?;
        Ok(UpdateThingGroupResponse { version: group.version })
    }

    /// `DeleteThingGroup`. One that is not there is deleted already.
    ///
    /// # Errors
    /// Groups lie in it, or it has another version than expected.
    pub async fn delete_thing_group(
        &self,
        request: DeleteThingGroupRequest,
    ) -> Result<Empty, ApiError> {
        let name = request.thing_group_name;
        let mut tx = self.inner.store.begin().await?;
        let Some(group) = tx.thing_group(&name).await? else { return Ok(Empty {}) };
        check_version("thing group", &name, request.expected_version, group.version)?;
        let children = tx.group_names_after(GroupScope::ChildrenOf(&name), "", "", 1).await?;
        if let Some(child) = children.first() {
            return Err(ApiError::invalid_request(format!(
                "thing group `{name}` has groups in it, for example `{child}`: delete them first"
            )));
        }
        let certificates = certificates_of_members(&mut tx, &name).await?;
        let arn = self.inner.account.thing_group(&name);
        tx.detach_all_policies(&arn).await?;
        tx.delete_tags(&arn).await?;
        tx.delete_thing_group(&name).await?;
        self.settle(tx, certificates, Some(Change::GroupDeleted { group: name })).await?;
        Ok(Empty {})
    }

    /// `ListThingGroups`.
    ///
    /// # Errors
    /// A member is not valid, or there is no such parent.
    pub async fn list_thing_groups(
        &self,
        request: ListThingGroupsRequest,
    ) -> Result<ThingGroupsResponse, ApiError> {
        let page = Page::by_token("groups", request.next_token.as_deref(), request.max_results)?;
        let mut reader = self.inner.store.read().await?;
        if let Some(parent) = &request.parent_group {
            existing_group(&mut reader, parent).await?;
        }
        let scope = match (&request.parent_group, request.recursive.unwrap_or(true)) {
            (None, true) => GroupScope::All,
            (None, false) => GroupScope::Roots,
            (Some(parent), true) => GroupScope::DescendantsOf(parent),
            (Some(parent), false) => GroupScope::ChildrenOf(parent),
        };
        let prefix = request.name_prefix_filter.as_deref().unwrap_or_default();
        let names = reader.group_names_after(scope, prefix, &page.after, page.fetch()).await?;
        let (names, next_token) = page.cut(names, String::clone);
        Ok(ThingGroupsResponse { thing_groups: self.group_refs(names), next_token })
    }

    /// Whether there is a thing group `name`.
    ///
    /// # Errors
    /// The store failed.
    pub async fn thing_group_exists(&self, name: &str) -> Result<bool, ApiError> {
        Ok(self.inner.store.read().await?.thing_group(name).await?.is_some())
    }

    pub(crate) fn group_refs(&self, names: Vec<String>) -> Vec<GroupNameAndArn> {
        let reference = |name: String| GroupNameAndArn {
            group_arn: self.inner.account.thing_group(&name),
            group_name: name,
        };
        names.into_iter().map(reference).collect()
    }
}

/// The thing group `name`, or 404.
pub(crate) async fn existing_group(
    reader: &mut Reader,
    name: &str,
) -> Result<ThingGroup, ApiError> {
    fields::name("thingGroupName", name)?;
    reader.thing_group(name).await?.ok_or_else(|| ApiError::not_found("ThingGroup", name))
}

/// The certificates whose policies depend on the group: those of its members at any depth.
pub(crate) async fn certificates_of_members(
    reader: &mut Reader,
    group: &str,
) -> Result<Vec<String>, ApiError> {
    let mut certificates = Vec::new();
    for thing in reader.members_after(group, true, "", i64::MAX).await? {
        certificates.extend(reader.certificates_of_thing(&thing).await?);
    }
    Ok(certificates)
}

fn check_properties(
    description: Option<&str>,
    attributes: &BTreeMap<String, String>,
) -> Result<(), ApiError> {
    if let Some(description) = description {
        fields::length("thingGroupDescription", description, 0, MAX_DESCRIPTION)?;
    }
    fields::attributes(attributes)
}
