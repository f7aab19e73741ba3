//! Which groups a core device is told that it is in.

use marram_aws::ApiError;
use marram_model::arn::Target;
use marram_model::data_plane::{ListThingGroupsResponse, ThingGroupMembership, ThingGroupName};
use marram_store::Reader;

use crate::fleet::Fleet;

/// The runtime that takes only top-level names from the list, and knows no deployment shadow.
pub(crate) const LITE_RUNTIME: &str = "aws_nucleus_lite";

impl Fleet {
    /// `ListThingGroupsForCoreDevice`: the thing's groups, each with those above it, in one page.
    ///
    /// nucleus-lite keeps only components of groups that stand at the top level of this list, so
    /// it also gets those above, and its own name while a deployment to the thing is in force.
    ///
    /// # Errors
    /// The store refused.
    pub async fn thing_groups_for_core(
        &self,
        thing: &str,
    ) -> Result<ListThingGroupsResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let mut thing_groups: Vec<ThingGroupMembership> = Vec::new();
        for group in reader.groups_of_thing(thing).await? {
            thing_groups.push(self.membership(&mut reader, &group).await?);
        }
        let core = reader.core_device(thing).await?;
        if core.is_some_and(|core| core.runtime == LITE_RUNTIME) {
            self.add_for_lite(&mut reader, thing, &mut thing_groups).await?;
        }
        Ok(ListThingGroupsResponse { thing_groups, next_token: None })
    }

    async fn membership(
        &self,
        reader: &mut Reader,
        group: &str,
    ) -> Result<ThingGroupMembership, ApiError> {
        let account = &self.inner.account;
        let above = reader.group_ancestors(group).await?;
        Ok(ThingGroupMembership {
            thing_group_name: group.to_owned(),
            thing_group_arn: account.thing_group(group),
            root_to_parent_thing_groups: above
                .into_iter()
                .map(|name| ThingGroupName {
                    thing_group_arn: account.thing_group(&name),
                    thing_group_name: name,
                })
                .collect(),
        })
    }

    async fn add_for_lite(
        &self,
        reader: &mut Reader,
        thing: &str,
        groups: &mut Vec<ThingGroupMembership>,
    ) -> Result<(), ApiError> {
        let above: Vec<String> = groups
            .iter()
            .flat_map(|group| &group.root_to_parent_thing_groups)
            .map(|group| group.thing_group_name.clone())
            .collect();
        for name in above {
            if !groups.iter().any(|group| group.thing_group_name == name) {
                groups.push(self.membership(reader, &name).await?);
            }
        }
        let arn = self.inner.account.thing(thing);
        let latest = reader.latest_deployment(&arn).await?;
        if latest.is_some_and(|row| matches!(row.status.as_str(), "ACTIVE" | "COMPLETED")) {
            groups.push(ThingGroupMembership {
                thing_group_name: Target::Thing(thing.to_owned()).name().to_owned(),
                thing_group_arn: arn,
                root_to_parent_thing_groups: Vec::new(),
            });
        }
        Ok(())
    }
}
