//! A whole device without a cloud, used over its socket with a token of `cli_ipc_info/`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use marram_ipc::Operation;
use marram_os::clock::SystemClock;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::ipc::tests::client::{Client, Failure};

mod natives;
mod restart;

const NAME: &str = "com.example.Local";
const DEADLINE: Duration = Duration::from_secs(20);

struct Offline {
    folder: TempDir,
    recipes: TempDir,
    nucleus: Nucleus,
    client: Client,
}

impl Offline {
    async fn start() -> Self {
        Self::start_with(Vec::new()).await
    }

    async fn start_with(natives: Vec<Arc<dyn NativeComponent>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nucleus = nucleus_with(&folder, natives).await;
        let client = person(&folder, &nucleus).await;
        Self { folder, recipes: tempfile::tempdir().unwrap(), nucleus, client }
    }

    fn recipe(&self, version: &str, run: &str) {
        self.recipe_of(NAME, version, json!({"run": run}));
    }

    fn recipe_of(&self, name: &str, version: &str, lifecycle: Value) {
        let recipe = json!({
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": version,
            "ComponentConfiguration": {"DefaultConfiguration": {"rate": 1, "kept": true}},
            "Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": lifecycle}],
        });
        let prefix = if name == NAME { String::new() } else { format!("{name}-") };
        let file = self.recipes.path().join(format!("{prefix}{version}.json"));
        fs::write(file, recipe.to_string()).unwrap();
    }

    async fn create(&mut self, mut request: Value) -> String {
        request["recipeDirectoryPath"] = json!(self.recipes.path());
        let answer = self.client.call(Operation::CreateLocalDeployment, request).await.unwrap();
        answer["deploymentId"].as_str().unwrap().to_owned()
    }

    /// Waits for the end of a deployment, and gives it.
    async fn end_of(&mut self, id: &str) -> Value {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            let deployment = self.status(id).await.unwrap()["deployment"].clone();
            if !matches!(deployment["status"].as_str(), Some("QUEUED" | "IN_PROGRESS")) {
                return deployment;
            }
            assert!(tokio::time::Instant::now() < deadline, "{deployment}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn status(&mut self, id: &str) -> Result<Value, Failure> {
        let request = json!({"deploymentId": id});
        self.client.call(Operation::GetLocalDeploymentStatus, request).await
    }

    async fn details(&mut self, name: &str) -> Result<Value, Failure> {
        let request = json!({"componentName": name});
        let details = self.client.call(Operation::GetComponentDetails, request).await?;
        Ok(details["componentDetails"].clone())
    }

    async fn until_state(&mut self, state: &str) {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            let details = self.details(NAME).await.unwrap();
            if details["state"] == state {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{state} never came: {details}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn nucleus_in(folder: &TempDir) -> Nucleus {
    nucleus_with(folder, Vec::new()).await
}

async fn nucleus_with(folder: &TempDir, natives: Vec<Arc<dyn NativeComponent>>) -> Nucleus {
    marram_os::process::become_subreaper().unwrap();
    let clock = SystemClock::shared();
    let paths = NucleusPaths::new(folder.path());
    let user = marram_os::user::current().unwrap();
    // The tasks of a nucleus that was just stopped may hold the journal for a moment.
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let config = loop {
        match ConfigStore::open(&paths, None, Arc::clone(&clock)) {
            Ok(config) => break config,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let key = ["services", "aws.greengrass.Nucleus", "configuration", "runWithDefault"];
    let default = json!({"posixUser": format!("{}:{}", user.uid, user.gid)});
    config.merge(&key, &default, 1).unwrap();
    drop(config);
    Nucleus::start(NucleusSettings {
        root: folder.path().to_owned(),
        program: Program::fixed(),
        init: None,
        natives,
        clock,
        inherited: std::env::vars().collect(),
    })
    .await
    .unwrap()
}

/// Connects as whoever may read the token file.
async fn person(folder: &TempDir, nucleus: &Nucleus) -> Client {
    let uid = marram_os::user::current().unwrap().uid;
    let file = folder.path().join(format!("cli_ipc_info/user-{uid}"));
    let info: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(info["domain_socket_path"], json!(nucleus.ipc_socket()));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    Client::connect(nucleus.ipc_socket(), info["cli_auth_token"].as_str().unwrap()).await
}

fn error(code: &str, message: &str) -> Failure {
    (code.to_owned(), message.to_owned())
}

const MERGE: &str = "rootComponentVersionsToAdd";

#[tokio::test(flavor = "multi_thread")]
async fn ipc_4_6_a_local_deployment_comes_changes_and_goes_without_a_cloud() {
    let mut device = Offline::start().await;
    device.recipe("1.0.0", "sleep 1000");
    let first = device.create(json!({MERGE: {NAME: "1.0.0"}})).await;
    let end = device.end_of(&first).await;
    assert_eq!(end["status"], "SUCCEEDED", "{end}");
    assert_eq!(end["deploymentStatusDetails"]["detailedDeploymentStatus"], "SUCCESSFUL");
    assert!(end["createdOn"].as_str().unwrap().ends_with(" UTC"), "{end}");
    let details = device.details(NAME).await.unwrap();
    assert_eq!((&details["version"], &details["state"]), (&json!("1.0.0"), &json!("RUNNING")));

    let update = json!({NAME: {"MERGE": {"rate": 9}, "RESET": ["/kept"]}});
    let second = device.create(json!({"componentToConfiguration": update})).await;
    assert_eq!(device.end_of(&second).await["status"], "SUCCEEDED");
    let configuration = device.details(NAME).await.unwrap()["configuration"].clone();
    assert_eq!(configuration, json!({"rate": 9, "kept": true}));

    let answer = device.client.call(Operation::ListLocalDeployments, json!({})).await.unwrap();
    let listed = answer["localDeployments"].as_array().unwrap();
    assert_eq!(
        (&listed[0]["deploymentId"], &listed[1]["deploymentId"]),
        (&json!(second), &json!(first))
    );
    assert!(listed[0].get("deploymentStatusDetails").is_none());
    let request = json!({"deploymentId": first});
    let answer = device.client.call(Operation::CancelLocalDeployment, request).await.unwrap();
    let text = "Cancellation request is not processed because deployment is already finished";
    assert_eq!(answer["message"], text);

    let third = device.create(json!({"rootComponentsToRemove": [NAME]})).await;
    assert_eq!(device.end_of(&third).await["status"], "SUCCEEDED");
    let text = format!("Component with name {NAME} not found in Greengrass");
    assert_eq!(device.details(NAME).await, Err(error("ResourceNotFoundError", &text)));
    device.nucleus.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ipc_4_6_components_are_listed_stopped_and_restarted() {
    let mut device = Offline::start().await;
    device.recipe("1.0.0", "sleep 1000");
    let id = device.create(json!({MERGE: {NAME: "1.0.0"}})).await;
    assert_eq!(device.end_of(&id).await["status"], "SUCCEEDED");
    let answer = device.client.call(Operation::ListComponents, json!({})).await.unwrap();
    let names: Vec<&str> = answer["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["componentName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["aws.greengrass.Nucleus", NAME]);

    let request = json!({"componentName": NAME});
    let answer = device.client.call(Operation::StopComponent, request.clone()).await.unwrap();
    assert_eq!(answer, json!({"stopStatus": "SUCCEEDED"}));
    device.until_state("FINISHED").await;
    let answer = device.client.call(Operation::RestartComponent, request).await.unwrap();
    assert_eq!(answer, json!({"restartStatus": "SUCCEEDED"}));
    device.until_state("RUNNING").await;

    let nucleus = json!({"componentName": "aws.greengrass.Nucleus"});
    let answer = device.client.call(Operation::RestartComponent, nucleus).await.unwrap();
    assert_eq!(answer["restartStatus"], "FAILED");
    for operation in
        [Operation::GetComponentDetails, Operation::RestartComponent, Operation::StopComponent]
    {
        let empty = device.client.call(operation, json!({"componentName": ""})).await;
        assert_eq!(empty, Err(error("InvalidArgumentsError", "Component name cannot be empty")));
        let gone = device.client.call(operation, json!({"componentName": "gone"})).await;
        let text = "Component with name gone not found in Greengrass";
        assert_eq!(gone, Err(error("ResourceNotFoundError", text)));
    }
    device.nucleus.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ipc_4_6_a_broken_component_says_why_with_its_last_words() {
    let mut device = Offline::start().await;
    // It works until it is told to fail, so that the deployment succeeds and nothing rolls it back.
    device.recipe("1.0.0", "while [ ! -e fail ]; do sleep 0.05; done; echo boom >&2; exit 3");
    let id = device.create(json!({MERGE: {NAME: "1.0.0"}})).await;
    assert_eq!(device.end_of(&id).await["status"], "SUCCEEDED");
    let details = device.details(NAME).await.unwrap();
    assert_eq!((details.get("statusReason"), details.get("lastStderr")), (None, None));
    fs::write(device.folder.path().join(format!("work/{NAME}/fail")), "").unwrap();
    device.until_state("BROKEN").await;
    let details = device.details(NAME).await.unwrap();
    let reason = details["statusReason"].as_str().unwrap();
    assert!(reason.starts_with("RUN_ERROR: "), "{reason}");
    assert!(reason.ends_with("exited with code 3."), "{reason}");
    assert_eq!(details["lastStderr"], json!(["boom", "boom", "boom"]));

    // A deployment that fails for it says the same.
    device.recipe("1.0.1", "echo 'no such file' >&2; exit 4");
    let id = device.create(json!({MERGE: {NAME: "1.0.1"}})).await;
    let end = device.end_of(&id).await;
    assert_eq!(end["status"], "FAILED", "{end}");
    let cause = end["deploymentStatusDetails"]["deploymentFailureCause"].as_str().unwrap();
    assert!(cause.contains("exited with code 4.") && cause.contains("no such file"), "{cause}");
    device.nucleus.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_folders_have_their_modes() {
    let mut device = Offline::start().await;
    device.recipe("1.0.0", "echo hello; sleep 1000");
    let id = device.create(json!({MERGE: {NAME: "1.0.0"}})).await;
    assert_eq!(device.end_of(&id).await["status"], "SUCCEEDED");
    let root = device.folder.path();
    for (folder, mode) in [
        ("config", 0o700),
        ("packages", 0o755),
        ("packages/recipes", 0o700),
        ("packages/artifacts", 0o755),
        ("packages/artifacts-unarchived", 0o755),
        (&format!("work/{NAME}"), 0o700),
        ("logs", 0o700),
        ("deployments", 0o700),
        ("cli_ipc_info", 0o755),
    ] {
        let metadata = fs::metadata(root.join(folder)).unwrap();
        let found = metadata.permissions().mode() & 0o777;
        assert!(metadata.is_dir() && found == mode, "{folder} has {found:o}, not {mode:o}");
    }
    device.nucleus.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ipc_48_49_errors_of_local_deployments() {
    let mut device = Offline::start().await;
    let format = "Invalid deploymentId format received. DeploymentId is a UUID";
    let unknown = "00000000-0000-4000-8000-000000000000";
    for (operation, text) in [
        (Operation::GetLocalDeploymentStatus, "Cannot find deployment".to_owned()),
        (
            Operation::CancelLocalDeployment,
            format!("Cannot find the deployment id provided {unknown}"),
        ),
    ] {
        let bad = device.client.call(operation, json!({"deploymentId": "xyz"})).await;
        assert_eq!(bad, Err(error("InvalidArgumentsError", format)));
        let lost = device.client.call(operation, json!({"deploymentId": unknown})).await;
        assert_eq!(lost, Err(error("ResourceNotFoundError", &text)));
    }
    let create = Operation::CreateLocalDeployment;
    let colon = device.client.call(create, json!({"groupName": "a:b"})).await;
    let text = "Thing group name cannot contain colon characters";
    assert_eq!(colon, Err(error("InvalidArgumentsError", text)));
    let store = json!({"artifactsDirectoryPath": device.folder.path().join("packages")});
    let (code, _) = device.client.call(create, store).await.unwrap_err();
    assert_eq!(code, "InvalidArtifactsDirectoryPathError");

    let missing = json!({"recipeDirectoryPath": "/does/not/exist"});
    let answer = device.client.call(create, missing).await.unwrap();
    let end = device.end_of(answer["deploymentId"].as_str().unwrap()).await;
    assert_eq!(end["status"], "FAILED");
    let details = &end["deploymentStatusDetails"];
    assert_eq!(details["detailedDeploymentStatus"], "FAILED_NO_STATE_CHANGE");
    assert_eq!(details["deploymentErrorStack"][0], "DEPLOYMENT_FAILURE");
    assert!(details["deploymentFailureCause"].as_str().unwrap().contains("/does/not/exist"));
    device.nucleus.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ipc_4_6_a_waiting_deployment_is_cancelled_and_the_running_one_is_not() {
    let mut device = Offline::start().await;
    device.recipe("1.0.0", "sleep 1000");
    let recipe = fs::read_to_string(device.recipes.path().join("1.0.0.json")).unwrap();
    let slow = recipe.replace("\"run\"", "\"startup\"").replace("sleep 1000", "sleep 3");
    fs::write(device.recipes.path().join("1.0.0.json"), slow).unwrap();
    let first = device.create(json!({MERGE: {NAME: "1.0.0"}})).await;
    let second = device.create(json!({})).await;
    let request = json!({"deploymentId": second});
    let answer = device.client.call(Operation::CancelLocalDeployment, request).await.unwrap();
    assert_eq!(answer["message"], format!("Cancel request submitted. Deployment ID: {second}"));
    assert_eq!(device.end_of(&second).await["status"], "CANCELED");
    assert_eq!(device.end_of(&first).await["status"], "SUCCEEDED");
    device.nucleus.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ipc_47_components_need_a_policy_with_the_resource_star() {
    let mut device = Offline::start().await;
    device.recipe("1.0.0", "echo $SVCUID > token; sleep 1000");
    let id = device.create(json!({MERGE: {NAME: "1.0.0"}})).await;
    assert_eq!(device.end_of(&id).await["status"], "SUCCEEDED");
    let token =
        fs::read_to_string(device.folder.path().join(format!("work/{NAME}/token"))).unwrap();
    let mut component = Client::connect(device.nucleus.ipc_socket(), token.trim()).await;
    let list = Operation::ListComponents;
    for (resources, is_allowed) in [(json!([NAME]), false), (json!(["*"]), true)] {
        let policy = json!({"p": {"operations": ["*"], "resources": resources}});
        let merge = json!({NAME: {"MERGE": {"accessControl": {"aws.greengrass.Cli": policy}}}});
        let id = device.create(json!({"componentToConfiguration": merge})).await;
        assert_eq!(device.end_of(&id).await["status"], "SUCCEEDED");
        let answer = component.call(list, json!({})).await;
        match answer {
            Ok(_) => assert!(is_allowed, "{resources}"),
            Err((code, _)) => {
                assert!(!is_allowed, "{resources}");
                assert_eq!(code, "UnauthorizedError");
            }
        }
    }
    device.nucleus.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ipc_50_debug_password() {
    let mut device = Offline::start().await;
    let before = SystemClock::shared().now_ms();
    let answer = device.client.call(Operation::CreateDebugPassword, json!({})).await.unwrap();
    assert_eq!(answer["username"], "debug");
    let password = answer["password"].as_str().unwrap();
    assert_eq!(password.len(), 43);
    let hours = (answer["passwordExpiration"].as_f64().unwrap() * 1000.0 - before as f64) / 3.6e6;
    assert!((7.99..8.01).contains(&hours), "{hours}");
    assert!(answer.get("certificateSHA256Hash").is_none());
    let stored = device.nucleus.config.get(&["_debugPassword", "debug", password, "expiration"]);
    assert!(stored.is_some_and(|ms| ms.as_i64().is_some_and(|ms| ms > before)));
    device.nucleus.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ipc_4_9_people_use_messages_without_a_policy_and_tokens_end_with_the_nucleus() {
    let mut device = Offline::start().await;
    let request = json!({"topic": "a/b"});
    device.client.subscribe(Operation::SubscribeToTopic, request).await.unwrap();
    let message = json!({"topic": "a/b", "publishMessage": {"jsonMessage": {"message": {"x": 1}}}});
    device.client.call(Operation::PublishToTopic, message).await.unwrap();
    assert_eq!(device.client.event().await.1["jsonMessage"]["message"]["x"], 1);
    let uid = marram_os::user::current().unwrap().uid;
    let file = device.folder.path().join(format!("cli_ipc_info/user-{uid}"));
    let before = fs::read_to_string(&file).unwrap();
    device.nucleus.stop().await;
    let again = nucleus_in(&device.folder).await;
    assert_ne!(fs::read_to_string(&file).unwrap(), before);
    again.stop().await;
}
