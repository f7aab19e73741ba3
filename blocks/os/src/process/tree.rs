//! A process with everything it started, and its end.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::table::{self, Entry};

/// How long SIGKILL may take to end a tree: longer only for processes stuck in the kernel.
pub(super) const KILL_DEADLINE: Duration = Duration::from_secs(5);

/// The children that [`super::spawn`] made and whose exit tokio takes.
static OWNED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A process and all its descendants, also those that left its group or outlived it.
#[derive(Debug, Clone)]
pub struct Tree {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pid: u32,
    /// What tells the tree's processes that lost their parent.
    mark: Option<Mark>,
    leader_ended: AtomicBool,
}

#[derive(Debug)]
struct Mark {
    /// `NAME=value` as it stands in a descendant's environment.
    variable: Vec<u8>,
    /// Bytes of `NAME=` in it.
    name_length: usize,
    /// The folder that the tree began in.
    folder: PathBuf,
}

/// How a tree came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing of it was left.
    AlreadyEnded,
    /// All ended within the grace.
    Gracefully,
    /// Some had to be killed.
    Killed,
    /// These are still there after SIGKILL.
    Survived(Vec<u32>),
}

impl Tree {
    pub(super) fn new(pid: u32, mark: Option<(OsString, OsString)>, folder: &Path) -> Self {
        let mark = mark.map(|(name, value)| Mark {
            variable: [name.as_bytes(), b"=", value.as_bytes()].concat(),
            name_length: name.len() + 1,
            folder: folder.canonicalize().unwrap_or_else(|_| folder.to_owned()),
        });
        Self { shared: Arc::new(Shared { pid, mark, leader_ended: AtomicBool::new(false) }) }
    }

    /// The process that the tree began with.
    pub fn pid(&self) -> u32 {
        self.shared.pid
    }

    /// The living processes of the tree, descendants before the process it began with.
    pub fn members(&self) -> Vec<u32> {
        self.living().into_iter().map(|entry| entry.pid).collect()
    }

    pub(super) fn living(&self) -> Vec<Entry> {
        let table = table::read();
        let Shared { pid, mark, .. } = &*self.shared;
        let (pid, own) = (*pid, std::process::id());
        // Once the leader was reaped, its number may name a stranger, and its group too.
        let is_stranger = self.shared.leader_ended.load(Ordering::SeqCst)
            && table.iter().any(|entry| entry.pid == pid);
        let mut members = BTreeSet::new();
        if !is_stranger {
            members.extend(table::below(&table, pid));
            members.extend(table.iter().filter(|entry| entry.group == pid).map(|e| e.pid));
            members.insert(pid);
        }
        if let Some(mark) = mark {
            for stray in table::below(&table, own) {
                // Read once: it is empty for a moment when the process becomes another program, and
                // two looks could each find what the other wants.
                let environment = variables(stray);
                let is_orphan = || {
                    table.iter().any(|entry| entry.pid == stray && entry.parent == own)
                        && !owned().contains(&stray)
                };
                if mark.is_on(&environment) {
                    members.insert(stray);
                } else if is_orphan() && mark.was_on(stray, &environment) {
                    members.insert(stray);
                    members.extend(table::below(&table, stray));
                }
            }
        }
        members.remove(&own);
        let is_alive = |entry: &&Entry| members.contains(&entry.pid) && !entry.is_zombie;
        let mut living: Vec<Entry> = table.iter().filter(is_alive).copied().collect();
        living.sort_by_key(|member| member.pid == pid);
        living
    }

    /// Ends the tree: SIGTERM to all, up to `grace` for them to end, then SIGKILL to what is left,
    /// and up to 5 s for that.
    pub async fn stop(&self, grace: Duration) -> Stopped {
        if !self.signal(Signal::TERM) {
            return Stopped::AlreadyEnded;
        }
        if self.ends_within(grace, None).await {
            return Stopped::Gracefully;
        }
        debug!(pid = self.pid(), "still running after SIGTERM and the grace: killing");
        if self.ends_within(KILL_DEADLINE, Some(Signal::KILL)).await {
            return Stopped::Killed;
        }
        let left = self.members();
        warn!(pid = self.pid(), ?left, "processes survived SIGKILL");
        Stopped::Survived(left)
    }

