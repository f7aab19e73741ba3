//! Deployments that restart the nucleus: here a second one on the same root takes the process's
//! place, which is all that a restart of the process or of the device means to a deployment.

use super::*;

const FIRST: &str = "com.example.First";
const ROLLBACK: &str = "ROLLBACK";

impl Offline {
    /// Waits until the deployment wants a restart of this kind, and makes it.
    async fn restarts(self, expected: Restart) -> Self {
        let wanted = tokio::time::timeout(DEADLINE, self.nucleus.restart_wanted()).await;
        let wanted = wanted.unwrap_or_else(|_| {
            let (components, current) = (self.nucleus.supervisor.status(), self.current());
            panic!("no restart was wanted: {current} {components:#?}")
        });
        assert_eq!(wanted, expected);
        let Self { folder, recipes, nucleus, .. } = self;
        nucleus.stop().await;
        let nucleus = nucleus_in(&folder).await;
        let client = person(&folder, &nucleus).await;
        Self { folder, recipes, nucleus, client }
    }

    /// The deployment under way, as it is kept.
    fn current(&self) -> String {
        let key = ["services", "DeploymentService", "runtime"];
        self.nucleus.config.get(&key).unwrap_or_default().to_string()
    }

    fn read(&self, component: &str, file: &str) -> String {
        let file = self.folder.path().join("work").join(component).join(file);
        fs::read_to_string(file).unwrap_or_default()
    }

    fn wants_no_restart(&self) -> bool {
        use std::future::Future;
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};
        let mut context = Context::from_waker(Waker::noop());
        pin!(self.nucleus.restart_wanted()).poll(&mut context) == Poll::Pending
    }
}

/// A component whose steps write down when they run.
fn steps(bootstrap: &str) -> Value {
    json!({
        "bootstrap": format!("echo bootstrap >> steps; {bootstrap}"),
        "run": "echo run >> steps; exec sleep 1000",
    })
}

