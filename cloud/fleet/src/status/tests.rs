use marram_aws::greengrassv2::{InstalledComponent, TopologyFilter};
use serde_json::{Value, json};

use crate::testing::{NOW_MS, TestFleet, request, wire};

struct Message {
    sequence: i64,
    kind: &'static str,
    components: Value,
    more: Value,
}

fn complete(sequence: i64, components: Value) -> Message {
    Message { sequence, kind: "COMPLETE", components, more: json!({}) }
}

fn partial(sequence: i64, components: Value) -> Message {
    Message { sequence, kind: "PARTIAL", components, more: json!({}) }
}

impl Message {
    fn with(self, more: Value) -> Self {
        Self { more, ..self }
    }

    async fn send(self, t: &TestFleet) {
        let mut body = json!({
            "ggcVersion": "2.17.0", "platform": "linux", "architecture": "amd64",
            "thing": "core1", "sequenceNumber": self.sequence,
            "timestamp": NOW_MS + self.sequence * 1000, "messageType": self.kind,
            "trigger": "NUCLEUS_LAUNCH", "components": self.components,
            "overallDeviceStatus": "HEALTHY",
        });
        for (key, value) in self.more.as_object().unwrap() {
            body[key] = value.clone();
        }
        t.fleet.report_status("core1", body.to_string().as_bytes()).await.unwrap();
    }
}

fn component(name: &str, status: &str) -> Value {
    json!({"componentName": name, "version": "1.0.0", "fleetConfigArns": ["local-1"],
           "componentStatusDetails": null, "status": status, "isRoot": true})
}

async fn installed(t: &TestFleet, filter: TopologyFilter) -> Vec<InstalledComponent> {
    let mut asked: marram_aws::greengrassv2::ListInstalledComponentsRequest =
        request(json!({"coreDeviceThingName": "core1"}));
    asked.topology_filter = filter;
    t.fleet.list_installed_components(asked).await.unwrap().installed_components
}