    /// Kills the whole tree without waiting for it.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    pub(super) fn leader_ended(&self) {
        if !self.shared.leader_ended.swap(true, Ordering::SeqCst) {
            self.disown();
        }
    }

    /// Leaves the exit to whoever takes it first.
    pub(super) fn disown(&self) {
        disown(self.shared.pid);
    }

    /// Sends to every member; returns whether there was any.
    fn signal(&self, signal: Signal) -> bool {
        let living = self.living();
        self.send(&living, signal);
        !living.is_empty()
    }

    /// Sends to each process once. Groups that the tree leads get it as one: a process that forks
    /// and ends faster than the process table is read is never met alone.
    pub(super) fn send(&self, living: &[Entry], signal: Signal) {
        let leads =
            |group: u32| group == self.shared.pid || living.iter().any(|entry| entry.pid == group);
        let groups: BTreeSet<u32> =
            living.iter().map(|entry| entry.group).filter(|group| leads(*group)).collect();
        for group in &groups {
            send_to_group(*group, signal);
        }
        for entry in living.iter().filter(|entry| !groups.contains(&entry.group)) {
            send(entry.pid, signal);
        }
    }

    /// Waits until nothing is left, sending `signal` to what is left each time it looks: a tree
    /// may still grow while it is killed.
    async fn ends_within(&self, deadline: Duration, signal: Option<Signal>) -> bool {
        let end = Instant::now() + deadline;
        let mut pause = Duration::from_millis(2);
        loop {
            let living = self.living();
            if living.is_empty() {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            if let Some(signal) = signal {
                self.send(&living, signal);
            }
            sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}

/// Starts a process whose exit its owner takes. Under the lock, because a short-lived one may be a
/// zombie before its number is known here.
pub(super) fn spawn_owned(command: &mut Command) -> io::Result<tokio::process::Child> {
    let mut owned = owned();
    let child = command.spawn()?;
    owned.extend(child.id());
    Ok(child)
}

/// Takes the exit of every zombie child that nobody owns.
pub(super) fn reap_orphans_once() {
    let own = std::process::id();
    let zombies = table::read().into_iter().filter(|e| e.parent == own && e.is_zombie);
    for zombie in zombies {
        if owned().contains(&zombie.pid) {
            continue;
        }
        if let Some(pid) = to_pid(zombie.pid) {
            // Already taken by somebody else is as good.
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// Leaves the exit of a process to whoever takes it first.
pub(super) fn disown(pid: u32) {
    owned().remove(&pid);
}

fn owned() -> MutexGuard<'static, BTreeSet<u32>> {
    OWNED.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn send(pid: u32, signal: Signal) {
    let Some(target) = to_pid(pid) else { return };
    if let Err(error) = kill_process(target, signal) {
        // Mostly it has just ended; a process of another user is out of reach without root.
        debug!(pid, %error, "could not signal a process");
    }
}

fn send_to_group(group: u32, signal: Signal) {
    let Some(target) = to_pid(group) else { return };
    if let Err(error) = kill_process_group(target, signal) {
        debug!(group, %error, "could not signal a group of processes");
    }
}

fn to_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

impl Mark {
    /// Whether a process with this environment was started with it.
    fn is_on(&self, environment: &[Vec<u8>]) -> bool {
        environment.contains(&self.variable)
    }

    /// Whether a process without parent that cleared its environment (`env -i`, `sudo`), or has
    /// none yet, still stands in the tree's folder. Where the tree began at the root, everybody
    /// does.
    fn was_on(&self, pid: u32, environment: &[Vec<u8>]) -> bool {
        let name = &self.variable[..self.name_length];
        let stands_there = || {
            let folder = std::fs::read_link(format!("/proc/{pid}/cwd"));
            folder.is_ok_and(|folder| folder.starts_with(&self.folder))
        };
        self.folder.parent().is_some()
            && !environment.iter().any(|variable| variable.starts_with(name))
            && stands_there()
    }
}

/// The environment that a process was started with. Unreadable, and as if empty, for another
/// user's process unless this one is root.
fn variables(pid: u32) -> Vec<Vec<u8>> {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environ.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}
