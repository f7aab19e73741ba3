//! Control groups: what a set of processes may use together, and stopping them for a while.
//!
//! A small writer of the kernel's files, because a crate for it would bring a daemon's client. Both
//! versions are covered: v1 has a hierarchy for each controller, v2 one for all. Nothing here waits
//! for anything but the kernel.
//!
//! Source of the paths and values: recipes-and-deployments A7.8.

mod mounts;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use mounts::Mounts;

/// The length in microseconds of the time slices that processors are shared out in, where the
/// kernel does not say (v2).
const PERIOD_US: u64 = 100_000;

/// The control groups of this machine.
#[derive(Debug, Clone)]
pub struct Cgroups {
    mounts: Mounts,
}

/// What processes of a group may use together; `None` is without limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Processors, for example 0.5.
    pub cpus: Option<f64>,
}

/// Which controllers a group needs. With v2 one folder has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Memory and processors.
    Limits,
    /// Stopping processes and letting them go on.
    Freezing,
}

/// Why a control group cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UseCgroup {
    /// The kernel or the container has none.
    #[error("this machine has no control groups for {0}: mount /sys/fs/cgroup")]
    NotMounted(&'static str),
    /// One of its files could not be written or read.
    #[error(
        "could not {action} {}: control groups need root and a writable /sys/fs/cgroup",
        path.display()
    )]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A group of this name already has processes, of another runtime on this machine.
    #[error("the control group {} holds processes of somebody else", path.display())]
    Occupied {
        /// Its folder.
        path: PathBuf,
    },
}

/// The folders of one group: one for v2, one for each controller for v1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    folders: Vec<(Controller, PathBuf)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Controller {
    Memory,
    Cpu,
    Freezer,
    /// The one folder of v2.
    Unified,
}

impl Cgroups {
    /// Looks for what is mounted; nothing found is no error until a group is wanted.
    pub fn detect() -> Self {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self { mounts: Mounts::parse(&table) }
    }

    /// Makes the group `parent/name` for `purpose`, without limits and not frozen. One that is left
    /// over and has no processes is taken.
    pub fn create(&self, parent: &str, name: &str, purpose: Purpose) -> Result<Group, UseCgroup> {
        let group = self.group(parent, name, purpose)?;
        for (controller, folder) in &group.folders {
            if *controller == Controller::Unified {
                delegate(folder)?;
            }
            std::fs::create_dir_all(folder).map_err(failed("create", folder))?;
        }
        if let Some(path) = group.occupied()? {
            return Err(UseCgroup::Occupied { path });
        }
        Ok(group)
    }

    /// Whether groups for `purpose` can be made here; makes none.
    pub fn check(&self, purpose: Purpose) -> Result<(), UseCgroup> {
        for (_, mount) in self.group("", "", purpose)?.folders {
            rustix::fs::access(&mount, rustix::fs::Access::WRITE_OK)
                .map_err(|error| failed("write to", &mount)(error.into()))?;
        }
        Ok(())
    }

    fn group(&self, parent: &str, name: &str, purpose: Purpose) -> Result<Group, UseCgroup> {
        let below = |mount: &PathBuf| mount.join(parent).join(name);
        let v1 = match purpose {
            Purpose::Limits => {
                [(Controller::Memory, &self.mounts.memory), (Controller::Cpu, &self.mounts.cpu)]
                    .into_iter()
                    .filter_map(|(controller, mount)| Some((controller, below(mount.as_ref()?))))
                    .collect::<Vec<_>>()
            }
            Purpose::Freezing => {
                let mount = self.mounts.freezer.as_ref();
                mount.map(|mount| (Controller::Freezer, below(mount))).into_iter().collect()
            }
        };
        if !v1.is_empty() {
            return Ok(Group { folders: v1 });
        }
        let Some(unified) = &self.mounts.unified else {
            return Err(UseCgroup::NotMounted(match purpose {
                Purpose::Limits => "limits of memory and processors",
                Purpose::Freezing => "pausing processes",
            }));
        };
        let folders = vec![(Controller::Unified, below(unified))];
        Ok(Group { folders })
    }

