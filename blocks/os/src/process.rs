//! Child processes: started as somebody, read line by line, and ended with everything they started.
//!
//! A child leads its own process group. What it starts belongs to its [`Tree`], also what has left
//! the group (`setsid`) or lost its parent: such a process is still a descendant of the runtime
//! once [`become_subreaper`] was called, and still carries the environment variable that names its
//! tree ([`Spawn::tree_variable`]), or at least stands in the folder that the tree began in.

mod bound;
mod leftovers;
mod lines;
mod table;
mod tree;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::unistd::{Gid, Uid};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::user::RunAs;

pub use bound::BoundChild;
pub use leftovers::end_leftovers;
pub use lines::{Line, MAX_LINE_BYTES, Output};
pub use table::descendants;
pub use tree::{Stopped, Tree};

/// The path by which this program was started: a link to it is not followed, and a name is looked
/// up in the `PATH` already.
pub fn called_as() -> PathBuf {
    OsStr::from_bytes(rustix::param::linux_execfn().to_bytes()).into()
}

/// Lines that wait for the reader; beyond that the child waits in its write.
const LINE_QUEUE: usize = 64;

/// What to start.
#[derive(Debug)]
pub struct Spawn {
    /// The executable: a path, or a name looked up in the `PATH` of `env`.
    pub program: OsString,
    /// Its arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// Its whole environment: nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The folder it starts in.
    pub cwd: PathBuf,
    /// Whom it runs as; `None` for the user of this process. Needs root.
    pub run_as: Option<RunAs>,
    /// The name of a variable in `env` whose value only this child's tree has. Descendants that
    /// left the process group and lost their parent are found by it.
    pub tree_variable: Option<String>,
    /// The control groups it joins before its first instruction: [`crate::cgroup::Group::entrances`].
    pub groups: Vec<OwnedFd>,
}

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not start `{}` in `{}`{}", program.display(), cwd.display(),
    run_as.as_ref().map(|user| format!(" as user `{user}`")).unwrap_or_default()
)]
pub struct SpawnProcess {
    /// The executable.
    pub program: OsString,
    /// The folder it was to start in.
    pub cwd: PathBuf,
    /// Whom it was to run as.
    pub run_as: Option<String>,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It ended itself with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl Exit {
    /// Whether it ended itself with code 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match status.code() {
            Some(code) => Self::Code(code),
            None => Self::Signal(status.signal().unwrap_or(0)),
        }
    }
}

/// A child process. Dropping it kills its whole tree at once.
#[derive(Debug)]
pub struct Child {
    inner: tokio::process::Child,
    tree: Tree,
    lines: mpsc::Receiver<Line>,
    readers: [JoinHandle<()>; 2],
}

/// Starts a process with its standard input closed.
pub fn spawn(what: Spawn) -> Result<Child, SpawnProcess> {
    let mut command = Command::new(&what.program);
    command
        .args(&what.args)
        .env_clear()
        .envs(what.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&what.cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if !what.groups.is_empty() {
        join_groups(&mut command, what.groups);
    }
    if let Some(user) = &what.run_as {
        switch_user(&mut command, user);
    }
    let run_as = what.run_as.map(|user| user.name);
    let failed = |source| SpawnProcess {
        program: what.program.clone(),
        cwd: what.cwd.clone(),
        run_as: run_as.clone(),
        source,
    };
    let mut inner = tree::spawn_owned(&mut command).map_err(failed)?;
    let (Some(pid), Some(stdout), Some(stderr)) =
        (inner.id(), inner.stdout.take(), inner.stderr.take())
    else {
        return Err(failed(io::Error::other("the new process has no pid or no pipes")));
    };
    let mark = what.tree_variable.and_then(|name| {
        let (name, value) = what.env.iter().find(|(given, _)| *given == *name)?;
        Some((name.clone(), value.clone()))
    });
    let (sender, lines) = mpsc::channel(LINE_QUEUE);
    let readers = [
        tokio::spawn(lines::read(stdout, Output::Stdout, sender.clone())),
        tokio::spawn(lines::read(stderr, Output::Stderr, sender)),
    ];
    Ok(Child { inner, tree: Tree::new(pid, mark, &what.cwd), lines, readers })
}

impl Child {
    /// The process's id, also its group's.
    pub fn pid(&self) -> u32 {
        self.tree.pid()
    }

    /// The next line of output, in the order of each stream; `None` when both streams are closed.
    /// A descendant that keeps a stream open keeps this waiting, also after [`Self::wait`].
    pub async fn line(&mut self) -> Option<Line> {
        self.lines.recv().await
    }

    /// Hands out the lines to read them apart from the child. [`Self::line`] then yields `None`.
    pub fn take_lines(&mut self) -> mpsc::Receiver<Line> {
        std::mem::replace(&mut self.lines, mpsc::channel(1).1)
    }

    /// Waits until the process itself has ended; its descendants may live on. May be called again.
    pub async fn wait(&mut self) -> io::Result<Exit> {
        let status = self.inner.wait().await?;
        self.tree.leader_ended();
        Ok(status.into())
    }

    /// The process with everything it started, to be stopped from anywhere.
    pub fn tree(&self) -> Tree {
        self.tree.clone()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
        self.tree.kill();
        self.tree.disown();
    }
}

/// Asks one process to end, with SIGTERM. One that has ended already needs no asking.
pub fn terminate(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

/// Makes the processes that lose their parent children of this one instead of init's, so that
/// they stay in reach. Call it once at start, with [`reap_orphans`] running ever after.
pub fn become_subreaper() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Lets this process have `wanted` descriptors, or as many as the system grants; a limit that is
/// higher already stays. Processes that are started later inherit the limit.
pub fn allow_descriptors(wanted: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let granted = limit.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    if limit.current.is_none_or(|current| current >= granted) {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(granted), maximum: limit.maximum })?;
    Ok(())
}

/// Takes the exit of adopted processes, for as long as it is polled: without it each would stay a
/// zombie. Children made by [`spawn`] are left to their owner.
pub async fn reap_orphans() -> io::Result<()> {
    /// Bursts of exits are taken together: the process table is read once for all.
    const PAUSE: Duration = Duration::from_millis(500);
    let mut ended = signal(SignalKind::child())?;
    loop {
        tree::reap_orphans_once();
        if ended.recv().await.is_none() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Must come before [`switch_user`]: another user may not write there.
fn join_groups(command: &mut Command, groups: Vec<OwnedFd>) {
    // SAFETY: between fork and exec only async-signal-safe functions may run: write is a thin
    // system call on descriptors opened before, and an errno becomes an io::Error without
    // allocation.
    unsafe {
        command.pre_exec(move || {
            for group in &groups {
                rustix::io::write(group, b"0")?;
            }
            Ok(())
        });
    }
}

fn switch_user(command: &mut Command, user: &RunAs) {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    // SAFETY: between fork and exec only async-signal-safe functions may run: setgroups, setgid
    // and setuid are thin system calls, everything they need was allocated before the fork, and
    // the conversion of an errno into an io::Error does not allocate.
    unsafe {
        command.pre_exec(move || {
            nix::unistd::setgroups(&groups)?;
            nix::unistd::setgid(gid)?;
            nix::unistd::setuid(uid)?;
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests;
