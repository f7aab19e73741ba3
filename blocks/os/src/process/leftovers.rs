//! Processes of an earlier run of this program, found by what stands in their environment.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::table;
use super::tree::{KILL_DEADLINE, send};

/// Ends every process whose environment has the variable `name` with a value that begins with
/// `prefix`, and everything those started or lead: SIGTERM, up to `grace` to end, then SIGKILL and
/// up to 5 s for that. Returns those that are still there.
///
/// `wake` is called for each before it is signalled: one that stands still in a frozen control group
/// hears nothing.
///
/// Call it before starting any such process: it tells not the new ones from the old.
pub async fn end_leftovers(
    name: &str,
    prefix: &str,
    grace: Duration,
    wake: impl Fn(u32),
) -> Vec<u32> {
    let mark = format!("{name}={prefix}").into_bytes();
    for (signal, deadline) in [(Signal::TERM, grace), (Signal::KILL, KILL_DEADLINE)] {
        let end = Instant::now() + deadline;
        let mut signalled = BTreeSet::new();
        loop {
            let left = marked(&mark);
            if left.is_empty() {
                return left;
            }
            if Instant::now() >= end {
                break;
            }
            for pid in left {
                if signalled.insert(pid) {
                    wake(pid);
                    send(pid, signal);
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    marked(&mark)
}

/// The living processes with the mark, their descendants, and the groups that they lead.
fn marked(mark: &[u8]) -> Vec<u32> {
    let table = table::read();
    let own = std::process::id();
    let carriers: BTreeSet<u32> =
        table.iter().map(|entry| entry.pid).filter(|pid| carries(*pid, mark)).collect();
    let mut all = carriers.clone();
    for pid in &carriers {
        all.extend(table::below(&table, *pid));
    }
    all.extend(table.iter().filter(|entry| carriers.contains(&entry.group)).map(|e| e.pid));
    let is_alive = |entry: &&table::Entry| all.contains(&entry.pid) && !entry.is_zombie;
    table.iter().filter(is_alive).map(|entry| entry.pid).filter(|pid| *pid != own).collect()
}

fn carries(pid: u32, mark: &[u8]) -> bool {
    let Ok(environ) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    environ.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn only_marked_processes_are_ended() {
        let start = |value: &str| {
            let mut command = Command::new("sleep");
            command.arg("1000").env("MARRAM_TEST_LEFTOVER", value).spawn().unwrap()
        };
        let own = format!("/root-{}#", std::process::id());
        let mut marked = start(&format!("{own}c#1"));
        let mut other = start("/another#c#1");
        let left =
            end_leftovers("MARRAM_TEST_LEFTOVER", &own, Duration::from_secs(5), |_| {}).await;
        assert_eq!(left, Vec::<u32>::new());
        assert!(!marked.wait().unwrap().success());
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
