//! What is written where, to folders that stand for the kernel's; and, as root, to the kernel's.

use super::*;

/// Folders with empty files, as the kernel would make them with the group.
fn prepared(folder: &Path, files: &[&str]) {
    std::fs::create_dir_all(folder).unwrap();
    for file in files {
        std::fs::write(folder.join(file), "").unwrap();
    }
}

fn content(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn a7_8_v1_paths_and_values() {
    let root = tempfile::tempdir().unwrap();
    let at = |controller: &str| root.path().join(controller);
    let (memory, cpu, freezer) = (at("memory"), at("cpu,cpuacct"), at("freezer"));
    let below = |mount: &Path| mount.join("greengrass/com.example.C");
    prepared(&below(&memory), &["cgroup.procs", "memory.limit_in_bytes"]);
    prepared(&below(&cpu), &["cgroup.procs", "cpu.cfs_quota_us"]);
    std::fs::write(below(&cpu).join("cpu.cfs_period_us"), "50000\n").unwrap();
    prepared(&below(&freezer), &["cgroup.procs", "freezer.state"]);
    let mounts = Mounts {
        memory: Some(memory.clone()),
        cpu: Some(cpu.clone()),
        freezer: Some(freezer.clone()),
        unified: None,
    };
    let cgroups = Cgroups { mounts };
    let group = cgroups.create("greengrass", "com.example.C", Purpose::Limits).unwrap();
    group.limit(Limits { memory_bytes: Some(65536 * 1024), cpus: Some(0.5) }).unwrap();
    assert_eq!(content(&below(&memory), "memory.limit_in_bytes"), "67108864");
    assert_eq!(content(&below(&cpu), "cpu.cfs_quota_us"), "25000");
    let group = cgroups.create("greengrass", "com.example.C", Purpose::Freezing).unwrap();
    group.freeze().unwrap();
    assert_eq!(content(&below(&freezer), "freezer.state"), "FROZEN");
    assert!(group.is_frozen());
    group.thaw().unwrap();
    assert!(!group.is_frozen());
}

#[test]
fn a7_8_v2_paths_and_values() {
    let root = tempfile::tempdir().unwrap();
    let parent = root.path().join("greengrass");
    let folder = parent.join("com.example.C");
    let files = ["cgroup.procs", "memory.max", "cpu.max", "cgroup.freeze", "cgroup.kill"];
    prepared(&folder, &files);
    prepared(&parent, &["cgroup.subtree_control"]);
    let unified = Some(root.path().to_owned());
    let cgroups = Cgroups { mounts: Mounts { unified, ..Mounts::default() } };
    let group = cgroups.create("greengrass", "com.example.C", Purpose::Limits).unwrap();
    assert_eq!(content(&parent, "cgroup.subtree_control"), "+pids");
    group.limit(Limits { memory_bytes: Some(1024), cpus: Some(0.5) }).unwrap();
    assert_eq!(content(&folder, "memory.max"), "1024");
    assert_eq!(content(&folder, "cpu.max"), "50000 100000");
    assert_eq!(quota(0.000_000_1, 100_000), "1");
    group.freeze().unwrap();
    group.kill();
    assert_eq!(content(&folder, "cgroup.freeze"), "1");
    assert_eq!(content(&folder, "cgroup.kill"), "1");
}

#[test]
fn without_control_groups_it_says_what_is_missing() {
    let cgroups = Cgroups { mounts: Mounts::default() };
    let error = cgroups.create("greengrass", "c", Purpose::Freezing).unwrap_err();
    assert!(matches!(error, UseCgroup::NotMounted("pausing processes")), "{error}");
}

#[test]
fn a_group_with_processes_of_others_is_left_to_them() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("greengrass/c");
    prepared(&folder, &["cgroup.procs"]);
    std::fs::write(folder.join("cgroup.procs"), "17\n").unwrap();
    let freezer = Some(root.path().to_owned());
    let cgroups = Cgroups { mounts: Mounts { freezer, ..Mounts::default() } };
    let error = cgroups.create("greengrass", "c", Purpose::Freezing).unwrap_err();
    assert!(matches!(error, UseCgroup::Occupied { .. }), "{error}");
}

#[test]
fn real_processes_freeze_and_go_on() {
    let name = format!("marram-os-test-{}", std::process::id());
    let cgroups = Cgroups::detect();
    let group = match cgroups.create(&name, "c", Purpose::Freezing) {
        Ok(group) => group,
        Err(error) => {
            eprintln!("skipped: {error}");
            return;
        }
    };
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = child.id();
    group.freeze().unwrap();
    group.add_all(|| vec![pid]).unwrap();
    wait_until(|| group.is_frozen());
    child.kill().unwrap();
    cgroups.release(&name, pid);
    assert!(!child.wait().unwrap().success());
    wait_until(|| group.remove().is_ok());
    for (_, folder) in &group.folders {
        std::fs::remove_dir(folder.parent().unwrap()).unwrap();
    }
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !condition() {
        assert!(std::time::Instant::now() < end, "never came true");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}
