//! Steps of one component: scripts, environment, output, failures.

use super::*;

#[tokio::test]
async fn life_run_that_ends_well_runs_shutdown() {
    let device = Device::new().await;
    device.apply([spec("c", json!({"run": "exit 0", "shutdown": "touch s"}))]);
    device.wait_for("c", ComponentState::Finished).await;
    assert!(device.file("c", "s").exists());
}

#[tokio::test]
async fn life_run_that_fails_is_broken_after_three_attempts() {
    let device = Device::new().await;
    let lifecycle = json!({"run": "echo attempt >> attempts; echo boom >&2; exit 3"});
    device.apply([spec("c", lifecycle)]);
    device.wait_for("c", ComponentState::Broken).await;
    let status = device.status("c");
    assert_eq!(status.code, StatusCode::RunError);
    assert!(status.reason.ends_with("exited with code 3."), "{}", status.reason);
    assert_eq!(device.read("c", "attempts"), "attempt\n".repeat(3));
    assert_eq!(status.last_stderr, ["boom", "boom", "boom"]);
    let log = device.log("c");
    assert!(log.contains("[WARN]") && log.contains("stderr. boom."), "{log}");
    assert!(log.contains("exited with code 3."), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn life_install_that_fails_is_broken() {
    let device = Device::new().await;
    let settled = device.settle([spec("c", json!({"install": "exit 1"}))]).await;
    let Settled::Broken(broken) = settled else { panic!("{settled:?}") };
    assert_eq!(broken[0].code, StatusCode::InstallError);
    assert!(broken[0].reason.ends_with("exited with code 1."), "{}", broken[0].reason);
}

#[tokio::test]
async fn life_lifecycle_that_cannot_be_read_is_not_valid() {
    let device = Device::new().await;
    let settled = device.settle([spec("c", json!({"setenv": 5, "run": "exit 0"}))]).await;
    let Settled::Broken(broken) = settled else { panic!("{settled:?}") };
    assert_eq!(broken[0].code, StatusCode::InstallConfigNotValid);
    assert!(broken[0].reason.contains("Setenv"), "{}", broken[0].reason);
}

#[tokio::test]
async fn life_startup_hides_run_and_skipif_uncovers_it() {
    let device = Device::new().await;
    let started = json!({"startup": "exit 0", "run": "touch ran; sleep 1000"});
    let startup = json!({"Skipif": "onpath sh", "Script": "touch wrong"});
    let skipped = json!({"startup": startup, "run": "touch ran; sleep 1000"});
    let specs = [spec("started", started), spec("skipped", skipped)];
    assert_eq!(device.settle(specs).await, Settled::Reached);
    assert_eq!(device.status("started").state, ComponentState::Running);
    assert_eq!(device.status("skipped").state, ComponentState::Running);
    until("run", || device.file("skipped", "ran").exists()).await;
    assert!(!device.file("started", "ran").exists());
    assert!(!device.file("skipped", "wrong").exists());
}

#[tokio::test]
async fn life_skipif_that_cannot_be_read_is_not_valid() {
    let device = Device::new().await;
    let step = |skip_if: &str| json!({"Skipif": skip_if, "Script": "touch ran"});
    let specs = [
        spec("install", json!({"install": step("onpath")})),
        spec("startup", json!({"startup": step("foo x")})),
        spec("run", json!({"run": step("foo x")})),
    ];
    device.apply(specs);
    for (component, code) in [
        ("install", StatusCode::InstallConfigNotValid),
        ("startup", StatusCode::StartupConfigNotValid),
        ("run", StatusCode::RunConfigNotValid),
    ] {
        device.wait_for(component, ComponentState::Broken).await;
        let status = device.status(component);
        assert_eq!(status.code, code);
        assert!(status.reason.contains("Skipif"), "{}", status.reason);
        assert!(!device.file(component, "ran").exists());
    }
}

#[tokio::test]
async fn life_skipif_that_holds_skips_the_step() {
    let device = Device::new().await;
    let install = |skip_if: &str| json!({"Skipif": skip_if, "Script": "touch installed"});
    let skipped = json!({"install": install("!exists /nonexistent"), "run": "touch ran"});
    let done = json!({"install": install("exists /nonexistent"), "run": "touch ran"});
    device.apply([spec("skipped", skipped), spec("done", done)]);
    for component in ["skipped", "done"] {
        device.wait_for(component, ComponentState::Finished).await;
        assert!(device.file(component, "ran").exists());
    }
    assert!(!device.file("skipped", "installed").exists());
    assert!(device.file("done", "installed").exists());
}

#[tokio::test]
async fn life_errors_far_apart_never_break_with_real_processes() {
    let device = Device::new().await;
    let mut changes = device.supervisor.watch();
    let run = "echo attempt >> attempts; sleep 1.1; exit 1";
    device.apply([spec("c", json!({"run": run, "errorResetTime": 1}))]);
    until("five attempts", || device.read("c", "attempts").lines().count() >= 5).await;
    while let Ok(change) = changes.try_recv() {
        assert_ne!(change.to, Some(ComponentState::Broken));
    }
}

#[tokio::test]
async fn life_startup_timeout_kills_the_script() {
    let device = Device::new().await;
    let mut changes = device.supervisor.watch();
    let startup = json!({"Script": "echo $$ > pid; exec sleep 1000", "Timeout": 1});
    device.apply([spec("c", json!({"startup": startup}))]);
    let errored = async {
        loop {
            let change = changes.recv().await.unwrap();
            if change.to == Some(ComponentState::Errored) {
                return change.code;
            }
        }
    };
    let code = tokio::time::timeout(DEADLINE, errored).await.unwrap();
    assert_eq!(code, StatusCode::StartupTimeout);
    let pid = device.read("c", "pid");
    until("the script's end", || !is_alive(&pid)).await;
}

#[tokio::test]
async fn life_step_setenv_wins_and_identity_is_given() {
    let device = Device::new().await;
    let run = json!({
        "Script": "echo $X $Y > env; echo $SVCUID > token; \
                   echo $AWS_CONTAINER_AUTHORIZATION_TOKEN >> token; \
                   echo ${AWS_ACCESS_KEY_ID:-none} > leak; pwd > pwd; sleep 1000",
        "Setenv": {"X": 3},
    });
    let lifecycle = json!({"setenv": {"X": 2, "Y": 2, "SVCUID": "forged"}, "run": run});
    device.apply([spec("c", lifecycle)]);
    until("output", || !device.read("c", "pwd").is_empty()).await;
    assert_eq!(device.read("c", "env"), "3 2\n");
    assert_eq!(device.read("c", "leak"), "none\n");
    let tokens = device.read("c", "token");
    let (token, credentials) = tokens.trim().split_once('\n').unwrap();
    assert_eq!(token, credentials);
    assert_eq!(device.tokens.owner(token), Some(name("c")));
    let work = device.file("c", "").canonicalize().unwrap();
    assert_eq!(PathBuf::from(device.read("c", "pwd").trim()), work);
}

#[tokio::test]
async fn life_recover_runs_before_shutdown() {
    let device = Device::new().await;
    let lifecycle = json!({
        "run": "exit 1", "recover": "echo recover >> order", "shutdown": "echo shutdown >> order",
    });
    device.apply([spec("c", lifecycle)]);
    device.wait_for("c", ComponentState::Broken).await;
    let order = "recover\nshutdown\nrecover\nshutdown\nshutdown\n";
    until("the last shutdown", || device.read("c", "order") == order).await;
}

#[tokio::test]
async fn life_reported_states_count() {
    let device = Device::new().await;
    device.apply([spec("c", json!({"startup": "sleep 1000"}))]);
    device.wait_for("c", ComponentState::Starting).await;
    device.supervisor.report_state(&name("c"), ReportedState::Running).unwrap();
    assert_eq!(device.status("c").state, ComponentState::Running);
    let unknown = device.supervisor.report_state(&name("d"), ReportedState::Running);
    assert_eq!(unknown, Err(UnknownComponent(name("d"))));
    device.supervisor.report_state(&name("c"), ReportedState::Errored).unwrap();
    assert_ne!(device.status("c").state, ComponentState::Running);
}

#[tokio::test]
async fn life_script_that_cannot_start_is_an_io_error() {
    let device = Device::new().await;
    let run_with =
        RunWith { posix_user: Some("no-such-user-here".to_owned()), ..RunWith::default() };
    let wrong = ServiceSpec { run_with, ..spec("c", json!({"run": "exit 0"})) };
    let Settled::Broken(broken) = device.settle([wrong]).await else { panic!("it runs") };
    assert_eq!(broken[0].code, StatusCode::RunIoError);
    assert!(broken[0].reason.contains("no-such-user-here"), "{}", broken[0].reason);
}

#[tokio::test]
async fn a7_6_new_version_is_stopped_by_the_old_script() {
    let device = Device::new().await;
    let run = "echo $SVCUID > old-token; sleep 1000";
    let old = spec("c", json!({"run": run, "shutdown": "echo old >> stopped"}));
    assert_eq!(device.settle([old]).await, Settled::Reached);
    until("a token", || device.read("c", "old-token").len() > 16).await;
    let old_token = device.read("c", "old-token");
    assert_eq!(device.tokens.owner(old_token.trim()), Some(name("c")));
    let lifecycle = json!({
        "install": "echo new >> installed", "run": "echo $SVCUID > token; sleep 1000",
        "shutdown": "echo new >> stopped",
    });
    let new = ServiceSpec { version: "2.0.0".parse().unwrap(), ..spec("c", lifecycle) };
    assert_eq!(device.settle([new.clone()]).await, Settled::Reached);
    assert_eq!(device.read("c", "stopped"), "old\n");
    assert_eq!(device.read("c", "installed"), "new\n");
    assert_eq!(device.status("c").version, new.version);
    until("a token", || device.read("c", "token").len() > 16).await;
    assert_eq!(device.tokens.owner(device.read("c", "token").trim()), Some(name("c")));
    assert_eq!(device.tokens.owner(old_token.trim()), None);
    // Applied again without a change, nothing happens.
    let before = device.supervisor.mark();
    assert_eq!(device.settle([new]).await, Settled::Reached);
    assert_eq!(device.supervisor.mark(), before);
}

#[tokio::test]
async fn a7_6_broken_component_is_installed_again_even_unchanged() {
    let device = Device::new().await;
    let flaky = spec("c", json!({"install": "test -e allowed"}));
    assert!(matches!(device.settle([flaky.clone()]).await, Settled::Broken(_)));
    std::fs::write(device.file("c", "allowed"), "").unwrap();
    assert_eq!(device.settle([flaky]).await, Settled::Reached);
    assert_eq!(device.status("c").state, ComponentState::Finished);
}

#[tokio::test]
async fn waiting_for_an_unknown_component_says_so() {
    let device = Device::new().await;
    let settled = device.supervisor.wait_settled(&[name("c")], Mark::default()).await;
    assert_eq!(settled, Settled::Missing(vec![name("c")]));
}
