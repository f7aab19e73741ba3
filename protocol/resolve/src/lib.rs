//! Which version of which component: the groups' roots, and all that they need.
//!
//! [`Resolver`] is pure. It says which component to find next and under which requirements, takes
//! the answer, and ends with a [`Resolution`] or with the reason why there is none. Nothing is
//! kept but the answers: after each one, what is needed and what is required of it are computed
//! anew from the roots, so the requirements of a version that was dropped can never linger.
//!
//! As in Greengrass the choice is greedy: a later requirement can replace an earlier choice, but
//! no third component is changed to make two others fit (recipes and deployments, B4).
//!
//! A device runs it to deploy, the cloud to explain a deployment before that.

mod error;
mod graph;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use marram_model::{ComponentName, Requirement, Version};
use marram_recipe::{ComponentType, Dependency, DependencyType, Recipe};

pub use error::Resolve;

/// The nucleus's own component.
pub const NUCLEUS: &str = "aws.greengrass.Nucleus";

/// What each requirer (a group, or a component) accepts.
pub type Requirements = BTreeMap<String, Requirement>;

/// How often one component may change its version before its requirements count as circular.
const MAX_CHOICES: u32 = 16;

/// What a deployment will leave on the device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    /// Every component with its version.
    pub components: BTreeMap<ComponentName, ResolvedComponent>,
    /// Those that a group names.
    pub roots: BTreeSet<ComponentName>,
}

/// The version chosen for one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedComponent {
    /// The version.
    pub version: Version,
    /// What kind of component it is.
    pub component_type: ComponentType,
    /// What it needs.
    pub dependencies: BTreeMap<ComponentName, DependencyType>,
}

/// An answer to a query: one version of the component, with what it needs in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The version.
    pub version: Version,
    /// What kind of component it is.
    pub component_type: ComponentType,
    /// What it needs, and in which versions.
    pub dependencies: BTreeMap<ComponentName, Dependency>,
}

impl From<&Recipe> for Candidate {
    fn from(recipe: &Recipe) -> Self {
        Self {
            version: recipe.component_version.clone(),
            component_type: recipe.component_type,
            dependencies: recipe.dependencies.clone(),
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Find a version, and [`answer`](Resolver::answer).
    Query(Query),
    /// All requirements are met.
    Done(Resolution),
}

/// A component whose version is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The component.
    pub component: ComponentName,
    /// What is required of it; never empty.
    pub requirements: Requirements,
}

impl Query {
    /// True if the version meets every requirement.
    pub fn accepts(&self, version: &Version) -> bool {
        self.requirements.values().all(|requirement| requirement.matches(version))
    }
}

/// The state of a resolution.
#[derive(Debug, Clone)]
pub struct Resolver {
    /// The roots by group, the deployment's own group first.
    groups: Vec<(String, BTreeMap<ComponentName, Version>)>,
    running_nucleus: Option<Version>,
    chosen: BTreeMap<ComponentName, Candidate>,
    choices: BTreeMap<ComponentName, u32>,
}

impl Resolver {
    /// A resolution for the roots of all groups. `target` is the group that the deployment is
    /// for; `running_nucleus` is the version of this program.
    pub fn new(
        target: &str,
        mut roots: BTreeMap<String, BTreeMap<ComponentName, Version>>,
        running_nucleus: Option<Version>,
    ) -> Self {
        let own = roots.remove(target).unwrap_or_default();
        let mut groups = vec![(target.to_owned(), own)];
        groups.extend(roots);
        Self { groups, running_nucleus, chosen: BTreeMap::new(), choices: BTreeMap::new() }
    }

    /// The version of this program.
    pub fn running_nucleus(&self) -> Option<&Version> {
        self.running_nucleus.as_ref()
    }

    /// The next query, or the end.
    pub fn next(&self) -> Result<Next, Resolve> {
        let needed = self.needed();
        let mut table = self.requirements(&needed);
        for component in needed {
            let requirements = table.remove(component).unwrap_or_default();
            let query = Query { component: component.clone(), requirements };
            if self.chosen.get(&query.component).is_some_and(|c| query.accepts(&c.version)) {
                continue;
            }
            self.check_roots(&query)?;
            if self.choices.get(&query.component).is_some_and(|&n| n >= MAX_CHOICES) {
                return Err(Resolve::Unsettled { component: query.component });
            }
            return Ok(Next::Query(query));
        }
        self.finish().map(Next::Done)
    }

