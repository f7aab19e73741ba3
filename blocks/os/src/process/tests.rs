//! Real processes: environment, output, users, trees and their ends.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Spawn {
    Spawn {
        program: "sh".into(),
        args: vec!["-c".into(), script.into()],
        env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("MARK".into(), "tree-7".into())],
        cwd: "/".into(),
        run_as: None,
        tree_variable: Some("MARK".into()),
        groups: Vec::new(),
    }
}

async fn line(child: &mut Child) -> String {
    timeout(PATIENCE, child.line()).await.expect("a line in time").expect("a line").text
}

async fn lines(child: &mut Child) -> Vec<Line> {
    let mut all = Vec::new();
    while let Some(line) = timeout(PATIENCE, child.line()).await.expect("output ends") {
        all.push(line);
    }
    all
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "{what} did not come true in time");
        sleep(Duration::from_millis(5)).await;
    }
}

fn is_alive(pid: u32) -> bool {
    table::read().iter().any(|entry| entry.pid == pid && !entry.is_zombie)
}

#[tokio::test]
async fn child_gets_exactly_the_environment_and_folder() {
    let mut child =
        spawn(Spawn { cwd: "/tmp".into(), ..shell("pwd; env | sort; exit 3") }).unwrap();
    let texts: Vec<String> = lines(&mut child).await.into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["/tmp", "MARK=tree-7", "PATH=/usr/bin:/bin", "PWD=/tmp"]);
    assert_eq!(child.wait().await.unwrap(), Exit::Code(3));
}

#[tokio::test]
async fn both_streams_are_read_to_their_end() {
    let mut child = spawn(shell("echo out; echo err >&2; printf tail")).unwrap();
    let all = lines(&mut child).await;
    let of = |output| -> Vec<&str> {
        all.iter().filter(|line| line.output == output).map(|line| line.text.as_str()).collect()
    };
    assert_eq!(of(Output::Stdout), ["out", "tail"]);
    assert_eq!(of(Output::Stderr), ["err"]);
}

#[tokio::test]
async fn missing_program_and_folder_are_named() {
    let missing = Spawn { program: "/no/such/program".into(), ..shell("") };
    let error = spawn(missing).unwrap_err();
    assert_eq!(error.to_string(), "could not start `/no/such/program` in `/`");
    assert!(spawn(Spawn { cwd: Path::new("/no/such/folder").into(), ..shell("") }).is_err());
}

#[tokio::test]
async fn stop_is_graceful_when_the_child_obeys() {
    let mut child =
        spawn(shell("trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done")).unwrap();
    assert_eq!(line(&mut child).await, "up");
    let tree = child.tree();
    let (stopped, exit) = tokio::join!(tree.stop(PATIENCE), child.wait());
    assert_eq!(stopped, Stopped::Gracefully);
    assert_eq!(exit.unwrap(), Exit::Code(0));
    assert_eq!(tree.stop(PATIENCE).await, Stopped::AlreadyEnded);
}

#[tokio::test]
async fn stop_kills_what_ignores_sigterm_with_its_children() {
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; echo up; while :; do sleep 0.05; done'";
    let mut child = spawn(shell(script)).unwrap();
    assert_eq!(line(&mut child).await, "up");
    let tree = child.tree();
    let stop = tree.stop(Duration::from_millis(50));
    let (stopped, exit) = tokio::join!(stop, child.wait());
    assert_eq!(stopped, Stopped::Killed);
    // Which of the two dies first is chance: the outer shell may still say how the inner one died.
    assert!(matches!(exit.unwrap(), Exit::Signal(9) | Exit::Code(137)));
    assert!(tree.members().is_empty());
}

#[tokio::test]
async fn processes_that_came_after_the_look_are_signalled_with_their_group() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo up; while [ ! -e go ]; do sleep 0.01; done; sleep 600 & echo $!; wait";
    let mut child = spawn(Spawn { cwd: folder.path().into(), ..shell(script) }).unwrap();
    assert_eq!(line(&mut child).await, "up");
    let tree = child.tree();
    let seen = tree.living();
    std::fs::write(folder.path().join("go"), "").unwrap();
    let late: u32 = line(&mut child).await.parse().unwrap();
    assert!(seen.iter().all(|entry| entry.pid != late) && is_alive(late));
    tree.send(&seen, rustix::process::Signal::TERM);
    until("the late one has ended", || !is_alive(late)).await;
    child.wait().await.unwrap();
}

