//! Which group brought which root component: the device's own books.
//!
//! The books decide what a deployment leaves alone: it replaces the roots of its own group, keeps
//! those of every other group that the device is still in, and thereby drops what only a group
//! brought that the device has left (recipes and deployments, B3).

use std::collections::{BTreeMap, BTreeSet};

use marram_model::deployment::DeploymentDocument;
use marram_model::{ComponentName, Version};
use serde::{Deserialize, Serialize};

use super::local::LOCAL_DEPLOYMENT;

/// The exact versions that one group wants.
pub type Roots = BTreeMap<ComponentName, Version>;

/// One group's last deployment that took effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// `thinggroup/<name>`, `thing/<name>` or `LOCAL_DEPLOYMENT`.
    pub name: String,
    /// The deployment's creation time, ms since the epoch: an older one is stale.
    pub timestamp: i64,
    /// What fleet status names for its components: the deployment's configuration ARN, or the id
    /// of a local deployment.
    pub config_arn: String,
    /// Its root components.
    pub roots: Roots,
}

/// The books, as they are kept in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Groups(Vec<Group>);

impl Groups {
    /// True if a deployment for this group with a later creation time took effect already.
    pub fn is_stale(&self, group: &str, timestamp: i64) -> bool {
        self.find(group).is_some_and(|known| timestamp < known.timestamp)
    }

    /// The roots of all groups together once this deployment is in force, by group.
    ///
    /// `membership` is the groups that the cloud lists for the device; `None` if the cloud could
    /// not say, and then no group is dropped.
    pub fn roots_with(
        &self,
        document: &DeploymentDocument,
        membership: Option<&BTreeSet<String>>,
    ) -> BTreeMap<String, Roots> {
        let target = document.group_name();
        let mut roots: BTreeMap<String, Roots> = self
            .0
            .iter()
            .filter(|group| group.name != target && group.stays(membership))
            .map(|group| (group.name.clone(), group.roots.clone()))
            .collect();
        roots.insert(target, roots_of(document));
        roots
    }

    /// The books after this deployment took effect.
    pub fn record(
        &mut self,
        document: &DeploymentDocument,
        config_arn: &str,
        timestamp: i64,
        membership: Option<&BTreeSet<String>>,
    ) {
        let name = document.group_name();
        self.0.retain(|group| group.name != name && group.stays(membership));
        self.0.push(Group {
            name,
            timestamp,
            config_arn: config_arn.to_owned(),
            roots: roots_of(document),
        });
    }

    /// The root components of one group; none if there is no such group.
    pub fn roots_of(&self, group: &str) -> Roots {
        self.find(group).map(|group| group.roots.clone()).unwrap_or_default()
    }

    /// All root components of all groups.
    pub fn roots(&self) -> BTreeSet<&ComponentName> {
        self.0.iter().flat_map(|group| group.roots.keys()).collect()
    }

    /// The configuration ARNs of the deployments that bring each component; a dependency is
    /// brought by whatever brings a component that needs it.
    pub fn config_arns(
        &self,
        dependencies: &BTreeMap<ComponentName, BTreeSet<ComponentName>>,
    ) -> BTreeMap<ComponentName, BTreeSet<String>> {
        let mut arns: BTreeMap<ComponentName, BTreeSet<String>> = BTreeMap::new();
        for group in &self.0 {
            let mut open: Vec<&ComponentName> = group.roots.keys().collect();
            while let Some(component) = open.pop() {
                if arns.entry(component.clone()).or_default().insert(group.config_arn.clone()) {
                    open.extend(dependencies.get(component).into_iter().flatten());
                }
            }
        }
        arns
    }

    fn find(&self, name: &str) -> Option<&Group> {
        self.0.iter().find(|group| group.name == name)
    }
}

impl Group {
    /// A thing's own deployment stays whatever groups the thing is in, and so does what was
    /// deployed on the device itself.
    fn stays(&self, membership: Option<&BTreeSet<String>>) -> bool {
        self.name.starts_with("thing/")
            || self.name == LOCAL_DEPLOYMENT
            || membership.is_none_or(|membership| membership.contains(&self.name))
    }
}