async fn states(t: &TestFleet) -> Vec<(String, String)> {
    let listed = installed(t, TopologyFilter::All).await;
    listed.into_iter().map(|row| (row.component_name, row.lifecycle_state)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect()
}

async fn core_status(t: &TestFleet) -> Value {
    let asked = request(json!({"coreDeviceThingName": "core1"}));
    wire(&t.fleet.get_core_device(asked).await.unwrap())
}

#[tokio::test]
async fn d22_the_first_message_makes_a_core_device_with_its_components() {
    let t = TestFleet::with_core().await;
    let asked = || request(json!({"coreDeviceThingName": "core1"}));
    assert_eq!(t.fleet.get_core_device(asked()).await.unwrap_err().status, 404);
    complete(0, json!([component("A", "RUNNING"), component("B", "RUNNING")])).send(&t).await;
    let core = core_status(&t).await;
    assert_eq!(core["status"], "HEALTHY");
    assert_eq!(core["runtime"], "aws_nucleus_classic");
    assert_eq!(core["lastStatusUpdateTimestamp"], json!(NOW_MS / 1000));
    assert_eq!(states(&t).await, pairs(&[("A", "RUNNING"), ("B", "RUNNING")]));
    let row = &installed(&t, TopologyFilter::Root).await[0];
    assert_eq!(row.last_installation_source.as_deref(), Some("LOCAL"));
}

#[tokio::test]
async fn d23_a_partial_message_changes_only_what_it_lists() {
    let t = TestFleet::with_core().await;
    complete(0, json!([component("A", "RUNNING"), component("B", "RUNNING")])).send(&t).await;
    let mut errored = component("B", "ERRORED");
    errored["componentStatusDetails"] =
        json!({"statusCodes": ["RUN_ERROR"], "statusReason": "exit code 1"});
    partial(1, json!([errored])).send(&t).await;
    assert_eq!(states(&t).await, pairs(&[("A", "RUNNING"), ("B", "ERRORED")]));
    let row = installed(&t, TopologyFilter::Root).await.remove(1);
    assert_eq!(row.lifecycle_status_codes, ["RUN_ERROR"]);
    assert_eq!(row.lifecycle_state_details.as_deref(), Some("exit code 1"));
    assert_eq!(row.last_status_change_timestamp.0, NOW_MS + 1000);
    assert_eq!(core_status(&t).await["status"], "HEALTHY");
    let broken = partial(2, json!([component("B", "BROKEN")]));
    broken.with(json!({"overallDeviceStatus": "UNHEALTHY"})).send(&t).await;
    assert_eq!(core_status(&t).await["status"], "UNHEALTHY");
    let asked = request(json!({"status": "HEALTHY"}));
    assert!(t.fleet.list_core_devices(asked).await.unwrap().core_devices.is_empty());
}

#[tokio::test]
async fn d23b_built_in_services_are_listed_only_with_everything() {
    let t = TestFleet::with_core().await;
    let builtin = |name: &str| {
        json!({"componentName": name, "version": null, "fleetConfigArns": [], "isRoot": false,
               "componentStatusDetails": null, "status": "RUNNING"})
    };
    let components =
        json!([component("A", "RUNNING"), builtin("DeploymentService"), builtin("main")]);
    complete(0, components.clone()).send(&t).await;
    partial(1, components).send(&t).await;
    assert_eq!(states(&t).await, pairs(&[("A", "RUNNING"), ("DeploymentService", "RUNNING")]));
    let roots = installed(&t, TopologyFilter::Root).await;
    assert_eq!(roots.len(), 1);
    assert_eq!(installed(&t, TopologyFilter::All).await[1].component_version, "0.0.0");
}

#[tokio::test]
async fn d24_parts_are_put_together_in_any_order() {
    let t = TestFleet::with_core().await;
    complete(0, json!([component("Old", "RUNNING")])).send(&t).await;
    let chunk = |id: i64| json!({"chunkInfo": {"chunkId": id, "totalChunks": 2}});
    complete(1, json!([component("B", "RUNNING")])).with(chunk(2)).send(&t).await;
    assert_eq!(states(&t).await, pairs(&[("Old", "RUNNING")]));
    let t = t.restart().await;
    complete(1, json!([component("A", "RUNNING")])).with(chunk(1)).send(&t).await;
    assert_eq!(states(&t).await, pairs(&[("A", "RUNNING"), ("B", "RUNNING")]));
}

#[tokio::test]
async fn parts_that_are_older_than_five_minutes_are_forgotten() {
    let t = TestFleet::with_core().await;
    let chunk = |id: i64| json!({"chunkInfo": {"chunkId": id, "totalChunks": 2}});
    complete(1, json!([component("B", "RUNNING")])).with(chunk(2)).send(&t).await;
    t.clock.advance(std::time::Duration::from_secs(301));
    complete(1, json!([component("A", "RUNNING")])).with(chunk(1)).send(&t).await;
    let asked = request(json!({"coreDeviceThingName": "core1"}));
    assert_eq!(t.fleet.get_core_device(asked).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn d25_removed_components_go_away() {
    let t = TestFleet::with_core().await;
    complete(
        0,
        json!([component("A", "RUNNING"), component("C", "RUNNING"), component("D", "RUNNING")]),
    )
    .send(&t)
    .await;
    let lite = json!({"componentName": "C", "version": "", "fleetConfigArns": [], "isRoot": true, "status": "UNINSTALLED"});
    let java = json!({"componentName": "D", "version": "1.0.0", "fleetConfigArns": [], "isRoot": false,
                      "componentStatusDetails": null, "status": "FINISHED"});
    partial(1, json!([lite, java])).send(&t).await;
    assert_eq!(states(&t).await, pairs(&[("A", "RUNNING")]));
}

#[tokio::test]
async fn a15_a_deleted_core_device_comes_back_with_its_next_message() {
    let t = TestFleet::with_core().await;
    complete(0, json!([])).send(&t).await;
    let cores = || async {
        let listed = t.fleet.list_core_devices(request(json!({}))).await.unwrap();
        listed.core_devices.len()
    };
    assert_eq!(cores().await, 1);
    let asked = || request(json!({"coreDeviceThingName": "core1"}));
    t.fleet.delete_core_device(asked()).await.unwrap();
    assert_eq!(cores().await, 0);
    assert_eq!(t.fleet.delete_core_device(asked()).await.unwrap_err().status, 404);
    partial(1, json!([])).send(&t).await;
    assert_eq!(cores().await, 1);
}

#[tokio::test]
async fn a16_a_complete_message_replaces_everything() {
    let t = TestFleet::with_core().await;
    complete(0, json!([component("A", "RUNNING"), component("B", "RUNNING")])).send(&t).await;
    complete(1, json!([component("A", "RUNNING")])).send(&t).await;
    assert_eq!(states(&t).await, pairs(&[("A", "RUNNING")]));
    partial(2, json!([component("B", "ERRORED")])).send(&t).await;
    assert_eq!(states(&t).await, pairs(&[("A", "RUNNING"), ("B", "ERRORED")]));
}

#[tokio::test]
async fn messages_that_come_late_are_dropped_and_a_new_count_is_not() {
    let t = TestFleet::with_core().await;
    complete(7, json!([component("A", "RUNNING")])).send(&t).await;
    partial(3, json!([component("A", "BROKEN")])).send(&t).await;
    assert_eq!(states(&t).await, pairs(&[("A", "RUNNING")]));
    let fresh = json!({"timestamp": NOW_MS + 99_000});
    complete(0, json!([component("A", "STATELESS")])).with(fresh).send(&t).await;
    assert_eq!(states(&t).await, pairs(&[("A", "FINISHED")]));
    t.fleet.report_status("core1", b"no json").await.unwrap();
    assert_eq!(states(&t).await, pairs(&[("A", "FINISHED")]));
}

#[tokio::test]
async fn a_deployments_end_tells_sources_and_error_codes() {
    let t = TestFleet::with_core().await;
    let target = "arn:aws:iot:us-east-1:123456789012:thinggroup/G";
    let made = t.fleet.create_deployment(request(json!({"targetArn": target}))).await.unwrap();
    let arn = "arn:aws:greengrass:us-east-1:123456789012:configuration:thinggroup/G:1";
    complete(0, json!([component("A", "RUNNING"), component("B", "RUNNING")])).send(&t).await;
    let job = made.iot_job_id.unwrap();
    let failed = json!({"status": "FAILED", "statusDetails": {"detailed-deployment-status": "FAILED_NO_STATE_CHANGE"}});
    t.job(&format!("{job}/namespace-aws-gg-deployment/update"), failed).await;

    let mut reported = component("A", "RUNNING");
    reported["fleetConfigArns"] = json!([arn]);
    let information = json!({"deploymentInformation": {
        "status": "FAILED", "fleetConfigurationArnForStatus": arn, "unchangedRootComponents": ["B"],
        "statusDetails": {"detailedStatus": "FAILED_NO_STATE_CHANGE", "failureCause": "no", "errorStack": ["DEPLOYMENT_FAILURE", "IO_ERROR"], "errorTypes": ["DEVICE_ERROR"]},
    }});
    partial(1, json!([reported])).with(information).send(&t).await;
    for row in installed(&t, TopologyFilter::Root).await {
        assert_eq!(row.last_installation_source.as_deref(), Some(made.deployment_id.as_str()));
    }
    let asked = request(json!({"coreDeviceThingName": "core1"}));
    let row =
        t.fleet.list_effective_deployments(asked).await.unwrap().effective_deployments.remove(0);
    assert_eq!(row.reason.as_deref(), Some("IO_ERROR: FAILED_NO_STATE_CHANGE: no"));
    assert_eq!(row.status_details.unwrap().error_types, ["DEVICE_ERROR"]);
}

#[tokio::test]
async fn a14_core_devices_come_in_pages() {
    let t = TestFleet::start().await;
    for number in 0..5 {
        let body = json!({
            "ggcVersion": "2.17.0", "platform": "linux", "architecture": "amd64", "thing": "x",
            "sequenceNumber": 0, "timestamp": NOW_MS, "messageType": "COMPLETE",
            "trigger": "CADENCE", "overallDeviceStatus": "HEALTHY",
        });
        let thing = format!("core{number}");
        t.fleet.report_status(&thing, body.to_string().as_bytes()).await.unwrap();
    }
    let mut token: Option<String> = None;
    let mut pages = Vec::new();
    loop {
        let asked = request(json!({"maxResults": 2, "nextToken": token}));
        let page = t.fleet.list_core_devices(asked).await.unwrap();
        pages.push(page.core_devices.len());
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(pages, [2, 2, 1]);
}

#[tokio::test]
async fn d15b_lite_is_told_all_groups_at_the_top_and_itself_while_it_has_a_deployment() {
    let t = TestFleet::with_core().await;
    t.add_group("P", None).await;
    t.add_group("C", Some("P")).await;
    t.join("core1", "C").await;
    let names = || async {
        let listed = t.fleet.thing_groups_for_core("core1").await.unwrap();
        listed.thing_groups.into_iter().map(|group| group.thing_group_name).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["C", "G"]);
    complete(0, json!([])).with(json!({"runtime": "aws_nucleus_lite"})).send(&t).await;
    assert_eq!(names().await, ["C", "G", "P"]);
    t.sent();
    let target = json!({"targetArn": "arn:aws:iot:us-east-1:123456789012:thing/core1"});
    let made = t.fleet.create_deployment(request(target)).await.unwrap();
    assert_eq!(made.iot_job_id, None);
    assert_eq!(names().await, ["C", "G", "P", "core1"]);

    let next = t.job("$next/namespace-aws-gg-deployment/get", json!({})).await.payload;
    let arn = next["execution"]["jobDocument"]["configurationArn"].as_str().unwrap();
    assert!(arn.ends_with(":configuration:thing/core1:1"), "{arn}");
    let job = next["execution"]["jobId"].as_str().unwrap();
    t.job(&format!("{job}/namespace-aws-gg-deployment/update"), json!({"status": "SUCCEEDED"}))
        .await;
    let asked = request(json!({"deploymentId": made.deployment_id}));
    let got = wire(&t.fleet.get_deployment(asked).await.unwrap());
    assert_eq!(got["deploymentStatus"], "COMPLETED");
    assert!(got.get("iotJobId").is_none());
}

#[tokio::test]
async fn d20_a_group_is_told_with_those_above_it() {
    let t = TestFleet::start().await;
    t.add_thing("core1").await;
    t.add_group("P", None).await;
    t.add_group("G", Some("P")).await;
    t.join("core1", "G").await;
    let listed = wire(&t.fleet.thing_groups_for_core("core1").await.unwrap());
    let arn = |name: &str| format!("arn:aws:iot:us-east-1:123456789012:thinggroup/{name}");
    let expected = json!({"thingGroups": [{
        "thingGroupName": "G", "thingGroupArn": arn("G"),
        "rootToParentThingGroups": [{"thingGroupName": "P", "thingGroupArn": arn("P")}],
    }]});
    assert_eq!(listed, expected);
}
