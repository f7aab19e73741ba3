//! The rules of B6 and the store's promises, by their conformance numbers.

use marram_os::clock::ManualClock;
use serde_json::json;

use super::*;

mod commit;
mod component;
mod damage;
mod merge;
mod origins;
mod replay;
mod store;

/// A deployment `d` that finds recipes of version 1.0.0.
fn sources() -> Sources {
    let deployment = Origin::Deployment { id: "d".into(), target: "thinggroup/G:1".into() };
    let recipe = Origin::Recipe { version: "1.0.0".into() };
    Sources { recipe: Arc::new(recipe), deployment: Arc::new(deployment) }
}

/// A store in a folder of its own.
struct Fixture {
    folder: tempfile::TempDir,
    store: ConfigStore,
}

const NOW: i64 = 1_000_000;

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        Self { folder, store }
    }

    /// Ends the store as a kill would, and opens it again.
    fn reopen(self) -> Self {
        let Self { folder, store } = self;
        // The thread that writes may still have to let go of it.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while Arc::strong_count(&store.shared) > 1 && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        drop(store);
        let store = open(&folder);
        Self { folder, store }
    }

    fn everything(&self) -> Value {
        self.store.get(&[]).unwrap()
    }
}

fn open(folder: &tempfile::TempDir) -> ConfigStore {
    let clock = ManualClock::at_ms(NOW).shared();
    ConfigStore::open(&NucleusPaths::new(folder.path()), None, clock).unwrap()
}

impl ConfigStore {
    /// A component's update, durable when it returns.
    pub(crate) fn update_from_component(
        &self,
        component: &str,
        key_path: &[String],
        value: &Map<String, Value>,
        timestamp: i64,
        now: i64,
    ) -> Result<(), UpdateConfiguration> {
        let update = ComponentUpdate { component, key_path, value, timestamp, now };
        update.check()?;
        self.transaction(|tx| tx.update_component(&update))
            .unwrap_or_else(|error| Err(UpdateConfiguration::NotKept(error)))
    }
}