fn roots_of(document: &DeploymentDocument) -> Roots {
    document.components.iter().map(|(name, spec)| (name.clone(), spec.version.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(target: &str, revision: u32, components: &[&str]) -> DeploymentDocument {
        let components: serde_json::Map<_, _> = components
            .iter()
            .map(|name| ((*name).to_owned(), json!({"version": "1.0.0"})))
            .collect();
        let arn = format!("arn:aws:greengrass:us-east-1:1:configuration:{target}:{revision}");
        let document = json!({"configurationArn": arn, "components": components});
        DeploymentDocument::parse(document.to_string().as_bytes()).unwrap()
    }

    fn record(
        groups: &mut Groups,
        document: &DeploymentDocument,
        timestamp: i64,
        membership: Option<&BTreeSet<String>>,
    ) {
        groups.record(document, &document.configuration_arn, timestamp, membership);
    }

    fn membership(groups: &[&str]) -> BTreeSet<String> {
        groups.iter().map(|group| format!("thinggroup/{group}")).collect()
    }

    fn names(groups: &Groups) -> Vec<&str> {
        groups.roots().into_iter().map(ComponentName::as_str).collect()
    }

    fn books() -> Groups {
        let mut groups = Groups::default();
        let member = membership(&["G1", "G2"]);
        record(&mut groups, &document("thinggroup/G1", 1, &["a", "both"]), 10, Some(&member));
        record(&mut groups, &document("thinggroup/G2", 1, &["b", "both"]), 20, Some(&member));
        record(&mut groups, &document("thing/T", 1, &["t"]), 30, Some(&member));
        groups
    }

    #[test]
    fn res_03_a_group_that_was_left_is_dropped_at_the_next_deployment() {
        let mut groups = books();
        let left = membership(&["G1"]);
        let next = document("thinggroup/G1", 2, &["a", "both"]);
        assert!(!groups.roots_with(&next, Some(&left)).contains_key("thinggroup/G2"));
        record(&mut groups, &next, 40, Some(&left));
        assert_eq!(names(&groups), ["a", "both", "t"]);
    }

    #[test]
    fn res_07_an_empty_document_removes_its_groups_roots_only() {
        let mut groups = books();
        record(
            &mut groups,
            &document("thinggroup/G1", 2, &[]),
            40,
            Some(&membership(&["G1", "G2"])),
        );
        assert_eq!(names(&groups), ["b", "both", "t"]);
    }

    #[test]
    fn an_unknown_membership_drops_nothing() {
        let mut groups = books();
        record(&mut groups, &document("thing/T", 2, &[]), 40, None);
        assert_eq!(names(&groups), ["a", "b", "both"]);
    }

    #[test]
    fn engine_only_an_older_document_of_the_same_group_is_stale() {
        let groups = books();
        assert!(groups.is_stale("thinggroup/G1", 9));
        assert!(!groups.is_stale("thinggroup/G1", 10));
        assert!(!groups.is_stale("thinggroup/new", 0));
    }

    #[test]
    fn dependencies_inherit_the_deployments_of_what_needs_them() {
        let name = |text: &str| text.parse::<ComponentName>().unwrap();
        let needs = |list: &[&str]| list.iter().map(|n| name(n)).collect::<BTreeSet<_>>();
        let dependencies =
            BTreeMap::from([(name("a"), needs(&["d"])), (name("d"), needs(&["a", "e"]))]);
        let arns = books().config_arns(&dependencies);
        assert_eq!(arns[&name("e")], arns[&name("a")]);
        assert_eq!(arns[&name("both")].len(), 2);
    }

    #[test]
    fn the_books_come_back_from_the_configuration() {
        let groups = books();
        let text = serde_json::to_string(&groups).unwrap();

        assert_eq!(serde_json::from_str::<Groups>(&text).unwrap(), groups);
    }
}
