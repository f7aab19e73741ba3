//! Limits and pausing with the machine's own control groups; without those, each test says why it
//! is skipped.

use marram_model::deployment::SystemResourceLimits;
use marram_os::cgroup::Purpose;

use super::super::resources::PARENT;
use super::*;

/// Counts for as long as it may.
const COUNTER: &str =
    "i=0; while :; do i=$((i+1)); echo $i > count.new; mv count.new count; sleep 0.01; done";

/// Asks for 200 MB at once, and tells of it if it gets them.
const GREEDY: &str = "head -c 200000000 /dev/zero | tail -c 200000000 > /dev/null; \
    echo $? > had; sleep 1000";

/// Whether this machine lets us make such groups.
fn usable(purpose: Purpose) -> bool {
    let probe = format!("marram-probe-{}", std::process::id());
    match Cgroups::detect().create(PARENT, &probe, purpose) {
        Ok(group) => {
            group.remove().unwrap();
            true
        }
        Err(error) => {
            eprintln!("skipped: {error}");
            false
        }
    }
}

/// A name that no other test or nucleus on this machine uses: groups have no other.
fn unique(test: &str) -> String {
    format!("marram.test.{test}{}", std::process::id())
}

fn limited(spec: ServiceSpec, memory: Option<i64>, cpus: Option<f64>) -> ServiceSpec {
    let limits = SystemResourceLimits { memory, cpus };
    let run_with = RunWith { system_resource_limits: Some(limits), ..spec.run_with.clone() };
    ServiceSpec { run_with, ..spec }
}

/// The content of the control file of a component's group, of whichever version.
fn control(component: &str, files: &[&str]) -> Option<String> {
    let controllers = ["memory", "cpu,cpuacct", "cpu", "freezer", ""];
    controllers.iter().find_map(|controller| {
        let folder = PathBuf::from("/sys/fs/cgroup").join(controller);
        let folder = folder.join("greengrass").join(component);
        files.iter().find_map(|file| std::fs::read_to_string(folder.join(file)).ok())
    })
}

const MEMORY: [&str; 2] = ["memory.limit_in_bytes", "memory.max"];

#[tokio::test]
async fn a7_8_memory_is_enforced_and_the_group_goes_at_shutdown() {
    if !usable(Purpose::Limits) {
        return;
    }
    let device = Device::new().await;
    let c = unique("memory");
    let lifecycle = json!({"install": "cat /proc/self/cgroup > install", "run": GREEDY});
    device.settle([limited(spec(&c, lifecycle), Some(20_000), None)]).await;
    assert_eq!(control(&c, &MEMORY).as_deref().map(str::trim), Some("20480000"));
    until("the end of the greedy one", || device.read(&c, "had").ends_with('\n')).await;
    assert_ne!(device.read(&c, "had").trim(), "0", "it got more than it may have");
    assert!(!device.read(&c, "install").contains(&c), "install is not limited");
    device.supervisor.remove([name(&c)]).await;
    assert_eq!(control(&c, &MEMORY), None);
}

#[tokio::test]
async fn a7_6_limits_are_changed_live() {
    if !usable(Purpose::Limits) {
        return;
    }
    let device = Device::new().await;
    let c = unique("live");
    let plain = spec(&c, json!({"run": "echo $$ >> starts; sleep 1000 & wait"}));
    assert_eq!(device.settle([plain.clone()]).await, Settled::Reached);
    until("a start", || device.read(&c, "starts").ends_with('\n')).await;
    assert_eq!(control(&c, &MEMORY), None, "without limits there is no group");
    device.settle([limited(plain.clone(), Some(50_000), Some(0.5))]).await;
    assert_eq!(control(&c, &MEMORY).as_deref().map(str::trim), Some("51200000"));
    let quota = control(&c, &["cpu.cfs_quota_us", "cpu.max"]).unwrap();
    assert!(quota.starts_with("50000"), "{quota}");
    let pid = device.read(&c, "starts").trim().to_owned();
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(groups.contains(&format!("/greengrass/{c}")), "{groups}");
    device.settle([limited(plain.clone(), Some(-1), None)]).await;
    assert_ne!(control(&c, &MEMORY).as_deref().map(str::trim), Some("51200000"));
    assert_eq!(device.read(&c, "starts").lines().count(), 1, "it was not restarted");
    device.supervisor.remove([name(&c)]).await;
}

