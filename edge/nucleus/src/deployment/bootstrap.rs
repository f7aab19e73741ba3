//! The bootstrap steps of one deployment, and how far they are (recipes and deployments, A7.10).
//!
//! Pure, and kept with the deployment: a task that is done is never run again, whatever restarts
//! came between.

use std::collections::{BTreeMap, BTreeSet};

use marram_model::ComponentName;
use marram_os::process::Exit;
use serde::{Deserialize, Serialize};

use crate::nucleus::Restart;

/// The exit code that asks for a restart of the nucleus.
const RESTART: i32 = 100;
/// The exit code that asks for a restart of the device.
const REBOOT: i32 = 101;

/// The bootstrap step of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    component_name: ComponentName,
    status: TaskStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum TaskStatus {
    Pending,
    /// Begun, so that it is begun again, and a rollback knows of it.
    Started,
    Done,
}

/// All of them, in the order in which they run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootstrapTasks(Vec<Task>);

/// What follows from the end of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The next one runs, or the step is over.
    GoOn,
    /// This comes before the next task.
    Restart(Restart),
    /// It has failed.
    Failed,
}

impl BootstrapTasks {
    /// Tasks that have all still to run, in this order.
    pub(crate) fn new(order: impl IntoIterator<Item = ComponentName>) -> Self {
        let pending =
            |component_name| Task { component_name, status: TaskStatus::Pending, exit_code: None };
        Self(order.into_iter().map(pending).collect())
    }

    /// True if there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The component whose task is next; it counts as started from now on.
    pub(crate) fn start_next(&mut self) -> Option<ComponentName> {
        let task = self.0.iter_mut().find(|task| task.status != TaskStatus::Done)?;
        task.status = TaskStatus::Started;
        Some(task.component_name.clone())
    }

    /// The task of this component has ended. Only one that succeeded is done.
    pub(crate) fn end(&mut self, component: &ComponentName, exit: Exit) -> After {
        let restart = match exit {
            Exit::Code(0) => None,
            Exit::Code(RESTART) => Some(Restart::Nucleus),
            Exit::Code(REBOOT) => Some(Restart::Device),
            Exit::Code(_) | Exit::Signal(_) => return After::Failed,
        };
        let Exit::Code(code) = exit else { return After::Failed };
        for task in self.0.iter_mut().filter(|task| task.component_name == *component) {
            task.status = TaskStatus::Done;
            task.exit_code = Some(code);
        }
        match restart {
            // After the last one the nucleus restarts anyway.
            Some(restart) if self.0.iter().any(|task| task.status != TaskStatus::Done) => {
                After::Restart(restart)
            }
            _ => After::GoOn,
        }
    }

    /// What the last one asked for: at least the restart that follows all of them.
    pub(crate) fn final_restart(&self) -> Restart {
        match self.0.last() {
            Some(task) if task.exit_code == Some(REBOOT) => Restart::Device,
            _ => Restart::Nucleus,
        }
    }

    /// Components whose task has begun, whatever became of it.
    pub(crate) fn started(&self) -> BTreeSet<ComponentName> {
        let started = self.0.iter().filter(|task| task.status != TaskStatus::Pending);
        started.map(|task| task.component_name.clone()).collect()
    }
}

/// `names` so that each comes after those of them that it needs, directly or through others. By
/// name where that leaves a choice; cycles, which the resolver refuses, are cut anywhere.
pub(crate) fn in_dependency_order(
    names: &BTreeSet<ComponentName>,
    needs: &BTreeMap<ComponentName, BTreeSet<ComponentName>>,
) -> Vec<ComponentName> {
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for name in names {
        visit(name, needs, &mut seen, &mut order);
    }
    order.retain(|name| names.contains(name));
    order
}

fn visit(
    name: &ComponentName,
    needs: &BTreeMap<ComponentName, BTreeSet<ComponentName>>,
    seen: &mut BTreeSet<ComponentName>,
    order: &mut Vec<ComponentName>,
) {
    if !seen.insert(name.clone()) {
        return;
    }
    for needed in needs.get(name).into_iter().flatten() {
        visit(needed, needs, seen, order);
    }
    order.push(name.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ComponentName {
        text.parse().unwrap()
    }

    fn tasks(names: &[&str]) -> BootstrapTasks {
        BootstrapTasks::new(names.iter().map(|text| name(text)))
    }

    #[test]
    fn a7_10_done_tasks_are_not_run_again_and_a_started_one_is() {
        let mut all = tasks(&["a", "b"]);
        assert_eq!(all.start_next(), Some(name("a")));
        assert_eq!(all.end(&name("a"), Exit::Code(0)), After::GoOn);
        assert_eq!(all.start_next(), Some(name("b")));
        let saved = serde_json::to_string(&all).unwrap();
        let mut all: BootstrapTasks = serde_json::from_str(&saved).unwrap();
        assert_eq!(all.start_next(), Some(name("b")), "cut off in the middle: {saved}");
        all.end(&name("b"), Exit::Code(0));
        assert_eq!(all.start_next(), None);
    }

    #[test]
    fn a7_10_100_and_101_act_at_once_if_more_follows() {
        for (code, restart) in [(100, Restart::Nucleus), (101, Restart::Device)] {
            let mut all = tasks(&["a", "b"]);
            all.start_next();
            assert_eq!(all.end(&name("a"), Exit::Code(code)), After::Restart(restart));
            assert_eq!(all.start_next(), Some(name("b")));
            assert_eq!(all.end(&name("b"), Exit::Code(0)), After::GoOn);
            assert_eq!(all.final_restart(), Restart::Nucleus, "the reboot has been");
        }
    }

    #[test]
    fn a7_10_the_last_one_joins_the_restart_that_comes_anyway() {
        for (code, restart) in
            [(0, Restart::Nucleus), (100, Restart::Nucleus), (101, Restart::Device)]
        {
            let mut all = tasks(&["a"]);
            all.start_next();
            assert_eq!(all.end(&name("a"), Exit::Code(code)), After::GoOn);
            assert_eq!(all.final_restart(), restart);
        }
    }

    #[test]
    fn a7_10_every_other_end_is_a_failure_and_leaves_the_task_undone() {
        for exit in [Exit::Code(1), Exit::Code(99), Exit::Signal(9)] {
            let mut all = tasks(&["a", "b"]);
            all.start_next();
            assert_eq!(all.end(&name("a"), exit), After::Failed);
            assert_eq!(all.start_next(), Some(name("a")));
            assert_eq!(all.started(), [name("a")].into());
        }
    }

    #[test]
    fn a7_10_tasks_run_after_those_that_their_components_need() {
        let needs = |list: &[(&str, &[&str])]| {
            let pairs = list.iter();
            pairs.map(|(n, on)| (name(n), on.iter().map(|on| name(on)).collect())).collect()
        };
        let names = |list: &[&str]| list.iter().map(|text| name(text)).collect::<BTreeSet<_>>();
        let through_another = needs(&[("a", &["m"]), ("m", &["z"]), ("b", &["a"])]);
        let order = in_dependency_order(&names(&["a", "b", "z"]), &through_another);
        assert_eq!(order, [name("z"), name("a"), name("b")]);
        let cycle = needs(&[("a", &["b"]), ("b", &["a"])]);
        assert_eq!(in_dependency_order(&names(&["a", "b"]), &cycle).len(), 2);
    }
}
