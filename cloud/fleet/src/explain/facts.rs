//! What counts for one device: what it has, and what its targets want.

use std::collections::BTreeMap;

use marram_aws::ApiError;
use marram_aws::greengrassv2::CreateDeploymentRequest;
use marram_model::arn::Target;
use marram_model::{ComponentName, Version};
use marram_store::{DeploymentRow, Reader};

use super::shapes::Reported;
use crate::deployments;
use crate::fleet::Fleet;

/// The target of deployments that were made on the device itself, as devices name it.
const LOCAL: &str = "LOCAL_DEPLOYMENT";
/// The source of components that such a deployment brought, as devices report it.
const LOCAL_SOURCE: &str = "LOCAL";

/// What components a deployment names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deployed {
    /// Under which target devices file it: a subdeployment's is the group above.
    pub(super) target: String,
    /// `None` for deployments made on the device.
    pub(super) id: Option<String>,
    pub(super) roots: BTreeMap<ComponentName, Version>,
    /// Those whose configuration it changes.
    pub(super) configured: Vec<String>,
}

/// All that decides what a deployment does to a device. Devices with equal facts are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Facts {
    /// `None` until the device's first report.
    pub(super) reported: Option<Reported>,
    pub(super) installed: BTreeMap<ComponentName, Version>,
    /// What counts beside the explained deployment, by target.
    pub(super) others: BTreeMap<String, Deployed>,
}

/// What is the same for many devices, read once.
#[derive(Debug, Default)]
pub(super) struct Known {
    ancestors: BTreeMap<String, Vec<String>>,
    in_force: BTreeMap<String, Option<Deployed>>,
}

impl Deployed {
    pub(super) fn of(row: &DeploymentRow) -> Result<Self, ApiError> {
        let asked: CreateDeploymentRequest = serde_json::from_str(&row.request_json)
            .map_err(|error| deployments::damaged(row, &error.to_string()))?;
        let mut roots = BTreeMap::new();
        let mut configured = Vec::new();
        for (name, spec) in asked.components {
            let component: ComponentName =
                name.parse().map_err(|_| deployments::damaged(row, &name))?;
            let version = spec.component_version.parse();
            let version =
                version.map_err(|_| deployments::damaged(row, &spec.component_version))?;
            roots.insert(component, version);
            if spec.configuration_update.is_some() {
                configured.push(name);
            }
        }
        let filed_under = row.parent_target_arn.as_deref().unwrap_or(&row.target_arn);
        let target = Target::parse_arn(filed_under)
            .map_err(|error| deployments::damaged(row, &error.to_string()))?;
        Ok(Self { target: target.to_string(), id: Some(row.id.clone()), roots, configured })
    }
}

impl Fleet {
    /// The facts of one device.
    pub(super) async fn facts(
        &self,
        reader: &mut Reader,
        known: &mut Known,
        explained: &Deployed,
        thing: &str,
    ) -> Result<Facts, ApiError> {
        let core = reader.core_device(thing).await?;
        let mut installed = BTreeMap::new();
        let mut local = BTreeMap::new();
        for row in reader.installed_components(thing).await? {
            // A name or version that is none cannot be resolved, and so not be chosen either.
            let (Ok(name), Ok(version)) = (row.name.parse(), row.version.parse::<Version>()) else {
                continue;
            };
            if row.is_root && row.source.as_deref() == Some(LOCAL_SOURCE) {
                local.insert(ComponentName::clone(&name), version.clone());
            }
            installed.insert(name, version);
        }
        let mut others = BTreeMap::new();
        for arn in self.targets_of(reader, known, thing).await? {
            if let Some(deployed) = in_force(reader, known, &arn).await? {
                others.insert(deployed.target.clone(), deployed);
            }
        }
        if !local.is_empty() {
            let target = LOCAL.to_owned();
            let deployed =
                Deployed { target: target.clone(), id: None, roots: local, configured: Vec::new() };
            others.insert(target, deployed);
        }
        others.remove(&explained.target);
        let reported = core.map(|core| Reported {
            platform: core.platform,
            architecture: core.architecture,
            runtime: core.runtime,
            core_version: core.core_version,
        });
        Ok(Facts { reported, installed, others })
    }

    /// The ARNs of the thing, its groups, and the groups above them.
    async fn targets_of(
        &self,
        reader: &mut Reader,
        known: &mut Known,
        thing: &str,
    ) -> Result<Vec<String>, ApiError> {
        let account = &self.inner.account;
        let mut arns = vec![account.thing(thing)];
        for group in reader.groups_of_thing(thing).await? {
            if !known.ancestors.contains_key(&group) {
                let above = reader.group_ancestors(&group).await?;
                known.ancestors.insert(group.clone(), above);
            }
            let above = known.ancestors.get(&group).into_iter().flatten();
            arns.extend(above.map(|group| account.thing_group(group)));
            arns.push(account.thing_group(&group));
        }
        Ok(arns)
    }
}

/// The target's deployment, if it is in force.
async fn in_force(
    reader: &mut Reader,
    known: &mut Known,
    arn: &str,
) -> Result<Option<Deployed>, ApiError> {
    if let Some(deployed) = known.in_force.get(arn) {
        return Ok(deployed.clone());
    }
    let row = reader.latest_deployment(arn).await?;
    let row = row.filter(|row| matches!(row.status.as_str(), "ACTIVE" | "COMPLETED"));
    let deployed = row.as_ref().map(Deployed::of).transpose()?;
    known.in_force.insert(arn.to_owned(), deployed.clone());
    Ok(deployed)
}
