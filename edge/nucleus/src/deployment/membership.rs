//! The first step: which thing groups the cloud says that the device is in.

use std::collections::BTreeSet;

use marram_model::arn::Target;
use marram_model::data_plane::ThingGroupMembership;

use super::machine::Failure;
use super::steps::large::ConfigurationSource;
use crate::cloud::DataPlane;
use crate::cloud::data_plane::CallDataPlane;
use crate::packages::RetryPolicy;
use crate::packages::source::{ArtifactSource, BoxFuture};
use crate::resolve::negotiate::{CandidateSource, cloud_codes};

/// Asks the cloud for the device's thing groups; [`DataPlane`] does.
pub trait MembershipSource: Send + Sync {
    /// All of them. Must end by itself when nothing comes.
    fn thing_groups(&self) -> BoxFuture<'_, Result<Vec<ThingGroupMembership>, CallDataPlane>>;
}

impl MembershipSource for DataPlane {
    fn thing_groups(&self) -> BoxFuture<'_, Result<Vec<ThingGroupMembership>, CallDataPlane>> {
        Box::pin(Self::thing_groups(self))
    }
}

/// Everything that a deployment asks of the cloud.
pub trait FleetData:
    MembershipSource + CandidateSource + ConfigurationSource + ArtifactSource
{
}

impl<T: MembershipSource + CandidateSource + ConfigurationSource + ArtifactSource> FleetData for T {}

/// Asks until the cloud answers; `None` if the device may not ask, which drops no group.
pub(crate) async fn ask(
    data_plane: &dyn MembershipSource,
    retry: RetryPolicy,
) -> Result<Option<BTreeSet<String>>, Failure> {
    let mut failures = 0;
    loop {
        match data_plane.thing_groups().await {
            Ok(groups) => return Ok(Some(names(&groups))),
            Err(error) if error.is_access_denied() => {
                tracing::warn!(%error, "the device may not list its thing groups: all are kept");
                return Ok(None);
            }
            Err(error) if error.is_transient() => {
                failures += 1;
                tracing::info!(%error, failures, "the thing groups are asked for again");
                retry.pause(failures).await;
            }
            Err(error) => return Err(Failure::of(&error, cloud_codes(&error))),
        }
    }
}

/// Direct groups and all above them, as the device's books name them.
fn names(groups: &[ThingGroupMembership]) -> BTreeSet<String> {
    let key = |name: &str| Target::ThingGroup(name.to_owned()).as_group_key();
    groups
        .iter()
        .flat_map(|group| {
            let above = group.root_to_parent_thing_groups.iter();
            above.map(|parent| key(&parent.thing_group_name)).chain([key(&group.thing_group_name)])
        })
        .collect()
}