    /// Lets a process go on whose group below `parent` is frozen: a frozen one ends for no signal.
    pub fn release(&self, parent: &str, pid: u32) {
        let table = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        for line in table.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            if !path.starts_with(&format!("/{parent}/")) {
                continue;
            }
            let (mount, controller) = match controllers {
                "" => (&self.mounts.unified, Controller::Unified),
                "freezer" => (&self.mounts.freezer, Controller::Freezer),
                _ => continue,
            };
            if let Some(mount) = mount {
                let folder = mount.join(path.trim_start_matches('/'));
                let group = Group { folders: vec![(controller, folder)] };
                // A group that cannot be written to was not frozen by this runtime.
                let _ = group.thaw();
            }
        }
    }
}

impl Group {
    /// Whether the group has what `purpose` needs.
    pub fn serves(&self, purpose: Purpose) -> bool {
        let serves = |controller| match controller {
            Controller::Unified => true,
            Controller::Freezer => purpose == Purpose::Freezing,
            Controller::Memory | Controller::Cpu => purpose == Purpose::Limits,
        };
        self.folders.iter().any(|(controller, _)| serves(*controller))
    }

    /// Sets the limits, of the processes that run too.
    pub fn limit(&self, limits: Limits) -> Result<(), UseCgroup> {
        for (controller, folder) in &self.folders {
            match controller {
                Controller::Memory => {
                    let value = limits.memory_bytes.map_or("-1".to_owned(), |b| b.to_string());
                    write(folder, "memory.limit_in_bytes", &value)?;
                }
                Controller::Cpu => {
                    let period = read_number(folder, "cpu.cfs_period_us").unwrap_or(PERIOD_US);
                    let value = limits.cpus.map_or("-1".to_owned(), |cpus| quota(cpus, period));
                    write(folder, "cpu.cfs_quota_us", &value)?;
                }
                Controller::Unified => {
                    let memory = limits.memory_bytes.map_or("max".to_owned(), |b| b.to_string());
                    let cpu = limits.cpus.map_or("max".to_owned(), |cpus| quota(cpus, PERIOD_US));
                    // Without its controller a file is absent, which matters only to a limit.
                    if limits.memory_bytes.is_some() || folder.join("memory.max").exists() {
                        write(folder, "memory.max", &memory)?;
                    }
                    if limits.cpus.is_some() || folder.join("cpu.max").exists() {
                        write(folder, "cpu.max", &format!("{cpu} {PERIOD_US}"))?;
                    }
                }
                Controller::Freezer => {}
            }
        }
        Ok(())
    }

    /// Files that a process joins the group by, with the text `0` that it writes itself.
    pub fn entrances(&self) -> Result<Vec<OwnedFd>, UseCgroup> {
        let open = |(_, folder): &(Controller, PathBuf)| {
            let path = folder.join("cgroup.procs");
            let file = OpenOptions::new().write(true).open(&path);
            file.map(OwnedFd::from).map_err(failed("open", &path))
        };
        self.folders.iter().map(open).collect()
    }

