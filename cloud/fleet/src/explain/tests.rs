use serde_json::{Value, json};

use crate::testing::{NOW_MS, TestFleet, create_request, recipe, request, wire};

const GROUP: &str = "arn:aws:iot:us-east-1:123456789012:thinggroup/G";
const ABOVE: &str = "arn:aws:iot:us-east-1:123456789012:thinggroup/above";

async fn add(t: &TestFleet, name: &str, version: &str, needs: Value) {
    let manifests = json!([{"Platform": {"os": "linux", "runtime": "*"}}]);
    let mut recipe = recipe(name, version, &manifests);
    recipe["ComponentDependencies"] = needs;
    t.fleet.create_component_version(create_request(&recipe)).await.unwrap();
}

fn needs(on: &str, range: &str) -> Value {
    json!({on: {"VersionRequirement": range}})
}

async fn deploy(t: &TestFleet, target: &str, components: Value) -> String {
    let asked = request(json!({"targetArn": target, "components": components}));
    t.fleet.create_deployment(asked).await.unwrap().deployment_id
}

fn at(version: &str) -> Value {
    json!({"componentVersion": version})
}

async fn explain(t: &TestFleet, members: Value) -> Value {
    wire(&t.fleet.explain_deployment(request(members)).await.unwrap())
}

/// The device says that these components are on it.
async fn report(t: &TestFleet, thing: &str, components: &[(&str, &str)]) {
    let components: Vec<Value> = components
        .iter()
        .map(|(name, version)| {
            json!({"componentName": name, "version": version, "fleetConfigArns": [],
                   "componentStatusDetails": null, "status": "RUNNING", "isRoot": false})
        })
        .collect();
    let body = json!({
        "ggcVersion": "2.17.0", "platform": "linux", "architecture": "amd64", "thing": thing,
        "sequenceNumber": 0, "timestamp": NOW_MS, "messageType": "COMPLETE",
        "trigger": "NUCLEUS_LAUNCH", "components": components, "overallDeviceStatus": "HEALTHY",
    });
    t.fleet.report_status(thing, body.to_string().as_bytes()).await.unwrap();
}

fn component<'v>(outcome: &'v Value, name: &str) -> &'v Value {
    let components = outcome["components"].as_array().unwrap();
    components.iter().find(|component| component["componentName"] == name).unwrap()
}

/// `core1` in `G`, and the application `App`, which needs `Lib` 1.
async fn with_app() -> TestFleet {
    let t = TestFleet::with_core().await;
    for version in ["1.0.0", "1.5.0", "2.0.0"] {
        add(&t, "Lib", version, json!({})).await;
    }
    add(&t, "App", "1.0.0", needs("Lib", "^1.0.0")).await;
    t
}

#[tokio::test]
async fn each_component_has_its_version_the_reason_and_who_brings_it() {
    let t = with_app().await;
    add(&t, "Tool", "1.0.0", needs("Lib", "<1.9.0")).await;
    t.add_group("above", None).await;
    t.join("core1", "above").await;
    let above = deploy(&t, ABOVE, json!({"Tool": at("1.0.0")})).await;
    report(&t, "core1", &[("App", "0.9.0"), ("Old", "3.0.0")]).await;
    let app = json!({"App": {
        "componentVersion": "1.0.0", "configurationUpdate": {"merge": "{\"rate\": 5}"},
    }});
    let id = deploy(&t, GROUP, app).await;
    let explained = explain(&t, json!({"deploymentId": id})).await;
    assert_eq!((&explained["devices"], &explained["otherDevices"]), (&json!(1), &json!(0)));
    let outcome = &explained["outcomes"][0];
    assert_eq!(outcome["samples"], json!(["core1"]));
    assert_eq!(outcome["reported"]["coreVersion"], "2.17.0");
    assert_eq!(
        outcome["deployments"],
        json!([
            {"target": "thinggroup/G", "deploymentId": id, "components": ["App"]},
            {"target": "thinggroup/above", "deploymentId": above, "components": ["Tool"]},
        ])
    );
    assert!(outcome.get("problem").is_none(), "{outcome}");
    assert_eq!(
        *component(outcome, "App"),
        json!({
            "componentName": "App", "change": "UPGRADE", "installedVersion": "0.9.0",
            "componentVersion": "1.0.0", "reason": "PINNED", "isConfigured": true,
            "requirements": [{"by": "thinggroup/G", "requirement": "=1.0.0"}],
            "broughtBy": ["thinggroup/G"],
        })
    );
    assert_eq!(
        *component(outcome, "Lib"),
        json!({
            "componentName": "Lib", "change": "INSTALL", "componentVersion": "1.5.0",
            "reason": "NEWEST", "isConfigured": false,
            "requirements": [
                {"by": "App", "requirement": ">=1.0.0 <2.0.0"},
                {"by": "Tool", "requirement": "<1.9.0"},
            ],
            "broughtBy": ["thinggroup/G", "thinggroup/above"],
        })
    );
    assert_eq!(component(outcome, "Old")["change"], "REMOVE");
    assert_eq!(component(outcome, "Tool")["broughtBy"], json!(["thinggroup/above"]));
}

