//! The store's promises: durability, atomicity, watchers, files, rollback.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use marram_os::clock::SystemClock;

use super::*;

fn changed(watcher: &mut Watcher) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut paths = Vec::new();
        let wait = Duration::from_millis(20);
        while let Ok(Some(change)) = tokio::time::timeout(wait, watcher.changed()).await {
            paths.push(change.path.join("/"));
        }
        paths
    })
}

fn log_of(fixture: &Fixture) -> PathBuf {
    let folder = fixture.folder.path().join("config/journal");
    let logs = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    logs.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap()
}

#[test]
fn changes_survive_a_kill() {
    let fixture = Fixture::new();
    fixture.store.merge(&["services", "c"], &json!({"a": {"b": [1.1, null]}, "e": {}}), 5).unwrap();
    fixture.store.remove(&["services", "c", "a", "b"]).unwrap();
    let before = fixture.everything();
    assert_eq!(before, json!({"services": {"c": {"a": {}, "e": {}}}}));
    assert_eq!(fixture.reopen().everything(), before);
}

#[test]
fn torn_journal_gives_its_last_whole_change() {
    let fixture = Fixture::new();
    fixture.store.merge(&[], &json!({"first": 1}), 5).unwrap();
    fixture
        .store
        .transaction(|tx| {
            tx.merge(&["second"], &json!(2), 5)?;
            tx.merge(&["third"], &json!(3), 5)
        })
        .unwrap();
    let log = log_of(&fixture);
    let Fixture { folder, store } = fixture;
    drop(store);
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() - 3]).unwrap();
    let reopened = Fixture { store: open(&folder), folder };
    assert_eq!(reopened.everything(), json!({"first": 1}));
}

#[test]
fn failed_transaction_changes_nothing() {
    let fixture = Fixture::new();
    fixture.store.merge(&["a"], &json!(1), 5).unwrap();
    let deep = (0..200).fold(json!(1), |value, _| json!([value]));
    let error = fixture
        .store
        .transaction(|tx| {
            tx.merge(&["a"], &json!(2), 6)?;
            assert_eq!(tx.get(&["a"]), Some(json!(2)));
            tx.merge(&["b"], &deep, 6)
        })
        .unwrap_err();
    assert!(error.to_string().contains("nested deeper than 100"), "{error}");
    assert_eq!(fixture.everything(), json!({"a": 1}));
}

#[test]
fn long_journal_is_compacted() {
    let fixture = Fixture::new();
    let text = "x".repeat(64 * 1024);
    for count in 0..40 {
        fixture.store.merge(&["a"], &json!(format!("{count}{text}")), 5).unwrap();
    }
    let length = std::fs::metadata(log_of(&fixture)).unwrap().len();
    assert!(length < 2 * 1024 * 1024, "{length}");
    let before = fixture.everything();
    assert_eq!(fixture.reopen().everything(), before);
}

#[test]
fn watcher_gets_one_change_for_each_changed_leaf() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store.merge(&["c"], &json!({"same": 1, "list": [1], "map": {"x": 1}}), 5).unwrap();
    let mut watcher = store.watch(&["C"]);
    let mut other = store.watch(&["d"]);
    assert_eq!(changed(&mut watcher), Vec::<String>::new());
    let value = json!({"same": 1, "list": [2], "map": {"x": 2, "y": 1}});
    store.merge(&["c"], &value, 6).unwrap();
    assert_eq!(changed(&mut watcher), ["c/list", "c/map/x", "c/map/y"]);
    store.remove(&["c", "map"]).unwrap();
    assert_eq!(changed(&mut watcher), ["c/map"]);
    store.merge(&["c", "list"], &json!({}), 6).unwrap();
    assert_eq!(changed(&mut watcher), ["c/list"]);
    assert_eq!(changed(&mut other), Vec::<String>::new());
}

#[test]
fn watcher_of_a_leaf_hears_when_its_parent_goes() {
    let fixture = Fixture::new();
    fixture.store.merge(&["c"], &json!({"map": {"x": 1}}), 5).unwrap();
    let mut watcher = fixture.store.watch(&["c", "map", "x"]);
    fixture.store.remove(&["c"]).unwrap();
    assert_eq!(changed(&mut watcher), ["c"]);
}

#[test]
fn full_watcher_is_told_to_read_everything_again() {
    let fixture = Fixture::new();
    let mut watcher = fixture.store.watch(&["c"]);
    let many: Map<String, Value> = (0..400).map(|n| (format!("k{n}"), json!(n))).collect();
    fixture.store.merge(&["c"], &Value::Object(many), 5).unwrap();
    let paths = changed(&mut watcher);
    assert_eq!(paths.len(), 257);
    assert_eq!(paths[256], "c");
    fixture.store.merge(&["c", "k0"], &json!("again"), 6).unwrap();
    assert_eq!(changed(&mut watcher), ["c/k0"]);
}

#[test]
fn c1_1_first_start_reads_config_yaml_and_later_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("config")).unwrap();
    let yaml = folder.path().join("config/config.yaml");
    std::fs::write(&yaml, "system: {thingName: First}").unwrap();
    let fixture = Fixture { store: open(&folder), folder };
    assert_eq!(fixture.store.get(&["system", "thingName"]), Some(json!("First")));
    std::fs::write(&yaml, "system: {thingName: Second}").unwrap();
    let fixture = fixture.reopen();
    assert_eq!(fixture.store.get(&["system", "thingName"]), Some(json!("First")));
}

