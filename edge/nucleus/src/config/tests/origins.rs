//! Where each value comes from, through deployments, components, rollbacks and restarts.

use super::*;

const C: [&str; 3] = ["services", "c", "configuration"];

fn recipe(version: &str) -> Origin {
    Origin::Recipe { version: version.into() }
}

fn deployment(id: &str) -> Origin {
    Origin::Deployment { id: id.into(), target: "thinggroup/G:1".into() }
}

fn component() -> Origin {
    Origin::Component { name: "c".into() }
}

/// Deploys the component with these defaults and this update.
fn deploy(store: &ConfigStore, version: &str, id: &str, defaults: Value, update: Value, ts: i64) {
    let sources = Sources { recipe: recipe(version).into(), deployment: deployment(id).into() };
    let update = update.as_object().map(|update| (update, ts));
    let resolved = store.resolve_component("c", &defaults, &[], update, &sources).unwrap();
    store.transaction(|tx| tx.write_configuration("c", &resolved, ts)).unwrap();
}

/// Each value of the component as `path value`, with its origin.
fn explained(store: &ConfigStore) -> Vec<(String, Option<Origin>)> {
    let values = store.explain(&C).unwrap().into_iter();
    values.map(|v| (format!("{} {}", v.path.join("/"), v.value), v.origin)).collect()
}

fn expected(rows: &[(&str, Origin)]) -> Vec<(String, Option<Origin>)> {
    rows.iter().map(|(text, origin)| ((*text).to_owned(), Some(origin.clone()))).collect()
}

fn first_deployment() -> Fixture {
    let fixture = Fixture::new();
    let defaults = json!({"rate": 1, "mode": "slow", "net": {"port": 80}});
    deploy(&fixture.store, "1.0.0", "d1", defaults, json!({"rate": 5}), 100);
    fixture
}

#[test]
fn defaults_come_from_the_recipe_and_the_update_from_the_deployment() {
    let fixture = first_deployment();
    let rows = [
        ("mode \"slow\"", recipe("1.0.0")),
        ("net/port 80", recipe("1.0.0")),
        ("rate 5", deployment("d1")),
    ];
    assert_eq!(explained(&fixture.store), expected(&rows));
    assert_eq!(explained(&fixture.reopen().store), expected(&rows));
}

#[test]
fn a_later_deployment_claims_only_what_it_sets() {
    let fixture = first_deployment();
    let defaults = json!({"rate": 2, "mode": "slow", "net": {"port": 80, "tls": true}});
    deploy(&fixture.store, "2.0.0", "d2", defaults, json!({"mode": "fast"}), 200);
    let rows = [
        ("mode \"fast\"", deployment("d2")),
        ("net/port 80", recipe("1.0.0")),
        ("net/tls true", recipe("2.0.0")),
        ("rate 5", deployment("d1")),
    ];
    assert_eq!(explained(&fixture.store), expected(&rows));
}

#[test]
fn what_the_component_wrote_later_stays_its_own() {
    let fixture = first_deployment();
    let update = json!({"rate": 9});
    let update = update.as_object().unwrap();
    fixture.store.update_from_component("c", &[], update, 300, NOW).unwrap();
    deploy(&fixture.store, "1.0.0", "d2", json!({}), json!({"rate": 7, "mode": "fast"}), 200);
    let origin = |key| fixture.store.explain(&[C[0], C[1], C[2], key]).unwrap().remove(0).origin;
    assert_eq!(origin("rate"), Some(component()));
    assert_eq!(origin("mode"), Some(deployment("d2")));
    deploy(&fixture.store, "1.0.0", "d3", json!({}), json!({"rate": 8}), 400);
    assert_eq!(origin("rate"), Some(deployment("d3")));
}

#[test]
fn a_rollback_brings_the_origins_back() {
    let fixture = first_deployment();
    let before = fixture.store.snapshot();
    let rows = explained(&fixture.store);
    deploy(&fixture.store, "2.0.0", "d2", json!({}), json!({"rate": 6, "mode": "x"}), 200);
    assert_ne!(explained(&fixture.store), rows);
    fixture.store.restore(&before).unwrap();
    assert_eq!(explained(&fixture.store), rows);
}

#[tokio::test]
async fn a_new_origin_of_the_same_value_is_kept_and_no_watcher_is_woken() {
    let fixture = first_deployment();
    let mut watcher = fixture.store.watch(&C);
    deploy(&fixture.store, "1.0.0", "d2", json!({}), json!({"rate": 5}), 200);
    let woken = tokio::time::timeout(Duration::ZERO, watcher.changed()).await;
    assert!(woken.is_err(), "{woken:?}");
    let fixture = fixture.reopen();
    let rate = fixture.store.explain(&[C[0], C[1], C[2], "rate"]).unwrap().remove(0);
    assert_eq!((rate.modified, rate.origin), (200, Some(deployment("d2"))));
}

#[test]
fn a_journal_from_before_origins_were_kept_is_read() {
    let edits = json!([
        {"set": [["services", "c", "configuration", "old"], 1, 50]},
        {"touch": [["services", "c", "configuration", "old"], 60]},
    ]);
    let edits: Vec<edit::Edit> = serde_json::from_value(edits).unwrap();
    let mut root = Arc::default();
    edits.iter().for_each(|edit| edit.apply(&mut root));
    let snapshot: ConfigSnapshot = serde_json::from_value(json!({"a": [7, "x"]})).unwrap();
    assert_eq!(root.find(&["services", "c", "configuration", "old"]).unwrap().modified(), Some(60));
    assert_eq!(snapshot.get(&["a"]), Some(json!("x")));
}