#[tokio::test]
async fn each_process_hears_a_signal_once() {
    let script = "trap 'echo heard' TERM; echo up; n=0; \
                  while [ $n -lt 20 ]; do sleep 0.05 & wait; n=$((n+1)); done";
    let mut child = spawn(shell(script)).unwrap();
    assert_eq!(line(&mut child).await, "up");
    let tree = child.tree();
    let (_, lines) = tokio::join!(tree.stop(PATIENCE), async {
        let rest = lines(&mut child).await;
        child.wait().await.unwrap();
        rest
    });
    let heard = lines.iter().filter(|line| line.text == "heard").count();
    assert_eq!(heard, 1, "{lines:?}");
}

#[tokio::test]
async fn escapee_from_group_and_parent_is_found_and_stopped() {
    become_subreaper().unwrap();
    // The outer shell ends at once: its setsid child has neither its group nor a parent.
    let mut child = spawn(shell("setsid sh -c 'echo $$; exec sleep 600' & wait_for=$!")).unwrap();
    let escapee: u32 = line(&mut child).await.parse().unwrap();
    assert_eq!(child.wait().await.unwrap(), Exit::Code(0));
    let tree = child.tree();
    until("the escapee is a stray", || tree.members() == [escapee]).await;
    assert_eq!(tree.stop(PATIENCE).await, Stopped::Gracefully);
    assert!(!is_alive(escapee));

    let is_zombie = || table::read().iter().any(|entry| entry.pid == escapee);
    assert!(is_zombie(), "nobody has taken its exit yet");
    tree::reap_orphans_once();
    assert!(!is_zombie());
}

/// While a process replaces itself, its environment is empty for a moment.
#[tokio::test]
async fn escapee_is_seen_while_it_becomes_another_program() {
    become_subreaper().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let again = r#"exec sh -c "$AGAIN""#;
    let script = format!("setsid sh -c 'echo $$; {again}' 2> /dev/null &");
    let mut what = Spawn { cwd: folder.path().to_owned(), ..shell(&script) };
    what.env.push(("AGAIN".into(), again.into()));
    let mut child = spawn(what).unwrap();
    let escapee: u32 = line(&mut child).await.parse().unwrap();
    assert_eq!(child.wait().await.unwrap(), Exit::Code(0));
    let tree = child.tree();
    until("the escapee is a stray", || tree.members() == [escapee]).await;
    for _ in 0..500 {
        assert_eq!(tree.members(), [escapee]);
    }
}

#[tokio::test]
async fn dropping_the_child_kills_its_tree() {
    let mut child = spawn(shell("sleep 600 & echo $!; wait")).unwrap();
    let grandchild: u32 = line(&mut child).await.parse().unwrap();
    let pid = child.pid();
    assert_eq!(descendants(pid), [grandchild]);
    drop(child);
    until("the tree is gone", || !is_alive(pid) && !is_alive(grandchild)).await;
}

#[tokio::test]
async fn run_as_sets_user_group_and_supplementary_groups() {
    if !crate::user::is_root() {
        eprintln!("skipped: only root may become another user");
        return;
    }
    let user = crate::user::resolve("4000123:7").unwrap();
    let mut child = spawn(Spawn { run_as: Some(user), ..shell("id -u; id -g; id -G") }).unwrap();
    let texts: Vec<String> = lines(&mut child).await.into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["4000123", "7", "7"]);
}

#[tokio::test]
async fn a_bound_child_is_asked_to_end_and_then_killed() {
    let shell = Path::new("/bin/sh");
    let words = |script: &str| ["-c".into(), script.into()];
    let mut child = BoundChild::spawn(shell, &words("exit 7"), Vec::new()).unwrap();
    assert_eq!(child.wait().await.unwrap(), Exit::Code(7));
    let env = vec![("NAME".into(), "value".into())];
    let script = "test $NAME = value || exit 1; trap 'exit 5' TERM; while :; do sleep 0.02; done";
    let mut child = BoundChild::spawn(shell, &words(script), env).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    child.terminate();
    let exit = tokio::time::timeout(Duration::from_secs(10), child.wait()).await.unwrap().unwrap();
    assert!(matches!(exit, Exit::Code(5) | Exit::Signal(15)), "{exit:?}");
    let mut child = BoundChild::spawn(shell, &words("exec sleep 1000"), Vec::new()).unwrap();
    child.kill();
    assert_eq!(child.wait().await.unwrap(), Exit::Signal(9));
}

#[test]
fn descriptors_are_allowed_as_far_as_the_system_grants_and_never_fewer() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let soft = || getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(512), maximum }).unwrap();
    allow_descriptors(600).unwrap();
    assert_eq!(soft(), 600);
    allow_descriptors(512).unwrap();
    assert_eq!(soft(), 600);
    allow_descriptors(u64::MAX).unwrap();
    assert_eq!(soft(), maximum.unwrap_or(u64::MAX));
}