    /// Takes the version that was found for the component asked about.
    pub fn answer(&mut self, query: &Query, candidate: Candidate) -> Result<(), Resolve> {
        if !query.accepts(&candidate.version) {
            return Err(Resolve::unsuitable(query, candidate.version));
        }
        *self.choices.entry(query.component.clone()).or_default() += 1;
        self.chosen.insert(query.component.clone(), candidate);
        Ok(())
    }

    /// What is required of each component that is needed, and by whom, as things stand.
    pub fn required(&self) -> BTreeMap<ComponentName, Requirements> {
        let table = self.requirements(&self.needed());
        table.into_iter().map(|(component, of_it)| (component.clone(), of_it)).collect()
    }

    /// The roots and all that the chosen versions need, breadth first, the target's first.
    fn needed(&self) -> Vec<&ComponentName> {
        let roots = self.groups.iter().flat_map(|(_, roots)| roots.keys());
        let mut open: VecDeque<&ComponentName> = roots.collect();
        let mut seen = BTreeSet::new();
        let mut needed = Vec::new();
        while let Some(component) = open.pop_front() {
            if seen.insert(component) {
                needed.push(component);
                let candidate = self.chosen.get(component);
                open.extend(candidate.into_iter().flat_map(|c| c.dependencies.keys()));
            }
        }
        needed
    }

    /// What groups and needed components require, by the component that they require it of.
    fn requirements(&self, needed: &[&ComponentName]) -> BTreeMap<&ComponentName, Requirements> {
        let mut table: BTreeMap<&ComponentName, Requirements> = BTreeMap::new();
        for (group, roots) in &self.groups {
            for (root, version) in roots {
                let of_root = table.entry(root).or_default();
                of_root.insert(group.clone(), Requirement::exact(version));
            }
        }
        for &dependent in needed {
            let Some(candidate) = self.chosen.get(dependent) else { continue };
            for (on, dependency) in &candidate.dependencies {
                let of_dependency = table.entry(on).or_default();
                of_dependency.insert(dependent.to_string(), dependency.requirement.clone());
            }
        }
        table
    }

    /// A pinned version that another requirement excludes needs no search.
    fn check_roots(&self, query: &Query) -> Result<(), Resolve> {
        let pinned = self.groups.iter().filter_map(|(_, roots)| roots.get(&query.component));
        for version in pinned {
            if !query.accepts(version) {
                return Err(Resolve::no_version(query, "no version of"));
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<Resolution, Resolve> {
        let needed = self.needed();
        let components: BTreeMap<ComponentName, ResolvedComponent> = needed
            .into_iter()
            .filter_map(|name| {
                let candidate = self.chosen.get(name)?;
                Some((name.clone(), ResolvedComponent::from(candidate)))
            })
            .collect();
        graph::check_cycles(&components)?;
        self.check_nucleus(&components)?;
        let roots = self.groups.iter().flat_map(|(_, roots)| roots.keys().cloned()).collect();
        Ok(Resolution { components, roots })
    }

    /// At most one nucleus, and another minor version only if the deployment names it.
    fn check_nucleus(
        &self,
        components: &BTreeMap<ComponentName, ResolvedComponent>,
    ) -> Result<(), Resolve> {
        let mut nuclei =
            components.iter().filter(|(_, c)| c.component_type == ComponentType::Nucleus);
        let Some((name, nucleus)) = nuclei.next() else { return Ok(()) };
        if let Some((second, _)) = nuclei.next() {
            return Err(Resolve::SeveralNuclei(name.clone(), second.clone()));
        }
        let is_named = self.groups.first().is_some_and(|(_, own)| own.contains_key(name));
        match &self.running_nucleus {
            Some(running) if !is_named && !same_minor(running, &nucleus.version) => {
                Err(Resolve::NucleusVersion {
                    running: running.clone(),
                    resolved: nucleus.version.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}

fn same_minor(a: &Version, b: &Version) -> bool {
    (a.major(), a.minor()) == (b.major(), b.minor())
}

impl From<&Candidate> for ResolvedComponent {
    fn from(candidate: &Candidate) -> Self {
        let dependencies = candidate.dependencies.iter();
        Self {
            version: candidate.version.clone(),
            component_type: candidate.component_type,
            dependencies: dependencies.map(|(n, d)| (n.clone(), d.dependency_type)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
