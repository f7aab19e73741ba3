//! Ends: of processes, of components, of the supervisor, of a killed nucleus.

use super::*;

/// A script that leaves its id and that of a child which ignores SIGTERM.
const STUBBORN: &str = "echo $$ > parent; \
    sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 0.05; done' & wait";

#[tokio::test]
async fn life_stop_ends_children_too() {
    let device = Device::new().await;
    device.apply([spec("c", json!({"run": STUBBORN}))]);
    until("both", || device.read("c", "child").ends_with('\n')).await;
    let (parent, child) = (device.read("c", "parent"), device.read("c", "child"));
    let began = Instant::now();
    device.supervisor.remove([name("c")]).await;
    assert!(began.elapsed() >= Duration::from_secs(4), "the grace was not given");
    assert!(!is_alive(&parent) && !is_alive(&child));
    assert_eq!(device.supervisor.status(), vec![]);
}

#[tokio::test]
async fn life_child_in_a_session_of_its_own_is_ended_too() {
    let device = Device::new().await;
    let run = "setsid sh -c 'echo $$ > child; exec sleep 1000' > /dev/null 2>&1 & sleep 1000";
    device.apply([spec("c", json!({"run": run}))]);
    until("the child", || device.read("c", "child").ends_with('\n')).await;
    let child = device.read("c", "child");
    device.supervisor.remove([name("c")]).await;
    assert!(!is_alive(&child));
}

#[tokio::test]
async fn removed_component_loses_its_token_and_keeps_its_folder() {
    let device = Device::new().await;
    let run = "echo $SVCUID > token; sleep 1000";
    let mut changes = device.supervisor.watch();
    device.apply([spec("c", json!({"run": run}))]);
    until("a token", || device.read("c", "token").len() > 16).await;
    let token = device.read("c", "token").trim().to_owned();
    assert_eq!(device.tokens.owner(&token), Some(name("c")));
    device.supervisor.remove([name("c"), name("unknown")]).await;
    assert_eq!(device.tokens.owner(&token), None);
    assert!(device.file("c", "token").exists());
    let mut last = None;
    while let Ok(change) = changes.try_recv() {
        last = Some(change);
    }
    let last = last.unwrap();
    assert_eq!((last.from, last.to), (Some(ComponentState::Uninstalled), None));
}

#[tokio::test]
async fn daemon_that_lost_its_parent_ends_with_its_component() {
    let device = Device::new().await;
    let startup = "setsid sh -c 'echo $$ > daemon; exec sleep 1000' > /dev/null 2>&1 &";
    device.apply([spec("c", json!({"startup": startup}))]);
    until("the daemon", || device.read("c", "daemon").ends_with('\n')).await;
    device.wait_for("c", ComponentState::Running).await;
    let daemon = device.read("c", "daemon");
    assert!(is_alive(&daemon));
    device.supervisor.remove([name("c")]).await;
    assert!(!is_alive(&daemon));
}

#[tokio::test]
async fn daemon_that_cleared_its_environment_too_ends_with_its_component() {
    let device = Device::new().await;
    let daemon = "env -i setsid sh -c 'echo $$ > daemon; exec sleep 1000' > /dev/null 2>&1 &";
    let specs = ["c", "d"].map(|component| spec(component, json!({"startup": daemon})));
    device.apply(specs);
    for component in ["c", "d"] {
        until("the daemon", || device.read(component, "daemon").ends_with('\n')).await;
        device.wait_for(component, ComponentState::Running).await;
    }
    let (daemon, other) = (device.read("c", "daemon"), device.read("d", "daemon"));
    device.supervisor.remove([name("c")]).await;
    assert!(!is_alive(&daemon));
    assert!(is_alive(&other), "it belongs to another component");
    device.supervisor.remove([name("d")]).await;
    assert!(!is_alive(&other));
}

#[tokio::test]
async fn component_applied_again_while_it_goes_stays() {
    let device = Device::new().await;
    let c = spec("c", json!({"run": "sleep 1000", "shutdown": "sleep 0.2"}));
    assert_eq!(device.settle([c.clone()]).await, Settled::Reached);
    let supervisor = device.supervisor.clone();
    let removal = tokio::spawn(async move { supervisor.remove([name("c")]).await });
    device.wait_for("c", ComponentState::Stopping).await;
    assert_eq!(device.settle([c]).await, Settled::Reached);
    tokio::time::timeout(DEADLINE, removal).await.unwrap().unwrap();
    assert_eq!(device.status("c").state, ComponentState::Running);
}

#[tokio::test]
async fn a7_4_what_does_not_stop_within_the_budget_is_killed() {
    let device = Device::new().await;
    device.apply([spec("c", json!({"run": STUBBORN, "shutdown": "sleep 1000"}))]);
    until("both", || device.read("c", "child").ends_with('\n')).await;
    let (parent, child) = (device.read("c", "parent"), device.read("c", "child"));
    let began = Instant::now();
    device.supervisor.stop_all(Duration::from_millis(500)).await;
    assert!(began.elapsed() < Duration::from_secs(3));
    until("the end", || !is_alive(&parent) && !is_alive(&child)).await;
    device.apply([spec("d", json!({"run": "sleep 1000"}))]);
    assert_eq!(device.supervisor.status(), vec![]);
    let settled = device.supervisor.wait_settled(&[], Mark::default()).await;
    assert_eq!(settled, Settled::Reached);
}

#[tokio::test]
async fn dropping_the_supervisor_kills_everything() {
    let device = Device::new().await;
    device.apply([spec("c", json!({"run": STUBBORN}))]);
    until("both", || device.read("c", "child").ends_with('\n')).await;
    let (parent, child) = (device.read("c", "parent"), device.read("c", "child"));
    let Device { folder: _folder, supervisor, .. } = device;
    drop(supervisor);
    until("the end", || !is_alive(&parent) && !is_alive(&child)).await;
}

#[tokio::test]
async fn processes_of_a_killed_nucleus_are_ended_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let orphan = |root: &tempfile::TempDir| {
        let mut command = std::process::Command::new("sleep");
        let mark = format!("{}#c#1.7", root.path().display());
        command.arg("1000").env(environment::MARK, mark).spawn().unwrap()
    };
    let (mut own, mut foreign) = (orphan(&folder), orphan(&other));
    let device = Device::in_folder(folder).await;
    assert!(!own.wait().unwrap().success());
    assert_eq!(foreign.try_wait().unwrap(), None, "another nucleus's processes are not ours");
    foreign.kill().unwrap();
    foreign.wait().unwrap();
    drop(device);
}
