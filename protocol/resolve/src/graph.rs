//! Whether components need each other.

use std::collections::{BTreeMap, BTreeSet};

use marram_model::ComponentName;

use super::{Resolve, ResolvedComponent};

/// Refuses components that, directly or not, depend on themselves; hard and soft alike.
pub(super) fn check_cycles(
    components: &BTreeMap<ComponentName, ResolvedComponent>,
) -> Result<(), Resolve> {
    let mut walk = Walk { components, done: BTreeSet::new() };
    components.keys().try_for_each(|start| walk.from(start))
}

struct Walk<'a> {
    components: &'a BTreeMap<ComponentName, ResolvedComponent>,
    /// Components below which there is no cycle.
    done: BTreeSet<&'a ComponentName>,
}

/// A component on the way, with the dependencies of it that are still to be looked at.
struct OnTheWay<'a> {
    component: &'a ComponentName,
    open: Vec<&'a ComponentName>,
}

impl<'a> Walk<'a> {
    /// Depth first, with the way kept on the heap: a chain may be as long as there are components.
    fn from(&mut self, start: &'a ComponentName) -> Result<(), Resolve> {
        let mut way = vec![self.enter(start)];
        while let Some(top) = way.last_mut() {
            let Some(next) = top.open.pop() else {
                self.done.insert(top.component);
                way.pop();
                continue;
            };
            if let Some(at) = way.iter().position(|step| step.component == next) {
                let cycle = way[at..].iter().map(|step| step.component).chain([next]);
                return Err(Resolve::Circular(cycle.cloned().collect()));
            }
            if !self.done.contains(next) {
                way.push(self.enter(next));
            }
        }
        Ok(())
    }

    fn enter(&self, component: &'a ComponentName) -> OnTheWay<'a> {
        let resolved = self.components.get(component);
        let open = resolved.into_iter().flat_map(|r| r.dependencies.keys()).collect();
        OnTheWay { component, open }
    }
}
