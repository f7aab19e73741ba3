//! Components that behave as badly as they can: the device, and the others on it, go on.

use marram_os::process::{descendants, reap_orphans};

use super::*;

/// What the nucleus itself may grow by, whatever a component writes. Its queues take far less.
const ROOM_KB: u64 = 32 * 1024;

/// The memory of this process, in KiB.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Waits until no process lives that this one started, directly or not.
async fn until_alone() {
    let lives = |pid: u32| is_alive(&pid.to_string());
    until("the end of all processes", || !descendants(std::process::id()).into_iter().any(lives))
        .await;
}

#[tokio::test]
async fn fork_storm_ends_with_its_component() {
    let device = Device::new().await;
    let reaper = tokio::spawn(reap_orphans());
    // Each starts the next and ends, faster than the process table can be read.
    let storm = "echo '[ $1 -gt 0 ] && sh ./hop $(($1-1)) & exit' > hop; \
                 for i in 1 2 3; do sh ./hop 2000 & done; touch up; sleep 1000";
    device.apply([spec("storm", json!({"run": storm}))]);
    until("the storm", || device.file("storm", "up").exists()).await;
    let other = device.settle([spec("other", json!({"startup": "exit 0"}))]).await;
    assert_eq!(other, Settled::Reached);
    device.supervisor.remove([name("storm")]).await;
    until_alone().await;
    reaper.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_is_bounded_and_others_go_on() {
    let device = Device::new().await;
    device.set_logging(&json!({"fileSizeKB": 64, "totalLogsSizeKB": 256}));
    let before = resident_kb();
    let run = "yes 'a line of forty-four bytes, again and again' & \
               yes 'the same in the other stream, again and again' >&2";
    device.apply([spec("flood", json!({"run": run}))]);
    // So many full files have come and gone.
    let is_deep = || {
        let numbers = device.log_files("flood_").into_keys();
        let number = |name: String| name.strip_suffix(".log")?.rsplit('_').next()?.parse().ok();
        numbers.filter_map(number).any(|number: u32| number >= 100)
    };
    until("a flood", is_deep).await;
    let other = spec("other", json!({"startup": "exit 0", "shutdown": "touch stopped"}));
    assert_eq!(device.settle([other]).await, Settled::Reached);
    device.supervisor.remove([name("other")]).await;
    assert!(device.file("other", "stopped").exists());

    let kept: u64 = device.log_files("flood").values().sum();
    assert!(kept <= (256 + 64) * 1024, "{kept} bytes of logs");
    let grown = resident_kb().saturating_sub(before);
    assert!(grown < ROOM_KB, "the nucleus grew by {grown} KiB");
    assert_eq!(device.status("flood").last_stderr.len(), 10);
    device.supervisor.remove([name("flood")]).await;
    until_alone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_a_child_does_not_hide_the_exit() {
    let device = Device::new().await;
    device.apply([spec("c", json!({"run": "yes & exit 3"}))]);
    device.wait_for("c", ComponentState::Broken).await;
    let status = device.status("c");
    assert!(status.reason.ends_with("exited with code 3."), "{}", status.reason);
    until_alone().await;
}

#[tokio::test]
async fn output_that_is_no_text_is_replaced() {
    let device = Device::new().await;
    let run = r"printf 'caf\351 \377\376\n' >&2; printf 'zero \000 end\n'; printf 'no end'";
    device.apply([spec("c", json!({"run": run}))]);
    device.wait_for("c", ComponentState::Finished).await;
    until("the last line", || device.log("c").contains("no end")).await;
    // Reading it as text would fail otherwise.
    let log = device.log("c");
    assert!(log.contains("caf\u{fffd} \u{fffd}\u{fffd}."), "{log}");
    assert!(log.contains("zero \0 end"), "{log}");
    assert_eq!(device.status("c").last_stderr, ["caf\u{fffd} \u{fffd}\u{fffd}"]);
}

#[tokio::test]
async fn component_log_follows_the_configured_sizes() {
    let device = Device::new().await;
    device.set_logging(&json!({"fileSizeKB": 1, "totalLogsSizeKB": 100}));
    let run = "for i in 1 2 3 4 5 6 7 8; do printf '%0600d\n' $i; done; echo >> runs";
    device.apply([spec("c", json!({"run": run}))]);
    let has_run = |times: usize| device.read("c", "runs").lines().count() == times;
    until("a run", || has_run(1)).await;
    device.wait_for("c", ComponentState::Finished).await;
    until("eight files", || device.log_files("c").len() == 8).await;
    device.set_logging(&json!({"fileSizeKB": "1000"}));
    device.supervisor.restart(&name("c")).unwrap();
    until("another run", || has_run(2)).await;
    device.wait_for("c", ComponentState::Finished).await;
    until("the lines", || device.log("c").matches("00008.").count() == 2).await;
    assert_eq!(device.log_files("c").len(), 8, "the file was not full any more");
}
