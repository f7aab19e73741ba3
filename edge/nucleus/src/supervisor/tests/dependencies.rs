//! Components that depend on each other.

use super::*;

use DependencyType::{Hard, Soft};

/// States in the order they were reached, for example `b STARTING`.
fn record(device: &Device) -> Arc<StdMutex<Vec<String>>> {
    let mut changes = device.supervisor.watch();
    let all = Arc::new(StdMutex::new(Vec::new()));
    let kept = Arc::clone(&all);
    tokio::spawn(async move {
        while let Ok(change) = changes.recv().await {
            let to = change.to.map_or("gone", ComponentState::as_str);
            kept.lock().unwrap().push(format!("{} {to}", change.name));
        }
    });
    all
}

fn position(all: &StdMutex<Vec<String>>, what: &str) -> usize {
    let all = all.lock().unwrap();
    all.iter().position(|change| change == what).unwrap_or_else(|| panic!("{what} in {all:?}"))
}

fn sleeping(component: &str) -> ServiceSpec {
    spec(component, json!({"run": "sleep 1000"}))
}

#[tokio::test]
async fn life_hard_dependency_starts_first() {
    let device = Device::new().await;
    let all = record(&device);
    let b = spec("b", json!({"startup": "exit 0"}));
    let specs = [depending(sleeping("a"), "b", Hard), b];
    assert_eq!(device.settle(specs).await, Settled::Reached);
    until("the record", || all.lock().unwrap().contains(&"a RUNNING".to_owned())).await;
    assert!(position(&all, "b RUNNING") < position(&all, "a STARTING"));
}

#[tokio::test]
async fn life_restart_of_a_dependency_restarts_its_dependers() {
    let device = Device::new().await;
    let a = depending(sleeping("a"), "b", Hard);
    assert_eq!(device.settle([a.clone(), sleeping("b")]).await, Settled::Reached);
    let all = record(&device);
    let b = spec("b", json!({"run": "sleep 1001"}));
    device.apply([b]);
    until("a second start", || all.lock().unwrap().contains(&"a RUNNING".to_owned())).await;
    assert!(position(&all, "b STOPPING") < position(&all, "a STOPPING"));
    assert!(position(&all, "b RUNNING") < position(&all, "a STARTING"));
}

#[tokio::test]
async fn life_finished_dependency_is_good_enough() {
    let device = Device::new().await;
    let specs = [depending(sleeping("a"), "b", Hard), spec("b", json!({}))];
    assert_eq!(device.settle(specs).await, Settled::Reached);
    assert_eq!(device.status("a").state, ComponentState::Running);
    assert_eq!(device.status("b").state, ComponentState::Finished);
}

#[tokio::test]
async fn life_broken_hard_dependency_keeps_its_depender_installed() {
    let device = Device::new().await;
    let b = spec("b", json!({"startup": "exit 1"}));
    let settled = device.settle([depending(sleeping("a"), "b", Hard), b]).await;
    let Settled::Broken(broken) = settled else { panic!("{settled:?}") };
    assert_eq!(broken[0].name, name("b"));
    assert_eq!(device.status("a").state, ComponentState::Installed);
}

#[tokio::test]
async fn life_broken_soft_dependency_does_not_matter() {
    let device = Device::new().await;
    let b = spec("b", json!({"startup": "exit 1"}));
    let settled = device.settle([depending(sleeping("a"), "b", Soft), b]).await;
    assert!(matches!(settled, Settled::Broken(_)), "{settled:?}");
    assert_eq!(device.status("a").state, ComponentState::Running);
}

#[tokio::test]
async fn a7_4_all_stop_in_reverse_order() {
    let device = Device::new().await;
    let c = spec("c", json!({"run": "sleep 1000", "shutdown": "sleep 0.1"}));
    let specs = [sleeping("a"), depending(sleeping("b"), "a", Hard), depending(c, "b", Hard)];
    assert_eq!(device.settle(specs).await, Settled::Reached);
    let all = record(&device);
    device.supervisor.stop_all(DEADLINE).await;
    until("the record", || all.lock().unwrap().contains(&"a gone".to_owned())).await;
    assert!(position(&all, "c gone") < position(&all, "b STOPPING"));
    assert!(position(&all, "b gone") < position(&all, "a STOPPING"));
    assert_eq!(device.supervisor.status(), vec![]);
}
