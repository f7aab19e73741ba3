//! "Configuration merge", cases 1 to 10: each deployment resolves and writes as the nucleus does.

use super::*;

const COMPONENT: &str = "com.example.C";

/// One component through several deployments.
struct Device {
    fixture: Fixture,
}

impl Device {
    fn new() -> Self {
        Self { fixture: Fixture::new() }
    }

    fn deploy(&self, defaults: Value, reset: &[&str], update: Option<Value>, ts: i64) -> Value {
        let store = &self.fixture.store;
        let reset: Vec<String> = reset.iter().map(|&pointer| pointer.to_owned()).collect();
        let update = update.map(|update| update.as_object().unwrap().clone());
        let update = update.as_ref().map(|update| (update, ts));
        let resolved =
            store.resolve_component(COMPONENT, &defaults, &reset, update, &sources()).unwrap();
        store.transaction(|tx| tx.write_configuration(COMPONENT, &resolved, ts)).unwrap();
        self.configuration()
    }

    fn configuration(&self) -> Value {
        self.fixture.store.get(&["services", COMPONENT, "configuration"]).unwrap()
    }

    fn component_writes(&self, value: Value, ts: i64) {
        let value = value.as_object().unwrap();
        self.fixture.store.update_from_component(COMPONENT, &[], value, ts, NOW).unwrap();
    }
}

#[test]
fn merge_01_defaults_merge_then_reset_with_merge() {
    let device = Device::new();
    let defaults = json!({
        "name": null, "mode": "REQUEST",
        "network": {"useHttps": true, "port": {"http": 80, "https": 443}}, "tags": [],
    });
    let merge = json!({
        "name": "Factory 2A", "network": {"useHttps": false, "port": {"http": 8080}},
        "tags": ["a", "b", "c", "d"],
    });
    assert_eq!(
        device.deploy(defaults.clone(), &[], Some(merge), 100),
        json!({
            "name": "Factory 2A", "mode": "REQUEST",
            "network": {"useHttps": false, "port": {"http": 8080, "https": 443}},
            "tags": ["a", "b", "c", "d"],
        })
    );
    let reset = ["/network/useHttps", "/tags"];
    assert_eq!(
        device.deploy(defaults, &reset, Some(json!({"tags": ["x"]})), 200),
        json!({
            "name": "Factory 2A", "mode": "REQUEST",
            "network": {"useHttps": true, "port": {"http": 8080, "https": 443}}, "tags": ["x"],
        })
    );
}

#[test]
fn merge_02_reset_of_everything() {
    let device = Device::new();
    device.deploy(json!({"d": 1}), &[], Some(json!({"d": 2, "old": true})), 100);
    let after =
        device.deploy(json!({"d": 1}), &["", "/never/looked/at"], Some(json!({"a": 1})), 200);
    assert_eq!(after, json!({"d": 1, "a": 1}));
}

#[test]
fn merge_03_reset_of_what_is_not_there() {
    let device = Device::new();
    device.deploy(json!({"tags": ["a"], "ports": {"80": "b"}}), &[], None, 100);
    device.component_writes(json!({"ports": {"80": "a"}}), 150);
    let defaults = json!({"tags": ["z"], "ports": {"80": "b"}});
    let after = device.deploy(defaults.clone(), &["/nope", "/tags/0"], None, 200);
    assert_eq!(after, json!({"tags": ["a"], "ports": {"80": "a"}}));
    let after = device.deploy(defaults, &["/ports/80"], None, 300);
    assert_eq!(after, json!({"tags": ["a"], "ports": {"80": "b"}}));
}

#[test]
fn merge_03_reset_wins_over_what_the_component_wrote_later() {
    let device = Device::new();
    device.deploy(json!({"r": 1}), &[], None, 100);
    device.component_writes(json!({"r": 9}), 500);
    assert_eq!(device.deploy(json!({"r": 1}), &["/r"], None, 200), json!({"r": 1}));
}

#[test]
fn merge_03_pointer_without_slash_fails_the_deployment() {
    let device = Device::new();
    let reset = ["rate".to_owned()];
    let store = &device.fixture.store;
    let resolved = store.resolve_component(COMPONENT, &json!({}), &reset, None, &sources());
    let error = resolved.unwrap_err().to_string();
    assert!(error.contains("`rate`") && error.contains(COMPONENT), "{error}");
}

#[test]
fn merge_04_null_stays_null() {
    let device = Device::new();
    let object = json!({"k": {"x": 1}});
    assert_eq!(
        device.deploy(object.clone(), &[], Some(json!({"k": null})), 100),
        json!({"k": null})
    );
    assert_eq!(device.deploy(object, &[], None, 200), json!({"k": null}));
    let scalar = Device::new();
    scalar.deploy(json!({"k": 1}), &[], Some(json!({"k": null})), 100);
    assert_eq!(scalar.deploy(json!({"k": 1}), &[], None, 200), json!({"k": null}));
}