fn details(end: &Value) -> (&str, &str, Vec<&str>) {
    let details = &end["deploymentStatusDetails"];
    let stack = details["deploymentErrorStack"].as_array().unwrap().iter();
    (
        details["detailedDeploymentStatus"].as_str().unwrap(),
        details["deploymentFailureCause"].as_str().unwrap(),
        stack.map(|code| code.as_str().unwrap()).collect(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_10_bootstrap_runs_before_anything_else_and_the_nucleus_restarts_once() {
    for code in [0, 100] {
        let mut device = Offline::start().await;
        device.recipe_of(NAME, "1.0.0", steps(&format!("exit {code}")));
        let id = device.create(json!({MERGE: {NAME: "1.0.0"}})).await;
        let mut device = device.restarts(Restart::Nucleus).await;
        let end = device.end_of(&id).await;
        assert_eq!(end["status"], "SUCCEEDED", "{end}");
        device.until_state("RUNNING").await;
        assert_eq!(device.read(NAME, "steps"), "bootstrap\nrun\n", "exit {code}");
        assert!(device.wants_no_restart());

        let again = device.create(json!({})).await;
        assert_eq!(device.end_of(&again).await["status"], "SUCCEEDED", "nothing to bootstrap");
        assert_eq!(device.read(NAME, "steps"), "bootstrap\nrun\n");
        device.nucleus.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_10_100_and_101_act_at_once_and_the_rest_goes_on_after_the_restart() {
    let mut device = Offline::start().await;
    device.recipe_of(FIRST, "1.0.0", steps("exit 101"));
    let mut depending = steps("cat ../com.example.First/steps > seen");
    depending["install"] = json!("echo install >> steps");
    device.recipe_of(NAME, "1.0.0", depending);
    let recipe = device.recipes.path().join("1.0.0.json");
    let mut with_dependency: Value = serde_json::from_slice(&fs::read(&recipe).unwrap()).unwrap();
    with_dependency["ComponentDependencies"] = json!({FIRST: {"VersionRequirement": "1.0.0"}});
    fs::write(&recipe, with_dependency.to_string()).unwrap();
    let id = device.create(json!({MERGE: {NAME: "1.0.0"}})).await;
    let device = device.restarts(Restart::Device).await;
    let mut device = device.restarts(Restart::Nucleus).await;
    assert_eq!(device.end_of(&id).await["status"], "SUCCEEDED");
    device.until_state("RUNNING").await;
    assert_eq!(device.read(NAME, "seen"), "bootstrap\n", "after what it needs, which has not run");
    assert_eq!(device.read(NAME, "steps"), "bootstrap\ninstall\nrun\n");
    assert_eq!(device.read(FIRST, "steps"), "bootstrap\nrun\n");
    device.nucleus.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_10_a_failing_bootstrap_goes_back_whatever_the_policy() {
    for (step, code, said) in [
        (
            json!("echo oh no >&2; exit 5"),
            "COMPONENT_BOOTSTRAP_ERROR",
            "exited with code 5. Its last words: oh no",
        ),
        (
            json!({"Script": "sleep 1000", "Timeout": 1}),
            "COMPONENT_BOOTSTRAP_TIMEOUT",
            "was not over after 1 s",
        ),
        (
            json!({"Script": "true", "Skipif": "onpath"}),
            "COMPONENT_BOOTSTRAP_ERROR",
            "could not be started",
        ),
    ] {
        let mut device = Offline::start().await;
        device.recipe("1.0.0", "echo run >> steps; exec sleep 1000");
        let first = device.create(json!({MERGE: {NAME: "1.0.0"}})).await;
        assert_eq!(device.end_of(&first).await["status"], "SUCCEEDED");
        device.recipe_of(NAME, "2.0.0", json!({"bootstrap": step, "run": "touch new"}));
        let id = device.create(json!({MERGE: {NAME: "2.0.0"}})).await;
        let mut device = device.restarts(Restart::Nucleus).await;
        let end = device.end_of(&id).await;
        let (status, cause, stack) = details(&end);
        assert_eq!(status, "FAILED_ROLLBACK_COMPLETE", "{end}");
        assert_eq!(stack, ["DEPLOYMENT_FAILURE", code]);
        assert!(cause.contains(said), "{cause}");
        let running = device.details(NAME).await.unwrap();
        assert_eq!((&running["version"], &running["state"]), (&json!("1.0.0"), &json!("RUNNING")));
        assert_eq!(device.read(NAME, "steps"), "run\nrun\n");
        device.nucleus.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_9_a_rollback_runs_the_old_bootstrap_where_the_recipe_says_so() {
    let mut device = Offline::start().await;
    let old = |version: &str| {
        json!({
            "bootstrap": {"Script": format!("echo {version} >> boots"), "BootstrapOnRollback": true},
            "run": "exec sleep 1000",
        })
    };
    device.recipe_of(NAME, "1.0.0", old("one"));
    device.recipe_of(
        FIRST,
        "1.0.0",
        json!({"bootstrap": "echo one >> boots", "run": "exec sleep 1000"}),
    );
    let id = device.create(json!({MERGE: {NAME: "1.0.0", FIRST: "1.0.0"}})).await;
    let mut device = device.restarts(Restart::Nucleus).await;
    assert_eq!(device.end_of(&id).await["status"], "SUCCEEDED");
    device.recipe_of(NAME, "2.0.0", json!({"bootstrap": "echo two >> boots", "run": "exit 1"}));
    device.recipe_of(
        FIRST,
        "2.0.0",
        json!({"bootstrap": "echo two >> boots", "run": "exec sleep 1000"}),
    );
    let id = device
        .create(json!({MERGE: {NAME: "2.0.0", FIRST: "2.0.0"}, "failureHandlingPolicy": ROLLBACK}))
        .await;
    let device = device.restarts(Restart::Nucleus).await;
    let mut device = device.restarts(Restart::Nucleus).await;
    assert_eq!(details(&device.end_of(&id).await).0, "FAILED_ROLLBACK_COMPLETE");
    assert_eq!(device.read(NAME, "boots"), "one\ntwo\none\n");
    assert_eq!(device.read(FIRST, "boots"), "one\ntwo\n", "its recipe does not ask for it");
    device.until_state("RUNNING").await;
    device.nucleus.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_10_a_bootstrap_that_was_cut_off_is_run_again() {
    let mut device = Offline::start().await;
    let wait = "test -e go || exec sleep 1000";
    device.recipe_of(NAME, "1.0.0", steps(wait));
    let id = device.create(json!({MERGE: {NAME: "1.0.0"}})).await;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while device.read(NAME, "steps").is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the step never began");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let Offline { folder, recipes, nucleus, .. } = device;
    nucleus.stop().await;
    fs::write(folder.path().join("work").join(NAME).join("go"), "").unwrap();
    let nucleus = nucleus_in(&folder).await;
    let client = person(&folder, &nucleus).await;
    let device = Offline { folder, recipes, nucleus, client };
    let mut device = device.restarts(Restart::Nucleus).await;
    assert_eq!(device.end_of(&id).await["status"], "SUCCEEDED");
    device.until_state("RUNNING").await;
    assert_eq!(device.read(NAME, "steps"), "bootstrap\nbootstrap\nrun\n");
    device.nucleus.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_7_a_key_that_is_read_at_the_start_restarts_and_a_wrong_one_changes_nothing() {
    let mut device = Offline::start().await;
    let version = device.details("aws.greengrass.Nucleus").await.unwrap()["version"].clone();
    device.recipe("1.0.0", "echo run $HTTP_PROXY >> steps; exec sleep 1000");
    let first = device.create(json!({MERGE: {NAME: "1.0.0"}})).await;
    assert_eq!(device.end_of(&first).await["status"], "SUCCEEDED");
    let nucleus = |merge: Value| {
        json!({
            MERGE: {"aws.greengrass.Nucleus": version},
            "componentToConfiguration": {"aws.greengrass.Nucleus": {"MERGE": merge}},
        })
    };
    let wrong = nucleus(json!({"runWithDefault": {"posixUser": "no-such-user"}}));
    let id = device.create(wrong).await;
    let end = device.end_of(&id).await;
    let (status, cause, stack) = details(&end);
    assert_eq!(status, "FAILED_NO_STATE_CHANGE");
    assert!(cause.contains("no-such-user"), "{cause}");
    assert_eq!(stack, ["DEPLOYMENT_FAILURE", "RUN_WITH_CONFIG_NOT_VALID"]);
    assert!(device.wants_no_restart());

    let proxy = nucleus(json!({"networkProxy": {"proxy": {"url": "http://proxy:3128"}}}));
    let id = device.create(proxy).await;
    let mut device = device.restarts(Restart::Nucleus).await;
    assert_eq!(device.end_of(&id).await["status"], "SUCCEEDED");
    device.until_state("RUNNING").await;
    assert_eq!(device.read(NAME, "steps"), "run\nrun http://proxy:3128\n");
    device.nucleus.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_2_a_component_that_goes_with_a_restart_is_uninstalled() {
    let mut device = Offline::start().await;
    device.recipe_of(
        FIRST,
        "1.0.0",
        json!({"run": "sleep 1000", "uninstall": "echo gone >> steps"}),
    );
    let first = device.create(json!({MERGE: {FIRST: "1.0.0"}})).await;
    assert_eq!(device.end_of(&first).await["status"], "SUCCEEDED");
    device.recipe_of(NAME, "1.0.0", steps("true"));
    let id =
        device.create(json!({MERGE: {NAME: "1.0.0"}, "rootComponentsToRemove": [FIRST]})).await;
    let mut device = device.restarts(Restart::Nucleus).await;
    assert_eq!(device.end_of(&id).await["status"], "SUCCEEDED");
    assert_eq!(device.read(FIRST, "steps"), "gone\n");
    device.nucleus.stop().await;
}
