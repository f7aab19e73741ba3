//! Components with real processes, as the user who runs the tests.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex as StdMutex;

use marram_model::component_state::{ComponentState, StatusCode};
use marram_model::deployment::RunWith;
use marram_os::clock::SystemClock;
use marram_recipe::DependencyType;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::*;

mod closing;
mod dependencies;
mod hardness;
mod native;
mod resources;
mod steps;
mod users;

/// No wait in these tests takes longer, unless something is wrong.
const DEADLINE: Duration = Duration::from_secs(20);

/// A supervisor in a folder of its own.
struct Device {
    folder: tempfile::TempDir,
    config: ConfigStore,
    tokens: Tokens,
    supervisor: Supervisor,
}

impl Device {
    async fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap()).await
    }

    async fn in_folder(folder: tempfile::TempDir) -> Self {
        // As the runtime does at its start: processes that lost their parent stay in reach.
        marram_os::process::become_subreaper().unwrap();
        let paths = NucleusPaths::new(folder.path());
        let clock = SystemClock::shared();
        let config = ConfigStore::open(&paths, None, Arc::clone(&clock)).unwrap();
        // Whoever runs the tests, root included: components run as the same user.
        let user = marram_os::user::current().unwrap();
        let default = json!({"posixUser": format!("{}:{}", user.uid, user.gid)});
        let key = ["services", "aws.greengrass.Nucleus", "configuration", "runWithDefault"];
        config.merge(&key, &default, 1).unwrap();
        let tokens = Tokens::default();
        let supervisor = Supervisor::start(SupervisorSettings {
            paths,
            config: config.clone(),
            inherited: std::env::vars().collect(),
            environment: SharedEnvironment::default(),
            tokens: tokens.clone(),
            operations: crate::ipc::providers::Operations::default(),
            clock,
            scripts: None,
        })
        .await
        .unwrap();
        Self { folder, config, tokens, supervisor }
    }

    fn apply(&self, specs: impl IntoIterator<Item = ServiceSpec>) {
        let set = specs.into_iter().map(|spec| (spec.name.clone(), spec)).collect();
        self.supervisor.apply(set);
    }

    /// Applies and waits until all are where they shall be, or broken.
    async fn settle(&self, specs: impl IntoIterator<Item = ServiceSpec>) -> Settled {
        let specs: Vec<ServiceSpec> = specs.into_iter().collect();
        let names: Vec<ComponentName> = specs.iter().map(|spec| spec.name.clone()).collect();
        let since = self.supervisor.mark();
        self.apply(specs);
        let settled = self.supervisor.wait_settled(&names, since);
        tokio::time::timeout(DEADLINE, settled).await.unwrap()
    }

    /// A file in the working folder of a component.
    fn file(&self, component: &str, name: &str) -> PathBuf {
        self.folder.path().join("work").join(component).join(name)
    }

    fn read(&self, component: &str, name: &str) -> String {
        std::fs::read_to_string(self.file(component, name)).unwrap_or_default()
    }

    fn log(&self, component: &str) -> String {
        let path = self.folder.path().join("logs").join(format!("{component}.log"));
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// Sets a key of the nucleus's `logging`.
    fn set_logging(&self, logging: &Value) {
        let key = ["services", "aws.greengrass.Nucleus", "configuration", "logging"];
        self.config.merge(&key, logging, 2).unwrap();
    }

    /// The size of each file of a component's log, by name.
    fn log_files(&self, component: &str) -> BTreeMap<String, u64> {
        let entries = std::fs::read_dir(self.folder.path().join("logs")).unwrap();
        let files = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            // A file may be put aside at this very moment.
            Some((name, entry.metadata().map_or(0, |metadata| metadata.len())))
        });
        files.filter(|(name, _)| name.starts_with(component)).collect()
    }

    fn status(&self, component: &str) -> ComponentStatus {
        self.supervisor.status_of(component).unwrap()
    }

    async fn wait_for(&self, component: &str, state: ComponentState) {
        let reached =
            || self.supervisor.status_of(component).is_some_and(|status| status.state == state);
        until(&format!("{component} {state:?}"), reached).await;
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "never happened: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn name(text: &str) -> ComponentName {
    text.parse().unwrap()
}

/// A component of scripts.
fn spec(component: &str, lifecycle: Value) -> ServiceSpec {
    ServiceSpec {
        name: name(component),
        version: "1.0.0".parse().unwrap(),
        lifecycle: lifecycle.as_object().unwrap().clone(),
        dependencies: BTreeMap::new(),
        run_with: RunWith::default(),
        kind: ServiceKind::Generic,
    }
}

fn depending(spec: ServiceSpec, on: &str, kind: DependencyType) -> ServiceSpec {
    ServiceSpec { dependencies: BTreeMap::from([(name(on), kind)]), ..spec }
}

fn is_alive(pid: &str) -> bool {
    let pid: u32 = pid.trim().parse().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}