#[tokio::test]
async fn what_is_installed_and_fits_stays() {
    let t = with_app().await;
    report(&t, "core1", &[("Lib", "1.0.0")]).await;
    let id = deploy(&t, GROUP, json!({"App": at("1.0.0")})).await;
    let explained = explain(&t, json!({"deploymentId": id})).await;
    let lib = component(&explained["outcomes"][0], "Lib");
    assert_eq!((&lib["change"], &lib["reason"]), (&json!("NONE"), &json!("INSTALLED")));
    assert_eq!(lib["componentVersion"], "1.0.0");
}

#[tokio::test]
async fn a_conflict_names_all_who_require() {
    let t = with_app().await;
    add(&t, "Other", "1.0.0", needs("Lib", "^2.0.0")).await;
    t.add_group("above", None).await;
    t.join("core1", "above").await;
    deploy(&t, ABOVE, json!({"Other": at("1.0.0")})).await;
    let id = deploy(&t, GROUP, json!({"App": at("1.0.0")})).await;
    let explained = explain(&t, json!({"deploymentId": id})).await;
    let outcome = &explained["outcomes"][0];
    let problem = &outcome["problem"];
    assert_eq!(problem["componentName"], "Lib");
    assert_eq!(
        problem["requirements"],
        json!([
            {"by": "App", "requirement": ">=1.0.0 <2.0.0"},
            {"by": "Other", "requirement": ">=2.0.0 <3.0.0"},
        ])
    );
    assert_eq!(outcome["components"], json!([]));

    deploy(&t, ABOVE, json!({"Lib": at("1.0.0")})).await;
    let id = deploy(&t, GROUP, json!({"Lib": at("2.0.0")})).await;
    let explained = explain(&t, json!({"deploymentId": id})).await;
    assert_eq!(
        explained["outcomes"][0]["problem"]["requirements"],
        json!([
            {"by": "thinggroup/G", "requirement": "=2.0.0"},
            {"by": "thinggroup/above", "requirement": "=1.0.0"},
        ])
    );
}

#[tokio::test]
async fn devices_that_are_alike_are_told_once_and_a_large_group_by_a_part_of_it() {
    let t = with_app().await;
    for i in 0..8 {
        t.add_thing(&format!("new{i}")).await;
        t.join(&format!("new{i}"), "G").await;
    }
    report(&t, "core1", &[]).await;
    let id = deploy(&t, GROUP, json!({"App": at("1.0.0")})).await;
    let explained = explain(&t, json!({"deploymentId": id})).await;
    let outcomes = explained["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 2);
    assert_eq!(outcomes[0]["devices"], 8);
    assert_eq!(outcomes[0]["samples"], json!(["new0", "new1", "new2", "new3", "new4"]));
    assert!(outcomes[0].get("reported").is_none());
    assert_eq!(outcomes[1]["samples"], json!(["core1"]));

    let explained = explain(&t, json!({"deploymentId": id, "maxDevices": 3})).await;
    assert_eq!((&explained["devices"], &explained["examinedDevices"]), (&json!(9), &json!(3)));
    let explained = explain(&t, json!({"deploymentId": id, "device": "new7"})).await;
    assert_eq!(explained["outcomes"][0]["samples"], json!(["new7"]));

    for wrong in [json!({"maxDevices": 0}), json!({"device": "stranger"})] {
        let field = wrong.as_object().unwrap().keys().next().unwrap().clone();
        let mut members = json!({"deploymentId": id});
        members[&field] = wrong[&field].clone();
        let error = t.fleet.explain_deployment(request(members)).await.unwrap_err();
        assert_eq!(error.members["fields"][0]["name"], field);
    }
}

#[tokio::test]
async fn a_component_for_another_platform_is_a_problem_only_where_the_platform_is_known() {
    let t = TestFleet::with_core().await;
    let manifests = json!([{"Platform": {"os": "linux", "architecture": "riscv64"}}]);
    let recipe = recipe("Far", "1.0.0", &manifests);
    t.fleet.create_component_version(create_request(&recipe)).await.unwrap();
    let id = deploy(&t, GROUP, json!({"Far": at("1.0.0")})).await;
    let explained = explain(&t, json!({"deploymentId": id})).await;
    assert_eq!(component(&explained["outcomes"][0], "Far")["change"], "INSTALL");
    report(&t, "core1", &[]).await;
    let explained = explain(&t, json!({"deploymentId": id})).await;
    let message = explained["outcomes"][0]["problem"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("platform compatibility"), "{message}");
    assert!(message.contains("amd64"), "{message}");
}