#[tokio::test]
async fn crowd_within_its_limits_ends_with_its_component() {
    if !usable(Purpose::Limits) {
        return;
    }
    let device = Device::new().await;
    let c = unique("crowd");
    // 127 shells, each started by another one. Memory for all of them: where a version 1 group
    // is out of it, a fork that waits for memory makes every other fork on the machine wait.
    let crowd = "crowd() { if [ $1 -gt 0 ]; then crowd $(($1-1)) & crowd $(($1-1)) & fi; \
                 echo $1 >> shells; sleep 1000; }; crowd 6";
    device.apply([limited(spec(&c, json!({"run": crowd})), Some(512_000), None)]);
    until("a crowd", || device.read(&c, "shells").lines().count() >= 100).await;
    let other = device.settle([spec("other", json!({"startup": "exit 0"}))]).await;
    assert_eq!(other, Settled::Reached);
    device.supervisor.remove([name(&c)]).await;
    let own = std::process::id();
    let lives = |pid: u32| is_alive(&pid.to_string());
    until("the end", || !marram_os::process::descendants(own).into_iter().any(lives)).await;
    assert_eq!(control(&c, &MEMORY), None);
}

#[tokio::test]
async fn paused_component_stands_still_and_is_still_running() {
    if !usable(Purpose::Freezing) {
        return;
    }
    let device = Device::new().await;
    let c = unique("pause");
    device.settle([spec(&c, json!({"run": COUNTER}))]).await;
    until("a count", || !device.read(&c, "count").is_empty()).await;
    let resumed_early = device.supervisor.resume(&c);
    assert!(matches!(resumed_early, Err(ResumeComponent::NotPaused)), "{resumed_early:?}");
    device.supervisor.pause(&c).await.unwrap();
    device.supervisor.pause(&c).await.unwrap();
    let count = device.read(&c, "count");
    sleep(Duration::from_millis(200)).await;
    assert_eq!(device.read(&c, "count"), count);
    assert_eq!(device.status(&c).state, ComponentState::Running);
    device.supervisor.resume(&c).unwrap();
    until("another count", || device.read(&c, "count") != count).await;
    device.supervisor.remove([name(&c)]).await;
}

#[tokio::test]
async fn paused_component_goes_on_to_shut_down() {
    if !usable(Purpose::Freezing) {
        return;
    }
    let device = Device::new().await;
    let c = unique("stop");
    let run = "trap 'echo > heard; exit' TERM; echo > up; while :; do sleep 0.01; done";
    device.settle([spec(&c, json!({"run": run}))]).await;
    until("it is up", || device.file(&c, "up").exists()).await;
    device.supervisor.pause(&c).await.unwrap();
    let began = Instant::now();
    device.supervisor.remove([name(&c)]).await;
    assert!(device.file(&c, "heard").exists(), "it heard SIGTERM");
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!(control(&c, &["freezer.state", "cgroup.freeze"]), None);
}

#[tokio::test]
async fn only_running_scripts_can_be_paused() {
    let device = Device::new().await;
    device.settle([spec("c", json!({"install": "true"}))]).await;
    let finished = device.supervisor.pause("c").await;
    assert!(matches!(finished, Err(PauseComponent::NotRunning)), "{finished:?}");
    let unknown = device.supervisor.pause("d").await;
    assert!(matches!(unknown, Err(PauseComponent::Unknown)), "{unknown:?}");
}