#[test]
fn c1_1_init_config_wins_when_it_is_newer_than_the_values() {
    let folder = tempfile::tempdir().unwrap();
    let paths = NucleusPaths::new(folder.path());
    let init = |thing: &str, modified_ms: i64| {
        let origin = Arc::new(Origin::File { path: "init.yaml".into() });
        let value = json!({"system": {"thingName": thing}});
        Some(InitialConfig { value, modified_ms, origin })
    };
    let start = |init| {
        let clock = ManualClock::at_ms(NOW).shared();
        let store = ConfigStore::open(&paths, init, clock).unwrap();
        store.get(&["system", "thingName"]).unwrap()
    };
    assert_eq!(start(init("A", 100)), json!("A"));
    assert_eq!(start(init("B", 50)), json!("A"));
    assert_eq!(start(init("C", 200)), json!("C"));
}

#[test]
fn c1_1_effective_config_has_services_and_system_without_private_keys() {
    let fixture = Fixture::new();
    let value = json!({
        "system": {"thingName": "T", "_secret": 1},
        "services": {"c": {"_private": {"a": 1}, "configuration": {"list": [{"_kept": 1}]}}},
        "other": 1,
    });
    fixture.store.merge(&[], &value, 5).unwrap();
    fixture.store.commit().unwrap();
    let path = fixture.folder.path().join("config/effectiveConfig.yaml");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "it may hold what components keep secret");
    let written: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(
        written,
        json!({
            "system": {"thingName": "T"},
            "services": {"c": {"configuration": {"list": [{"_kept": 1}]}}},
        })
    );
}

#[tokio::test(start_paused = true)]
async fn effective_config_follows_changes() {
    let fixture = Fixture::new();
    let store = fixture.store.clone();
    let keeper = tokio::spawn(async move { store.keep_effective_config().await });
    fixture.store.merge(&["system", "thingName"], &json!("Followed"), 5).unwrap();
    let path = fixture.folder.path().join("config/effectiveConfig.yaml");
    let written = async {
        while !std::fs::read_to_string(&path).unwrap_or_default().contains("Followed") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), written).await.unwrap();
    keeper.abort();
}

#[test]
fn b5_8_rollback_restores_components_and_leaves_the_rest() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let before = json!({
        "system": {"thingName": "T"},
        "services": {
            "a": {"version": "1", "configuration": {"r": 1}, "runtime": {"n": 1}},
            "gone": {"version": "1"},
            "DeploymentService": {"stage": "old"},
        },
    });
    store.merge(&[], &before, 100).unwrap();
    let snapshot = store.snapshot();
    let written = serde_json::to_vec(&snapshot).unwrap();
    store.remove(&["services", "gone"]).unwrap();
    let after = json!({
        "system": {"thingName": "U"},
        "services": {
            "a": {"version": "2", "configuration": {"r": 2}, "runtime": {"n": 2}},
            "new": {"version": "1"},
            "DeploymentService": {"stage": "rolling back"},
        },
    });
    store.merge(&[], &after, 200).unwrap();
    let read: ConfigSnapshot = serde_json::from_slice(&written).unwrap();
    assert_eq!(read, snapshot);
    store.restore(&read).unwrap();
    assert_eq!(
        fixture.everything(),
        json!({
            "system": {"thingName": "U"},
            "services": {
                "a": {"version": "1", "configuration": {"r": 1}, "runtime": {"n": 2}},
                "gone": {"version": "1"},
                "DeploymentService": {"stage": "rolling back"},
            },
        })
    );
    assert_eq!(store.modified(&["services", "a", "version"]), Some(100));
}

#[test]
fn a_store_that_is_looked_at_shows_what_is_kept_and_refuses_changes() {
    let fixture = Fixture::new();
    fixture.store.merge(&["system", "thingName"], &json!("core1"), 5).unwrap();
    let paths = NucleusPaths::new(fixture.folder.path());
    let looked = ConfigStore::look(&paths, SystemClock::shared()).unwrap();
    assert_eq!(looked.get(&["system", "thingname"]), Some(json!("core1")));
    let error = looked.merge(&["system", "x"], &json!(1), 6).unwrap_err();
    assert!(matches!(error, ChangeConfig::OnlyLookedAt), "{error}");
    fixture.store.merge(&["system", "thingName"], &json!("core2"), 7).unwrap();
    assert_eq!(looked.get(&["system", "thingName"]), Some(json!("core1")), "one moment");
}

#[test]
fn before_the_first_start_config_yaml_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let paths = NucleusPaths::new(folder.path());
    std::fs::create_dir(paths.config()).unwrap();
    std::fs::write(paths.config_yaml(), "system: {thingName: core1}").unwrap();
    let looked = ConfigStore::look(&paths, SystemClock::shared()).unwrap();
    assert_eq!(looked.get(&["system", "thingName"]), Some(json!("core1")));
    assert_eq!(std::fs::read_dir(paths.config()).unwrap().count(), 1, "nothing was written");
}
