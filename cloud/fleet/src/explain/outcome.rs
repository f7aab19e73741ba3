//! The resolver's run for devices that are alike, put into words.

use std::collections::{BTreeMap, BTreeSet};

use marram_aws::ApiError;
use marram_aws::greengrassv2::ComponentCandidate;
use marram_model::{ComponentName, Version};
use marram_recipe::platform::Attributes;
use marram_resolve::{Candidate, Next, Query, Requirements, Resolution, Resolve, Resolver};
use marram_store::Reader;

use super::facts::{Deployed, Facts};
use super::shapes::{
    Brought, Change, ChangedComponent, Outcome, Problem, Reason, Reported, Requirer,
};
use crate::fleet::Fleet;

/// How a resolution ended.
enum Ended {
    Well(Resolution),
    Badly(Problem),
}

impl Fleet {
    /// What becomes of devices with these facts.
    pub(super) async fn outcome(
        &self,
        reader: &mut Reader,
        explained: &Deployed,
        facts: &Facts,
    ) -> Result<Outcome, ApiError> {
        let deployed = || std::iter::once(explained).chain(facts.others.values());
        let roots = deployed().map(|d| (d.target.clone(), d.roots.clone())).collect();
        let running = facts.reported.as_ref().and_then(|r| r.core_version.parse().ok());
        let mut resolver = Resolver::new(&explained.target, roots, running);
        let ended = self.resolve_all(reader, &mut resolver, facts).await?;
        let mut outcome = Outcome {
            reported: facts.reported.clone(),
            deployments: deployed().map(brought).collect(),
            ..Outcome::default()
        };
        match ended {
            Ended::Badly(problem) => outcome.problem = Some(problem),
            Ended::Well(resolution) => {
                let table = resolver.required();
                outcome.components = changes(&resolution, &table, explained, facts);
            }
        }
        Ok(outcome)
    }

    async fn resolve_all(
        &self,
        reader: &mut Reader,
        resolver: &mut Resolver,
        facts: &Facts,
    ) -> Result<Ended, ApiError> {
        let attributes = facts.reported.as_ref().map(attributes_of);
        loop {
            let query = match resolver.next() {
                Ok(Next::Done(resolution)) => return Ok(Ended::Well(resolution)),
                Ok(Next::Query(query)) => query,
                Err(error) => return Ok(Ended::Badly(problem(resolver, &error))),
            };
            let candidate = candidate_of(&query, facts);
            let recipe = match self.find_version(reader, &candidate, attributes.as_ref()).await? {
                Ok(found) => found.recipe,
                Err(message) => {
                    let component_name = Some(query.component.to_string());
                    let requirements = requirers(&query.requirements);
                    return Ok(Ended::Badly(Problem { message, component_name, requirements }));
                }
            };
            if let Err(error) = resolver.answer(&query, Candidate::from(&recipe)) {
                return Ok(Ended::Badly(problem(resolver, &error)));
            }
        }
    }
}

/// As the device would ask.
fn candidate_of(query: &Query, facts: &Facts) -> ComponentCandidate {
    let requirements = query.requirements.iter();
    ComponentCandidate {
        component_name: query.component.to_string(),
        component_version: facts.installed.get(&query.component).map(Version::to_string),
        version_requirements: requirements.map(|(by, r)| (by.clone(), r.to_string())).collect(),
    }
}

/// As the device describes itself.
fn attributes_of(reported: &Reported) -> Attributes {
    [
        ("os", &reported.platform),
        ("architecture", &reported.architecture),
        ("runtime", &reported.runtime),
    ]
    .map(|(key, value)| (key.to_owned(), value.clone()))
    .into()
}

fn problem(resolver: &Resolver, error: &Resolve) -> Problem {
    let component = match error {
        Resolve::NoVersion { component, .. }
        | Resolve::Unsuitable { component, .. }
        | Resolve::Unsettled { component } => Some(component),
        _ => None,
    };
    let table = resolver.required();
    Problem {
        message: error.to_string(),
        component_name: component.map(ComponentName::to_string),
        requirements: component.and_then(|c| table.get(c)).map(requirers).unwrap_or_default(),
    }
}

fn requirers(requirements: &Requirements) -> Vec<Requirer> {
    let requirements = requirements.iter();
    requirements
        .map(|(by, requirement)| Requirer { by: by.clone(), requirement: requirement.to_string() })
        .collect()
}

fn brought(deployed: &Deployed) -> Brought {
    Brought {
        target: deployed.target.clone(),
        deployment_id: deployed.id.clone(),
        components: deployed.roots.keys().map(ComponentName::to_string).collect(),
    }
}

fn changes(
    resolution: &Resolution,
    table: &BTreeMap<ComponentName, Requirements>,
    explained: &Deployed,
    facts: &Facts,
) -> Vec<ChangedComponent> {
    let deployed = || std::iter::once(explained).chain(facts.others.values());
    let reach: Vec<(&str, BTreeSet<&ComponentName>)> =
        deployed().map(|d| (d.target.as_str(), reached(resolution, &d.roots))).collect();
    let names: BTreeSet<&ComponentName> =
        resolution.components.keys().chain(facts.installed.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        let version = resolution.components.get(name).map(|component| &component.version);
        let had = facts.installed.get(name);
        // The nucleus is there without being deployed, and stays.
        if version.is_none() && name.as_str() == marram_resolve::NUCLEUS {
            continue;
        }
        let is_pinned = deployed().any(|d| d.roots.contains_key(name));
        let bringing = reach.iter().filter(|(_, reached)| reached.contains(name));
        changes.push(ChangedComponent {
            component_name: name.to_string(),
            change: change(had, version),
            installed_version: had.map(Version::to_string),
            component_version: version.map(Version::to_string),
            reason: version.map(|version| match had {
                _ if is_pinned => Reason::Pinned,
                Some(had) if had == version => Reason::Installed,
                _ => Reason::Newest,
            }),
            requirements: table.get(name).map(requirers).unwrap_or_default(),
            brought_by: bringing.map(|(target, _)| (*target).to_owned()).collect(),
            is_configured: explained.configured.iter().any(|one| one == name.as_str()),
        });
    }
    changes
}

fn change(had: Option<&Version>, version: Option<&Version>) -> Change {
    match (had, version) {
        (None, _) => Change::Install,
        (Some(_), None) => Change::Remove,
        (Some(had), Some(version)) => match version.cmp(had) {
            std::cmp::Ordering::Greater => Change::Upgrade,
            std::cmp::Ordering::Less => Change::Downgrade,
            std::cmp::Ordering::Equal => Change::None,
        },
    }
}

/// The roots and all that they need.
fn reached<'r>(
    resolution: &'r Resolution,
    roots: &'r BTreeMap<ComponentName, Version>,
) -> BTreeSet<&'r ComponentName> {
    let mut open: Vec<&ComponentName> = roots.keys().collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        if seen.insert(name) {
            let component = resolution.components.get(name);
            open.extend(component.into_iter().flat_map(|c| c.dependencies.keys()));
        }
    }
    seen
}