    /// Puts a running process into the group. One that has ended needs none.
    pub fn add(&self, pid: u32) -> Result<(), UseCgroup> {
        for (_, folder) in &self.folders {
            match write(folder, "cgroup.procs", &pid.to_string()) {
                Err(UseCgroup::File { source, .. })
                    if source.raw_os_error() == Some(nix::errno::Errno::ESRCH as i32) => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// Puts all processes that `members` tells into the group, again and again until it tells no
    /// new one: what a process in the group starts is in the group already.
    pub fn add_all(&self, members: impl Fn() -> Vec<u32>) -> Result<(), UseCgroup> {
        /// Only processes that are started faster than moved could need more rounds.
        const ROUNDS: usize = 64;
        for _ in 0..ROUNDS {
            let inside = self.processes()?;
            let outside: Vec<u32> =
                members().into_iter().filter(|pid| !inside.contains(pid)).collect();
            if outside.is_empty() {
                break;
            }
            for pid in outside {
                self.add(pid)?;
            }
        }
        Ok(())
    }

    /// Begins to stop all processes of the group where they are; [`Self::is_frozen`] says when they
    /// have stopped.
    pub fn freeze(&self) -> Result<(), UseCgroup> {
        self.set_frozen(true)
    }

    /// Lets all processes of the group go on.
    pub fn thaw(&self) -> Result<(), UseCgroup> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, frozen: bool) -> Result<(), UseCgroup> {
        for (controller, folder) in &self.folders {
            match controller {
                Controller::Freezer => {
                    write(folder, "freezer.state", if frozen { "FROZEN" } else { "THAWED" })?;
                }
                Controller::Unified => {
                    write(folder, "cgroup.freeze", if frozen { "1" } else { "0" })?;
                }
                Controller::Memory | Controller::Cpu => {}
            }
        }
        Ok(())
    }

    /// Whether all its processes stand still.
    pub fn is_frozen(&self) -> bool {
        self.folders.iter().any(|(controller, folder)| match controller {
            Controller::Freezer => {
                read(folder, "freezer.state").is_some_and(|state| state.trim() == "FROZEN")
            }
            Controller::Unified => read(folder, "cgroup.events")
                .is_some_and(|events| events.lines().any(|line| line == "frozen 1")),
            Controller::Memory | Controller::Cpu => false,
        })
    }

    /// Kills all processes of the group at once where the kernel can (v2, Linux 5.14); others must
    /// be killed one by one.
    pub fn kill(&self) {
        for (controller, folder) in &self.folders {
            if *controller == Controller::Unified {
                // An older kernel has no such file.
                let _ = write(folder, "cgroup.kill", "1");
            }
        }
    }

    /// Removes the group; its processes must have ended.
    pub fn remove(&self) -> Result<(), UseCgroup> {
        for (_, folder) in &self.folders {
            match std::fs::remove_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove", folder)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The processes that are in every folder of the group.
    fn processes(&self) -> Result<Vec<u32>, UseCgroup> {
        let mut common: Option<Vec<u32>> = None;
        for (_, folder) in &self.folders {
            let found = processes_in(folder)?;
            common = Some(match common {
                Some(common) => common.into_iter().filter(|pid| found.contains(pid)).collect(),
                None => found,
            });
        }
        Ok(common.unwrap_or_default())
    }

    fn occupied(&self) -> Result<Option<PathBuf>, UseCgroup> {
        for (_, folder) in &self.folders {
            if !processes_in(folder)?.is_empty() {
                return Ok(Some(folder.clone()));
            }
        }
        Ok(None)
    }
}

/// Hands the controllers down to the group at `folder`. Where one is missing, setting its limit
/// says so.
fn delegate(folder: &Path) -> Result<(), UseCgroup> {
    let Some(parent) = folder.parent() else { return Ok(()) };
    std::fs::create_dir_all(parent).map_err(failed("create", parent))?;
    for above in parent.parent().into_iter().chain([parent]) {
        for controller in ["+cpu", "+io", "+memory", "+pids"] {
            let _ = write(above, "cgroup.subtree_control", controller);
        }
    }
    Ok(())
}

/// Microseconds of processor time in each period.
fn quota(cpus: f64, period_us: u64) -> String {
    // A period is far below 2^52, and the product saturates.
    let quota = (period_us as f64 * cpus) as u64;
    quota.max(1).to_string()
}

fn processes_in(folder: &Path) -> Result<Vec<u32>, UseCgroup> {
    let path = folder.join("cgroup.procs");
    let text = std::fs::read_to_string(&path).map_err(failed("read", &path))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

fn read(folder: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(folder.join(file)).ok()
}

fn read_number(folder: &Path, file: &str) -> Option<u64> {
    read(folder, file)?.trim().parse().ok()
}

fn write(folder: &Path, file: &str, value: &str) -> Result<(), UseCgroup> {
    let path = folder.join(file);
    let mut opened =
        OpenOptions::new().write(true).truncate(true).open(&path).map_err(failed("open", &path))?;
    opened.write_all(value.as_bytes()).map_err(failed("write to", &path))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UseCgroup {
    let path = path.to_owned();
    move |source| UseCgroup::File { action, path, source }
}

#[cfg(test)]
mod tests;
