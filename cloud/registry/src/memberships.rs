//! Operations on the members of thing groups, and the fleet's questions about them.

use marram_aws::ApiError;
use marram_aws::iot::{
    Empty, ListThingGroupsForThingRequest, ListThingsInThingGroupRequest, MembershipRequest,
    ThingGroupsResponse, ThingNamesResponse, UpdateThingGroupsForThingRequest,
};
use marram_store::Tx;

use crate::change::Change;
use crate::groups::{GroupChain, existing_group};
use crate::page::Page;
use crate::registry::Registry;
use crate::things::existing_thing;

impl Registry {
    /// `AddThingToThingGroup`; idempotent.
    ///
    /// # Errors
    /// Thing or group are not named, named twice differently, or do not exist.
    pub async fn add_thing_to_thing_group(
        &self,
        request: MembershipRequest,
    ) -> Result<Empty, ApiError> {
        let (mut tx, group, thing) = self.begin_for_member(&request).await?;
        if tx.insert_membership(&group, &thing).await? {
            let certificates = tx.certificates_of_thing(&thing).await?;
            self.settle(tx, certificates, Some(Change::MemberAdded { group, thing })).await?;
        }
        Ok(Empty {})
    }

    /// `RemoveThingFromThingGroup`; idempotent.
    ///
    /// # Errors
    /// Thing or group are not named, named twice differently, or do not exist.
    pub async fn remove_thing_from_thing_group(
        &self,
        request: MembershipRequest,
    ) -> Result<Empty, ApiError> {
        let (mut tx, group, thing) = self.begin_for_member(&request).await?;
        if tx.delete_membership(&group, &thing).await? {
            let certificates = tx.certificates_of_thing(&thing).await?;
            self.settle(tx, certificates, Some(Change::MemberRemoved { group, thing })).await?;
        }
        Ok(Empty {})
    }

    /// `UpdateThingGroupsForThing`; idempotent. First it leaves, then it joins: one change.
    ///
    /// # Errors
    /// There is no such thing or group, or a group is named for both.
    pub async fn update_thing_groups_for_thing(
        &self,
        request: UpdateThingGroupsForThingRequest,
    ) -> Result<Empty, ApiError> {
        let (add, remove) = (request.thing_groups_to_add, request.thing_groups_to_remove);
        if let Some(both) = add.iter().find(|group| remove.contains(group)) {
            return Err(ApiError::invalid_request(format!(
                "`{both}` is in `thingGroupsToAdd` and in `thingGroupsToRemove`: name it once"
            )));
        }
        let thing = request.thing_name;
        let mut tx = self.inner.store.begin().await?;
        existing_thing(&mut tx, &thing).await?;
        let mut changes = Vec::new();
        for group in remove {
            existing_group(&mut tx, &group).await?;
            if tx.delete_membership(&group, &thing).await? {
                changes.push(Change::MemberRemoved { group, thing: thing.clone() });
            }
        }
        for group in add {
            existing_group(&mut tx, &group).await?;
            if tx.insert_membership(&group, &thing).await? {
                changes.push(Change::MemberAdded { group, thing: thing.clone() });
            }
        }
        let certificates = tx.certificates_of_thing(&thing).await?;
        self.settle(tx, certificates, changes).await?;
        Ok(Empty {})
    }

    /// A transaction, and the group and thing that the request names; both exist.
    async fn begin_for_member(
        &self,
        request: &MembershipRequest,
    ) -> Result<(Tx, String, String), ApiError> {
        let (group, thing) = self.member(request)?;
        let mut tx = self.inner.store.begin().await?;
        existing_group(&mut tx, &group).await?;
        existing_thing(&mut tx, &thing).await?;
        Ok((tx, group, thing))
    }

    /// `ListThingsInThingGroup`.
    ///
    /// # Errors
    /// A member is not valid, or there is no such group.
    pub async fn list_things_in_thing_group(
        &self,
        request: ListThingsInThingGroupRequest,
    ) -> Result<ThingNamesResponse, ApiError> {
        let page = Page::by_token("members", request.next_token.as_deref(), request.max_results)?;
        let mut reader = self.inner.store.read().await?;
        let group = existing_group(&mut reader, &request.thing_group_name).await?;
        let names =
            reader.members_after(&group.name, request.recursive, &page.after, page.fetch()).await?;
        let (things, next_token) = page.cut(names, String::clone);
        Ok(ThingNamesResponse { things, next_token })
    }

    /// `ListThingGroupsForThing`: the groups it is directly in.
    ///
    /// # Errors
    /// A member is not valid, or there is no such thing.
    pub async fn list_thing_groups_for_thing(
        &self,
        request: ListThingGroupsForThingRequest,
    ) -> Result<ThingGroupsResponse, ApiError> {
        let token = request.next_token.as_deref();
        let page = Page::by_token("groups-of-thing", token, request.max_results)?;
        let mut reader = self.inner.store.read().await?;
        existing_thing(&mut reader, &request.thing_name).await?;
        let names = reader.groups_of_thing(&request.thing_name).await?;
        let (names, next_token) = page.of_sorted(names);
        Ok(ThingGroupsResponse { thing_groups: self.group_refs(names), next_token })
    }

    /// The groups that `thing` is directly in, each with the groups it lies in; none for a thing
    /// that is not there.
    ///
    /// # Errors
    /// The store failed.
    pub async fn groups_of_thing(&self, thing: &str) -> Result<Vec<GroupChain>, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let mut chains = Vec::new();
        for name in reader.groups_of_thing(thing).await? {
            let ancestors = reader.group_ancestors(&name).await?;
            chains.push(GroupChain { name, ancestors });
        }
        Ok(chains)
    }

    /// The things in `group` and in all groups below it, by name; none for a group that is not
    /// there.
    ///
    /// # Errors
    /// The store failed.
    pub async fn members_of_group(&self, group: &str) -> Result<Vec<String>, ApiError> {
        let mut reader = self.inner.store.read().await?;
        Ok(reader.members_after(group, true, "", i64::MAX).await?)
    }

    /// The group and the thing of a request, each given by name, by ARN or by both.
    fn member(&self, request: &MembershipRequest) -> Result<(String, String), ApiError> {
        let account = &self.inner.account;
        let group = one_name(
            ("thingGroupName", request.thing_group_name.as_deref()),
            ("thingGroupArn", request.thing_group_arn.as_deref()),
            &account.thing_group(""),
        )?;
        let thing = one_name(
            ("thingName", request.thing_name.as_deref()),
            ("thingArn", request.thing_arn.as_deref()),
            &account.thing(""),
        )?;
        Ok((group, thing))
    }
}

fn one_name(
    (name_member, name): (&str, Option<&str>),
    (arn_member, arn): (&str, Option<&str>),
    arn_prefix: &str,
) -> Result<String, ApiError> {
    let from_arn = match arn {
        None => None,
        Some(arn) => Some(arn.strip_prefix(arn_prefix).ok_or_else(|| {
            ApiError::invalid_request(format!(
                "`{arn_member}` is `{arn}`: use an ARN that starts with {arn_prefix}"
            ))
        })?),
    };
    match (name, from_arn) {
        (Some(name), Some(other)) if name != other => Err(ApiError::invalid_request(format!(
            "`{name_member}` is `{name}` but `{arn_member}` names `{other}`: give one of them"
        ))),
        (Some(name), _) | (None, Some(name)) => Ok(name.to_owned()),
        (None, None) => Err(ApiError::invalid_request(format!(
            "`{name_member}` is missing: give it, or `{arn_member}`"
        ))),
    }
}
