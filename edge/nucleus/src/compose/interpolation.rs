//! Fills the variables of a whole deployment in: all configurations first, then all lifecycles,
//! so that no lifecycle sees a configuration that is half done (recipes and deployments, A6).

use std::collections::BTreeMap;

use marram_model::ComponentName;
use marram_recipe::interpolate::{Facts, Scope, Unresolved, Variables, interpolate};
use serde_json::Value;

use super::{CONFIGURATION, Composer, Draft, SERVICES};
use crate::resolve::NUCLEUS;

const FLAG: &str = "interpolateComponentConfiguration";

/// What the variables of a deployment stand for.
pub(super) struct Interpolation<'a> {
    root: String,
    thing_name: &'a str,
    facts: BTreeMap<ComponentName, Facts>,
}

impl<'a> Interpolation<'a> {
    /// Gathers what variables stand for, and fills in those of the configurations if the nucleus
    /// is told to.
    pub(super) fn of(
        composer: &Composer<'a>,
        drafts: &mut BTreeMap<&ComponentName, Draft<'_>>,
    ) -> Self {
        let paths = composer.paths;
        let facts = drafts.iter().map(|(&name, draft)| {
            let version = &draft.component.version;
            let facts = Facts {
                configuration: draft.configuration.value.clone(),
                artifacts: paths.artifacts(name, version),
                unarchived: paths.unarchived(name, version),
                work: paths.work(name),
            };
            (name.clone(), facts)
        });
        let mut interpolation = Self {
            root: paths.root().display().to_string(),
            thing_name: composer.thing_name,
            facts: facts.collect(),
        };
        if is_asked_for(composer, drafts) {
            interpolation.fill_configurations(drafts);
        }
        interpolation
    }

    fn fill_configurations(&mut self, drafts: &mut BTreeMap<&ComponentName, Draft<'_>>) {
        for (&name, draft) in drafts.iter_mut() {
            let value = &draft.configuration.value;
            draft.configuration.value = self.fill(name, draft, value, Variables::SystemOnly);
        }
        for (name, facts) in &mut self.facts {
            if let Some(draft) = drafts.get(name) {
                facts.configuration = draft.configuration.value.clone();
            }
        }
    }

    /// The lifecycle of a component with its variables filled in.
    pub(super) fn lifecycle(&self, name: &ComponentName, draft: &Draft<'_>) -> Value {
        let lifecycle = Value::Object(draft.recipe.lifecycle.clone());
        self.fill(name, draft, &lifecycle, Variables::All)
    }

    fn fill(
        &self,
        name: &ComponentName,
        draft: &Draft<'_>,
        value: &Value,
        variables: Variables,
    ) -> Value {
        let Some(own) = self.facts.get(name) else { return value.clone() };
        let dependencies = draft
            .component
            .dependencies
            .keys()
            .filter_map(|on| Some((on.as_str(), self.facts.get(on)?)))
            .collect();
        let scope = Scope {
            own,
            dependencies: &dependencies,
            root: &self.root,
            thing_name: self.thing_name,
            variables,
        };
        let (filled, unresolved) = interpolate(value, &scope);
        for Unresolved { placeholder, reason } in unresolved {
            tracing::warn!(component = %name, placeholder, reason, "a variable stays as it is");
        }
        filled
    }
}

/// The flag of the nucleus's configuration as it will be; the running one if the nucleus is not
/// part of the deployment.
fn is_asked_for(composer: &Composer<'_>, drafts: &BTreeMap<&ComponentName, Draft<'_>>) -> bool {
    let nucleus = drafts.iter().find(|(name, _)| name.as_str() == NUCLEUS);
    let flag = match nucleus {
        Some((_, draft)) => draft.configuration.value.get(FLAG).cloned(),
        None => composer.config.get(&[SERVICES, NUCLEUS, CONFIGURATION, FLAG]),
    };
    match flag {
        Some(Value::Bool(flag)) => flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}