#[test]
fn merge_05_new_default_fills_only_what_is_missing() {
    let device = Device::new();
    device.deploy(json!({"r": 1}), &[], None, 100);
    let second = json!({"r": 2, "s": 3});
    assert_eq!(device.deploy(second.clone(), &[], None, 200), json!({"r": 1, "s": 3}));
    assert_eq!(device.deploy(second.clone(), &["/r"], None, 300), second);
}

#[test]
fn merge_06_later_write_of_the_component_wins() {
    let device = Device::new();
    device.deploy(json!({"r": 1}), &[], None, 50);
    device.component_writes(json!({"r": 9}), 200);
    assert_eq!(device.deploy(json!({"r": 1}), &[], Some(json!({"r": 5})), 100), json!({"r": 9}));
    assert_eq!(device.deploy(json!({"r": 1}), &[], Some(json!({"r": 5})), 300), json!({"r": 5}));
}

#[test]
fn merge_07_keys_have_no_case_and_keep_the_first() {
    let device = Device::new();
    let after = device.deploy(json!({"Rate": 1}), &[], Some(json!({"rate": 2})), 100);
    assert_eq!(after, json!({"Rate": 2}));
    let path = ["SERVICES", "COM.example.c", "Configuration", "RATE"];
    let node = device.fixture.store.get_node(&path).unwrap();
    assert_eq!(node, ConfigNode { name: "Rate".to_owned(), value: json!(2), modified: Some(100) });
}

#[test]
fn merge_08_component_without_update_gets_its_defaults() {
    assert_eq!(Device::new().deploy(json!({"a": 1}), &[], None, 100), json!({"a": 1}));
}

#[test]
fn merge_09_removed_component_starts_from_defaults() {
    let device = Device::new();
    device.deploy(json!({"a": 1}), &[], Some(json!({"a": 2, "b": 3})), 100);
    device.fixture.store.remove(&["services", COMPONENT]).unwrap();
    assert_eq!(device.deploy(json!({"a": 1}), &[], None, 50), json!({"a": 1}));
}

#[test]
fn merge_10_access_control_merges_by_policy() {
    let device = Device::new();
    let policy = |id: &str, policy: Value| json!({"accessControl": {"ipc": {id: policy}}});
    let first = json!({"operations": ["a"], "resources": ["x"]});
    let second = json!({"operations": ["b"], "resources": ["y"]});
    device.deploy(policy("p1", first.clone()), &[], Some(policy("p2", second.clone())), 100);
    let both = json!({"accessControl": {"ipc": {"p1": first, "p2": second}}});
    assert_eq!(device.configuration(), both);
    let after = device.deploy(json!({}), &[], Some(policy("p1", json!({"resources": ["y"]}))), 200);
    let p1 = &after["accessControl"]["ipc"]["p1"];
    assert_eq!(*p1, json!({"operations": ["a"], "resources": ["y"]}));
}

#[test]
fn c3_connection_keys_of_the_nucleus_are_never_reset() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let nucleus = ["services", "aws.greengrass.Nucleus", "configuration"];
    let running = json!({"iotDataEndpoint": "data.example", "logging": {"level": "DEBUG"}});
    store.merge(&nucleus, &running, 10).unwrap();
    let defaults = json!({"iotDataEndpoint": "", "iotCredEndpoint": ""});
    for reset in ["", "/iotDataEndpoint"] {
        let reset = [reset.to_owned(), "/logging".to_owned()];
        let resolved =
            store.resolve_component("aws.greengrass.Nucleus", &defaults, &reset, None, &sources());
        let resolved = resolved.unwrap();
        assert_eq!(
            resolved.value,
            json!({"iotDataEndpoint": "data.example", "iotCredEndpoint": ""})
        );
    }
}

#[test]
fn b6_2_nodes_of_another_kind_give_way_whatever_the_timestamps() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store.merge(&["a"], &json!({"b": 1}), 100).unwrap();
    store.merge(&["a", "b"], &json!({"c": 2}), 50).unwrap();
    assert_eq!(store.get(&["a"]), Some(json!({"b": {"c": 2}})));
    store.merge(&["a", "b"], &json!("leaf"), 10).unwrap();
    assert_eq!(store.get(&["a", "b"]), Some(json!("leaf")));
    assert_eq!(store.modified(&["a", "b"]), Some(10));
}

#[test]
fn b6_3_replace_removes_what_is_not_named_and_keeps_what_is_newer() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store.merge(&["a"], &json!({"new": 1, "old": 1, "gone": 1}), 100).unwrap();
    store.merge(&["a", "new"], &json!(2), 300).unwrap();
    store.replace(&["a"], &json!({"new": 7, "old": 7, "added": 7}), 200).unwrap();
    assert_eq!(store.get(&["a"]), Some(json!({"added": 7, "new": 2, "old": 7})));
    assert_eq!(store.modified(&["a", "new"]), Some(300));
}
